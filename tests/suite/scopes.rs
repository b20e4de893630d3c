//! The session travels with the code: through nested calls by itself, elsewhere with one word.

use std::sync::LazyLock;
use std::time::Duration;

use mcpcat::{CustomEvent, InSession as _, Session, emit};
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{Collector, PATIENCE, call, connect, named};

#[mcpcat::event(name = "outer", params(depth))]
async fn outer(depth: u32) -> Result<u32, std::num::ParseIntError> {
    tokio::task::yield_now().await;
    inner("12").await?;
    inner("not a number").await
}

#[mcpcat::event(name = "inner", params(text), response)]
async fn inner(text: &str) -> Result<u32, std::num::ParseIntError> {
    emit!("innermost", text);
    text.parse()
}

#[mcpcat::event(name = "synchronous")]
fn synchronous() -> u8 {
    emit!("inside synchronous");
    std::thread::sleep(Duration::from_millis(5));
    7
}

const NAP: Duration = Duration::from_millis(30);

#[mcpcat::event(name = "nap.inside")]
async fn nap() {
    tokio::time::sleep(NAP).await;
}

static ASLEEP: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// A server whose one tool publishes in every way there is.
struct Publisher;

impl ServerHandler for Publisher {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "sleep" {
            ASLEEP.send_replace(true);
            std::future::pending::<()>().await;
        }
        if request.name == "nap" {
            nap().await;
            return Ok(CallToolResult::success(Vec::new()).into());
        }
        let _ = outer(3).await;
        synchronous();
        tokio::spawn(async { emit!("spawned, carried") }.in_current_session()).await.unwrap();
        tokio::spawn(async { emit!("spawned, naked") }).await.unwrap();
        let session = Session::current().expect("a call runs here");
        let here = session.clone();
        tokio::task::spawn_blocking(move || here.run(|| emit!("blocking"))).await.unwrap();
        let here = session.clone();
        std::thread::spawn(move || here.run(|| emit!("thread"))).join().unwrap();
        async { emit!("in session") }.in_session(session).await;
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

#[tokio::test]
async fn every_way_of_publishing_inside_a_call_finds_its_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Publisher)).await;
    agent.call_tool(call("all", json!({}))).await.unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!(stats.pending, 0, "{stats}");
    let bodies = collector.bodies();
    let tool = named(&bodies, "all");
    for name in ["outer", "synchronous", "spawned, carried", "in session"] {
        let event = named(&bodies, name);
        assert_eq!(event["session_id"], tool["session_id"], "{name}");
        assert_eq!(event["parent_id"], tool["id"], "{name} is nested under its call");
    }
    for name in ["blocking", "thread"] {
        assert_eq!(named(&bodies, name)["session_id"], tool["session_id"], "{name}");
    }
    // Without a word the language carries nothing: no client is installed, so the event has nowhere to go.
    assert!(!bodies.iter().any(|body| body["resource_name"] == "spawned, naked"));

    let outer = named(&bodies, "outer");
    assert_eq!((&outer["is_error"], &outer["parameters"]), (&json!(true), &json!({ "depth": 3 })));
    assert_eq!(outer["error"]["type"], "core::num::error::ParseIntError");
    let inner: Vec<&Value> = bodies.iter().filter(|body| body["resource_name"] == "inner").collect();
    assert_eq!(inner.len(), 2);
    for event in &inner {
        assert_eq!(event["parent_id"], outer["id"]);
    }
    let good = inner.iter().find(|event| event["is_error"] == false).unwrap();
    assert_eq!((&good["response"], &good["parameters"]), (&json!(12), &json!({ "text": "12" })));
    assert!(named(&bodies, "synchronous")["duration"].as_u64().unwrap() >= 5);
    assert_eq!(named(&bodies, "inside synchronous")["parent_id"], named(&bodies, "synchronous")["id"]);
}

#[tokio::test]
async fn a_duration_is_at_least_the_work_and_at_most_what_the_client_saw() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Publisher)).await;
    let before = std::time::Instant::now();
    agent.call_tool(call("nap", json!({}))).await.unwrap();
    let seen = before.elapsed().as_millis() as u64;
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let (tool, inside) = (named(&bodies, "nap"), named(&bodies, "nap.inside"));
    let millis = |event: &Value| event["duration"].as_u64().unwrap();
    let order = [NAP.as_millis() as u64, millis(inside), millis(tool), seen];
    assert!(order.is_sorted(), "{order:?}");
}

#[tokio::test]
async fn an_event_of_another_session_is_not_nested() {
    let collector = Collector::start().await;
    let client = collector.client();
    let publisher = client.clone();
    client.session("one").run(|| publisher.publish("two", CustomEvent::new("elsewhere"))).unwrap();
    let _ = client.flush(PATIENCE).await;
    assert!(named(&collector.bodies(), "elsewhere").get("parent_id").is_none());
}

/// rmcp leaves a cancelled call's handler running; what drops it is the end of its runtime.
#[tokio::test]
async fn a_call_that_is_dropped_is_recorded_as_cancelled() {
    let collector = Collector::start().await;
    let client = collector.client();
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    let servers = tokio::runtime::Runtime::new().unwrap();
    let tracked = client.track(Publisher);
    servers.spawn(async move { tracked.serve(server_io).await.unwrap().waiting().await });
    let agent = ().serve(client_io).await.unwrap();
    let mut asleep = ASLEEP.subscribe();
    tokio::select! {
        answer = agent.call_tool(call("sleep", json!({}))) => panic!("{answer:?}"),
        _ = asleep.wait_for(|asleep| *asleep) => servers.shutdown_background(),
    }
    collector.wait(2).await;
    let bodies = collector.bodies();
    let event = named(&bodies, "sleep");
    assert_eq!((&event["is_error"], &event["error"]["type"]), (&json!(true), &json!("cancelled")));
}

#[tokio::test]
async fn a_panicking_tool_is_recorded_with_what_it_said() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(crate::support::Sample)).await;
    // rmcp never answers a call whose handler panicked: the wrapper changes nothing about that.
    let call = agent.call_tool(call("panic", json!({})));
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        _ = collector.wait(2) => {}
    }
    let bodies = collector.bodies();
    let event = named(&bodies, "panic");
    assert_eq!(event["error"]["type"], "panic");
    assert_eq!(event["error"]["message"], "the drum is broken");
}
