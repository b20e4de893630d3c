//! What holds on every backend: order, bounds, freeing, threads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;

/// A state directory and a backend to open spools with.
struct Home {
    backend: Backend,
    dir: tempfile::TempDir,
}

impl Home {
    fn new(backend: Backend) -> Self {
        Self { backend, dir: tempfile::tempdir().unwrap() }
    }

    fn options(&self, segment: u64, cap: u64) -> Options {
        Options::new(Manifest::new("app", "proj", "http://x"))
            .backend(self.backend)
            .state_dir(self.dir.path())
            .segment_bytes(segment)
            .cap_bytes(cap)
    }

    fn open(&self, segment: u64, cap: u64) -> Opened {
        let opened = open(self.options(segment, cap));
        assert_eq!(opened.backend, self.backend);
        assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
        opened
    }
}

macro_rules! on_every_backend {
    ($($name:ident)*) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&super::Home::new(super::Backend::Memory)); })*
        }
        mod mapped {
            $(#[test] fn $name() { super::$name(&super::Home::new(super::Backend::Mapped)); })*
        }
        mod written {
            $(#[test] fn $name() { super::$name(&super::Home::new(super::Backend::Written)); })*
        }
    };
}

on_every_backend! {
    what_is_appended_is_read_in_order_with_its_kind
    an_empty_record_is_a_record
    a_full_spool_refuses_and_takes_again_when_the_oldest_segment_is_done
    a_segment_is_freed_when_its_records_are_complete_whatever_the_order
    little_in_each_of_many_segments_is_moved_together
    as_much_data_waits_as_may_and_not_a_byte_more
    completing_twice_or_something_unknown_changes_nothing
    a_record_above_the_limit_is_refused_and_one_at_the_limit_is_not
    a_closed_spool_refuses_but_can_be_drained
    drop_oldest_gives_up_what_was_not_handed_out
    several_producers_lose_and_duplicate_nothing_while_segments_are_reused
}

fn drain(reader: &mut Reader) -> Vec<(Position, u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(record) = reader.next() {
        all.push((record.at, record.kind, record.bytes.to_vec()));
    }
    all
}

fn what_is_appended_is_read_in_order_with_its_kind(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 1 << 20);
    for n in 0..500_u32 {
        let text = "x".repeat(n as usize % 97);
        let appended = spool.append(n as u8, &[&n.to_le_bytes(), text.as_bytes()]).unwrap();
        assert_eq!(appended.bytes, 16 + (4 + u64::from(n) % 97).next_multiple_of(16));
    }
    let all = drain(&mut reader);
    assert_eq!(all.len(), 500);
    assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0));
    for (n, (_, kind, bytes)) in all.iter().enumerate() {
        assert_eq!(*kind, n as u8);
        assert_eq!(bytes[..4], (n as u32).to_le_bytes());
        assert_eq!(bytes.len(), 4 + n % 97);
    }
}

fn an_empty_record_is_a_record(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 8192);
    spool.append(9, &[]).unwrap();
    let all = drain(&mut reader);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].1, all[0].2.len()), (9, 0));
}

fn a_full_spool_refuses_and_takes_again_when_the_oldest_segment_is_done(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 8192);
    let mut accepted = 0_u32;
    let refused = loop {
        match spool.append(0, &[&accepted.to_le_bytes(), &[7; 96]]) {
            Ok(_) => accepted += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, Refused::Full);
    assert!(spool.used_bytes() <= 8192 && spool.reserved_bytes() <= 8192);
    // 16 + 100 + 12 bytes of padding: (4096 - 64) / 128 = 31 in each of two segments
    assert_eq!(accepted, 62);
    assert_eq!(spool.pending(), 62);
    let all = drain(&mut reader);
    assert_eq!(all.len(), 62);
    assert_eq!(spool.append(0, &[&[7; 100]]), Err(Refused::Full));
    assert_eq!(reader.freed_through(), 0);
    for (at, _, _) in &all[..31] {
        reader.complete(*at);
    }
    assert_eq!(reader.freed_through(), 1);
    let appended = spool.append(0, &[&[8; 100]]).unwrap();
    assert_eq!((appended.segment, appended.rolled), (3, true));
    assert_eq!(drain(&mut reader).len(), 1);
    assert_eq!(spool.pending(), 32);
}

fn a_segment_is_freed_when_its_records_are_complete_whatever_the_order(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 5 * 4096);
    while spool.append(0, &[&[1; 1000]]).is_ok() {}
    let all = drain(&mut reader);
    for (at, _, _) in all.iter().filter(|(at, ..)| at.segment() > 1) {
        reader.complete(*at);
    }
    assert_eq!(reader.freed_through(), 0);
    let first = all.iter().filter(|(at, ..)| at.segment() == 1).count();
    assert_eq!(spool.used_bytes(), first as u64 * (16 + 1008));
    assert!(spool.append(0, &[&[1; 1000]]).is_ok(), "the others are free");
    let again = drain(&mut reader);
    for (at, ..) in all.iter().filter(|(at, ..)| at.segment() == 1).chain(&again) {
        reader.complete(*at);
    }
    assert_eq!(reader.freed_through(), 5);
    assert_eq!(spool.used_bytes(), 0);
}

fn little_in_each_of_many_segments_is_moved_together(home: &Home) {
    const CAP: u64 = 8 << 20;
    let Opened { spool, mut reader, .. } = home.open(1 << 20, CAP);
    let mut kept = Vec::new();
    let mut appended = 0_u64;
    // Of each segment one record stays; all of them together are a small part of what may wait.
    for _ in 0..40 {
        let segment = spool.segment();
        while spool.segment() == segment {
            spool.append(5, &[&appended.to_le_bytes(), &[3; 1016]]).unwrap();
            appended += 1;
            assert!(spool.reserved_bytes() <= CAP + (1 << 20), "{}", spool.reserved_bytes());
            assert!(spool.used_bytes() <= CAP);
        }
        let read = drain(&mut reader);
        for (index, (at, kind, bytes)) in read.into_iter().enumerate() {
            if index == 7 {
                kept.push((at, kind, bytes));
            } else {
                reader.complete(at);
            }
        }
        reader.prepare();
    }
    assert!(kept.len() >= 40);
    assert_eq!(spool.pending(), kept.len() as u64);
    for (at, ..) in kept {
        reader.complete(at);
        reader.complete(at);
    }
    assert_eq!((spool.pending(), spool.used_bytes()), (0, 0));
    assert_eq!(reader.lost(), 0);
}

fn as_much_data_waits_as_may_and_not_a_byte_more(home: &Home) {
    const CAP: u64 = 3 << 20;
    let Opened { spool, mut reader, .. } = home.open(1 << 20, CAP);
    let mut all = std::collections::VecDeque::new();
    for round in 0..5_u32 {
        let mut appended = 0;
        while spool.append(0, &[&round.to_le_bytes(), &[1; 1000]]).is_ok() {
            appended += 1;
            assert!(spool.used_bytes() <= CAP && spool.reserved_bytes() <= CAP + (1 << 20));
        }
        assert!(round > 0 || spool.used_bytes() > CAP * 9 / 10, "{}", spool.used_bytes());
        assert!(appended > 300, "{round}: {appended}");
        all.extend(drain(&mut reader).into_iter().map(|(at, ..)| at));
        for _ in 0..all.len() / 2 {
            reader.complete(all.pop_front().unwrap());
        }
        reader.prepare();
    }
}

fn completing_twice_or_something_unknown_changes_nothing(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 8192);
    spool.append(0, &[b"one"]).unwrap();
    spool.append(0, &[b"two"]).unwrap();
    let all = drain(&mut reader);
    reader.complete(all[0].0);
    reader.complete(all[0].0);
    reader.complete(Position { segment: 1, offset: 4000 });
    reader.complete(Position { segment: 77, offset: 64 });
    assert_eq!(spool.pending(), 1);
}

fn a_record_above_the_limit_is_refused_and_one_at_the_limit_is_not(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 8192);
    let Err(Refused::TooLarge { limit }) = spool.append(0, &[&[0; 9000]]) else { panic!("taken") };
    assert_eq!(limit, 4096 - 64 - 16);
    let payload = vec![5; limit as usize];
    spool.append(1, &[&payload]).unwrap();
    assert_eq!(spool.append(0, &[&payload, b"+"]), Err(Refused::TooLarge { limit }));
    assert_eq!(drain(&mut reader)[0].2, payload);
}

fn a_closed_spool_refuses_but_can_be_drained(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 8192);
    spool.append(0, &[b"before"]).unwrap();
    spool.close();
    assert_eq!(spool.append(0, &[b"after"]), Err(Refused::Closed));
    let all = drain(&mut reader);
    assert_eq!(all.len(), 1);
    reader.complete(all[0].0);
    assert_eq!(spool.pending(), 0);
}

fn drop_oldest_gives_up_what_was_not_handed_out(home: &Home) {
    let Opened { spool, mut reader, .. } = open(home.options(4096, 4 * 4096).overflow(Overflow::DropOldest));
    let mut appended = 0_u64;
    let first = {
        spool.append(0, &[&0_u64.to_le_bytes(), &[0; 500]]).unwrap();
        appended += 1;
        reader.next().unwrap().at
    };
    for n in 1..200_u64 {
        match spool.append(0, &[&n.to_le_bytes(), &[0; 500]]) {
            Ok(appended_here) => {
                appended += 1;
                if appended_here.rolled {
                    reader.prepare();
                }
            }
            Err(refused) => panic!("{n}: {refused}"),
        }
    }
    let evicted = reader.evicted();
    assert!(evicted > 100, "{evicted}");
    assert_eq!(reader.evicted(), 0);
    let rest = drain(&mut reader);
    assert_eq!(evicted + rest.len() as u64 + 1, appended, "the first was handed out, so it is neither");
    let numbers: Vec<u64> =
        rest.iter().map(|(_, _, bytes)| u64::from_le_bytes(bytes[..8].try_into().unwrap())).collect();
    assert_eq!(numbers, (evicted + 1..appended).collect::<Vec<_>>());
    reader.complete(first);
    assert_eq!(spool.pending(), rest.len() as u64);
}

#[test]
fn a_stalled_producer_holds_the_others_up_for_the_bound_only_and_is_read_late() {
    for backend in [Backend::Memory, Backend::Mapped] {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } = open(home.options(4096, 8192).stall(Duration::from_millis(5)));
        spool.append(0, &[b"first"]).unwrap();
        let finish = spool.log.segment(0).begin(spool.log.store().salt(), 4, true);
        spool.append(0, &[b"third"]).unwrap();
        assert_eq!(reader.next().unwrap().bytes, b"first");
        assert!(reader.next().is_none(), "the bound starts at the first look");
        let third = loop {
            match reader.next() {
                Some(record) => break (record.at, record.bytes.to_vec()),
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(third.1, b"third");
        assert!(reader.next().is_none());
        reader.complete(third.0);
        spool.close();
        assert_eq!(reader.freed_through(), 0, "an open claim keeps the segment");
        finish(3, b"late");
        let late = reader.next().expect("committed at last");
        assert_eq!((late.kind, late.bytes), (3, b"late".as_slice()));
        assert!(late.at < third.0);
    }
}

fn several_producers_lose_and_duplicate_nothing_while_segments_are_reused(home: &Home) {
    const PER_THREAD: u32 = 20_000;
    let Opened { spool, mut reader, .. } = home.open(16 << 10, 64 << 10);
    let mut threads = Vec::new();
    for thread in 0..4_u32 {
        let spool = Arc::clone(&spool);
        threads.push(std::thread::spawn(move || {
            for n in 0..PER_THREAD {
                let filler = [n as u8; 120];
                let pieces = [&thread.to_le_bytes()[..], &n.to_le_bytes(), &filler[..(n % 120) as usize]];
                while let Err(refused) = spool.append(thread as u8, &pieces) {
                    assert_eq!(refused, Refused::Full);
                    std::thread::yield_now();
                }
            }
        }));
    }
    let mut next: HashMap<u32, u32> = HashMap::new();
    let mut total = 0;
    while total < 4 * PER_THREAD {
        let Some(record) = reader.next() else {
            std::thread::yield_now();
            continue;
        };
        let thread = u32::from_le_bytes(record.bytes[..4].try_into().unwrap());
        let n = u32::from_le_bytes(record.bytes[4..8].try_into().unwrap());
        assert_eq!(record.kind, thread as u8);
        assert!(record.bytes[8..].iter().all(|byte| *byte == n as u8));
        assert_eq!(record.bytes.len(), 8 + (n % 120) as usize);
        let expected = next.entry(thread).or_default();
        assert_eq!(n, *expected, "thread {thread}");
        *expected += 1;
        total += 1;
        let at = record.at;
        reader.complete(at);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(reader.next().is_none());
    assert_eq!(spool.pending(), 0);
    assert!(reader.freed_through() > 100);
}

#[test]
fn a_claim_that_is_never_committed_does_not_hold_its_successors_for_ever() {
    let home = Home::new(Backend::Memory);
    let Opened { spool, mut reader, .. } =
        open(home.options(4096, 4 * 4096).stall(Duration::from_micros(20)));
    // Its producer may be gone for good.
    let finish = spool.log.segment(0).begin(spool.log.store().salt(), 4, true);
    let mut appended = 0;
    while spool.append(0, &[&[1; 500]]).is_ok() {
        appended += 1;
    }
    let mut found = 0;
    while found < appended {
        if let Some(record) = reader.next() {
            let at = record.at;
            reader.complete(at);
            found += 1;
        }
    }
    reader.prepare();
    assert_eq!((reader.lost(), spool.pending(), reader.freed_through()), (0, 1, 0));
    // Its segment is not used meanwhile, and the others are.
    let mut again = 0;
    while spool.append(0, &[&[2; 500]]).is_ok() {
        again += 1;
    }
    assert_eq!(again, appended / 4 * 3);
    finish(9, b"late");
    let late = loop {
        let record = reader.next().unwrap();
        if record.kind == 9 {
            break (record.at, record.bytes.to_vec());
        }
        let at = record.at;
        reader.complete(at);
    };
    assert_eq!(late.1, b"late");
    reader.complete(late.0);
}

#[test]
fn nothing_is_looked_at_behind_a_claim_without_a_length_and_the_others_go_on() {
    for backend in [Backend::Memory, Backend::Mapped] {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } =
            open(home.options(4096, 64 << 10).stall(Duration::from_millis(2)));
        spool.append(0, &[b"first"]).unwrap();
        let finish = spool.log.segment(0).begin(spool.log.store().salt(), 4, false);
        spool.append(0, &[b"behind"]).unwrap();
        assert_eq!(reader.next().unwrap().bytes, b"first");
        // Until the segment is given up for now.
        while spool.append(0, &[b"other"]).unwrap().segment == 1 {
            assert!(reader.next().is_none());
        }
        let other = loop {
            match reader.next() {
                Some(record) => break (record.at.segment(), record.bytes.to_vec()),
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(other, (2, b"other".to_vec()), "{backend:?}: those of the sealed segment wait");
        assert!(reader.next().is_none());
        finish(3, b"late");
        assert_eq!(reader.next().map(|record| record.bytes.to_vec()), Some(b"late".to_vec()));
        assert_eq!(reader.next().map(|record| record.bytes.to_vec()), Some(b"behind".to_vec()));
    }
}

/// What a later start would find if the process were killed now: a copy of the directory, adopted.
fn found_in_a_copy_of(dir: &std::path::Path) -> Vec<(u8, Vec<u8>)> {
    let copy = tempfile::tempdir().unwrap();
    let (from, to) = (dir.join("mcpcat/runs"), copy.path().join("mcpcat/runs"));
    for made in [copy.path().join("mcpcat"), to.clone()] {
        file::new_dir(&made).unwrap();
    }
    for run in std::fs::read_dir(from).unwrap() {
        let run = run.unwrap().path();
        let copied = to.join(run.file_name().unwrap());
        file::new_dir(&copied).unwrap();
        for file in std::fs::read_dir(run).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, copied.join(file.file_name().unwrap())).unwrap();
        }
    }
    let manifest = Manifest::new("app", "proj", "http://x");
    let mut later = open(Options::new(manifest).backend(Backend::Written).state_dir(copy.path()));
    let mut found = Vec::new();
    for mut orphan in later.adopter.by_ref() {
        found.extend(orphan.records().map(|record| (record.kind, record.bytes)));
        assert_eq!(orphan.damaged(), 0);
        orphan.remove();
    }
    found
}

#[test]
fn a_kill_at_any_step_of_a_move_loses_nothing_and_doubles_nothing() {
    for backend in [Backend::Mapped, Backend::Written] {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } = home.open(4096, 4 * 4096);
        while spool.append(0, &[&spool.pending().to_le_bytes(), &[7; 700]]).is_ok() {}
        let read = drain(&mut reader);
        let mut kept = Vec::new();
        for (index, (at, kind, bytes)) in read.into_iter().enumerate() {
            if index % 4 == 1 { kept.push((at, kind, bytes)) } else { reader.complete(at) }
        }
        let expected: Vec<(u8, Vec<u8>)> =
            kept.iter().map(|(_, kind, bytes)| (*kind, bytes.clone())).collect();
        let steps = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        reader.at_each_step = Some(moving::AtEachStep(Box::new({
            let (steps, dir) = (Arc::clone(&steps), home.dir.path().to_owned());
            move || {
                steps.fetch_add(1, Relaxed);
                let mut found = found_in_a_copy_of(&dir);
                found.sort_unstable();
                assert_eq!(found, expected);
            }
        })));
        assert!(reader.move_waiting(), "{backend:?}");
        assert!(steps.load(Relaxed) >= 3, "{backend:?}: {steps:?}");
        reader.at_each_step = None;
        for (at, ..) in kept {
            reader.complete(at);
        }
        assert_eq!(spool.pending(), 0);
    }
}

#[test]
fn a_record_that_needs_a_definition_never_stands_without_one() {
    for backend in [Backend::Mapped, Backend::Written, Backend::Memory] {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } = home.open(4096, 64 << 10);
        let mark = Mark::default();
        let mut made = 0_u32;
        for n in 0..100_u32 {
            let mut record = [&n.to_le_bytes()[..], &[9; 200]].concat();
            spool
                .append_defined(1, &mut record, &mark, fork_generation(), || {
                    made += 1;
                    (2, vec![8; 90])
                })
                .unwrap();
        }
        let mut defined = std::collections::BTreeSet::new();
        let mut events = 0;
        while let Some(record) = reader.next() {
            if record.kind == 2 {
                assert!(defined.insert(record.at.segment()), "once for each segment");
            } else {
                assert!(defined.contains(&record.at.segment()), "{backend:?}");
                events += 1;
            }
        }
        assert_eq!((events, defined.len() as u32), (100, made));
        assert!(made > 3);
    }
}

#[test]
fn a_larger_record_gets_a_segment_that_fits() {
    for backend in [Backend::Mapped, Backend::Written, Backend::Memory] {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } = home.open(1 << 20, 16 << 20);
        spool.append(1, &[b"small"]).unwrap();
        let large = vec![5; 5 << 20];
        spool.append(2, &[&large]).unwrap();
        spool.append(3, &[b"small again"]).unwrap();
        let all = drain(&mut reader);
        assert_eq!(
            all.iter().map(|(_, kind, bytes)| (*kind, bytes.len())).collect::<Vec<_>>(),
            [(1, 5), (2, 5 << 20), (3, 11)]
        );
        for (at, ..) in all {
            reader.complete(at);
        }
        assert_eq!(spool.used_bytes(), 0);
    }
}

#[test]
fn a_kill_at_any_step_of_an_append_leaves_no_record_without_its_definition() {
    const DEFINITION: u8 = 2;
    const EVENT: u8 = 1;
    let home = Home::new(Backend::Mapped);
    let Opened { spool, .. } = home.open(16 << 10, 1 << 20);
    let mark = Mark::default();
    let looks = std::cell::Cell::new((0, 0));
    // What a start would find after a kill at this step: each event behind a definition.
    let look = || {
        let found = found_in_a_copy_of(home.dir.path());
        let first = found.iter().position(|(kind, _)| *kind == EVENT);
        assert!(first.is_none_or(|at| found[..at].iter().any(|(kind, _)| *kind == DEFINITION)), "{found:?}");
        let events = found.iter().filter(|(kind, _)| *kind == EVENT).count();
        looks.set((looks.get().0 + 1, events));
    };
    let event = || vec![1; 32];
    let payload = |kind, padded| region::Payload { kind, padded, len: 32, moved: false };
    look();
    let seen = mark.load();
    let (definition, first) = ([8; 32], [1; 32]);
    let store = spool.log.store();
    // The first thread has claimed both, and committed the definition.
    let placed = store.append_pair(0, payload(DEFINITION, &definition), payload(EVENT, &first), |sequence| {
        look();
        // The second does not see the mark yet.
        spool
            .append_defined(EVENT, &mut event(), &mark, fork_generation(), || (DEFINITION, vec![8; 32]))
            .unwrap();
        look();
        assert!(!mark.set(seen, spool.generation, sequence), "the second was first");
        // Now it does.
        spool
            .append_defined(EVENT, &mut event(), &mark, fork_generation(), || unreachable!("defined"))
            .unwrap();
        look();
    });
    assert!(placed.unwrap().is_ok());
    look();
    assert_eq!(looks.get(), (5, 3));
    // A thread that is killed between claim and length, or between length and commit, hides nobody's event.
    for with_length in [false, true] {
        let _ = spool.log.segment(0).begin(spool.log.store().salt(), 32, with_length);
        look();
        spool
            .append_defined(EVENT, &mut event(), &mark, fork_generation(), || unreachable!("defined"))
            .unwrap();
        look();
    }
    assert_eq!(looks.get(), (9, 5));
}
