//! The author's hooks run beside the call: the answer never waits for them, the call's events do, and go out
//! without their values when they fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpcat::{Identity, TraceContext, Tracked};
use rmcp::model::CallToolRequestParams;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::sessions::{agent, serve};
use crate::support::{Collector, PATIENCE, Sample, call, connect, named, of_type};

fn greet() -> CallToolRequestParams {
    call("greet", json!({ "name": "Ada" }))
}

fn tags(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

/// Waits on a gate that opens only after the answer has arrived.
#[tokio::test]
async fn hooks_are_not_in_the_way_of_the_call_and_reach_all_its_events() {
    let collector = Collector::start().await;
    let client = collector.client();
    let gate = watch::Sender::new(false);
    let asked = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (gate.clone(), Arc::clone(&asked));
    let who = move |request: mcpcat::RequestInfo<'static>| {
        let (opened, counted) = (opened.clone(), Arc::clone(&counted));
        async move {
            if request.name() != Some("greet") {
                return Ok::<_, std::io::Error>(None);
            }
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = opened.subscribe().wait_for(|open| *open).await;
            Ok(Some(Identity::new("user-7").name("Ada").data("plan", "pro").data("password", "hunter2")))
        }
    };
    let server = client
        .track(Sample)
        .identify(who)
        .event_tags(|request| {
            let method = request.method().to_owned();
            async move { tags(&[("method", &method), ("bad/key", "x"), ("env", "test")]) }
        })
        .event_properties(async |_| json!({ "build": 12, "secret": "s" }).as_object().cloned());
    let agent = connect(server).await;
    agent.call_tool(greet()).await.unwrap();
    gate.send_replace(true);
    // The events are in the log already; this waits for what they wait for.
    collector.wait(3).await;
    agent.call_tool(greet()).await.unwrap();
    collector.wait(5).await;
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.pending, stats.hook_failures, stats.problems), (0, 0, 3), "one bad tag each: {stats}");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "who is known is not asked again");
    let bodies = collector.bodies();
    assert_eq!(bodies.len(), 5);
    for body in bodies.iter().filter(|body| body["event_type"] != "mcp:initialize") {
        assert_eq!(body["identify_actor_given_id"], "user-7", "{body}");
        assert_eq!(body["actor_id"], "user-7");
        assert_eq!(body["identify_actor_name"], "Ada");
        assert_eq!(body["identify_data"]["plan"], "pro");
        assert_ne!(body["identify_data"]["password"], "hunter2");
        assert_eq!(body["tags"], json!({ "env": "test", "method": "tools/call" }));
        assert_eq!(body["properties"]["build"], 12);
        assert_ne!(body["properties"]["secret"], "s");
    }
    let opened = of_type(&bodies, "mcp:initialize")[0];
    assert_eq!(opened["tags"]["method"], "initialize");
}

/// Calls one tool of a server and reads its event and the numbers.
async fn called(
    prepare: impl FnOnce(Tracked<Sample>) -> Tracked<Sample>,
) -> (BTreeMap<String, Value>, String, u64) {
    let collector = Collector::start().await;
    let client = collector.client();
    let only_tools = client.track(Sample).record(|method| method == "tools/call");
    let agent = connect(prepare(only_tools.hook_deadline(Duration::from_millis(20)))).await;
    agent.call_tool(greet()).await.unwrap();
    collector.wait(2).await;
    // What was too late for the events is known when its deadline has passed.
    let mut stats = client.stats();
    let counted = async {
        while stats.hook_failures == 0 {
            tokio::task::yield_now().await;
            stats = client.stats();
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("the failure is counted");
    let event = named(&collector.bodies(), "greet").as_object().unwrap().clone();
    (event.into_iter().collect(), stats.last_hook_failure.unwrap(), stats.hook_failures)
}

#[tokio::test]
async fn a_hook_that_hangs_loses_its_value_and_nothing_else() {
    let (event, why, failures) = called(|server| {
        server
            .identify(|_| std::future::pending::<Option<Identity>>())
            .event_tags(async |_| tags(&[("kept", "yes")]))
    })
    .await;
    assert!(!event.contains_key("actor_id"));
    assert_eq!(event["tags"], json!({ "kept": "yes" }), "the others are not its hostages");
    assert_eq!((why.as_str(), failures), ("`identify` gave nothing: it took longer than 20ms", 1));
}

#[tokio::test]
async fn a_hook_that_panics_stays_here() {
    let (event, why, _) = called(|server| {
        server.event_tags(async |request| {
            assert!(request.name().is_none(), "a hook of the author's");
            tags(&[])
        })
    })
    .await;
    assert!(!event.contains_key("tags"));
    assert_eq!(why, "`event_tags` gave nothing: it panicked");
}

#[tokio::test]
async fn a_hook_that_fails_is_heard() {
    let (event, why, _) = called(|server| {
        server.event_properties(async |_| Err::<Option<_>, _>(std::io::Error::other("the directory is down")))
    })
    .await;
    let properties = event["properties"].as_object().unwrap();
    assert!(properties.keys().all(|key| key.starts_with("mcpcat_")), "nothing of the hook's: {properties:?}");
    assert_eq!(why, "`event_properties` gave nothing: the directory is down");
}

#[tokio::test]
async fn each_session_has_its_own_actor() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let make = move || {
        let who = |request: mcpcat::RequestInfo<'static>| async move {
            request.arguments()?.get("name")?.as_str().map(Identity::new)
        };
        Ok(tracker.track(Sample).identify(who))
    };
    let url = serve(make, StreamableHttpServerConfig::default()).await;
    let (first, second) = tokio::join!(agent(&url), agent(&url));
    for (agent, name) in [(&first, "one"), (&second, "two")] {
        agent.call_tool(call("greet", json!({ "name": name }))).await.unwrap();
    }
    collector.wait(6).await;
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.pending, stats.hook_failures), (0, 0), "{stats}");
    let bodies = collector.bodies();
    for name in ["one", "two"] {
        let greeted = bodies.iter().find(|body| body["parameters"] == json!({ "name": name })).unwrap();
        let tool = bodies.iter().find(|body| body["id"] == greeted["parent_id"]).unwrap();
        assert_eq!((&greeted["actor_id"], &tool["actor_id"]), (&json!(name), &json!(name)));
        assert_eq!(greeted["session_id"], tool["session_id"]);
    }
    let opened = of_type(&bodies, "mcp:initialize");
    assert_eq!(opened.len(), 2);
    for opened in opened {
        let calls = of_type(&bodies, "mcp:tools/call");
        assert!(calls.iter().any(|call| call["session_id"] == opened["session_id"]), "{opened}");
    }
}

#[tokio::test]
async fn a_call_and_what_it_raises_carry_their_trace() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let collector = Collector::start().await;
    let client = collector.client();
    let traced: CallToolRequestParams = serde_json::from_value(json!({
        "name": "greet", "arguments": { "name": "Ada" }, "_meta": { "traceparent": PARENT },
    }))
    .unwrap();
    let agent = connect(client.track(Sample)).await;
    agent.call_tool(traced.clone()).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    for name in ["greet", "greeted"] {
        let properties = named(&collector.bodies(), name)["properties"].clone();
        assert_eq!(properties["trace_id"], PARENT[3..35], "{name}");
        assert_eq!(properties["span_id"], PARENT[36..52], "{name}");
    }

    let own = client.track(Sample).trace_context(|| Some(TraceContext::new("a".repeat(32), "b".repeat(16))));
    let agent = connect(own).await;
    agent.call_tool(traced).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    let own =
        collector.bodies().iter().filter(|body| body["properties"]["span_id"] == "b".repeat(16)).count();
    assert_eq!(own, 3, "the handshake, the call and its event");
}
