//! What the collector counts for alerts, in the text form that Prometheus reads.
//!
//! Counters start at zero with the process. Names of events come from outside, so their number is bounded.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::event::Event;
use crate::store::{Outcome, Size};

/// Most label combinations; later ones are counted under `(other)`.
const MAX_SERIES: usize = 1000;
/// Upper bounds of the ingest lag, seconds.
const LAG: [f64; 10] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3600.0];

#[derive(Default)]
struct Count {
    events: u64,
    errors: u64,
}

#[derive(Default)]
struct Lag {
    buckets: [u64; LAG.len()],
    sum: f64,
    count: u64,
}

/// Counters of one collector.
#[derive(Default)]
pub(crate) struct Metrics {
    names: Mutex<BTreeMap<(String, &'static str, String), Count>>,
    lag: Mutex<Lag>,
    duplicates: AtomicU64,
    forgotten: AtomicU64,
    throttled: AtomicU64,
    rejected: AtomicU64,
    refused_batches: AtomicU64,
}

impl Metrics {
    pub(crate) fn committed(&self, events: &[&Event], outcomes: &[Outcome]) {
        let now = jiff::Timestamp::now().as_microsecond();
        let mut sums: HashMap<(&str, &'static str, &str), Count> = HashMap::new();
        let mut lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        for (event, outcome) in events.iter().zip(outcomes) {
            match outcome {
                Outcome::Accepted => {}
                Outcome::Duplicate => {
                    self.duplicates.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                Outcome::Forgotten => {
                    self.forgotten.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
            }
            let count = sums.entry((event.project.as_str(), event.kind.as_str(), event.label())).or_default();
            count.events += 1;
            count.errors += u64::from(event.is_error);
            let seconds = now.saturating_sub(event.end()).max(0) as f64 / 1e6;
            for (bucket, bound) in lag.buckets.iter_mut().zip(LAG) {
                *bucket += u64::from(seconds <= bound);
            }
            lag.sum += seconds;
            lag.count += 1;
        }
        drop(lag);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for ((project, kind, name), sum) in sums {
            let mut key = (project.to_owned(), kind, name.to_owned());
            if names.len() >= MAX_SERIES && !names.contains_key(&key) {
                key = (String::new(), "other", "(other)".into());
            }
            let count = names.entry(key).or_default();
            count.events += sum.events;
            count.errors += sum.errors;
        }
    }

    pub(crate) fn rejected(&self, events: u64) {
        self.rejected.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn throttled(&self) {
        self.throttled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused_batch(&self) {
        self.refused_batches.fetch_add(1, Ordering::Relaxed);
    }

    /// A project is to be forgotten: its names go. Events of it that come later are counted anew.
    pub(crate) fn forget_project(&self, project: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|(of, _, _), _| of != project);
    }

    /// The exposition text. A `scope` shows one project's names only.
    pub(crate) fn render(&self, size: Size, waiting: usize, scope: Option<&str>) -> String {
        let mut out = String::with_capacity(4096);
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (metric, help, errors) in [
            ("mcpcat_events_total", "Events committed since start.", false),
            ("mcpcat_event_errors_total", "Committed events that tell of an error.", true),
        ] {
            let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} counter");
            for ((project, kind, name), count) in names.iter() {
                if scope.is_some_and(|scope| scope != project) {
                    continue;
                }
                let value = if errors { count.errors } else { count.events };
                let _ = writeln!(
                    out,
                    "{metric}{{project=\"{}\",kind=\"{kind}\",name=\"{}\"}} {value}",
                    escape(project),
                    escape(name)
                );
            }
        }
        drop(names);
        let mut single = |metric: &str, kind: &str, help: &str, value: u64| {
            let _ = writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} {kind}\n{metric} {value}");
        };
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        single(
            "mcpcat_duplicates_total",
            "counter",
            "Events whose id was there already.",
            load(&self.duplicates),
        );
        single(
            "mcpcat_forgotten_total",
            "counter",
            "Events dropped because they belong to what was forgotten.",
            load(&self.forgotten),
        );
        single(
            "mcpcat_throttled_total",
            "counter",
            "Requests answered with 429, over the quota of their token.",
            load(&self.throttled),
        );
        single("mcpcat_rejected_total", "counter", "Events refused with a 4xx.", load(&self.rejected));
        single(
            "mcpcat_commit_failures_total",
            "counter",
            "Batches that could not be committed.",
            load(&self.refused_batches),
        );
        single("mcpcat_queue_events", "gauge", "Events waiting for a commit.", waiting as u64);
        single("mcpcat_store_bytes", "gauge", "Bytes in use in the data file.", size.bytes);
        single("mcpcat_store_sessions", "gauge", "Sessions kept.", size.sessions.max(0) as u64);
        let lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = "mcpcat_ingest_lag_seconds";
        let _ =
            writeln!(out, "# HELP {metric} From an event's end to its commit.\n# TYPE {metric} histogram");
        for (bound, count) in LAG.iter().zip(lag.buckets) {
            let _ = writeln!(out, "{metric}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{metric}_bucket{{le=\"+Inf\"}} {}", lag.count);
        let _ = writeln!(out, "{metric}_sum {}\n{metric}_count {}", lag.sum, lag.count);
        out
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
