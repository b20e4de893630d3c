//! A notification is no event, and what is published while one is handled belongs to somebody all the same: to the
//! session that the author's resolver names, as requests do.

use std::collections::HashMap;

use rmcp::model::{
    ClientNotification, CustomNotification, NotificationMetaObject, NumberOrString,
    ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{NotificationContext, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

use crate::sessions::serve;
use crate::support::{Collector, PATIENCE, PROJECT, connect};

/// Publishes whatever it is notified of.
#[derive(Clone)]
struct Listener;

impl ServerHandler for Listener {
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleServer>) {
        mcpcat::emit!("heard", what = "progress");
    }
    async fn on_roots_list_changed(&self, _: NotificationContext<RoleServer>) {
        mcpcat::emit!("heard", what = "roots");
    }
    async fn on_custom_notification(&self, it: CustomNotification, _: NotificationContext<RoleServer>) {
        mcpcat::emit!("heard", what = it.method);
    }
}

fn progress() -> ProgressNotificationParam {
    ProgressNotificationParam::new(ProgressToken(NumberOrString::Number(1)), 1.0)
}

async fn notify(agent: &RunningService<RoleClient, ()>) {
    agent.notify_progress(progress()).await.unwrap();
    agent.notify_roots_list_changed().await.unwrap();
    let own = CustomNotification::new("shop/opened", Some(json!({ "till": 3 })));
    agent.send_notification(ClientNotification::CustomNotification(own)).await.unwrap();
}

fn heard<'a>(bodies: &'a [Value], session: &Value) -> Vec<&'a str> {
    let of = bodies.iter().filter(|body| body["resource_name"] == "heard" && body["session_id"] == *session);
    let mut of: Vec<_> = of.map(|body| body["parameters"]["what"].as_str().unwrap()).collect();
    of.sort_unstable();
    of
}

#[tokio::test]
async fn a_resolver_names_the_session_of_a_notification() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let make = move || {
        Ok(tracker.track(Listener).server_info(("listener", "1")).resolve_session(|it| {
            let by = it.method().starts_with("notifications/") || it.method() == "shop/opened";
            it.header("x-conversation")
                .map(|text| if by { text.to_owned() } else { format!("{text}, asked") })
        }))
    };
    let url = serve(make, Default::default()).await;
    let agent = async |conversation: &'static str| {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
        let header = (http::HeaderName::from_static("x-conversation"), conversation.parse().unwrap());
        config.custom_headers = HashMap::from([header]);
        ().serve(StreamableHttpClientTransport::from_config(config)).await.unwrap()
    };
    let (first, second) = tokio::join!(agent("first"), agent("second"));
    tokio::join!(notify(&first), notify(&second));
    // Two handshakes, three events each.
    collector.wait(8).await;
    let bodies = collector.bodies();
    for conversation in ["first", "second"] {
        let id = mcpcat::SessionId::derive(conversation, PROJECT);
        assert_eq!(heard(&bodies, &json!(id.as_str())), ["progress", "roots", "shop/opened"], "{bodies:#?}");
        let asked = mcpcat::SessionId::derive(&format!("{conversation}, asked"), PROJECT);
        assert!(
            bodies.iter().any(|body| body["session_id"] == asked.as_str()),
            "a request has its own method"
        );
    }
    for body in bodies.iter().filter(|body| body["resource_name"] == "heard") {
        assert_eq!(
            (&body["client_name"], &body["server_name"]),
            (&json!("rmcp"), &json!("listener")),
            "{body}"
        );
    }
    assert_eq!(client.flush(PATIENCE).await.delivered, 8, "a notification itself is no event");
}

#[tokio::test]
async fn a_notifications_meta_is_shown_to_the_resolver_and_none_leaves_it_to_the_transport() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client
        .track(Listener)
        .resolve_session(|it| Some(it.meta().get("conversation")?.as_str()?.to_owned()));
    let agent = connect(server).await;
    let mut meta = NotificationMetaObject::new();
    meta.0.insert("conversation".to_owned(), json!("by meta"));
    let mut own = CustomNotification::new("resolved", None);
    own.extensions.insert(meta);
    agent.send_notification(ClientNotification::CustomNotification(own)).await.unwrap();
    let own = CustomNotification::new("left alone", None);
    agent.send_notification(ClientNotification::CustomNotification(own)).await.unwrap();
    collector.wait(3).await;
    let bodies = collector.bodies();
    let opened = bodies.iter().find(|body| body["event_type"] == "mcp:initialize").unwrap();
    let id = mcpcat::SessionId::derive("by meta", PROJECT);
    assert_eq!(heard(&bodies, &json!(id.as_str())), ["resolved"]);
    assert_eq!(heard(&bodies, &opened["session_id"]), ["left alone"]);
}
