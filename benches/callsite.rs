//! What an event costs the code that raises it, beside a floor in the same run: each event timed by itself,
//! allocations of the calling thread counted.
//!
//! `cargo bench --bench callsite` prints a table. Times are of a shared machine; read them as ratios to the
//! floor. Allocation counts do not depend on load.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mcpcat::policy::{KeyPolicy, Policy};
use mcpcat::{Backend, Client, CustomEvent, EventData, Fields, Session, emit};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the allocations of each thread.
struct Counting;

// SAFETY: everything is passed on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract that `System.alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from `System.alloc` with this layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const EVENTS: usize = 50_000;

struct Measured {
    median: u64,
    p99: u64,
    allocations: f64,
}

/// Times each call by itself; what reading the clock costs is measured too and taken off.
fn measure(events: usize, pause: Option<Duration>, mut call: impl FnMut(usize)) -> Measured {
    for n in 0..1_000 {
        call(n);
    }
    let mut times = Vec::with_capacity(events);
    let before = ALLOCATIONS.get();
    for n in 0..events {
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
        let start = Instant::now();
        call(n);
        times.push(start.elapsed().as_nanos() as u64);
    }
    let allocations = (ALLOCATIONS.get() - before) as f64 / events as f64;
    times.sort_unstable();
    Measured { median: times[events / 2], p99: times[events * 99 / 100], allocations }
}

#[derive(serde::Serialize)]
struct Parameters<'a> {
    plan: &'a str,
    seats: u32,
    price: f64,
    trial: bool,
}

#[mcpcat::event(name = "bench.call", params(plan, seats, price, trial))]
fn annotated(plan: &str, seats: u32, price: f64, trial: bool) -> u32 {
    black_box((plan, price, trial));
    seats
}

/// How often four parameters are written into one event: reading the clock would take longer than one time.
const ROUNDS: u64 = 16;

/// An event that times how its own parameters are written, as `emit!` has them written, and nothing else of it.
#[derive(Default)]
struct Serialised {
    nanos: Cell<u64>,
    allocations: Cell<u64>,
}

impl EventData for Serialised {
    fn record(&self, fields: &mut Fields) {
        mcpcat::__private_0_1_0::callsite! {
            "bench.serialised" "E\n\np\"plan\":\np\"seats\":\np\"price\":\np\"trial\":\n"
        }
        fields.name("bench.serialised");
        let parameters = (black_box("pro"), black_box(3_u32), black_box(49.9), black_box(true));
        let (plan, seats, price, trial) = &parameters;
        let (before, start) = (ALLOCATIONS.get(), Instant::now());
        for _ in 0..ROUNDS {
            fields.values(&__MCPCAT_CALLSITE, &[plan, seats, price, trial]);
        }
        let nanos = start.elapsed().as_nanos() as u64;
        self.nanos.set(nanos);
        self.allocations.set(self.allocations.get() + ALLOCATIONS.get() - before);
    }
}

/// The median of the time for four parameters, and allocations for each time.
fn serialised(session: &Session) -> Measured {
    let event = Serialised::default();
    let mut times = Vec::with_capacity(EVENTS);
    session.run(|| {
        emit!(&event);
        event.allocations.set(0);
        for _ in 0..EVENTS {
            emit!(&event);
            times.push(event.nanos.get() / ROUNDS);
        }
    });
    times.sort_unstable();
    let allocations = event.allocations.get() as f64 / (EVENTS as u64 * ROUNDS) as f64;
    Measured { median: times[EVENTS / 2], p99: times[EVENTS * 99 / 100], allocations }
}

fn client(backend: Backend) -> Client {
    judging(backend, KeyPolicy::new())
}

/// With this list of sensitive keys.
fn judging(backend: Backend, keys: KeyPolicy) -> Client {
    // Nobody listens: the backlog grows, and nothing but the call site is measured.
    Client::builder("proj_bench")
        .policy(Policy::new().keys(keys))
        .base_url("http://127.0.0.1:9")
        .backend(backend)
        .state_dir(tempfile::tempdir().expect("a temporary directory").keep())
        .drain(Duration::ZERO)
        .build()
        .expect("the settings are good")
}

fn in_session(
    session: &Session,
    events: usize,
    pause: Option<Duration>,
    call: impl FnMut(usize),
) -> Measured {
    session.run(|| measure(events, pause, call))
}

fn main() {
    let clock = measure(EVENTS, None, |_| {}).median;
    let row = |name: &str, measured: &Measured, floor: &Measured| {
        let median = measured.median.saturating_sub(clock);
        println!(
            "{name:<58} {median:>7} {:>8} {:>6.2} {:>7.2}x",
            measured.p99.saturating_sub(clock),
            measured.allocations,
            median as f64 / floor.median.saturating_sub(clock).max(1) as f64,
        );
    };
    println!("a clock read: {clock} ns, taken off below\n");
    println!("{:<58} {:>7} {:>8} {:>6} {:>8}", "", "ns p50", "ns p99", "allocs", "floor");

    let parameters = |n: usize| (black_box("pro"), black_box(n as u32), black_box(49.9), black_box(true));
    let floor = measure(EVENTS, None, |n| {
        let (plan, seats, price, trial) = parameters(n);
        black_box(serde_json::to_vec(&Parameters { plan, seats, price, trial }).ok());
    });
    row("floor: serde_json::to_vec of four derived fields", &floor, &floor);

    {
        let client = client(Backend::Memory);
        let mut alone = serialised(&client.session("bench"));
        // Timed in rounds, so that no clock is in it.
        (alone.median, alone.p99) = (alone.median + clock, alone.p99 + clock);
        row("four parameters serialised, nothing else", &alone, &floor);
    }

    let off = measure(EVENTS, None, |n| {
        let (plan, seats, price, trial) = parameters(n);
        emit!("bench.off", plan, seats, price, trial);
    });
    row("emit!, no client", &off, &floor);

    for backend in [Backend::Memory, Backend::Mapped, Backend::Written] {
        let client = client(backend);
        let session = client.session("bench");
        let hot = in_session(&session, EVENTS, None, |n| {
            let (plan, seats, price, trial) = parameters(n);
            emit!("bench.emit", plan, seats, price, trial);
        });
        row(&format!("emit!, four parameters, {backend:?}"), &hot, &floor);
        let timed = in_session(&session, EVENTS, None, |n| {
            let (plan, seats, price, trial) = parameters(n);
            black_box(annotated(plan, seats, price, trial));
        });
        row(&format!("#[event], four parameters and duration, {backend:?}"), &timed, &floor);
        let stats = client.stats();
        assert_eq!(stats.dropped, 0, "{stats}");
    }

    // Keys known at compile time cost nothing; those of a value are judged as it is written.
    for (name, keys) in [("keys judged", KeyPolicy::new()), ("keys not judged", KeyPolicy::new().off())] {
        let client = judging(Backend::Mapped, keys);
        let session = client.session("bench");
        let hot = in_session(&session, EVENTS, None, |n| {
            let (plan, seats, price, trial) = parameters(n);
            emit!("bench.emit", plan, seats, price, trial);
        });
        row(&format!("emit!, four parameters, {name}"), &hot, &floor);
        let value = in_session(&session, EVENTS, None, |n| {
            let (plan, seats, price, trial) = parameters(n);
            let parameters = Parameters { plan, seats, price, trial };
            let _ = client.publish(&session, CustomEvent::new("bench.value").parameters(&parameters));
        });
        row(&format!("publish, a struct of four fields, {name}"), &value, &floor);
    }

    let client = client(Backend::Mapped);
    let session = client.session("bench");
    let paced = in_session(&session, 2_000, Some(Duration::from_millis(1)), |n| {
        let (plan, seats, price, trial) = parameters(n);
        emit!("bench.emit", plan, seats, price, trial);
    });
    row("emit!, four parameters, Mapped, one each millisecond", &paced, &floor);
}
