//! What a start pays for thousands of small runs that others left: `many_runs [COUNT]`, 10,000 if not said. Fails if
//! building a client takes 50 ms, or a publish more than 1 ms because of it (the 99.9th of a thousand; beside the same
//! with an empty state directory).

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test program")]

use std::path::Path;
use std::time::{Duration, Instant};

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;

fn client(state: &Path) -> Client {
    // Nobody listens there.
    let builder = Client::builder("proj_many").base_url("http://127.0.0.1:9").state_dir(state);
    builder.drain(Duration::ZERO).build().unwrap()
}

/// Microseconds that a build took, and publishes beside the look at the runs, sorted.
fn measure(state: &Path) -> (u128, Vec<u128>) {
    let start = Instant::now();
    let client = client(state);
    let built = start.elapsed().as_micros();
    let mut publishes: Vec<u128> = (0..1_000)
        .map(|n| {
            std::thread::sleep(Duration::from_micros(200));
            let start = Instant::now();
            client.publish("s", CustomEvent::new("beside").parameter("n", n)).unwrap();
            start.elapsed().as_micros()
        })
        .collect();
    publishes.sort_unstable();
    (built, publishes)
}

fn main() {
    let count: usize = std::env::args().nth(1).map_or(10_000, |text| text.parse().unwrap());
    let (few, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // One real run, and copies of it under other names: what thousands of killed processes leave.
    let left = client(many.path());
    left.publish("s", CustomEvent::new("left")).unwrap();
    let runs = many.path().join("mcpcat/runs");
    let run = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let name = run.file_name().unwrap().to_str().unwrap().to_owned();
    let rest = &name[..name.len() - 16];
    for n in 0..count {
        let copy = runs.join(format!("{rest}{n:016x}"));
        std::fs::create_dir(&copy).unwrap();
        for file in ["lock", "manifest", "waiting"] {
            std::fs::copy(run.join(file), copy.join(file)).unwrap();
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
    }
    drop(left);
    let (built_few, publishes_few) = measure(few.path());
    let (built, publishes) = measure(many.path());
    let p999 = |sorted: &[u128]| sorted[sorted.len() - 2];
    println!(
        "empty: built in {built_few} us; a publish {} us at most, p99.9 {} us",
        publishes_few[999],
        p999(&publishes_few)
    );
    println!(
        "{count} runs: built in {built} us; a publish {} us at most, p99.9 {} us",
        publishes[999],
        p999(&publishes)
    );
    assert!(built < 50_000, "the build");
    assert!(p999(&publishes) < 1_000 + p999(&publishes_few), "a publish");
}
