//! Which session a request belongs to, over streamable HTTP: stateful, shared and stateless.

use std::sync::Arc;

use rmcp::ServiceExt as _;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use crate::support::{Collector, PATIENCE, Sample, call, of_type};

pub async fn serve<H: rmcp::ServerHandler>(
    make: impl Fn() -> Result<H, std::io::Error> + Send + Sync + 'static,
    config: StreamableHttpServerConfig,
) -> String {
    let service = StreamableHttpService::new(make, Arc::new(LocalSessionManager::default()), config);
    serve_service(service).await
}

/// The same with the seam at its sessions.
pub async fn serve_observed<H: rmcp::ServerHandler>(
    make: impl Fn() -> Result<H, std::io::Error> + Send + Sync + 'static,
    config: StreamableHttpServerConfig,
) -> String {
    let manager = mcpcat_runtime::sessions(LocalSessionManager::default());
    serve_service(StreamableHttpService::new(make, Arc::new(manager), config)).await
}

async fn serve_service<H: rmcp::ServerHandler, M: SessionManager>(
    service: StreamableHttpService<H, M>,
) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub async fn agent(url: &str) -> RunningService<RoleClient, ()> {
    ().serve(StreamableHttpClientTransport::from_uri(url)).await.expect("the handshake succeeds")
}

async fn greet(agent: &RunningService<RoleClient, ()>, name: &str) {
    agent.call_tool(call("greet", json!({ "name": name }))).await.unwrap();
}

fn session_of(bodies: &[Value], greeted: &str) -> Value {
    let event = bodies.iter().find(|body| body["parameters"] == json!({ "name": greeted })).unwrap();
    event["session_id"].clone()
}

/// Two clients at once: each has one session, which holds its handshake, and they never meet.
async fn two_clients_have_two_sessions(url: &str, collector: &Collector, client: &mcpcat::Client) {
    let (first, second) = tokio::join!(agent(url), agent(url));
    tokio::join!(greet(&first, "first"), greet(&second, "second"));
    tokio::join!(greet(&second, "second again"), greet(&first, "first again"));
    let stats = client.flush(PATIENCE).await;
    assert_eq!(stats.pending, 0, "{stats}");
    let bodies = collector.bodies();
    assert_ne!(session_of(&bodies, "first"), session_of(&bodies, "second"));
    assert_eq!(session_of(&bodies, "first"), session_of(&bodies, "first again"));
    assert_eq!(session_of(&bodies, "second"), session_of(&bodies, "second again"));
    let mut opened: Vec<_> =
        of_type(&bodies, "mcp:initialize").iter().map(|body| body["session_id"].to_string()).collect();
    let mut called = [session_of(&bodies, "first").to_string(), session_of(&bodies, "second").to_string()];
    opened.sort();
    called.sort();
    assert_eq!(opened, called, "each handshake is in the session that it opened");
    for body in &bodies {
        assert_eq!(body["client_name"], "rmcp", "{body}");
    }
}

#[tokio::test]
async fn one_instance_for_each_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    two_clients_have_two_sessions(&url, &collector, &client).await;
}

#[tokio::test]
async fn one_shared_instance_for_all_sessions() {
    let collector = Collector::start().await;
    let client = collector.client();
    let shared = Arc::new(client.track(Sample));
    let url = serve(move || Ok(Arc::clone(&shared)), Default::default()).await;
    two_clients_have_two_sessions(&url, &collector, &client).await;
}

#[tokio::test]
async fn a_handshake_that_nothing_follows_is_not_lost() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "silent", "version": "1" },
        },
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http
        .post(&url)
        .header("accept", "application/json, text/event-stream")
        .header("authorization", "Bearer planted-secret-1")
        .header("cookie", "sid=planted-secret-2")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success());
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending), (1, 0), "{stats}");
    let received = collector.received();
    let body = received[0].json();
    assert!(body["session_id"].as_str().unwrap().starts_with("ses_"));
    assert_eq!(body["client_name"], "silent");
    assert!(!String::from_utf8_lossy(&received[0].bytes).contains("planted-secret"), "credentials stay here");
}

#[tokio::test]
async fn stateless_requests_are_sessions_of_their_own_and_say_so() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let url = serve(move || Ok(tracker.track(Sample)), config).await;
    let agent = agent(&url).await;
    greet(&agent, "one").await;
    greet(&agent, "two").await;
    let stats = client.flush(PATIENCE).await;
    assert_eq!(stats.pending, 0, "{stats}");
    let bodies = collector.bodies();
    assert_ne!(session_of(&bodies, "one"), session_of(&bodies, "two"));
    for tool in of_type(&bodies, "mcp:tools/call") {
        assert_eq!(tool["properties"]["mcpcat_session"], "unlinked");
        let custom = bodies.iter().find(|body| body["parent_id"] == tool["id"]).unwrap();
        assert_eq!(custom["session_id"], tool["session_id"]);
        assert!(tool.get("client_name").is_none(), "a stateless service makes up a client's name: {tool}");
    }
}
