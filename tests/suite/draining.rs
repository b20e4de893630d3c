//! The example `graceful_shutdown` as a child process: told to end in the middle of a call, it answers the call and
//! delivers everything.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::sessions::agent;
use crate::support::{Collector, PATIENCE, call, program, state_dir};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_end_answers_its_calls_and_delivers_their_events() {
    let collector = Collector::start().await;
    let built = tokio::task::spawn_blocking(|| program("graceful_shutdown")).await.unwrap();
    let mut child = Command::new(built)
        .env_remove("AGENTCAT_API_URL")
        .env("MCPCAT_API_URL", &collector.url)
        .env("MCPCAT_STATE_DIR", state_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.next_line().await.unwrap().expect("its address");
    let agent = agent(&url).await;
    let order = |dish: &str, takes: u64| call("cook", json!({ "dish": dish, "takes": takes }));
    for n in 0..20 {
        agent.call_tool(order(&format!("soup {n}"), 0)).await.unwrap();
    }
    let slow = tokio::spawn({
        let (agent, order) = (agent.peer().clone(), order("roast", 2_000));
        async move { agent.call_tool(order).await }
    });
    // The call is running once its first event has arrived.
    let running = async {
        let mut so_far = collector.received().len();
        while !collector.bodies().iter().any(|body| {
            body["resource_name"] == "order.taken" && body["parameters"] == json!({ "dish": "roast" })
        }) {
            so_far = collector.wait(so_far + 1).await.len();
        }
    };
    tokio::time::timeout(PATIENCE, running).await.unwrap();
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let answer = tokio::time::timeout(PATIENCE, slow).await.unwrap().unwrap().expect("it is answered");
    assert!(format!("{answer:?}").contains("here is your roast"));
    let status = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    let mut counts = BTreeMap::<String, usize>::new();
    for body in collector.bodies() {
        *counts.entry(body["resource_name"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
    }
    for name in ["cook", "order.taken", "order.served"] {
        assert_eq!(counts.get(name), Some(&21), "{name}: {counts:?}");
    }
}
