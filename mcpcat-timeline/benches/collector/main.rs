//! The real binary under load on loopback, and how quickly it answers readers when it holds a lot.
//!
//! `cargo bench -p mcpcat-timeline --bench collector -- [ingest] [read] [retention] [load] [--events N] [--seconds N]
//! [--clients N] [--sessions N]`; no name runs all. The load generator shares the machine with the collector, so the
//! figures are lower bounds; `floor` is what bare SQLite does in the same run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench fails by panicking")]
#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod client;
mod collector;
mod event;
mod floor;

use std::time::{Duration, Instant};

use client::{Client, Times};
use collector::Collector;
use event::{SESSIONS, Stream};
use tokio::task::JoinSet;

/// What to run and how much of it.
struct Options {
    phases: Vec<String>,
    numbers: Vec<(String, usize)>,
}

impl Options {
    fn read() -> Self {
        let (mut phases, mut numbers) = (Vec::new(), Vec::new());
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--") {
                // Cargo's own mark for a bench run.
                Some("bench") => {}
                Some(name) => {
                    let value = args.next().and_then(|value| value.parse().ok());
                    numbers
                        .push((name.to_owned(), value.unwrap_or_else(|| panic!("--{name} needs a number"))));
                }
                None => phases.push(arg),
            }
        }
        Self { phases, numbers }
    }

    fn runs(&self, phase: &str) -> bool {
        self.phases.is_empty() || self.phases.iter().any(|wanted| wanted == phase)
    }

    fn number(&self, name: &str, default: usize) -> usize {
        self.numbers.iter().find(|(given, _)| given == name).map_or(default, |(_, value)| *value)
    }
}

fn line(name: &str, text: impl std::fmt::Display) {
    println!("{name:<46} {text}");
}

/// When a sender stops.
#[derive(Clone, Copy)]
enum Until {
    Events(usize),
    Time(Instant),
}

/// Events sent, requests refused, and the times of all requests.
#[derive(Default)]
struct Sent {
    events: usize,
    errors: usize,
    times: Times,
}

/// Sends with `clients` connections, `batch` events a request. Each connection is one server with its own sessions when
/// `own_sessions` is set, else every event of a batch is of another session.
async fn send(to: &Collector, stream: Stream, clients: usize, batch: usize, until: Until) -> Sent {
    let mut tasks = JoinSet::new();
    for lane in 0..clients {
        let mut client = Client::connect(&to.addr).await;
        tasks.spawn(async move {
            let mut done = Sent::default();
            let mut at = lane * batch;
            let mut body = String::new();
            loop {
                let count = match until {
                    Until::Events(all) if at >= all => break,
                    Until::Events(all) => batch.min(all - at),
                    Until::Time(end) if Instant::now() >= end => break,
                    Until::Time(_) => batch,
                };
                body.clear();
                for number in at..at + count {
                    if !body.is_empty() {
                        body.push('\n');
                    }
                    stream.write(&mut body, number, lane, clients);
                }
                let started = Instant::now();
                let status = if batch == 1 {
                    client.ask("POST /v1/public/events/", "application/json", &body).await.0
                } else {
                    client.ask("POST /v1/public/events/batch", "application/x-ndjson", &body).await.0
                };
                done.times.add(started.elapsed());
                if status == if batch == 1 { 202 } else { 200 } {
                    done.events += count;
                } else {
                    done.errors += 1;
                }
                at += clients * batch;
            }
            done
        });
    }
    let mut all = Sent::default();
    while let Some(done) = tasks.join_next().await {
        let done = done.expect("a client");
        all.events += done.events;
        all.errors += done.errors;
        all.times.join(done.times);
    }
    all
}

async fn timed(
    name: &str,
    to: &Collector,
    stream: Stream,
    clients: usize,
    batch: usize,
    until: Until,
) -> f64 {
    let started = Instant::now();
    let before = to.cpu();
    let sent = send(to, stream, clients, batch, until).await;
    let seconds = started.elapsed().as_secs_f64();
    let rate = sent.events as f64 / seconds;
    let each = (to.cpu() - before) / sent.events.max(1) as f64 * 1e6;
    line(name, format!("{rate:>7.0} events/s  {}  {each:.0} us CPU each", sent.times));
    assert_eq!(sent.errors, 0, "{name}: {} requests were refused", sent.errors);
    rate
}

async fn ingest(options: &Options) {
    let events = options.number("events", 100_000).min(100_000);
    let seconds = Duration::from_secs(options.number("seconds", 5) as u64);
    let to = Collector::start(&[]);
    for clients in [1, 50] {
        let name = format!("single events, {clients} connections");
        let stream = Stream { first: clients * 100_000_000, own_sessions: false };
        timed(&name, &to, stream, clients, 1, Until::Time(Instant::now() + seconds)).await;
    }
    drop(to);
    for batch in [10, 100, 500] {
        for own_sessions in [true, false] {
            let to = Collector::start(&[]);
            let how = if own_sessions { "a session a batch" } else { "2000 sessions mixed" };
            let stream = Stream { first: 0, own_sessions };
            let count = if batch == 10 { events / 4 } else { events };
            let rate =
                timed(&format!("batches of {batch}, {how}"), &to, stream, 4, batch, Until::Events(count))
                    .await;
            if !own_sessions {
                let floor = floor::rate(count, batch);
                line(
                    &format!("floor: bare inserts, {batch} in a transaction"),
                    format!("{floor:>7.0} events/s  the collector does {:.0} % of it", rate / floor * 100.0),
                );
            }
        }
    }
}

async fn ask_many(to: &Collector, name: &str, paths: &[String]) {
    let mut client = Client::connect(&to.addr).await;
    let (mut times, mut bytes) = (Times::default(), 0);
    for path in paths {
        let started = Instant::now();
        let (status, body) = client.ask(&format!("GET {path}"), "application/json", "").await;
        times.add(started.elapsed());
        assert_eq!(status, 200, "{path}");
        bytes += body;
    }
    line(name, format!("{times}  {} bytes each", bytes / paths.len()));
}

async fn read(options: &Options) {
    let events = options.number("events", 1_000_000);
    let sessions = options.number("sessions", SESSIONS);
    let to = Collector::start(&[]);
    let stream = Stream { first: 0, own_sessions: false };
    timed(&format!("fill with {events} events"), &to, stream, 2, 500, Until::Events(events)).await;
    let repeat = |path: &str, times: usize| vec![path.to_owned(); times];
    let list = "/api/v1/sessions?limit=50";
    ask_many(&to, "session list, newest 50", &repeat(list, 200)).await;
    ask_many(&to, "session list, tool and tag", &repeat(&format!("{list}&tool=tool_3&tag=env%3Dprod"), 100))
        .await;
    ask_many(&to, "session list, not a tag", &repeat(&format!("{list}&not_tag=region%3Dr1"), 100)).await;
    ask_many(&to, "session list, errors, by count", &repeat(&format!("{list}&errors=1&sort=errors"), 100))
        .await;
    ask_many(&to, "session list, text (newest 100,000 events)", &repeat(&format!("{list}&q=nowhere"), 5))
        .await;
    let timeline: Vec<String> = (0..100)
        .map(|n| format!("/api/v1/sessions/{}/events?limit=500", event::session(n * (sessions / 100))))
        .collect();
    ask_many(&to, "timeline of 500 events, first look", &timeline).await;
    ask_many(&to, "timeline of 500 events, again", &timeline).await;
    ask_many(&to, "overview of a day", &repeat(&format!("/api/v1/overview?{}", event::DAY), 20)).await;
    ask_many(&to, "facets", &repeat("/api/v1/facets", 20)).await;
    line("collector", to.weight());
}

async fn retention(options: &Options) {
    let until = Instant::now() + Duration::from_secs(options.number("seconds", 20) as u64);
    let keep = 40_000_000;
    let to = Collector::start(&["--keep-size", &keep.to_string()]);
    let stream = Stream { first: 0, own_sessions: false };
    timed("single, 4 connections, 40 MB kept", &to, stream, 4, 1, Until::Time(until)).await;
    line("collector", to.weight());
    let until = Instant::now() + Duration::from_secs(options.number("seconds", 20) as u64);
    let to = Collector::start(&["--keep-size", &keep.to_string()]);
    timed("batches of 100, 2 connections, 40 MB kept", &to, stream, 2, 100, Until::Time(until)).await;
    line("collector", to.weight());
}

/// Single events, as the official SDKs send them, from many clients at once, while someone watches the list.
async fn load(options: &Options) {
    let seconds = options.number("seconds", 5) as u64;
    let clients = options.number("clients", 50);
    let to = Collector::start(&["--keep-size", "2000000000"]);
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds);
    let reader = watch_list(to.addr.clone(), end);
    let (mut all, mut part) = (Sent::default(), 0);
    while Instant::now() < end {
        let until = end.min(Instant::now() + Duration::from_secs(60));
        let stream = Stream { first: part * 10_000_000, own_sessions: false };
        let sent = send(&to, stream, clients, 1, Until::Time(until)).await;
        all.events += sent.events;
        all.errors += sent.errors;
        all.times.join(sent.times);
        part += 1;
        line(&format!("  after {} s", started.elapsed().as_secs()), to.weight());
    }
    let rate = all.events as f64 / started.elapsed().as_secs_f64();
    line(
        &format!("{clients} clients for {seconds} s"),
        format!("{} events, {} errors, {rate:.0} events/s  {}", all.events, all.errors, all.times),
    );
    line("  the session list meanwhile", reader.await.expect("the reader"));
}

fn watch_list(addr: String, end: Instant) -> tokio::task::JoinHandle<Times> {
    tokio::spawn(async move {
        let mut client = Client::connect(&addr).await;
        let mut times = Times::default();
        while Instant::now() < end {
            let started = Instant::now();
            let (status, _) = client.ask("GET /api/v1/sessions?limit=50", "application/json", "").await;
            assert_eq!(status, 200, "the session list");
            times.add(started.elapsed());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        times
    })
}

#[tokio::main]
async fn main() {
    let options = Options::read();
    if options.runs("ingest") {
        ingest(&options).await;
    }
    if options.runs("read") {
        read(&options).await;
    }
    if options.runs("retention") {
        retention(&options).await;
    }
    if options.runs("load") {
        load(&options).await;
    }
}
