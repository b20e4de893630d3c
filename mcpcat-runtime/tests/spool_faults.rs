//! The spool under processes that really die: killed at random, aborted, forked, out of disk.
//!
//! Children are this test binary, run with `child` as the only test and a role in the environment. A child
//! acknowledges each append on a socket right after it returned; what was acknowledged must be found.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(unsafe_code, reason = "fork has no safe form")]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcpcat_runtime::internals::spool::{
    Backend, Manifest, Opened, Options, Refused, Spool, fork_generation, open,
};

const ROLE: &str = "SPOOL_TEST_ROLE";
const DIR: &str = "SPOOL_TEST_DIR";
const BACKEND: &str = "SPOOL_TEST_BACKEND";

fn options(dir: &Path, backend: Backend) -> Options {
    Options::new(Manifest::new("faults", "proj", "http://x")).backend(backend).state_dir(dir)
}

fn quiet(options: Options) -> Opened {
    let wanted = options.backend;
    let opened = open(options);
    assert_eq!(opened.backend, wanted, "{:?}", opened.warnings);
    opened
}

/// A payload that shows any mix-up: its number, and bytes made from it.
fn payload(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend((0..len).map(|index| (number as usize * 31 + index) as u8));
    bytes
}

fn number(kind: u8, bytes: &[u8]) -> u64 {
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, payload(number, bytes.len() - 8));
    assert_eq!(kind, number as u8);
    number
}

fn append(spool: &Spool, number: u64, len: usize) -> Result<(), Refused> {
    spool.append(number as u8, &[&payload(number, len)]).map(|_| ())
}

/// Numbers for random moments; seeded from the clock, and the seed is printed when a test fails.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let seed = now.as_nanos() as u64 | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A running child and the socket on which it acknowledges.
struct Started {
    child: Child,
    acks: UnixStream,
}

fn command(role: &str, dir: &Path, backend: Backend) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(DIR, dir)
        .env(BACKEND, if backend == Backend::Mapped { "mapped" } else { "written" })
        .stdout(Stdio::null());
    command
}

fn start(role: &str, dir: &Path, backend: Backend) -> Started {
    spawn(command(role, dir, backend))
}

/// Spawns a child whose standard input is the other end of the socket.
fn spawn(mut command: Command) -> Started {
    let (acks, theirs) = UnixStream::pair().unwrap();
    let child = command.stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
    Started { child, acks }
}

impl Started {
    fn next(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        self.acks.read_exact(&mut bytes).ok().map(|()| u64::from_le_bytes(bytes))
    }

    /// Everything acknowledged until the child has ended.
    fn rest(mut self) -> (Vec<u64>, ExitStatus) {
        let acks = std::iter::from_fn(|| self.next()).collect();
        (acks, self.child.wait().unwrap())
    }

    /// Kills the child after `count` acknowledgements and some more microseconds.
    fn kill_after(mut self, count: u64, micros: u64) -> Vec<u64> {
        let mut acks: Vec<u64> = (0..count).map_while(|_| self.next()).collect();
        assert_eq!(acks.len() as u64, count, "the child ended by itself: {:?}", self.child.wait());
        let until = Instant::now() + Duration::from_micros(micros);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        self.child.kill().unwrap();
        let (rest, status) = self.rest();
        assert_eq!(status.signal(), Some(9));
        acks.extend(rest);
        acks
    }
}

/// What a later start finds.
#[derive(Default)]
struct Found {
    times: BTreeMap<u64, u32>,
    torn: u64,
    damaged: u64,
    runs: u32,
}

fn adopt_all(dir: &Path, backend: Backend) -> Found {
    let mut found = Found::default();
    let mut opened = quiet(options(dir, backend));
    for mut orphan in opened.adopter.by_ref() {
        for record in orphan.records() {
            *found.times.entry(number(record.kind, &record.bytes)).or_default() += 1;
        }
        found.torn += orphan.torn();
        found.damaged += orphan.damaged();
        found.runs += 1;
        orphan.remove();
    }
    drop(opened);
    let left = std::fs::read_dir(dir.join("mcpcat/runs")).unwrap().count();
    assert_eq!(left, 0, "a run was left behind");
    found
}

fn assert_all_found(acks: &[u64], found: &Found) {
    assert!(acks.iter().all(|ack| found.times.contains_key(ack)), "an acknowledged record was lost");
    assert!(found.times.values().all(|times| *times == 1), "a record was found twice");
}

// ---- the children

#[test]
fn child() {
    // Without a role this is not a child: the other tests start it.
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = PathBuf::from(std::env::var_os(DIR).unwrap());
    let acks = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let backend = match std::env::var(BACKEND).unwrap().as_str() {
        "mapped" => Backend::Mapped,
        _ => Backend::Written,
    };
    let (name, argument) = role.split_once(' ').unwrap_or((&role, ""));
    match name {
        "burst" => burst(&dir, backend, &acks, argument.parse().unwrap()),
        "large" => large(&dir, backend, &acks),
        "end" => end(&dir, backend, &acks, argument),
        "adopt" => adopt(&dir, backend, &acks),
        "crowd" => crowd(&dir, backend, &acks, argument.parse().unwrap()),
        "fork" => fork(&dir, backend, &acks),
        "full" => full_disk(&dir, &acks),
        "overlay" => overlay(&dir, &acks),
        other => panic!("no role {other}"),
    }
}

fn ack(mut acks: &UnixStream, number: u64) {
    acks.write_all(&number.to_le_bytes()).unwrap();
}

/// Appends for ever from several threads, small segments, so that kills also hit their change.
fn burst(dir: &Path, backend: Backend, acks: &UnixStream, threads: u64) {
    let Opened { spool, mut reader, .. } =
        quiet(options(dir, backend).segment_bytes(64 << 10).cap_bytes(256 << 20));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let spool = &spool;
            scope.spawn(move || {
                for n in 0.. {
                    let number = n * threads + thread;
                    append(spool, number, (number % 500) as usize).unwrap();
                    ack(acks, number);
                }
            });
        }
        loop {
            reader.prepare();
            std::thread::yield_now();
        }
    });
}

/// Appends records so large that most kills hit the copy.
fn large(dir: &Path, backend: Backend, acks: &UnixStream) {
    let Opened { spool, mut reader, .. } = quiet(options(dir, backend).cap_bytes(32 << 20));
    let bytes = payload(0, 3 << 20);
    loop {
        match spool.append(0, &[&bytes]) {
            Ok(_) => ack(acks, 0),
            Err(Refused::Full) => {
                while let Some(record) = reader.next() {
                    let at = record.at;
                    reader.complete(at);
                }
            }
            Err(refused) => panic!("{refused}"),
        }
    }
}

/// Appends 2,000 records and ends in the given way without a word to the spool.
fn end(dir: &Path, backend: Backend, acks: &UnixStream, way: &str) {
    let opened = quiet(options(dir, backend));
    for number in 0..2000 {
        append(&opened.spool, number, 100).unwrap();
        ack(acks, number);
    }
    match way {
        "exit" => std::process::exit(0),
        "abort" => std::process::abort(),
        "panic" => panic!("as asked"),
        "term" => {
            let me = std::process::id() as libc::pid_t;
            // SAFETY: a signal to this process.
            unsafe { libc::kill(me, libc::SIGTERM) };
            loop {
                std::thread::park();
            }
        }
        "return" => {}
        other => panic!("no way {other}"),
    }
}

/// Adopts, delivers by acknowledging, completes.
fn adopt(dir: &Path, backend: Backend, acks: &UnixStream) {
    let mut opened = quiet(options(dir, backend));
    for mut orphan in opened.adopter.by_ref() {
        while let Some(record) = orphan.next() {
            ack(acks, number(record.kind, &record.bytes));
            orphan.complete(record.at);
        }
        orphan.remove();
    }
}

const PUBLISHED: u64 = 1 << 63;

/// One of several on a home: appends, delivers its own and what it adopts, all on the socket.
fn crowd(dir: &Path, backend: Backend, acks: &UnixStream, base: u64) {
    let mut opened = quiet(options(dir, backend).segment_bytes(64 << 10).cap_bytes(4 << 20));
    let spool = Arc::clone(&opened.spool);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in base.. {
                match append(&spool, n, (n % 300) as usize) {
                    Ok(()) => ack(acks, n | PUBLISHED),
                    Err(Refused::Full) => std::thread::yield_now(),
                    Err(refused) => panic!("{refused}"),
                }
            }
        });
        loop {
            for mut orphan in opened.adopter.by_ref() {
                while let Some(record) = orphan.next() {
                    ack(acks, number(record.kind, &record.bytes));
                    orphan.complete(record.at);
                }
                assert_eq!(orphan.damaged(), 0);
                orphan.remove();
            }
            for _ in 0..500 {
                let Some(record) = opened.reader.next() else { break };
                let (at, n) = (record.at, number(record.kind, record.bytes));
                ack(acks, n);
                opened.reader.complete(at);
            }
            opened.reader.prepare();
        }
    });
}

fn fork(dir: &Path, backend: Backend, acks: &UnixStream) {
    let mut opened = quiet(options(dir, backend));
    for number in 0..10 {
        append(&opened.spool, number, 50).unwrap();
    }
    assert_eq!(fork_generation(), 0);
    // SAFETY: the child uses what the C library prepares for it at a fork, and ends with `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assert_eq!(fork_generation(), 1);
            assert_eq!(append(&opened.spool, 77, 50), Err(Refused::Forked));
            assert_eq!(append(&opened.spool, 78, 50), Err(Refused::Forked));
            assert!(opened.reader.next().is_none(), "it is the parent's");
            let mut own = quiet(options(dir, backend));
            assert!(own.adopter.next().is_none(), "the parent lives");
            for number in 100..105 {
                append(&own.spool, number, 50).unwrap();
            }
            // The parent's handle ends here too, and must leave the parent's run alone.
            ack(acks, 1000);
            // Until the test closes the other end of standard output.
            let mut until = UnixStream::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
            let _ = until.read(&mut [0]);
            std::mem::forget(own);
        }));
        // SAFETY: ends the process.
        unsafe { libc::_exit(i32::from(outcome.is_err())) };
    }
    for number in 10..15 {
        append(&opened.spool, number, 50).unwrap();
    }
    ack(acks, child as u64);
    let mut wait = [0];
    let mut from = acks;
    from.read_exact(&mut wait).unwrap();
    std::process::abort();
}

/// On a tmpfs of 2 MiB, and on one that is read-only.
fn full_disk(dir: &Path, acks: &UnixStream) {
    for backend in [Backend::Mapped, Backend::Written] {
        let Opened { spool, mut reader, .. } = quiet(options(dir, backend).segment_bytes(256 << 10));
        let mut appended = 0;
        let refused = loop {
            match append(&spool, appended, 1000) {
                Ok(()) => appended += 1,
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, Refused::Full);
        assert!(appended > 1000, "{appended}");
        for expected in 0..appended {
            let record = reader.next().unwrap();
            assert_eq!(number(record.kind, record.bytes), expected);
            let at = record.at;
            reader.complete(at);
        }
        reader.prepare();
        append(&spool, appended, 1000).unwrap();

        // Whoever else fills the disk: what is reserved can still be written.
        let filler = dir.join("filler");
        let filled = std::fs::write(&filler, vec![1; 4 << 20]);
        assert!(filled.is_err());
        while append(&spool, 0, 1000).is_ok() {}
        while let Some(record) = reader.next() {
            let at = record.at;
            reader.complete(at);
        }
        // No room even for the first segment: memory, with a warning.
        let rest = dir.join("rest");
        assert!(std::fs::write(&rest, vec![1; 4 << 20]).is_err());
        let none = open(options(dir, backend));
        assert_eq!((none.backend, none.warnings.len()), (Backend::Memory, 1));
        append(&none.spool, 1, 1000).unwrap();
        std::fs::remove_file(filler).unwrap();
        std::fs::remove_file(rest).unwrap();
    }
    assert_eq!(std::fs::read_dir(dir.join("mcpcat/runs")).unwrap().count(), 0);
    let status = Command::new("mount").args(["-o", "remount,ro"]).arg(dir).status().unwrap();
    assert!(status.success());
    let read_only = open(options(dir, Backend::Auto));
    assert_eq!((read_only.backend, read_only.warnings.len()), (Backend::Memory, 1));
    append(&read_only.spool, 1, 1000).unwrap();
    ack(acks, 4242);
}

/// On an overlay over a directory of the test: what is right for that directory is right for the overlay.
fn overlay(dir: &Path, acks: &UnixStream) {
    let below = open(options(&dir.join("upper-test"), Backend::Auto));
    let above = open(options(&dir.join("merged"), Backend::Auto));
    assert_eq!((above.backend, above.warnings.len()), (below.backend, 0));
    append(&above.spool, 1, 1000).unwrap();
    ack(acks, 4242);
}

// ---- the tests

#[test]
fn every_acknowledged_record_survives_a_kill_at_a_random_moment() {
    let mut random = Random::new();
    let mut total = 0;
    for round in 0..60 {
        let backend = if round % 3 == 2 { Backend::Written } else { Backend::Mapped };
        let dir = tempfile::tempdir().unwrap();
        let started = start(&format!("burst {}", 1 + round % 2), dir.path(), backend);
        let acks = started.kill_after(1 + random.below(5000), random.below(500));
        let found = adopt_all(dir.path(), backend);
        assert_all_found(&acks, &found);
        assert_eq!(found.runs, 1);
        assert_eq!(found.damaged, 0);
        total += acks.len();
    }
    eprintln!("{total} acknowledged records, all found");
    assert!(total > 10_000);
}

#[test]
fn kills_between_reservation_and_commit_are_counted_as_torn() {
    let mut random = Random::new();
    let (mut torn, mut rounds) = (0, 0);
    while torn == 0 {
        rounds += 1;
        assert!(rounds < 500, "only {torn} kills in 500 hit a copy");
        let dir = tempfile::tempdir().unwrap();
        let mut started = start("large", dir.path(), Backend::Mapped);
        // At any moment of an append, however long one takes here.
        let (mut last, mut append) = (Instant::now(), Duration::ZERO);
        for _ in 0..2 + random.below(4) {
            started.next().expect("it ended by itself");
            append = last.elapsed();
            last = Instant::now();
        }
        started.kill_after(0, random.below(append.as_micros() as u64 + 1));
        let mut opened = quiet(options(dir.path(), Backend::Mapped));
        let mut orphan = opened.adopter.next().unwrap();
        assert!(orphan.records().all(|record| number(record.kind, &record.bytes) == 0));
        assert_eq!(orphan.damaged(), 0);
        assert!(orphan.torn() <= 1, "one thread, one open claim");
        torn += orphan.torn();
        orphan.remove();
    }
    eprintln!("{torn} torn in {rounds} kills");
}

#[test]
fn every_way_to_end_keeps_what_was_appended() {
    for backend in [Backend::Mapped, Backend::Written] {
        for way in ["exit", "abort", "panic", "term", "return"] {
            let dir = tempfile::tempdir().unwrap();
            let (acks, status) = start(&format!("end {way}"), dir.path(), backend).rest();
            assert_eq!(acks.len(), 2000, "{way}: {status}");
            let found = adopt_all(dir.path(), backend);
            assert_all_found(&acks, &found);
            assert_eq!((found.times.len(), found.torn, found.damaged), (2000, 0, 0), "{way}");
        }
    }
}

#[test]
fn a_killed_adopter_loses_nothing_and_repeats_little() {
    let mut random = Random::new();
    for backend in [Backend::Mapped, Backend::Written] {
        let dir = tempfile::tempdir().unwrap();
        let (acks, _) = start("end exit", dir.path(), backend).rest();
        let mut delivered = Vec::new();
        let mut kills = 0;
        for _ in 0..10 {
            let mut adopter = start("adopt", dir.path(), backend);
            let count = 1 + random.below(150);
            delivered.extend((0..count).map_while(|_| adopter.next()));
            adopter.child.kill().unwrap();
            delivered.extend(adopter.rest().0);
            kills += 1;
        }
        delivered.extend(start("adopt", dir.path(), backend).rest().0);
        let distinct: HashSet<u64> = delivered.iter().copied().collect();
        assert!(acks.iter().all(|ack| distinct.contains(ack)));
        assert!(delivered.len() - distinct.len() <= kills, "at most one for each kill");
        assert_eq!(std::fs::read_dir(dir.path().join("mcpcat/runs")).unwrap().count(), 0);
    }
}

#[test]
fn eight_processes_on_one_home_with_random_kills_lose_nothing() {
    let mut random = Random::new();
    let seconds = std::env::var("SPOOL_TEST_SECONDS").map_or(10, |seconds| seconds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut lives = 0_u64;
    // Each child's socket is drained by a thread of its own, so that no child waits for the test.
    let mut launch = || {
        lives += 1;
        let backend = if lives.is_multiple_of(4) { Backend::Written } else { Backend::Mapped };
        let mut started = start(&format!("crowd {}", lives << 32), dir.path(), backend);
        let acks = started.acks.try_clone().unwrap();
        let drain = std::thread::spawn(move || {
            let mut all = Vec::new();
            (&acks).read_to_end(&mut all).unwrap();
            all.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect::<Vec<_>>()
        });
        started.acks.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(started.child.try_wait().unwrap().is_none());
        (started.child, drain)
    };
    let mut living: Vec<_> = (0..8).map(|_| launch()).collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut acks, mut kills) = (Vec::new(), 0);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20 + random.below(100)));
        let (mut child, drain) = living.swap_remove(random.below(8) as usize);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it crashed by itself");
        kills += 1;
        acks.extend(drain.join().unwrap());
        living.push(launch());
    }
    for (mut child, drain) in living {
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "it crashed by itself");
        acks.extend(drain.join().unwrap());
    }
    let published: BTreeSet<u64> =
        acks.iter().filter(|ack| *ack & PUBLISHED != 0).map(|ack| ack & !PUBLISHED).collect();
    let mut delivered: BTreeSet<u64> = acks.iter().copied().filter(|ack| ack & PUBLISHED == 0).collect();
    let rest = adopt_all(dir.path(), Backend::Mapped);
    assert_eq!(rest.damaged, 0);
    delivered.extend(rest.times.keys());
    let lost = published.difference(&delivered).count();
    eprintln!(
        "{kills} kills, {} published, {} left to the last adopter, {lost} lost",
        published.len(),
        rest.times.len()
    );
    assert_eq!(lost, 0);
    assert!(published.len() > 1000 && kills > 5);
}

#[test]
fn a_forked_child_opens_its_own_run_and_does_not_hold_its_parents() {
    for backend in [Backend::Mapped, Backend::Written] {
        let dir = tempfile::tempdir().unwrap();
        let (held, theirs) = UnixStream::pair().unwrap();
        let mut started = {
            let mut command = command("fork", dir.path(), backend);
            command.stdout(Stdio::from(OwnedFd::from(theirs)));
            spawn(command)
        };
        // Both have said that they are done with their appends, in either order.
        let both = [started.next().unwrap(), started.next().unwrap()];
        assert!(both.contains(&1000), "the forked child failed: {both:?}");
        started.acks.write_all(&[1]).unwrap();
        assert_eq!(started.child.wait().unwrap().signal(), Some(libc::SIGABRT));

        // The forked child lives, and its parent's run can be adopted all the same.
        let mut opened = quiet(options(dir.path(), backend));
        let mut orphan = opened.adopter.next().expect("the parent's run");
        let numbers: Vec<u64> = orphan.records().map(|record| number(record.kind, &record.bytes)).collect();
        assert_eq!(numbers, (0..15).collect::<Vec<_>>());
        orphan.remove();
        assert!(opened.adopter.next().is_none(), "the forked child's own run lives");
        drop(held);
        let mut end = Vec::new();
        started.acks.read_to_end(&mut end).unwrap();
        let own = loop {
            // The socket closes a moment before the lock does.
            if let Some(mut orphan) = opened.adopter.next() {
                let numbers = orphan.records().map(|record| number(record.kind, &record.bytes)).collect();
                orphan.remove();
                break numbers;
            }
            std::thread::yield_now();
        };
        let own: Vec<u64> = own;
        assert_eq!(own, (100..105).collect::<Vec<_>>());
    }
}

#[test]
fn a_stopped_process_keeps_its_run_and_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut started = start("burst 2", dir.path(), Backend::Mapped);
    let child = started.child.id() as libc::pid_t;
    let signal = |signal| {
        // SAFETY: a signal to the child, which is not reaped yet.
        assert_eq!(unsafe { libc::kill(child, signal) }, 0);
    };
    let mut acks: Vec<u64> = (0..100).map(|_| started.next().unwrap()).collect();
    signal(libc::SIGSTOP);
    let mut opened = quiet(options(dir.path(), Backend::Mapped));
    assert!(opened.adopter.next().is_none(), "stopped is not dead");
    signal(libc::SIGCONT);
    drop(opened);
    acks.extend(started.kill_after(2000, 0));
    assert_all_found(&acks, &adopt_all(dir.path(), Backend::Mapped));
}

#[test]
fn a_full_disk_and_a_read_only_one_end_in_a_refusal_or_in_memory_and_never_in_a_crash() {
    let mount = tempfile::tempdir().unwrap();
    in_namespace(
        "mount -t tmpfs -o size=2m,mode=700 tmpfs \"$SPOOL_TEST_DIR\"",
        command("full", mount.path(), Backend::Mapped),
    );
}

#[test]
fn an_overlay_is_trusted_as_far_as_what_it_lies_on() {
    let home = tempfile::tempdir().unwrap();
    for name in ["lower", "upper", "work", "merged", "upper-test"] {
        std::fs::create_dir(home.path().join(name)).unwrap();
    }
    in_namespace(
        "cd \"$SPOOL_TEST_DIR\" && mount -t overlay overlay \
             -o lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=$PWD/work merged",
        command("overlay", home.path(), Backend::Mapped),
    );
}

/// Runs a child where it may mount, after a shell line that does. The child says 4242 when all went well.
fn in_namespace(setup: &str, inner: Command) {
    const NOT_ALLOWED: i32 = 77;
    let mut outer = Command::new("unshare");
    outer
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(format!("({setup}) || exit {NOT_ALLOWED}; exec \"$@\""))
        .arg("sh")
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdout(Stdio::null());
    let (acks, status) = spawn(outer).rest();
    if acks.is_empty() && status.code().is_some_and(|code| code == NOT_ALLOWED || code == 1) {
        eprintln!("not tested: this system lets nobody mount");
        return;
    }
    assert_eq!((acks.as_slice(), status.success()), ([4242].as_slice(), true));
}

#[test]
fn without_a_home_events_are_kept_in_memory() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "homeless", "--nocapture"])
        .env_clear()
        .env(ROLE, "homeless")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn homeless() {
    if std::env::var(ROLE).as_deref() != Ok("homeless") {
        return;
    }
    let mut opened = open(Options::default());
    assert_eq!((opened.backend, opened.warnings.len()), (Backend::Memory, 1));
    append(&opened.spool, 1, 10).unwrap();
    assert!(opened.reader.next().is_some());
}
