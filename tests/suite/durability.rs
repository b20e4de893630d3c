//! Published means delivered: real processes that really die, and a next start that delivers what they left.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::support::{Collector, Received, program, state_dir, with_default_signals};

pub static PUBLISHER: LazyLock<PathBuf> = LazyLock::new(|| program("publisher"));

/// What the requests of [`deliver`] carry, so that they can be told from those that a killed process had under way.
const NEXT_START: &str = "next-start";

pub fn start(url: &str, state: &Path, way: &str, count: usize) -> Child {
    with_default_signals(&PUBLISHER)
        .args([url, &state.display().to_string(), way, &count.to_string()])
        .envs((way == "deliver").then_some(("MCPCAT_TOKEN", NEXT_START)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built")
}

/// The numbers of a next start that delivers: adopted, delivered, dropped, pending.
fn deliver(url: &str, state: &Path) -> [u64; 4] {
    let output = start(url, state, "deliver", 0).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("no numbers: {text}"))
}

/// A collector that is down until it is told to be well.
async fn sick_collector() -> (Collector, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let collector = Collector::answering(move |_| {
        let well = answer.load(Ordering::SeqCst);
        if well { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE }.into_response()
    })
    .await;
    (collector, well)
}

/// What the collector took, and how often it took something twice. The refused attempts do not count.
fn taken(collector: &Collector, refused: usize) -> (BTreeSet<String>, usize) {
    unique(&collector.received()[refused..])
}

/// What has come from the next start.
fn of_next_start(collector: &Collector) -> Vec<Received> {
    let token = format!("Bearer {NEXT_START}");
    let mut received = collector.received();
    received.retain(|one| one.headers.get("authorization").is_some_and(|value| *value == *token));
    received
}

fn unique(received: &[Received]) -> (BTreeSet<String>, usize) {
    let ids: Vec<String> =
        received.iter().map(|one| one.json()["id"].as_str().expect("an id").to_owned()).collect();
    let unique: BTreeSet<String> = ids.iter().cloned().collect();
    let twice = ids.len() - unique.len();
    (unique, twice)
}

fn runs_left(state: &Path) -> usize {
    let spool = state.join("mcpcat").join("runs");
    std::fs::read_dir(spool)
        .map_or(0, |entries| entries.filter_map(Result::ok).filter(|e| e.path().is_dir()).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_end_keeps_what_was_published() {
    for way in ["return", "exit", "abort", "panic", "kill", "term"] {
        let (collector, well) = sick_collector().await;
        let state = state_dir();
        let mut child = start(&collector.url, &state, way, 200);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let promised: BTreeSet<String> = lines.by_ref().take(200).map(Result::unwrap).collect();
        assert_eq!(promised.len(), 200, "{way}");
        match way {
            "kill" => child.kill().unwrap(),
            "term" => {
                let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
                assert!(killed.success());
            }
            _ => {}
        }
        child.wait().unwrap();
        well.store(true, Ordering::SeqCst);
        let [adopted, delivered, dropped, pending] = deliver(&collector.url, &state);
        assert_eq!((adopted, delivered, dropped, pending), (200, 200, 0, 0), "{way}");
        let (taken, twice) = unique(&of_next_start(&collector));
        assert_eq!((taken == promised, twice), (true, 0), "{way}");
        assert_eq!(runs_left(&state), 0, "{way}: nothing is left behind");
    }
}

/// SIGKILL at a moment that nobody chose, fifty times; what was promised by then arrives.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_at_random_moments_lose_nothing_that_was_acknowledged() {
    let mut promised_in_all = 0;
    for round in 0_usize..50 {
        let (collector, well) = sick_collector().await;
        let state = state_dir();
        let mut child = start(&collector.url, &state, "kill", 1_000_000);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // The moment: after a number of lines that differs from round to round, wherever the child then is.
        let mut promised = BTreeSet::new();
        let mut line = String::new();
        for _ in 0..(1 + round * 37 % 401) {
            line.clear();
            output.read_line(&mut line).unwrap();
            promised.insert(line.trim().to_owned());
        }
        child.kill().unwrap();
        // Lines that were in the pipe were promised too; a last one without its end was not.
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        promised.extend(
            rest.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(|line| line.trim().to_owned()),
        );
        child.wait().unwrap();
        promised_in_all += promised.len();
        well.store(true, Ordering::SeqCst);
        let [adopted, delivered, dropped, pending] = deliver(&collector.url, &state);
        assert_eq!((delivered, dropped, pending), (adopted, 0, 0), "round {round}");
        let (taken, twice) = unique(&of_next_start(&collector));
        assert_eq!(twice, 0, "round {round}");
        let lost: Vec<_> = promised.difference(&taken).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} lost", lost.len(), promised.len());
    }
    assert!(promised_in_all > 5_000, "{promised_in_all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_reaches_only_the_collector_it_was_meant_for() {
    let ((first, well_first), (second, well_second)) = (sick_collector().await, sick_collector().await);
    let state = state_dir();
    let mut promised = Vec::new();
    for collector in [&first, &second] {
        let mut child = start(&collector.url, &state, "kill", 50);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(50);
        promised.push(lines.map(Result::unwrap).collect::<BTreeSet<String>>());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    well_first.store(true, Ordering::SeqCst);
    well_second.store(true, Ordering::SeqCst);
    assert_eq!(deliver(&first.url, &state), [50, 50, 0, 0]);
    assert!(of_next_start(&second).is_empty(), "the other's log was left alone");
    assert_eq!(deliver(&second.url, &state), [50, 50, 0, 0]);
    assert_eq!(unique(&of_next_start(&first)).0, promised[0]);
    assert_eq!(unique(&of_next_start(&second)).0, promised[1]);
}

/// `exit` has run the destructors of the thread by then: what they held is not there to help.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_exit_handler_is_kept_like_any_other() {
    let (collector, well) = sick_collector().await;
    let state = state_dir();
    let child = start(&collector.url, &state, "atexit", 20);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    well.store(true, Ordering::SeqCst);
    assert_eq!(deliver(&collector.url, &state), [21, 21, 0, 0]);
    let last = |one: &&Received| one.json()["resource_name"] == "last";
    assert_eq!(of_next_start(&collector).iter().filter(last).count(), 1);
}

/// A suspended container, a laptop that sleeps: the process stands still and goes on. `MCPCAT_STOP_SECONDS` makes it a
/// longer sleep than two seconds.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_delivers_when_it_goes_on() {
    let seconds = std::env::var("MCPCAT_STOP_SECONDS").map_or(2, |text| text.parse().unwrap());
    let (collector, well) = sick_collector().await;
    let state = state_dir();
    let mut child = start(&collector.url, &state, "kill", 300);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let promised: BTreeSet<String> = lines.take(300).map(Result::unwrap).collect();
    collector.wait(1).await;
    let tell = |signal: &str| {
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    };
    tell("-STOP");
    // The time is what is tested: the endpoint becomes well while nobody looks, and another start adopts nothing.
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    let refused = collector.received().len();
    well.store(true, Ordering::SeqCst);
    assert_eq!(deliver(&collector.url, &state), [0, 0, 0, 0], "stopped is not dead");
    tell("-CONT");
    collector.wait(refused + 300).await;
    let (taken, twice) = taken(&collector, refused);
    assert_eq!((taken == promised, twice), (true, 0));
    child.kill().unwrap();
    child.wait().unwrap();
    // At most what it had not marked as delivered when it was killed.
    let [adopted, delivered, dropped, pending] = deliver(&collector.url, &state);
    assert_eq!((delivered, dropped, pending), (adopted, 0, 0));
}
