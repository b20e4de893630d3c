//! What leaves the process, field by field, as a real HTTP server received it.

use std::time::Duration;

use mcpcat::{CustomEvent, SessionId};
use serde_json::{Value, json};

use crate::support::{Collector, PATIENCE, PROJECT, Received, Sample, call, connect, named, of_type};

/// Every key that the wire knows, and the three of our own that the product's schema leaves room for.
const KNOWN_KEYS: [&str; 31] = [
    "id",
    "project_id",
    "session_id",
    "actor_id",
    "event_id",
    "event_type",
    "is_error",
    "error",
    "resource_name",
    "duration",
    "timestamp",
    "user_intent",
    "parameters",
    "response",
    "identify_actor_given_id",
    "identify_actor_name",
    "identify_data",
    "tags",
    "properties",
    "ip_address",
    "sdk_language",
    "agentcat_version",
    "server_name",
    "server_version",
    "client_name",
    "client_version",
    "input_tokens",
    "output_tokens",
    "parent_id",
    "sequence",
    "sdk_instance",
];

fn is_ksuid(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix)
        .is_some_and(|digits| digits.len() == 27 && digits.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// `2026-11-22T13:34:11.114123Z`
fn is_timestamp(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000Z"
}

/// What holds for every request.
fn check_request(request: &Received) -> Value {
    assert_eq!(request.method, "POST");
    assert_eq!(request.uri, "/v1/public/events/", "the slash at the end is part of the path");
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("mcpcat-rust/"));
    for absent in ["authorization", "cookie", "content-encoding"] {
        assert!(!request.headers.contains_key(absent), "{absent}");
    }
    let body = request.json();
    let members = body.as_object().expect("one event object per request");
    for (key, value) in members {
        assert!(KNOWN_KEYS.contains(&key.as_str()), "unknown key {key}");
        assert!(!value.is_null() || key == "session_id", "{key} is null");
    }
    let text = |key: &str| body[key].as_str().unwrap_or_else(|| panic!("{key} is text: {body}"));
    assert!(is_ksuid(text("id"), "evt_"), "{body}");
    assert_eq!(text("project_id"), PROJECT);
    assert!(is_ksuid(text("session_id"), "ses_"), "{body}");
    assert!(is_timestamp(text("timestamp")), "{body}");
    assert_eq!(text("sdk_language"), "Rust");
    assert_eq!(text("agentcat_version"), env!("CARGO_PKG_VERSION"));
    assert!(body["sequence"].is_u64());
    if let Some(duration) = members.get("duration") {
        assert!(
            duration.as_u64().is_some_and(|ms| i32::try_from(ms).is_ok()),
            "whole milliseconds: {duration}"
        );
    }
    body
}

#[tokio::test]
async fn the_events_of_a_tracked_server() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Sample).server_info(("sample", "1"))).await;
    agent.list_all_tools().await.unwrap();
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    agent.call_tool(call("fail", json!({}))).await.unwrap();
    agent.call_tool(call("refuse", json!({}))).await.unwrap_err();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending, stats.dropped), (6, 6, 0, 0), "{stats}");

    let bodies: Vec<Value> = collector.received().iter().map(check_request).collect();
    assert_eq!(bodies.len(), 6, "one event per request");
    let session = bodies[0]["session_id"].clone();
    let mut sequences: Vec<_> = bodies.iter().map(|body| body["sequence"].as_u64().unwrap()).collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), 6);
    for body in &bodies {
        assert_eq!(body["session_id"], session);
        assert_eq!(body["client_name"], "rmcp");
        assert!(body["client_version"].is_string() && body["server_name"].is_string());
        assert!(body["server_version"].is_string());
    }

    let initialize = of_type(&bodies, "mcp:initialize")[0];
    assert_eq!(initialize["parameters"]["request"]["method"], "initialize");
    assert_eq!(initialize["parameters"]["request"]["params"]["clientInfo"]["name"], "rmcp");
    assert!(initialize["response"]["serverInfo"]["name"].is_string(), "{initialize}");
    assert_eq!(initialize["is_error"], false);

    let list = of_type(&bodies, "mcp:tools/list")[0];
    assert_eq!(list["response"]["tools"].as_array().unwrap().len(), 4);
    assert!(list.get("resource_name").is_none());

    let greet = named(&bodies, "greet");
    assert_eq!(greet["event_type"], "mcp:tools/call");
    assert_eq!(greet["parameters"]["request"]["method"], "tools/call");
    assert_eq!(greet["parameters"]["request"]["params"]["name"], "greet");
    assert_eq!(greet["parameters"]["request"]["params"]["arguments"], json!({ "name": "Ada" }));
    assert!(!greet["parameters"]["extra"]["requestId"].is_null());
    assert_eq!(greet["response"]["content"][0], json!({ "type": "text", "text": "hello Ada" }));
    assert!(greet.get("error").is_none() && greet.get("parent_id").is_none());

    let greeted = named(&bodies, "greeted");
    assert_eq!(greeted["event_type"], "agentcat:custom");
    assert_eq!(greeted["parameters"], json!({ "name": "Ada" }));
    assert_eq!(greeted["parent_id"], greet["id"], "nested under its call");
    assert!(greeted["sequence"].as_u64() > greet["sequence"].as_u64());

    let fail = named(&bodies, "fail");
    assert_eq!((&fail["is_error"], &fail["error"]["message"]), (&json!(true), &json!("out of paper")));
    assert_eq!(fail["error"]["type"], "ToolError");
    assert_eq!(fail["response"]["isError"], true);

    let refuse = named(&bodies, "refuse");
    assert_eq!(
        refuse["error"],
        json!({
            "message": "no such printer", "type": "InvalidParams", "code": -32602, "platform": "rust",
            "data": { "printer": 7 },
        })
    );
    assert!(refuse.get("response").is_none());
}

/// Every field of a custom event.
#[tokio::test]
async fn every_field_of_a_custom_event() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the export failed")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let collector = Collector::start().await;
    let client = collector.client();
    let event = CustomEvent::new("report.exported")
        .parameter("format", "pdf")
        .parameters(json!({ "pages": 12 }))
        .response(json!({ "url": "reports/1" }))
        .message("monthly report")
        .duration(Duration::from_micros(12_900))
        .error(&Outer(std::io::Error::other("disk full")))
        .tag("region", "eu")
        .property("trial", true)
        .property("nothing", None::<u8>);
    let id = client.publish("customer-abc", event).unwrap();
    client.publish("customer-abc", ()).unwrap();
    client.publish("customer-abc", CustomEvent::new("ok").is_error(false)).unwrap();
    let rust = CustomEvent::new("json error").error_value(json!({
        "message": "declined", "type": "CardError", "code": 402, "issuer": { "id": 7 },
    }));
    client.publish("customer-abc", rust).unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies: Vec<Value> = collector.received().iter().map(check_request).collect();

    let full = named(&bodies, "report.exported");
    assert_eq!(full["id"], id.to_string(), "publish says which event it was");
    assert_eq!(full["session_id"], SessionId::derive("customer-abc", PROJECT).as_str());
    assert_eq!(full["event_type"], "agentcat:custom");
    assert_eq!(full["parameters"], json!({ "format": "pdf", "pages": 12 }));
    assert_eq!(full["response"], json!({ "url": "reports/1" }));
    assert_eq!(full["user_intent"], "monthly report");
    assert_eq!(full["duration"], 12);
    assert_eq!(full["is_error"], true, "an error implies it");
    assert_eq!(full["error"]["message"], "the export failed");
    assert!(full["error"]["type"].as_str().unwrap().ends_with("Outer"));
    assert_eq!(full["error"]["chained_errors"], json!([{ "message": "disk full" }]));
    assert_eq!(full["tags"], json!({ "region": "eu" }));
    assert_eq!(full["properties"], json!({ "trial": true, "nothing": null }), "nulls inside payloads stay");

    let minimal = bodies.iter().find(|body| body.get("resource_name").is_none()).unwrap();
    for absent in
        ["parameters", "response", "error", "is_error", "tags", "properties", "duration", "user_intent"]
    {
        assert!(minimal.get(absent).is_none(), "{absent} is absent, not null");
    }
    assert_eq!(named(&bodies, "ok")["is_error"], false);
    assert_eq!(
        named(&bodies, "json error")["error"],
        json!({ "message": "declined", "type": "CardError", "code": 402, "issuer": { "id": 7 }, "platform": "rust" })
    );
}

#[tokio::test]
async fn parameters_that_are_no_object_are_sent_as_given() {
    let collector = Collector::start().await;
    let client = collector.client();
    for (name, event) in [
        ("text", CustomEvent::default().parameters("plain")),
        ("list", CustomEvent::default().parameters([1, 2])),
        ("mixed", CustomEvent::default().parameters([1, 2]).parameter("key", 3)),
        ("empty", CustomEvent::default().parameters(json!({}))),
    ] {
        client.publish(name, event).unwrap();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let of = |name: &str| {
        let session = SessionId::derive(name, PROJECT);
        bodies.iter().find(|body| body["session_id"] == session.as_str()).unwrap().get("parameters").cloned()
    };
    assert_eq!(of("text"), Some(json!("plain")));
    assert_eq!(of("list"), Some(json!([1, 2])));
    assert_eq!(of("mixed"), Some(json!({ "value": [1, 2], "key": 3 })));
    assert_eq!(of("empty"), None);
}

#[tokio::test]
async fn the_older_products_names_can_be_set() {
    let collector = Collector::start().await;
    let client = mcpcat::Client::builder(PROJECT)
        .base_url(&collector.url)
        .event_type("mcpcat:custom")
        .version_key("mcpcat_version")
        .state_dir(crate::support::state_dir())
        .build()
        .unwrap();
    client.publish("s", CustomEvent::new("x")).unwrap();
    let _ = client.flush(PATIENCE).await;
    let body = &collector.bodies()[0];
    assert_eq!(body["event_type"], "mcpcat:custom");
    assert!(body["mcpcat_version"].is_string() && body.get("agentcat_version").is_none());
}

#[tokio::test]
async fn a_sessions_string_can_be_sent_verbatim() {
    let collector = Collector::start().await;
    let client = mcpcat::Client::builder(PROJECT)
        .base_url(&collector.url)
        .session_strings(mcpcat::SessionStrings::Verbatim)
        .state_dir(crate::support::state_dir())
        .build()
        .unwrap();
    client.publish("customer-abc", ()).unwrap();
    let _ = client.flush(PATIENCE).await;
    assert_eq!(collector.bodies()[0]["session_id"], "customer-abc");
}
