//! `flush_on_signals`: real processes that are told to end. Events arrive, and the signal does what it would have done.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;

use crate::durability::start;
use crate::support::{Collector, PATIENCE, state_dir};

const TERM: i32 = 15;
const INT: i32 = 2;

/// A program that has published `count` events and waits for its end.
fn ready(url: &str, way: &str, count: usize) -> Child {
    let mut child = start(url, &state_dir(), way, count);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.take(count).map(Result::unwrap).count(), count);
    child
}

fn tell(child: &Child, signal: i32) {
    let told = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
    assert!(told.success());
}

async fn end(mut child: Child) -> ExitStatus {
    let id = child.id().to_string();
    let wait = tokio::task::spawn_blocking(move || child.wait().unwrap());
    let Ok(status) = tokio::time::timeout(PATIENCE, wait).await else {
        // The end of the test waits for the thread that waits for it.
        Command::new("kill").args(["-KILL", &id]).status().unwrap();
        panic!("it does not end");
    };
    status.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_and_the_process_ends_by_that_very_signal() {
    for signal in [TERM, INT] {
        let collector = Collector::start().await;
        // Events that nobody waited for: published at once, told to end at once.
        let child = ready(&collector.url, "signalled", 500);
        tell(&child, signal);
        let status = end(child).await;
        assert_eq!((status.signal(), status.code()), (Some(signal), None));
        assert_eq!(collector.received().len(), 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_of_the_hosts_own_decides_how_the_process_ends() {
    let collector = Collector::start().await;
    let child = ready(&collector.url, "handled", 20);
    tell(&child, TERM);
    let status = end(child).await;
    assert_eq!((status.code(), status.signal()), (Some(3), None), "its own exit code");
    assert!(!collector.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_process_at_once() {
    let collector = Collector::answering(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()).await;
    let child = ready(&collector.url, "signalled", 5);
    let began = Instant::now();
    tell(&child, TERM);
    // The helper has begun to wait for the endpoint once the process has shown that it lives on.
    let before = collector.received().len();
    collector.wait(before + 2).await;
    tell(&child, INT);
    let status = end(child).await;
    assert_eq!(status.signal(), Some(INT));
    assert!(began.elapsed() < Duration::from_secs(55), "not the minute that the flush was allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_signal_stays_ignored() {
    let collector = Collector::start().await;
    let shell = "trap '' INT; exec \"$0\" \"$@\"";
    let mut child = Command::new("sh")
        .args(["-c", shell])
        .arg(&*crate::durability::PUBLISHER)
        .args([&collector.url, &state_dir().display().to_string(), "signalled", "1"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    tell(&child, INT);
    tell(&child, TERM);
    // Had the first one counted, it would be the one that ended it.
    assert_eq!(end(child).await.signal(), Some(TERM));
}
