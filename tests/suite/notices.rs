//! What a server whose author set no `tracing` subscriber says on stderr: where events go, and that they do not get there,
//! each once. Its stdout is the protocol's.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::support::{PATIENCE, program, state_dir};

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:9";

/// The lines of stdout and of stderr of a server that records two calls for an endpoint that is dead.
async fn served(quiet: Option<&str>) -> (Vec<String>, Vec<String>) {
    let guide = tokio::task::spawn_blocking(|| program("guide")).await.unwrap();
    let mut command = Command::new(guide);
    command.env("MCPCAT_API_URL", DEAD).env("MCPCAT_STATE_DIR", state_dir()).env("MCPCAT_DRAIN_MS", "0");
    for variable in ["AGENTCAT_API_URL", "MCPCAT_QUIET", "MCPCAT_ENABLED", "DO_NOT_TRACK", "MCPCAT_DRY_RUN"] {
        command.env_remove(variable);
    }
    command.envs(quiet.map(|value| ("MCPCAT_QUIET", value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut output = child.stdout.take().unwrap();

    let client = json!({ "name": "test", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let upgrade = json!({ "name": "upgrade", "arguments": { "plan": "pro" } });
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": &upgrade }),
        json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": &upgrade }),
    ] {
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    let whole = async {
        let mut said = Vec::new();
        while !said.iter().any(|line: &String| line.contains("events wait")) {
            said.push(errors.next_line().await.unwrap().expect("it says that the endpoint is dead"));
        }
        drop(input);
        let mut answers = String::new();
        output.read_to_string(&mut answers).await.unwrap();
        while let Some(line) = errors.next_line().await.unwrap() {
            said.push(line);
        }
        child.wait().await.unwrap();
        (answers.lines().map(str::to_owned).collect(), said)
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("the server ends")
}

fn saying(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[tokio::test]
async fn where_events_go_and_that_they_cannot_is_said_once_on_stderr() {
    let (answers, said) = served(None).await;
    assert_eq!(saying(&said, &format!("events of project `proj_abc123xyz` go to {DEAD}")), 1, "{said:#?}");
    assert_eq!(saying(&said, &format!("{DEAD} does not answer well")), 1, "{said:#?}");
    assert!(said.iter().all(|line| line.starts_with("mcpcat: ")), "{said:#?}");
    assert!(saying(&answers, "\"id\"") >= 1, "{answers:#?}");
    for answer in &answers {
        assert_eq!(serde_json::from_str::<Value>(answer).unwrap()["jsonrpc"], "2.0", "{answer}");
    }
}

#[tokio::test]
async fn quiet_silences_where_events_go_and_no_problem() {
    let (_, said) = served(Some("1")).await;
    assert_eq!(saying(&said, "go to"), 0, "{said:#?}");
    assert_eq!(saying(&said, &format!("{DEAD} does not answer well")), 1, "{said:#?}");
}

/// Whoever set one has decided who hears of what.
#[tokio::test]
async fn with_a_subscriber_nothing_is_said_on_stderr() {
    let ender = tokio::task::spawn_blocking(|| program("ender")).await.unwrap();
    let said = async |way: &str| {
        let mut command = Command::new(&ender);
        command.arg(way).env("MCPCAT_API_URL", DEAD).env("MCPCAT_STATE_DIR", state_dir());
        for variable in
            ["AGENTCAT_API_URL", "MCPCAT_QUIET", "MCPCAT_ENABLED", "DO_NOT_TRACK", "MCPCAT_DRY_RUN"]
        {
            command.env_remove(variable);
        }
        let output =
            tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output()).await.unwrap().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let without = said("return").await;
    assert!(without.contains("go to") && without.contains("does not answer well"), "{without}");
    assert_eq!(said("subscriber").await, "");
}
