//! One peer in one situation, in a process of its own: it prints what it measured as one line of JSON.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::measure::{Calls, cpu, each, resident};
use crate::peer::{self, Peer};
use crate::toolcall;

/// What a child does.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Task {
    /// Times the call site: hot, on two threads, and once a millisecond.
    Callsite,
    /// Makes 1,000 events for an instruction counter.
    Instructions,
    /// Calls a tool.
    ToolCall,
    /// Publishes and flushes.
    Delivery { count: u32 },
    /// Publishes to an endpoint that hangs; resident memory.
    Memory { count: u32, bytes: usize },
    /// Publishes, says so, and waits to be killed.
    Killed { count: u32 },
    /// Publishes and calls `process::exit`.
    Exits { count: u32 },
    /// Publishes and returns from `main`.
    Returns { count: u32 },
    /// Publishes over this many seconds, then flushes.
    Outage { count: u32, seconds: u64 },
    /// Starts, publishes nothing, and flushes.
    Restarts,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Callsite {
    pub hot: Calls,
    pub two_threads: Calls,
    pub paced: Calls,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Delivery {
    pub seconds: f64,
    pub cpu_seconds: f64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    pub before: f64,
    pub peak: f64,
}

const HOT: u32 = 20_000;
const PACED: u32 = 1_500;

pub fn run(task: &Task, name: &str, url: &str) {
    match task {
        Task::Callsite => say(&callsite(name, url)),
        Task::Instructions => instructions(name, url),
        Task::ToolCall => say(&toolcall::run(name, url)),
        Task::Delivery { count } => say(&delivery(name, url, *count)),
        Task::Memory { count, bytes } => say(&memory(name, url, *count, *bytes)),
        Task::Killed { count } => {
            let peer = published(name, url, *count, Duration::ZERO);
            println!("{{}}");
            std::thread::sleep(Duration::from_secs(60));
            drop(peer);
        }
        Task::Exits { count } => {
            let _peer = published(name, url, *count, Duration::ZERO);
            std::process::exit(0);
        }
        Task::Returns { count } => drop(published(name, url, *count, Duration::ZERO)),
        Task::Outage { count, seconds } => {
            let pause = Duration::from_secs(*seconds) / *count;
            let peer = published(name, url, *count, pause);
            peer.flush();
            say(&());
        }
        Task::Restarts => {
            peer::start(name, url).flush();
            say(&());
        }
    }
}

fn say(value: &impl Serialize) {
    println!("{}", serde_json::to_string(value).expect("plain data serialises"));
}

/// Markers made before the clock starts: `EVT` and eight digits.
fn markers(count: u32) -> Vec<String> {
    (0..count).map(|n| format!("EVT{n:08}")).collect()
}

fn published(name: &str, url: &str, count: u32, pause: Duration) -> Box<dyn Peer> {
    let peer = peer::start(name, url);
    let markers = markers(count);
    peer.within(&mut || {
        for (n, marker) in (0..).zip(&markers) {
            peer.publish(marker, "cus_8812", n);
            if !pause.is_zero() {
                std::thread::sleep(pause);
            }
        }
    });
    peer
}

fn callsite(name: &str, url: &str) -> Callsite {
    let peer = peer::start(name, url);
    let markers = markers(HOT);
    let calls = |count: u32, pause: Duration| {
        let mut measured = (Vec::new(), 0);
        peer.within(&mut || {
            for n in 0..1_000 {
                peer.publish(&markers[n as usize], "cus_8812", n);
            }
            peer.flush();
            measured = each(count, pause, |n| peer.publish(&markers[n as usize], "cus_8812", n));
        });
        measured
    };
    let hot = calls(HOT, Duration::ZERO);
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| calls(HOT / 2, Duration::ZERO));
        (calls(HOT / 2, Duration::ZERO), other.join().expect("the thread ends"))
    });
    let paced = calls(PACED, Duration::from_millis(1));
    Callsite {
        hot: Calls::of(hot.0, hot.1),
        two_threads: Calls::of([one.0, other.0].concat(), one.1 + other.1),
        paced: Calls::of(paced.0, paced.1),
    }
}

/// The function that the instruction counter switches on and off at.
#[inline(never)]
fn counted_for_instructions(peer: &dyn Peer, marker: &str, number: u32) {
    peer.publish(marker, "cus_8812", number);
}

fn instructions(name: &str, url: &str) {
    let peer = peer::start(name, url);
    let markers = markers(2_000);
    peer.within(&mut || {
        for n in 0..1_000 {
            peer.publish(&markers[n as usize], "cus_8812", n);
        }
        for n in 1_000..2_000 {
            counted_for_instructions(&*peer, &markers[n as usize], n);
        }
    });
    // What is left to deliver is not part of the question.
    std::process::exit(0);
}

fn delivery(name: &str, url: &str, count: u32) -> Delivery {
    let peer = peer::start(name, url);
    let markers = markers(count);
    // Connections and, where there is one, the offer to take batches.
    peer.within(&mut || peer.publish("EVT00000000", "cus_8812", 0));
    peer.flush();
    let (start, before) = (Instant::now(), cpu());
    peer.within(&mut || {
        for (n, marker) in (0..).zip(&markers) {
            peer.publish(marker, "cus_8812", n);
        }
    });
    peer.flush();
    Delivery { seconds: start.elapsed().as_secs_f64(), cpu_seconds: (cpu() - before).as_secs_f64() }
}

fn memory(name: &str, url: &str, count: u32, bytes: usize) -> Memory {
    let peer = peer::start(name, url);
    let text = "a wish of many words ".repeat(bytes / 21);
    let markers = markers(count);
    peer.within(&mut || peer.publish("EVT00000000", "cus_8812", 0));
    let (before, _) = resident();
    peer.within(&mut || {
        for (n, marker) in (0..).zip(&markers) {
            peer.publish(marker, &text, n);
        }
    });
    // The consumers' side takes its share within this time; nothing announces it.
    std::thread::sleep(Duration::from_secs(3));
    let memory = Memory { before, peak: resident().1 };
    say(&memory);
    // The endpoint hangs: an orderly end would wait for it.
    std::process::exit(0);
}
