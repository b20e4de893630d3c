//! The event of a finished call is in the log before its answer leaves: a server that is killed between the two, or right
//! after, or anywhere, has never answered without its event.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::support::{Collector, PATIENCE, program, state_dir};

const ROUNDS: usize = 200;

fn start(program: &Path, url: &str, state: &Path, way: &str, count: usize) -> Child {
    Command::new(program)
        .args([url, &state.display().to_string(), way, &count.to_string()])
        .env("MCPCAT_QUIET", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program is built")
}

/// Asks until the server is gone, or, where the test kills it, until so many answers have come. The names of the tools
/// whose answers arrived whole.
fn ask(child: &mut Child, outside: Option<usize>) -> BTreeSet<String> {
    // A server that neither answers nor dies is ended, and the test fails by what it has answered.
    let (_ended, waits) = std::sync::mpsc::channel::<()>();
    let pid = child.id().to_string();
    std::thread::spawn(move || {
        if waits.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut write = |message: Value| writeln!(input, "{message}");
    let _ = write(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "asker", "version": "1" } } }));
    for id in 1..=32 {
        let params = json!({ "name": format!("tool-{id}") });
        if write(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).is_err() {
            break;
        }
    }
    let mut answered = BTreeSet::new();
    let mut line = String::new();
    loop {
        line.clear();
        let read = output.read_line(&mut line).unwrap_or(0);
        // A line without its end was cut off by the kill.
        if read == 0 || !line.ends_with('\n') {
            break;
        }
        let answer: Value = serde_json::from_str(&line).unwrap();
        if answer["id"] != 0 {
            answered.insert(answer["result"]["content"][0]["text"].as_str().unwrap().to_owned());
        }
        if outside.is_some_and(|count| answered.len() >= count) {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_never_answered_without_its_event() {
    let answerer = program("answerer");
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let collector = Collector::answering(move |_| match answer.load(Ordering::SeqCst) {
        true => StatusCode::ACCEPTED.into_response(),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    })
    .await;
    let (mut answers, mut unanswered) = (0, 0);
    for round in 0..ROUNDS {
        let state = state_dir();
        let count = 1 + round * 7 % 31;
        let way = ["before", "after", "outside"][round % 3];
        well.store(false, Ordering::SeqCst);
        let mut child = start(&answerer, &collector.url, &state, way, count + 1);
        let answered = ask(&mut child, (way == "outside").then_some(count));
        let refused = collector.received().len();
        well.store(true, Ordering::SeqCst);
        let delivered = start(&answerer, &collector.url, &state, "deliver", 0).wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&delivered.stdout).trim(), "0 0", "round {round}, {way}");
        let events: BTreeSet<String> = collector.received()[refused..]
            .iter()
            .map(|received| received.json())
            .filter(|body| body["event_type"] == "mcp:tools/call")
            .map(|body| body["resource_name"].as_str().unwrap().to_owned())
            .collect();
        let without: Vec<_> = answered.difference(&events).collect();
        assert!(without.is_empty(), "round {round}, {way}: answered without an event: {without:?}");
        match way {
            // The event of the answer that was not written is there.
            "before" => assert!(answered.len() < count && events.len() == count, "round {round}"),
            "after" => assert!(!answered.is_empty(), "round {round}"),
            _ => assert!(answered.len() >= count, "round {round}"),
        }
        answers += answered.len();
        unanswered += events.len() - answered.len();
        std::fs::remove_dir_all(&state).unwrap();
    }
    eprintln!(
        "{ROUNDS} rounds, {answers} answers, each with its event; {unanswered} events whose answer was cut off"
    );
}
