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
    segments_are_freed_strictly_oldest_first
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
    assert!(spool.used_bytes() <= 8192);
    // 16 + 100 + 12 bytes of padding: (4096 - 64) / 128 = 31 in each of two segments
    assert_eq!(accepted, 62);
    assert_eq!(spool.pending(), 62);
    let all = drain(&mut reader);
    assert_eq!(all.len(), 62);
    for (at, _, _) in &all[1..31] {
        reader.complete(*at);
    }
    assert_eq!(spool.append(0, &[&[7; 100]]), Err(Refused::Full));
    assert_eq!(reader.freed_through(), 0);
    reader.complete(all[0].0);
    assert_eq!(reader.freed_through(), 1);
    let appended = spool.append(0, &[&[8; 100]]).unwrap();
    assert_eq!((appended.segment, appended.rolled), (3, true));
    assert_eq!(drain(&mut reader).len(), 1);
    assert_eq!(spool.pending(), 32);
}

fn segments_are_freed_strictly_oldest_first(home: &Home) {
    let Opened { spool, mut reader, .. } = home.open(4096, 5 * 4096);
    while spool.append(0, &[&[1; 1000]]).is_ok() {}
    let all = drain(&mut reader);
    for (at, _, _) in all.iter().filter(|(at, ..)| at.segment() > 1) {
        reader.complete(*at);
    }
    assert_eq!(reader.freed_through(), 0);
    assert!(spool.used_bytes() > 15_000);
    for (at, _, _) in all.iter().filter(|(at, ..)| at.segment() == 1) {
        reader.complete(*at);
    }
    assert_eq!(reader.freed_through(), 5, "the last was sealed by the append that was refused");
    assert_eq!(spool.used_bytes(), 0);
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
    let Err(Refused::TooLarge { limit }) = spool.append(0, &[&[0; 5000]]) else { panic!("taken") };
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
    for (with_length, backend) in [true, false].into_iter().zip([Backend::Memory, Backend::Mapped]) {
        let home = Home::new(backend);
        let Opened { spool, mut reader, .. } = open(home.options(4096, 8192).stall(Duration::from_millis(5)));
        spool.append(0, &[b"first"]).unwrap();
        let finish = spool.log.segment(0).begin(spool.log.store().salt(), 4, with_length);
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
    // Its producer is gone for good.
    let _ = spool.log.segment(0).begin(spool.log.store().salt(), 4, true);
    let mut appended = 0;
    while spool.append(0, &[&[1; 500]]).is_ok() {
        appended += 1;
    }
    let mut found = 0;
    while reader.freed_through() < 3 {
        if let Some(record) = reader.next() {
            let at = record.at;
            reader.complete(at);
            found += 1;
        }
    }
    assert_eq!((found, reader.lost(), spool.pending()), (appended, 1, 0));
    // Its segment is not used again: whoever made the claim may still write there.
    let mut again = 0;
    while spool.append(0, &[&[2; 500]]).is_ok() {
        again += 1;
    }
    assert_eq!(again, appended / 4 * 3);
}
