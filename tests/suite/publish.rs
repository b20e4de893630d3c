//! `publish_custom_event` as the product's documentation has it, with every kind of target.

use std::sync::Arc;

use mcpcat::{CustomEvent, SessionId, publish_custom_event};
use serde_json::json;

use crate::support::{Collector, PATIENCE, PROJECT, Sample, call, connect, named};

#[tokio::test]
async fn a_string_is_derived_and_an_id_is_used_as_it_is() {
    let collector = Collector::start().await;
    let client = collector.client();
    let id: SessionId = "ses_2cOHEO0LYGADMzRvWTXXVbbgxgm".parse().unwrap();
    client.publish("customer-abc", CustomEvent::new("string")).unwrap();
    client.publish(&String::from("customer-abc"), CustomEvent::new("owned")).unwrap();
    client.publish(&id, CustomEvent::new("id")).unwrap();
    client.publish(id.as_str(), CustomEvent::new("id as a string")).unwrap();
    let session = client.session("customer-abc");
    assert_eq!(session.key(), Some("customer-abc"));
    client.publish(&session, CustomEvent::new("session")).unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let derived = SessionId::derive("customer-abc", PROJECT);
    for name in ["string", "owned", "session"] {
        assert_eq!(named(&bodies, name)["session_id"], derived.as_str());
    }
    assert_eq!(named(&bodies, "id")["session_id"], id.as_str());
    assert_eq!(
        named(&bodies, "id as a string")["session_id"],
        SessionId::derive(id.as_str(), PROJECT).as_str(),
        "a string is derived whatever it looks like"
    );
}

#[tokio::test]
async fn a_server_target_means_its_one_session_even_before_the_first_request() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Sample);
    let handle = server.handle();
    publish_custom_event(&server, PROJECT, CustomEvent::new("before")).unwrap();
    let agent = connect(server).await;
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    publish_custom_event(&handle, PROJECT, CustomEvent::new("after")).unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let session = &named(&bodies, "greet")["session_id"];
    assert_eq!(named(&bodies, "before")["session_id"], *session);
    assert_eq!(named(&bodies, "after")["session_id"], *session);
    assert_eq!(named(&bodies, "after")["client_name"], "rmcp", "what is known of the session goes along");
    assert!(named(&bodies, "after").get("parent_id").is_none(), "outside any call");
}

#[tokio::test]
async fn a_shared_server_is_a_target_too() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = Arc::new(client.track(Sample));
    publish_custom_event(&server, PROJECT, CustomEvent::new("shared")).unwrap();
    let _ = client.flush(PATIENCE).await;
    named(&collector.bodies(), "shared");
}

#[tokio::test]
async fn an_event_without_any_session_is_not_lost() {
    let collector = Collector::start().await;
    let client = collector.client();
    client.publish("", CustomEvent::new("nobody's")).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.unattributed), (1, 1), "{stats}");
    assert!(named(&collector.bodies(), "nobody's")["session_id"].is_string());
}

#[tokio::test]
async fn two_servers_of_one_client_do_not_share_a_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let (first, second) = (client.track(Sample), client.track(Sample));
    let handles = (first.handle(), second.handle());
    let (first, second) = (connect(first).await, connect(second).await);
    first.call_tool(call("greet", json!({ "name": "first" }))).await.unwrap();
    second.call_tool(call("greet", json!({ "name": "second" }))).await.unwrap();
    publish_custom_event(&handles.0, PROJECT, CustomEvent::new("of the first")).unwrap();
    publish_custom_event(&handles.1, PROJECT, CustomEvent::new("of the second")).unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let session = |greeted: &str| {
        let event = bodies.iter().find(|body| body["parameters"] == json!({ "name": greeted })).unwrap();
        event["session_id"].clone()
    };
    assert_ne!(session("first"), session("second"));
    assert_eq!(named(&bodies, "of the first")["session_id"], session("first"));
    assert_eq!(named(&bodies, "of the second")["session_id"], session("second"));
}
