//! A failed call is one failure, whatever its error has passed through.

use mcpcat::testing::Recorder;
use rmcp::model::{CallToolRequestParams, CallToolResponse, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};

use crate::support::{Collector, PATIENCE, call, connect, named};

#[mcpcat::event(name = "card.charge")]
fn charge() -> Result<(), std::io::Error> {
    Err(std::io::Error::other("the card was declined"))
}

#[mcpcat::event(name = "order.place")]
fn order() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    charge().map_err(|error| format!("the order failed: {error}").into())
}

#[mcpcat::event(name = "cache.read")]
fn recovers() -> Result<u8, std::io::Error> {
    let _ = charge();
    Ok(7)
}

#[mcpcat::event(name = "other.failure")]
fn fails_otherwise() -> Result<(), String> {
    let _ = charge();
    Err("something else".to_owned())
}

#[derive(Clone)]
struct Shop;

impl ServerHandler for Shop {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        order().map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        unreachable!("it fails")
    }
}

#[tokio::test]
async fn what_failed_by_an_inner_failure_points_at_it() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Shop)).await;
    agent.call_tool(call("buy", json!({}))).await.unwrap_err();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let (charge, order, buy) =
        (named(&bodies, "card.charge"), named(&bodies, "order.place"), named(&bodies, "buy"));
    for event in [charge, order, buy] {
        assert_eq!(event["is_error"], true, "{event}");
    }
    assert!(charge["properties"].get("mcpcat_cause").is_none(), "it is the cause: {charge}");
    for event in [order, buy] {
        assert_eq!(event["properties"]["mcpcat_cause"], charge["id"], "{event}");
    }
    // Of a boxed error nobody can say the type, and a text has none that says anything.
    assert_eq!(charge["error"]["type"], "std::io::error::Error");
    assert_eq!(order["error"].get("type"), None, "{order}");
    let failures: Vec<&Value> = bodies
        .iter()
        .filter(|it| it["is_error"] == true && it["properties"].get("mcpcat_cause").is_none())
        .collect();
    assert_eq!(failures.len(), 1, "counted once");
}

#[test]
fn a_failure_that_did_not_get_out_causes_nothing() {
    let recorder = Recorder::new();
    recorder.run(|| {
        recovers().unwrap();
        fails_otherwise().unwrap_err();
        // Later than all that, and for itself.
        charge().unwrap_err();
    });
    for event in recorder.events() {
        let body = event.json();
        assert!(body["properties"].get("mcpcat_cause").is_none(), "{body}");
    }
    recorder.event("cache.read").is_not_error();
}

#[tokio::test]
async fn a_server_that_is_tracked_twice_is_recorded_once() {
    let collector = Collector::start().await;
    let client = collector.client();
    let twice = client.track(client.track(Shop));
    assert!(matches!(twice.status(), mcpcat::Status::Untracked { .. }));
    let shared = client.track(std::sync::Arc::new(client.track(Shop)));
    for agent in [connect(twice).await, connect(shared).await] {
        agent.call_tool(call("buy", json!({}))).await.unwrap_err();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let calls: Vec<_> = bodies.iter().filter(|body| body["resource_name"] == "buy").collect();
    assert_eq!(calls.len(), 2, "{calls:#?}");
}
