//! Over HTTP, in each mode, a tracked server's answers are byte for byte those of the plain one.

use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};

use crate::sessions::{serve, serve_observed};
use crate::support::{Collector, PATIENCE, Sample};

const MODERN: &str = "2026-07-28";

/// Requests of every kind the server knows, some it does not, and malformed ones.
fn script() -> Vec<(&'static str, Value)> {
    vec![
        ("ping", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({ "name": "greet", "arguments": { "name": "Ada" } })),
        ("tools/call", json!({ "name": "fail", "arguments": {} })),
        ("tools/call", json!({ "name": "refuse" })),
        ("tools/call", json!({ "name": "nobody", "arguments": {} })),
        ("tools/call", json!({ "name": "greet", "arguments": "text" })),
        ("tools/call", json!({ "arguments": [] })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "p" })),
        ("resources/read", json!({ "uri": "file:///x" })),
        ("resources/templates/list", json!({})),
        ("completion/complete", json!({ "ref": { "type": "ref/prompt", "name": "p" } })),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("tasks/get", json!({ "taskId": "1" })),
        ("server/discover", json!({})),
        ("a/method/of/their/own", json!({ "deep": [1, { "x": null }] })),
    ]
}

/// Status and body of each answer. `modern` requests carry their own metadata and need no handshake.
async fn play(url: &str, modern: bool) -> Vec<(u16, String)> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut session = None;
    let mut answers = Vec::new();
    let handshake = json!({
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "script", "version": "9" },
    });
    let mut requests = if modern { Vec::new() } else { vec![("initialize", handshake)] };
    requests.extend(script());
    for (id, (method, mut params)) in requests.into_iter().enumerate() {
        let mut request = http.post(url).header("accept", "application/json, text/event-stream");
        if modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": { "name": "script", "version": "9" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
            if let Some(name) = params["name"].as_str().or(params["uri"].as_str()) {
                request = request.header("mcp-name", name);
            }
        } else if method != "initialize" {
            request = request.header("mcp-protocol-version", "2025-06-18");
        }
        if let Some(session) = &session {
            request = request.header("mcp-session-id", session);
        }
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let answer = request.json(&body).send().await.unwrap();
        if let Some(given) = answer.headers().get("mcp-session-id") {
            session = Some(given.clone());
            let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            let request = http.post(url).header("accept", "application/json, text/event-stream");
            request.header("mcp-session-id", given).json(&initialized).send().await.unwrap();
        }
        let status = answer.status().as_u16();
        let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
        answers.push((status, text));
    }
    answers
}

#[tokio::test]
async fn every_exchange_over_http_is_the_same_tracked_and_plain() {
    let collector = Collector::start().await;
    for (stateful, modern, seam) in
        [(true, false, false), (false, false, false), (true, true, false), (true, false, true)]
    {
        let client = collector.client();
        let config = || StreamableHttpServerConfig::default().with_legacy_session_mode(stateful);
        let plain = serve(|| Ok(Sample), config()).await;
        let tracker = client.clone();
        let make = move || Ok(tracker.track(Sample));
        let tracked = if seam { serve_observed(make, config()).await } else { serve(make, config()).await };
        let (plain, tracked) = tokio::join!(play(&plain, modern), play(&tracked, modern));
        let mode = format!("stateful {stateful}, modern {modern}, seam {seam}");
        assert!(plain.iter().any(|(_, text)| text.contains("hello Ada")), "{mode}: {plain:#?}");
        assert_eq!(plain, tracked, "{mode}");
        let stats = client.flush(PATIENCE).await;
        assert!(stats.delivered >= 6 && stats.pending == 0, "{mode}: {stats}");
    }
}
