//! How much is recorded: whole sessions by their id, and of each request as much as the author says.

use mcpcat::{Client, CustomEvent, Payload, SessionId};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::json;

use crate::sessions::{agent, serve};
use crate::support::{Collector, PATIENCE, PROJECT, Sample, call, connect, named, state_dir};

fn sampling(collector: &Collector, share: f64) -> Client {
    let builder = Client::builder(PROJECT).base_url(&collector.url).state_dir(state_dir());
    builder.sample(share).build().unwrap()
}

#[tokio::test]
async fn a_session_is_recorded_whole_or_not_at_all_and_errors_always() {
    let collector = Collector::start().await;
    let client = sampling(&collector, 0.5);
    for session in 0..40 {
        for event in ["first", "second"] {
            client.publish(&format!("customer-{session}"), CustomEvent::new(event)).unwrap();
        }
        let failed = CustomEvent::new("failed").is_error(true);
        client.publish(&format!("customer-{session}"), failed).unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let of = |session: usize| {
        let id = SessionId::derive(&format!("customer-{session}"), PROJECT);
        bodies.iter().filter(|body| body["session_id"] == id.as_str()).count()
    };
    let sizes: Vec<_> = (0..40).map(of).collect();
    assert!(sizes.iter().all(|size| [1, 3].contains(size)), "whole, or the error alone: {sizes:?}");
    let whole = sizes.iter().filter(|size| **size == 3).count();
    assert!((8..=32).contains(&whole), "about half: {whole}");
    assert_eq!(stats.sampled_out, 2 * (40 - whole as u64), "counted apart: {stats}");
    assert_eq!((stats.published, stats.dropped, stats.pending), (bodies.len() as u64, 0, 0));
    assert!(bodies.iter().all(|body| body["properties"]["mcpcat_sample_rate"] == 0.5));
}

/// Over HTTP a session's id is known only after its handshake, which is decided about all the same.
#[tokio::test]
async fn a_handshake_is_sampled_with_the_session_that_it_opens() {
    let collector = Collector::start().await;
    let client = sampling(&collector, 0.5);
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), StreamableHttpServerConfig::default()).await;
    for _ in 0..12 {
        let agent = agent(&url).await;
        agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
        agent.call_tool(call("fail", json!({}))).await.unwrap();
        agent.cancel().await.unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let failures: Vec<_> = bodies.iter().filter(|body| body["resource_name"] == "fail").collect();
    assert_eq!(failures.len(), 12);
    for failure in failures {
        let size = bodies.iter().filter(|body| body["session_id"] == failure["session_id"]).count();
        assert!([1, 4].contains(&size), "whole, or the error alone: {size}");
    }
    assert_eq!(stats.sampled_out + stats.delivered, 48, "{stats}");
    assert_eq!((stats.published, stats.pending, stats.dropped), (stats.delivered, 0, 0), "{stats}");
}

#[tokio::test]
async fn the_author_says_how_much_of_a_request_is_recorded() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Sample).payloads(|method, name| match (method, name) {
        ("tools/call", Some("greet")) => Payload::Shape,
        ("tools/call", Some("fail")) => Payload::Nothing,
        ("tools/call", _) => panic!("a policy of the author's"),
        _ => Payload::All,
    });
    let agent = connect(server).await;
    agent.list_all_tools().await.unwrap();
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    agent.call_tool(call("fail", json!({}))).await.unwrap();
    agent.call_tool(call("refuse", json!({}))).await.unwrap_err();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let greet = named(&bodies, "greet");
    assert_eq!(greet["parameters"]["request"]["params"]["arguments"], json!({ "name": "string(3)" }));
    assert_eq!(greet["response"]["content"], "array(1)");
    for name in ["fail", "refuse"] {
        let event = named(&bodies, name);
        assert!(event.get("parameters").is_none() && event.get("response").is_none(), "{event}");
        assert_eq!(event["is_error"], true);
    }
    let list = bodies.iter().find(|body| body["event_type"] == "mcp:tools/list").unwrap();
    assert_eq!(list["response"]["tools"].as_array().unwrap().len(), 4);
}
