//! A request whose answer nobody gets is recorded as what it was, and a filter decides what is recorded.

use rmcp::model::*;
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::watch;

use crate::sessions::serve;
use crate::support::{Collector, PATIENCE, Sample, call, connect, named, of_type};

/// A server whose tool says that it has begun, waits until its request is cancelled, and answers well.
#[derive(Clone)]
struct Patient {
    begun: watch::Sender<bool>,
}

impl Patient {
    fn new() -> Self {
        Self { begun: watch::Sender::new(false) }
    }
}

impl ServerHandler for Patient {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.begun.send_replace(true);
        context.ct.cancelled().await;
        if request.name == "fails" {
            return Err(ErrorData::internal_error("the work was cut short", None));
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("done all the same")]).into())
    }

    async fn on_custom_request(
        &self,
        _: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Ok(CustomResult::new(json!({ "own": true })))
    }
}

#[tokio::test]
async fn a_cancelled_request_is_recorded_as_cancelled_though_its_handler_answered() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = Patient::new();
    let mut begun = server.begun.subscribe();
    let agent = connect(client.track(server)).await;
    for name in ["answers", "fails"] {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call(name, json!({}))));
        let handle = agent.send_cancellable_request(request, PeerRequestOptions::no_options()).await.unwrap();
        begun.wait_for(|begun| *begun).await.unwrap();
        handle.cancel(Some("changed my mind".into())).await.unwrap();
        // The event exists only once the handler has ended.
        collector.wait(if name == "answers" { 2 } else { 3 }).await;
    }
    let bodies = collector.bodies();
    let answered = named(&bodies, "answers");
    assert_eq!((&answered["is_error"], &answered["error"]["type"]), (&json!(true), &json!("cancelled")));
    assert_eq!(answered["response"]["content"][0]["text"], "done all the same", "what it would have said");
    let failed = named(&bodies, "fails");
    assert_eq!(failed["error"]["type"], "cancelled");
    let cause = failed["error"]["chained_errors"][0]["message"].as_str().unwrap();
    assert!(cause.contains("the work was cut short"), "{cause}");
}

#[tokio::test]
async fn a_client_that_hangs_up_is_recorded_as_disconnected() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = Patient::new();
    let mut begun = server.begun.subscribe();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(server.clone())), config).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "left", "arguments": {} },
    });
    let request = http.post(&url).header("accept", "application/json, text/event-stream").json(&body).send();
    let reading = async {
        // The response's head may come before the tool has ended: its body does not.
        let answer = request.await.unwrap();
        answer.text().await
    };
    tokio::select! {
        answer = reading => panic!("{answer:?}"),
        _ = begun.wait_for(|begun| *begun) => {}
    }
    drop(http);
    collector.wait(1).await;
    let bodies = collector.bodies();
    assert_eq!(named(&bodies, "left")["error"]["type"], "disconnected");
}

/// rmcp hands a `tools/call` that does not parse to the server's custom requests; it was meant as a tool call.
#[tokio::test]
async fn a_malformed_tool_call_is_recorded_as_a_tool_call() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Sample)).await;
    let malformed = [json!({ "name": "greet", "arguments": "text" }), json!({ "arguments": [] })];
    for params in &malformed {
        let request = CustomRequest::new("tools/call", Some(params.clone()));
        agent.send_request(ClientRequest::CustomRequest(request)).await.unwrap_err();
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.not_offered), (3, 0), "{stats}");
    let bodies = collector.bodies();
    let mut calls = of_type(&bodies, "mcp:tools/call");
    calls.sort_by_key(|call| call["sequence"].as_u64());
    let named: Vec<_> = calls.iter().map(|call| call.get("resource_name")).collect();
    assert_eq!(named, [Some(&json!("greet")), None]);
    for (call, params) in calls.iter().zip(&malformed) {
        assert_eq!((&call["is_error"], &call["parameters"]["request"]["params"]), (&json!(true), params));
        assert!(!call["error"]["message"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_filter_chooses_what_is_recorded() {
    let collector = Collector::offering_any_type().await;
    let client = collector.client();
    let ping = || ClientRequest::PingRequest(PingRequest::default());
    let own = || ClientRequest::CustomRequest(CustomRequest::new("shop/open", Some(json!({ "till": 3 }))));

    let usual = connect(client.track(Patient::new())).await;
    usual.send_request(ping()).await.unwrap();
    usual.send_request(own()).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    assert_eq!(bodies.len(), 2, "all but the ping: {bodies:#?}");
    assert_eq!(of_type(&bodies, "mcp:shop/open").len(), 1);

    let chosen = client.track(Patient::new()).record(|method| method == "ping" || method == "shop/open");
    let chosen = connect(chosen).await;
    chosen.send_request(ping()).await.unwrap();
    chosen.send_request(own()).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    assert_eq!(bodies.len(), 4, "the second handshake is not recorded: {bodies:#?}");
    assert_eq!(of_type(&bodies, "mcp:ping").len(), 1);
    let own = of_type(&bodies, "mcp:shop/open")[1];
    assert_eq!(own["parameters"]["request"]["params"], json!({ "till": 3 }));
    assert_eq!(own["response"], json!({ "own": true }));
}
