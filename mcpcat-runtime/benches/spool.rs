//! What an append costs at the call site: each event timed by itself, allocations of the calling thread counted,
//! beside a floor measured in the same run (a copy of the same bytes into a mapped file, with a reservation and a
//! commit word and nothing else).
//!
//! `cargo bench -p mcpcat-runtime --no-default-features --bench spool`. With `SPOOL_BENCH_INSTRUCTIONS=<events>`
//! it only appends that many events, for a tool that counts instructions.
#![allow(unsafe_code, clippy::print_stdout, clippy::unwrap_used, reason = "a bench, not a library")]
#![cfg_attr(not(unix), allow(unused))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mcpcat_runtime::internals::spool::{Backend, Manifest, Opened, Options, Reader, Refused, Spool, open};

/// Counts allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const HEADER: [u8; 48] = [3; 48];
const BODY: [u8; 202] = [b'x'; 202];
const EVENTS: usize = 200_000;

struct Times {
    each: Vec<u32>,
    allocations: u64,
    refused: u64,
}

/// Times `EVENTS` calls one by one. `wait` is called between them, outside of what is timed.
fn time(mut one: impl FnMut() -> bool, mut wait: impl FnMut(usize)) -> Times {
    let mut each = vec![0_u32; EVENTS];
    let (mut refused, mut allocations) = (0, 0);
    for (index, slot) in each.iter_mut().enumerate() {
        wait(index);
        let before = ALLOCATIONS.with(Cell::get);
        let start = Instant::now();
        let done = one();
        *slot = start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32;
        allocations += ALLOCATIONS.with(Cell::get) - before;
        refused += u64::from(!done);
    }
    Times { each, allocations, refused }
}

fn report(name: &str, threads: Vec<Times>, clock: u32) {
    let mut each: Vec<u32> = threads.iter().flat_map(|times| times.each.iter().copied()).collect();
    each.sort_unstable();
    let at = |share: f64| each[((each.len() - 1) as f64 * share) as usize].saturating_sub(clock);
    let mean = each.iter().map(|ns| u64::from(*ns)).sum::<u64>() / each.len() as u64;
    println!(
        "{name:<44} {:>6} {:>6} {:>7} {:>8} {:>6} {:>7} {:>8}",
        at(0.5),
        at(0.99),
        at(0.999),
        at(0.9999),
        mean.saturating_sub(u64::from(clock)),
        threads.iter().map(|times| times.allocations).sum::<u64>(),
        threads.iter().map(|times| times.refused).sum::<u64>(),
    );
}

fn append(spool: &Spool) -> bool {
    match spool.append(1, &[&HEADER, &BODY]) {
        Ok(_) => true,
        Err(Refused::Full) => false,
        Err(refused) => panic!("{refused}"),
    }
}

fn opened(dir: &Path, backend: Backend) -> Opened {
    let opened = open(Options::new(Manifest::new("bench", "p", "u")).backend(backend).state_dir(dir));
    assert_eq!(opened.backend, backend, "{:?}", opened.warnings);
    opened
}

/// The worker: takes what is there, completes it if asked to, prepares, rests for half a millisecond.
fn worker(mut reader: Reader, complete: bool, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        while let Some(record) = reader.next() {
            let at = record.at;
            if !complete {
                break;
            }
            reader.complete(at);
        }
        reader.prepare();
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn scenario(backend: Backend, threads: usize, complete: bool, clock: u32) {
    // Its own directory: what a scenario leaves counts towards the limit of all runs together.
    let dir = tempfile::tempdir().unwrap();
    let Opened { spool, reader, .. } = opened(dir.path(), backend);
    let stop = AtomicBool::new(false);
    let times = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || worker(reader, complete, stop));
        let producers: Vec<_> = (0..threads)
            .map(|_| {
                let spool = Arc::clone(&spool);
                scope.spawn(move || {
                    if complete {
                        // Until every segment in use has been used before.
                        while spool.segment() < 12 {
                            append(&spool);
                        }
                    }
                    let pace = |index: usize| {
                        while complete && index.is_multiple_of(500) && spool.used_bytes() > 6 << 20 {
                            std::thread::sleep(Duration::from_micros(200));
                        }
                    };
                    time(|| append(&spool), pace)
                })
            })
            .collect();
        let times = producers.into_iter().map(|producer| producer.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        times
    });
    let kind = if complete { "reused segments" } else { "growing backlog" };
    report(&format!("{backend:?}, {threads} thread(s), {kind}"), times, clock);
}

/// One event each millisecond: caches are cold and nothing is in a hurry.
fn seldom(dir: &Path, backend: Backend, clock: u32) {
    let Opened { spool, reader, .. } = opened(dir, backend);
    let stop = AtomicBool::new(false);
    let each = std::thread::scope(|scope| {
        let stop = &stop;
        scope.spawn(move || worker(reader, true, stop));
        let mut each = Vec::new();
        for _ in 0..2000 {
            std::thread::sleep(Duration::from_millis(1));
            let start = Instant::now();
            assert!(append(&spool));
            each.push(start.elapsed().as_nanos() as u32);
        }
        stop.store(true, Ordering::Relaxed);
        each
    });
    report(
        &format!("{backend:?}, one each millisecond"),
        vec![Times { each, allocations: 0, refused: 0 }],
        clock,
    );
}

/// The clock alone, after the same rest.
fn seldom_floor(clock: u32) {
    let each = (0..2000)
        .map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            Instant::now().elapsed().as_nanos() as u32
        })
        .collect();
    report("floor: the clock, one each millisecond", vec![Times { each, allocations: 0, refused: 0 }], clock);
}

/// The least that a durable append can be: reserve, copy, commit.
#[cfg(unix)]
fn floor(dir: &Path, clock: u32) {
    use std::os::fd::AsRawFd as _;
    const LEN: usize = 4 << 20;
    let file =
        std::fs::File::options().read(true).write(true).create_new(true).open(dir.join("floor")).unwrap();
    file.set_len(LEN as u64).unwrap();
    // SAFETY: a new shared mapping of a file that only this function uses.
    let base = unsafe {
        let flags = libc::PROT_READ | libc::PROT_WRITE;
        libc::mmap(std::ptr::null_mut(), LEN, flags, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    assert_ne!(base, libc::MAP_FAILED);
    // SAFETY: the mapping above, `LEN` bytes, aligned to a page; as atomics only, or by this one thread.
    let words = unsafe { std::slice::from_raw_parts(base.cast::<AtomicU64>(), LEN / 8) };
    words.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    let tail = AtomicU64::new(0);
    let times = time(
        || {
            let size = (16 + HEADER.len() + BODY.len()).next_multiple_of(8);
            let at = tail.fetch_add(size as u64, Ordering::AcqRel) as usize % (LEN - size) / 8 * 8;
            // SAFETY: in range by the modulo; this thread alone uses the mapping.
            unsafe {
                let to = base.cast::<u8>().add(at + 16);
                to.copy_from_nonoverlapping(HEADER.as_ptr(), HEADER.len());
                to.add(HEADER.len()).copy_from_nonoverlapping(BODY.as_ptr(), BODY.len());
            }
            words[at / 8].store(1, Ordering::Release);
            true
        },
        |_| {},
    );
    report("floor: reserve, copy, commit, mapped", vec![times], clock);
    // SAFETY: the mapping made above, not used any more.
    unsafe { libc::munmap(base, LEN) };
}

/// Opening, and what the worker pays for a record, in microseconds and nanoseconds.
fn start_and_worker(backend: Backend) {
    let dir = tempfile::tempdir().unwrap();
    let mut opens: Vec<u128> = (0..50)
        .map(|_| {
            let start = Instant::now();
            let opened = opened(dir.path(), backend);
            let took = start.elapsed().as_micros();
            drop(opened);
            took
        })
        .collect();
    opens.sort_unstable();
    let Opened { spool, mut reader, .. } = opened(dir.path(), backend);
    let appended = (0..100_000).filter(|_| append(&spool)).count();
    let start = Instant::now();
    while let Some(record) = reader.next() {
        let at = record.at;
        reader.complete(at);
    }
    let each = start.elapsed().as_nanos() / appended as u128;
    println!("{backend:?}: open {} us (p50 of 50), next + complete {each} ns each", opens[25]);
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    if let Ok(events) = std::env::var("SPOOL_BENCH_INSTRUCTIONS") {
        let spool = opened(dir.path(), Backend::Mapped).spool;
        for _ in 0..events.parse::<u64>().unwrap() {
            assert!(append(&spool));
        }
        return;
    }
    let mut clock = time(|| true, |_| {}).each;
    clock.sort_unstable();
    let clock = clock[clock.len() / 2];
    println!(
        "{EVENTS} events of {} bytes for each thread, ns; the clock's own {clock} ns are taken off\n",
        HEADER.len() + BODY.len()
    );
    println!(
        "{:<44} {:>6} {:>6} {:>7} {:>8} {:>6} {:>7} {:>8}",
        "", "p50", "p99", "p99.9", "p99.99", "mean", "allocs", "refused"
    );
    #[cfg(unix)]
    floor(dir.path(), clock);
    seldom_floor(clock);
    for backend in [Backend::Mapped, Backend::Memory, Backend::Written] {
        for threads in [1, 2] {
            scenario(backend, threads, true, clock);
            scenario(backend, threads, false, clock);
        }
        seldom(dir.path(), backend, clock);
    }
    println!();
    for backend in [Backend::Mapped, Backend::Memory, Backend::Written] {
        start_and_worker(backend);
    }
}
