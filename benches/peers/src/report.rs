//! The tables, and the project's own targets beside what was measured.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::child::{Callsite, Delivery, Memory};
use crate::endpoint::{Endpoint, Way};
use crate::footprint;
use crate::spawn::{self, command, home, measured};
use crate::table::Table;
use crate::toolcall::{self, ToolCalls};

/// What was measured so far, and each target that a table speaks to.
#[derive(Default)]
pub struct Report {
    targets: Vec<Target>,
}

struct Target {
    what: &'static str,
    wanted: String,
    ours: String,
    met: bool,
}

const CALLSITE: [&str; 9] = [
    "ours",
    "ours-macro",
    "ours-written",
    "ours-memory",
    "fastrace",
    "otel",
    "posthog",
    "sentry",
    "official",
];
const LOSS: [&str; 5] = ["ours", "official", "posthog", "sentry", "otel"];
const LOST_OF: u32 = 2_000;

fn label(name: &str) -> String {
    match name {
        "ours" => "mcpcat `emit!`, mapped",
        "ours-macro" => "mcpcat `#[event]`, mapped",
        "ours-written" => "mcpcat `emit!`, written",
        "ours-memory" => "mcpcat `emit!`, memory",
        "official" => "official SDK",
        "posthog" => "PostHog",
        "sentry" => "Sentry",
        "otel" => "OpenTelemetry span, OTLP",
        "fastrace" => "fastrace, no delivery",
        "bare" => "bare POSTs, 64 in flight",
        other => other,
    }
    .to_owned()
}

fn us(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e3)
}

fn dash<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

impl Report {
    fn target(&mut self, what: &'static str, wanted: &str, ours: String, met: bool) {
        self.targets.push(Target { what, wanted: wanted.to_owned(), ours, met });
    }

    /// When and where.
    pub fn machine(&self) {
        println!(
            "# Measured\n\nWritten by `cargo run --release --manifest-path benches/peers/Cargo.toml`: every peer in each \
             situation, in a process of its own, one\nafter the other. Times are of this machine at that hour: compare \
             rows. Instructions (by valgrind, of the calling thread), allocations\nand what is lost do not depend on \
             load.\n\nagentcat-sdk 1.0.0 (\"official SDK\"), posthog-rs 0.30.0, sentry 0.49.5, opentelemetry_sdk 0.33.1, \
             fastrace 0.7.19; rmcp 3.11.\n"
        );
        let run = |program: &str, arguments: &[&str]| {
            let out = Command::new(program).args(arguments).output().ok()?;
            Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
        };
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
        println!(
            "{}, {} cores,{}, {}, {}",
            dash(run("date", &["-u", "+%F %H:%M UTC"]), |date| date),
            std::thread::available_parallelism().map_or(0, usize::from),
            model.trim_start_matches([' ', '\t', ':']).replacen("", " ", 1),
            dash(run("uname", &["-sr"]), |system| system),
            dash(run("rustc", &["--version"]), |version| version),
        );
    }

    pub fn callsite(&mut self) {
        let mut table = Table::new(&[
            "one event: a name, four parameters, a duration",
            "hot p50 us",
            "p99",
            "2 threads p50",
            "p99",
            "1 per ms p50",
            "p99",
            "allocations",
            "instructions",
            "times ours",
        ]);
        let mut first = 0;
        for name in CALLSITE {
            let endpoint = Endpoint::start(Way::Answers(Duration::ZERO));
            let home = home();
            let calls: Option<Callsite> =
                measured(command(home.path(), name, &endpoint.url(), &["callsite"]));
            let instructions = spawn::instructions(name, &endpoint.url());
            let Some(Callsite { hot, two_threads, paced }) = calls else { continue };
            if name == "ours" {
                first = hot.median_ns;
                self.target(
                    "call site, hot",
                    "<= 150 ns p50, <= 500 ns p99, 0 allocations, <= 2,000 instructions",
                    format!(
                        "{} ns, {} ns, {:.2}, {}",
                        hot.median_ns,
                        hot.p99_ns,
                        hot.allocations,
                        dash(instructions, |n| n.to_string())
                    ),
                    hot.median_ns <= 150
                        && hot.p99_ns <= 500
                        && hot.allocations < 0.01
                        && instructions.is_none_or(|n| n <= 2_000),
                );
                self.target(
                    "call site, one each millisecond",
                    "<= 1 us p50, <= 5 us p99",
                    format!("{} us, {} us", us(paced.median_ns), us(paced.p99_ns)),
                    paced.median_ns <= 1_000 && paced.p99_ns <= 5_000,
                );
            }
            table.row([
                label(name),
                us(hot.median_ns),
                us(hot.p99_ns),
                us(two_threads.median_ns),
                us(two_threads.p99_ns),
                us(paced.median_ns),
                us(paced.p99_ns),
                format!("{:.1}", hot.allocations),
                dash(instructions, |n| n.to_string()),
                format!("{:.1}", hot.median_ns as f64 / first.max(1) as f64),
            ]);
        }
        table.print("Call site (a clock read is in every figure)");
    }

    pub fn tool_call(&mut self) {
        let mut table = Table::new(&[
            "one tool call over a pipe",
            "p50 us",
            "added",
            "p99",
            "allocations",
            "added",
            "CPU us",
        ]);
        let mut floor = ToolCalls::default();
        for name in toolcall::NAMES {
            let endpoint = Endpoint::start(Way::Answers(Duration::ZERO));
            let home = home();
            let measured: Option<ToolCalls> =
                measured(command(home.path(), name, &endpoint.url(), &["tool-call"]));
            let Some(ToolCalls { calls, cpu_us }) = measured else { continue };
            if name == "untracked" {
                floor = ToolCalls { calls: calls.clone(), cpu_us };
            }
            let added = (calls.median_ns as f64 - floor.calls.median_ns as f64) / 1e3;
            let allocations = calls.allocations - floor.calls.allocations;
            if name == "ours" {
                self.target(
                    "added to a tool call",
                    "<= 3 us, <= 15 allocations",
                    format!("{added:.1} us, {allocations:.1}"),
                    added <= 3.0 && allocations <= 15.0,
                );
            }
            table.row([
                if name == "ours" { "mcpcat".to_owned() } else { label(name) },
                us(calls.median_ns),
                format!("{added:+.1}"),
                us(calls.p99_ns),
                format!("{:.0}", calls.allocations),
                format!("{allocations:+.0}"),
                format!("{cpu_us:.0}"),
            ]);
        }
        table.print("Tool call");
    }

    pub fn delivery(&mut self) {
        let mut table =
            Table::new(&["events a second (client CPU us each)", "0 ms", "20 ms", "of the events arrived"]);
        let mut single = Vec::new();
        let mut body = None;
        let zero = Duration::ZERO;
        let late = Duration::from_millis(20);
        for name in ["ours", "ours, batches", "official", "posthog", "sentry", "otel", "bare"] {
            let (peer, batches) = match name {
                "ours, batches" => ("ours", true),
                name => (name, false),
            };
            let mut cells = vec![if batches { "mcpcat, batches".to_owned() } else { label(name) }];
            let mut arrived = Vec::new();
            for delay in [zero, late] {
                // What each can take in a few seconds, and no more than its queue holds.
                let count: u32 = match (name, delay.is_zero()) {
                    ("ours" | "bare", true) => 40_000,
                    ("ours" | "bare", false) => 10_000,
                    ("ours, batches", _) => 40_000,
                    ("posthog", _) => 9_000,
                    ("otel", _) => 2_000,
                    ("official", true) => 9_000,
                    (_, _) => 1_000,
                };
                let endpoint =
                    Endpoint::start(if batches { Way::Batches(delay) } else { Way::Answers(delay) });
                let home = home();
                let mut child =
                    command(home.path(), peer, &endpoint.url(), &["delivery", &count.to_string()]);
                if let Some(body) = &body {
                    child.env("PEERS_BODY", body);
                }
                let Some(Delivery { seconds, cpu_seconds }) = measured(child) else {
                    cells.push("-".to_owned());
                    continue;
                };
                if name == "ours" && body.is_none() {
                    body = endpoint.sample();
                }
                let came = endpoint.distinct() as f64;
                let (rate, cpu) = (came / seconds, cpu_seconds * 1e6 / came);
                cells.push(format!("{rate:.0} ({cpu:.1})"));
                arrived.push(format!("{:.0}%", came * 100.0 / f64::from(count)));
                if matches!(name, "ours" | "bare") {
                    single.push((rate, cpu));
                }
                if batches && !delay.is_zero() {
                    self.target(
                        "delivery in batches, 20 ms",
                        ">= 15,000/s, <= 3 us CPU each",
                        format!("{rate:.0}/s, {cpu:.1} us"),
                        rate >= 15_000.0 && cpu <= 3.0,
                    );
                }
            }
            cells.push(arrived.join(", "));
            table.row(cells);
        }
        if let [at_once, at_20, bare_at_once, bare_at_20] = single[..] {
            let (one, two) = (at_once.1 / bare_at_once.1, at_20.1 / bare_at_20.1);
            self.target(
                "delivery, one POST each, 20 ms and 0 ms",
                ">= 2,500/s and >= 40,000/s, <= 1.3 times a bare POST's CPU",
                format!("{:.0}/s and {:.0}/s, {two:.2} and {one:.2} times", at_20.0, at_once.0),
                at_20.0 >= 2_500.0 && at_once.0 >= 40_000.0 && one <= 1.3 && two <= 1.3,
            );
        }
        table.print("Delivery");
    }

    pub fn memory(&mut self) {
        let mut table =
            Table::new(&["resident MiB gained, endpoint hanging", "50,000 x 4 KiB", "300 x 1 MiB"]);
        for name in ["ours", "ours-memory", "official", "posthog", "sentry"] {
            let gained = |count: &str, bytes: &str| {
                let endpoint = Endpoint::start(Way::Hangs);
                let home = home();
                let child = command(home.path(), name, &endpoint.url(), &["memory", count, bytes]);
                measured::<Memory>(child).map(|memory| memory.peak - memory.before)
            };
            let (small, large) = (gained("50000", "4096"), gained("300", "1048576"));
            if name == "ours" {
                let most = small.unwrap_or(f64::MAX).max(large.unwrap_or(f64::MAX));
                self.target("memory, endpoint hanging", "<= 74 MiB", format!("{most:.0} MiB"), most <= 74.0);
            }
            table.row([label(name), dash(small, |m| format!("{m:.0}")), dash(large, |m| format!("{m:.0}"))]);
        }
        table.print("Memory");
    }

    pub fn loss(&mut self, outage: u64) {
        let count = LOST_OF.to_string();
        let outages: Vec<_> = LOSS
            .iter()
            .map(|&name| {
                let count = count.clone();
                std::thread::spawn(move || {
                    let over = Instant::now() + Duration::from_secs(outage);
                    let endpoint = Endpoint::start(Way::Refuses(over));
                    let home = home();
                    let seconds = (outage + outage / 4).to_string();
                    let child = command(home.path(), name, &endpoint.url(), &["outage", &count, &seconds]);
                    let _: Option<()> = measured(child);
                    endpoint.distinct()
                })
            })
            .collect();
        let outages: Vec<usize> = outages.into_iter().map(|one| one.join().expect("the run ends")).collect();
        let head = format!("lost of {LOST_OF}, a restart included, 20 ms endpoint");
        let outage = format!("{outage} s outage");
        let mut table = Table::new(&[&head, &outage, "SIGKILL", "process::exit", "return from main"]);
        for (name, after_outage) in LOSS.into_iter().zip(outages) {
            let mut arrived = vec![after_outage];
            for task in ["killed", "exits", "returns"] {
                let endpoint = Endpoint::start(Way::Answers(Duration::from_millis(20)));
                let home = home();
                let mut child = command(home.path(), name, &endpoint.url(), &[task, &count]);
                let mut child = child.spawn().expect("the child starts");
                if task == "killed" {
                    let _ = spawn::first_line(&mut child);
                    let _ = child.kill();
                }
                let _ = child.wait();
                let _: Option<()> = measured(command(home.path(), name, &endpoint.url(), &["restarts"]));
                arrived.push(endpoint.distinct());
            }
            let lost: Vec<usize> = arrived.iter().map(|came| LOST_OF as usize - came).collect();
            if name == "ours" {
                self.target(
                    "lost of 2,000: outage, SIGKILL, exit, return",
                    "0, 0, 0, 0",
                    format!("{lost:?}"),
                    lost.iter().all(|lost| *lost == 0),
                );
            }
            table.row(std::iter::once(label(name)).chain(lost.iter().map(ToString::to_string)));
        }
        table.print("Loss");
    }

    pub fn footprint(&mut self) {
        let rows = footprint::servers();
        let mut table =
            Table::new(&["a minimal stdio server", "crates", "stripped MB", "clean build s", "from sources"]);
        let Some(none) = rows.first().cloned() else { return };
        for row in &rows {
            let (crates, size, time) = (
                row.crates as i64 - none.crates as i64,
                row.stripped - none.stripped,
                row.build.as_secs_f64() - none.build.as_secs_f64(),
            );
            if row.name == "mcpcat" {
                self.target(
                    "what a minimal stdio server gains",
                    "<= +75 crates, <= +5 MB, <= +25 s",
                    format!("{crates:+} crates, {size:+.1} MB, {time:+.0} s"),
                    crates <= 75 && size <= 5.0 && time <= 25.0,
                );
            }
            table.row([
                row.name.clone(),
                format!("{} ({crates:+})", row.crates),
                format!("{:.1} ({size:+.1})", row.stripped),
                format!("{:.0} ({time:+.0})", row.build.as_secs_f64()),
                row.what.clone(),
            ]);
        }
        table.print("Footprint");
        let mut table = Table::new(&["mcpcat's features", "crates in its tree"]);
        for (features, crates) in footprint::features() {
            table.row([features, crates.to_string()]);
        }
        table.print("Features");
    }

    /// Each target that a table of this run spoke to.
    pub fn targets(&self) {
        let mut table = Table::new(&["target", "wanted", "ours", ""]);
        for target in &self.targets {
            let met = if target.met { "met" } else { "missed" };
            table.row([target.what.to_owned(), target.wanted.clone(), target.ours.clone(), met.to_owned()]);
        }
        table.print("Targets");
    }
}
