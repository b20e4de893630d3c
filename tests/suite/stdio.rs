//! The stdio example as a child process: its stdout is the protocol's alone.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::LazyLock;

use rmcp::ServiceExt as _;
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::support::{Collector, PATIENCE, call, named, of_type, program, state_dir};

pub fn example() -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| program("stdio_server"));
    let mut command = Command::new(&*BUILT);
    command.kill_on_drop(true);
    command.env_remove("AGENTCAT_API_URL").env("MCPCAT_STATE_DIR", state_dir());
    command
}

#[tokio::test]
async fn its_stdout_carries_json_rpc_and_nothing_else() {
    // Everything that could tempt a library to talk: an endpoint that is down, verbose logs.
    let mut child = example()
        .env("MCPCAT_API_URL", "http://127.0.0.1:9")
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the example is built");
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let requests = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
        json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": "roll", "arguments": { "sides": 6 } } }),
        json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
            "name": "roll", "arguments": { "sides": 0 } } }),
        json!({ "jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {
            "name": "roll", "arguments": "not an object" } }),
        json!({ "jsonrpc": "2.0", "id": 6, "method": "no/such/method" }),
    ];
    let expected = requests.iter().filter(|request| request.get("id").is_some()).count();
    for request in requests {
        stdin.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }
    let mut answered = Vec::new();
    let reading = async {
        while answered.len() < expected {
            let line = lines.next_line().await.unwrap().expect("the server lives");
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            answered.extend(message["id"].as_u64());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("every request is answered");
    drop(stdin);
    let rest = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
        }
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, rest).await.expect("it ends with its stdin");
    assert!(status.success(), "{status}");
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn one_process_is_one_session_and_everything_arrives_before_it_ends() {
    let collector = Collector::start().await;
    let mut command = example();
    command.env("MCPCAT_API_URL", &collector.url);
    let agent = ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    agent.list_all_tools().await.unwrap();
    agent.call_tool(call("roll", json!({ "sides": 6 }))).await.unwrap();
    agent.call_tool(call("roll", json!({ "sides": 0 }))).await.unwrap();
    agent.cancel().await.unwrap();
    collector.wait(6).await;
    let bodies = collector.bodies();
    assert!(bodies.iter().all(|body| body["session_id"] == bodies[0]["session_id"]), "{bodies:#?}");
    assert_eq!(of_type(&bodies, "mcp:tools/call").len(), 2);
    let rolled = named(&bodies, "dice.rolled");
    assert!(bodies.iter().any(|body| body["id"] == rolled["parent_id"]));
}
