//! A server that no wrapper can be put around has the same events from a guard for each request.

use mcpcat::{Outcome as _, SessionId, emit};
use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::json;

use crate::support::{Collector, PATIENCE, PROJECT, named};

#[tokio::test]
async fn a_guarded_request_is_recorded_like_a_tracked_one() {
    let collector = Collector::start().await;
    let client = collector.client();
    let answer = client
        .call_in("customer-1", "tools/call", "search")
        .arguments(&json!({ "query": "paper", "password": "hunter2" }))
        .intent("to find paper")
        .run_with(
            async {
                emit!("searched", hits = 3);
                CallToolResult::error(vec![ContentBlock::text("out of paper")])
            },
            |answer| answer.error(),
        )
        .await;
    assert_eq!(answer.is_error, Some(true));
    client.call_in("customer-1", "resources/read", "file:///x").run_sync(|| 7, |_| None);
    let parsing = client.call_in("customer-1", "prompts/get", "number");
    parsing.run(async { "x".parse::<u8>() }).await.unwrap_err();
    drop(client.call_in("customer-1", "tools/call", "dropped"));
    let stats = client.flush(PATIENCE).await;
    assert_eq!(
        (stats.published, stats.pending),
        (5, 0),
        "a session that was replaced leaves no event: {stats}"
    );

    let bodies = collector.bodies();
    let search = named(&bodies, "search");
    assert_eq!(search["event_type"], "mcp:tools/call");
    assert_eq!(search["session_id"], SessionId::derive("customer-1", PROJECT).as_str());
    assert_eq!(search["parameters"]["request"]["method"], "tools/call");
    assert_eq!(search["parameters"]["request"]["params"]["arguments"]["query"], "paper");
    assert_ne!(search["parameters"]["request"]["params"]["arguments"]["password"], "hunter2");
    assert_eq!(search["user_intent"], "to find paper");
    assert_eq!((&search["is_error"], &search["error"]["message"]), (&json!(true), &json!("out of paper")));
    assert_eq!(named(&bodies, "searched")["parent_id"], search["id"]);
    let read = named(&bodies, "file:///x");
    assert_eq!((&read["event_type"], &read["is_error"]), (&json!("mcp:resources/read"), &json!(false)));
    assert_eq!(named(&bodies, "number")["error"]["type"], "core::num::error::ParseIntError");
    assert_eq!(named(&bodies, "dropped")["error"]["type"], "cancelled");
}
