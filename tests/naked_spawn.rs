//! A future that is spawned without a word leaves its call: what it publishes belongs to the process's own session of the
//! installed client, and is counted. A program of its own, because the installed client is the whole process's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, unreachable_pub, reason = "what the other test program needs of it")]

#[path = "suite/support.rs"]
mod support;

use mcpcat::{InSession as _, emit};
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;

use support::{Collector, PATIENCE, call, connect, named};

#[derive(Clone)]
struct Spawner;

#[tool_router]
impl Spawner {
    #[tool(description = "Spawns with and without a word")]
    async fn spawn(&self) -> String {
        let naked = tokio::spawn(async { emit!("naked") });
        let carried = tokio::spawn(async { emit!("carried") }.in_current_session());
        format!("{:?} {:?}", naked.await.is_ok(), carried.await.is_ok())
    }
}

#[tool_handler]
impl ServerHandler for Spawner {}

#[tokio::test]
async fn a_naked_spawn_loses_its_call_and_is_not_lost() {
    let collector = Collector::start().await;
    let client = collector.client();
    client.install();
    // The first connection of a process has the process's session; this is about one that has not.
    let first = connect(client.track(Spawner)).await;
    let second = connect(client.track(Spawner)).await;
    let answer = second.call_tool(call("spawn", json!({}))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "true true");
    first.list_all_tools().await.unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.pending, stats.unattributed), (0, 1), "{stats}");
    let bodies = collector.bodies();
    let tool = named(&bodies, "spawn");
    let (naked, carried) = (named(&bodies, "naked"), named(&bodies, "carried"));
    assert_eq!((&carried["session_id"], &carried["parent_id"]), (&tool["session_id"], &tool["id"]));
    assert!(naked.get("parent_id").is_none(), "it is under no call: {naked}");
    assert_ne!(naked["session_id"], tool["session_id"]);
    let listed = bodies.iter().find(|body| body["event_type"] == "mcp:tools/list").unwrap();
    assert_eq!(
        naked["session_id"], listed["session_id"],
        "the process's own, which its first connection has"
    );
}
