//! An event says what the client got: each one is held against the bytes that the client received, for every method, in
//! both generations of the protocol, on a pipe and over stateful HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use crate::support::{Collector, PATIENCE, every_capability};

pub const LEGACY: &str = "2025-11-25";
pub const MODERN: &str = "2026-07-28";

/// A client's end of a pipe, line by line.
pub struct Pipe {
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: WriteHalf<DuplexStream>,
}

impl Pipe {
    /// A connection to a tracked server.
    pub fn to<H: ServerHandler>(server: mcpcat::Tracked<H>) -> Self {
        let (client, io) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            if let Ok(running) = server.serve(io).await {
                let _ = running.waiting().await;
            }
        });
        let (read, write) = tokio::io::split(client);
        Self { lines: BufReader::new(read).lines(), write }
    }

    pub async fn send(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("the server speaks");
        serde_json::from_str(&line.unwrap().expect("the server is there")).unwrap()
    }

    /// Shakes hands as the revisions with a handshake do.
    pub async fn initialize(&mut self, capabilities: Value) -> Value {
        let hello = initialize(LEGACY, capabilities);
        self.send(&hello).await;
        let answer = self.next().await;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        answer
    }
}

fn initialize(version: &str, capabilities: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": capabilities, "clientInfo": { "name": "script", "version": "9" } } })
}

/// What a request of the newest revision carries.
pub fn modern_meta(capabilities: Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "script", "version": "9" },
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

fn tasks() -> Value {
    json!({ "extensions": { TASKS_EXTENSION_ID: {} } })
}

/// A server whose answers rmcp has something to do with.
#[derive(Clone)]
struct Rewritten;

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn input() -> InputRequiredResult {
    InputRequiredResult::from_request_state("a state that the client sends back")
}

#[expect(deprecated, reason = "every method there is")]
impl ServerHandler for Rewritten {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(every_capability()).with_server_info(Implementation::new("rewritten", "1"))
    }
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(match request.name.as_ref() {
            "text" => CallToolResult::success(vec![ContentBlock::text("seven")]).into(),
            "list" => CallToolResult::structured(json!([1, 2])).into(),
            "object" => CallToolResult::structured(json!({ "n": 7 })).into(),
            "fails" => CallToolResult::error(vec![ContentBlock::text("no paper")]).into(),
            "input" => input().into(),
            "task" => CallToolResponse::Task(CreateTaskResult::new(Task::new(
                "task-of-the-wire-test",
                TaskStatus::Working,
                "2026-01-01T00:00:00Z",
                "2026-01-01T00:00:00Z",
            ))),
            _ => {
                return Err(ErrorData::invalid_params(
                    "no such tool",
                    Some(json!({ "asked": request.name })),
                ));
            }
        })
    }
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(of(json!({ "resultType": "complete", "tools": [
            { "name": "text", "inputSchema": { "type": "object" } },
            { "name": "list", "inputSchema": { "type": "object" }, "outputSchema": { "type": "array", "items": {} } },
        ] })))
    }
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        if request.name == "input" {
            return Ok(input().into());
        }
        Ok(of::<GetPromptResult>(json!({ "resultType": "complete", "messages": [
            { "role": "user", "content": { "type": "text", "text": "hello" } } ] }))
        .into())
    }
    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match request.uri.as_str() {
            "file:///input" => Ok(input().into()),
            "file:///x" => Ok(of::<ReadResourceResult>(json!({ "resultType": "complete", "contents": [
                { "uri": "file:///x", "text": "x" } ] }))
            .into()),
            _ => Err(ErrorData::resource_not_found("not here", None)),
        }
    }
    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(of(json!({ "resultType": "complete", "resources": [{ "uri": "file:///x", "name": "x" }] })))
    }
    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(of(json!({ "resultType": "complete", "completion": { "values": ["a", "b"] } })))
    }
    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn get_task(
        &self,
        request: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Ok(of(json!({
            "resultType": "complete", "taskId": request.task_id, "status": "completed",
            "createdAt": "2026-01-01T00:00:00Z", "lastUpdatedAt": "2026-01-01T00:00:01Z",
            "result": { "content": [{ "type": "text", "text": "done" }] },
        })))
    }
    async fn update_task(&self, _: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn cancel_task(&self, _: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        Ok(())
    }
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == "a/method/of/their/own" {
            return Ok(CustomResult::new(json!({ "own": [1, 2] })));
        }
        Err(ErrorData::invalid_params("cannot be read", None))
    }
}

/// Requests of every method; what a revision does not know any more it refuses.
fn requests() -> Vec<(&'static str, Value)> {
    let mut all = vec![("server/discover", json!({}))];
    for tool in ["text", "list", "object", "fails", "input", "task", "nobody"] {
        all.push(("tools/call", json!({ "name": tool, "arguments": { "n": 1 } })));
    }
    all.extend([
        ("tools/call", json!({ "name": "text", "arguments": "text" })),
        ("tools/list", json!({})),
        ("prompts/get", json!({ "name": "p" })),
        ("prompts/get", json!({ "name": "input" })),
        ("prompts/list", json!({})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "file:///x" })),
        ("resources/read", json!({ "uri": "file:///input" })),
        ("resources/read", json!({ "uri": "file:///nowhere" })),
        ("resources/subscribe", json!({ "uri": "file:///x" })),
        ("resources/unsubscribe", json!({ "uri": "file:///x" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "v" } }),
        ),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("tasks/get", json!({ "taskId": "1" })),
        ("tasks/update", json!({ "taskId": "1", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "1" })),
        ("skills/list", json!({})),
        ("skills/get", json!({ "uri": "skill://s/SKILL.md" })),
        ("skills/get", json!({ "uri": "no skill" })),
        ("resources/directory/read", json!({ "uri": "file:///d" })),
        ("subscriptions/listen", json!({ "notifications": { "promptsListChanged": true } })),
        ("a/method/of/their/own", json!({ "deep": [1, { "x": null }] })),
        ("another/method", json!({})),
    ]);
    all
}

/// The script of a generation: requests as they are sent. A client with tasks asks for everything, one without for what
/// needs them.
fn script(modern: bool) -> Vec<Value> {
    let mut script = Vec::new();
    let mut add = |method: &str, mut params: Value, meta: Option<Value>| {
        if let Some(meta) = meta {
            params["_meta"] = meta;
        }
        let id = script.len() + 1;
        script.push(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
    };
    for (method, params) in requests() {
        add(method, params, modern.then(|| modern_meta(tasks())));
    }
    if modern {
        for (method, params) in [
            ("tools/call", json!({ "name": "task", "arguments": {} })),
            ("tasks/get", json!({ "taskId": "1" })),
        ] {
            add(method, params, Some(modern_meta(json!({}))));
        }
        let mut unknown = modern_meta(tasks());
        unknown["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
        add("tools/call", json!({ "name": "text" }), Some(unknown));
        add("tools/call", json!({ "name": "text" }), Some(json!({ "progressToken": 1 })));
        add("tools/list", json!({}), None);
    }
    script
}

/// Whether a message is the answer to a request.
fn answers(message: &Value, id: &Value) -> bool {
    message["id"] == *id && message.get("method").is_none()
}

/// What a client received for each request: by id, the request and its answer.
type Received = BTreeMap<u64, (Value, Value)>;

async fn over_a_pipe(pipe: &mut Pipe, script: &[Value], modern: bool) -> Received {
    let mut received = Received::new();
    if !modern {
        let hello = initialize(LEGACY, json!({}));
        received.insert(0, (hello, pipe.initialize(json!({})).await));
    }
    for request in script {
        pipe.send(request).await;
        let answer = loop {
            let message = pipe.next().await;
            if answers(&message, &request["id"]) {
                break message;
            }
        };
        received.insert(request["id"].as_u64().unwrap(), (request.clone(), answer));
    }
    received
}

async fn over_http(client: &mcpcat::Client, script: &[Value]) -> Received {
    let tracker = client.clone();
    let service = StreamableHttpService::new(
        move || Ok(tracker.track(Rewritten)),
        Arc::new(mcpcat_runtime::sessions(LocalSessionManager::default())),
        StreamableHttpServerConfig::default(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut session = None;
    let mut received = Received::new();
    let hello = initialize(LEGACY, json!({}));
    for request in std::iter::once(&hello).chain(script) {
        let mut post = http.post(&url).header("accept", "application/json, text/event-stream");
        if let Some(session) = &session {
            post = post.header("mcp-session-id", session);
        }
        let answer = post.json(request).send().await.unwrap();
        session = session.or_else(|| answer.headers().get("mcp-session-id").cloned());
        let text = tokio::time::timeout(PATIENCE, answer.text()).await.unwrap().unwrap();
        let mut messages = text.lines().filter_map(|line| {
            serde_json::from_str::<Value>(line.strip_prefix("data: ").unwrap_or(line)).ok()
        });
        let answer = messages.find(|message| answers(message, &request["id"]));
        // What the service refuses itself, no seam sees.
        if let Some(answer) = answer {
            received.insert(request["id"].as_u64().unwrap(), (request.clone(), answer));
        }
    }
    received
}

/// Holds the events of a connection against what its client received. How many answers differed from the handler's.
fn compare(events: &[Value], received: &Received, place: &str) -> usize {
    let mut by_id: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in events {
        // What is synthetic (a task's end) has no request.
        if let Some(id) = event["parameters"]["extra"]["requestId"].as_u64() {
            by_id.entry(id).or_default().push(event);
        }
    }
    let mut differed = 0;
    for (id, (request, answer)) in received {
        let method = request["method"].as_str().unwrap();
        let here = format!("{place}: {request}\n  answer {answer}");
        let found = by_id.remove(id).unwrap_or_else(|| panic!("no event; {here}"));
        assert_eq!(found.len(), 1, "one event; {here}\n {found:#?}");
        let event = found[0];
        let here = format!("{here}\n  event {event}");
        assert_eq!(event["event_type"], format!("mcp:{method}"), "{here}");
        let properties = &event["properties"];
        assert!(properties.get("mcpcat_observed").is_none(), "seen at the seam; {here}");
        match answer.get("error") {
            Some(error) => {
                assert_eq!(event["is_error"], true, "{here}");
                assert_eq!(event["error"]["code"], error["code"], "{here}");
                assert_eq!(event["error"]["message"], error["message"], "{here}");
                assert_eq!(event["error"].get("data"), error.get("data"), "{here}");
                assert!(event.get("response").is_none(), "{here}");
            }
            None => {
                let result = &answer["result"];
                assert_eq!(event["is_error"], result["isError"] == true, "{here}");
                let empty = result.as_object().is_some_and(serde_json::Map::is_empty);
                assert!(event["response"] == *result || (empty && event.get("response").is_none()), "{here}");
            }
        }
        let differs = ["mcpcat_handler", "mcpcat_rewritten", "mcpcat_refused"];
        differed += usize::from(differs.iter().any(|key| properties.get(key).is_some()));
    }
    assert!(by_id.is_empty(), "{place}: events of nothing that was answered: {by_id:#?}");
    differed
}

/// The event of a request.
fn event<'a>(events: &'a [Value], method: &str, name: &str) -> &'a Value {
    let of =
        |event: &&Value| event["event_type"] == format!("mcp:{method}") && event["resource_name"] == name;
    events.iter().find(of).unwrap_or_else(|| panic!("{method} {name}"))
}

#[tokio::test]
async fn each_event_is_what_the_client_received() {
    for (modern, http) in [(false, false), (true, false), (false, true)] {
        let collector = Collector::offering_any_type().await;
        let client = collector.client();
        let mut script = script(modern);
        // Over HTTP the service refuses this one itself, where no seam is.
        script.retain(|request| !(http && request["method"] == "server/discover"));
        let received = if http {
            over_http(&client, &script).await
        } else {
            let mut pipe = Pipe::to(client.track(Rewritten));
            let received = over_a_pipe(&mut pipe, &script, modern).await;
            drop(pipe);
            received
        };
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.dropped, stats.pending), (0, 0), "{stats}");
        let events: Vec<Value> = collector.bodies();
        let place = format!("modern {modern}, http {http}");
        let differed = compare(&events, &received, &place);
        eprintln!(
            "{place}: {} answers, each as its event; {differed} of them not the handler's",
            received.len()
        );
        assert!(received.len() >= 25, "{place}: {}", received.len());

        // Where the handler said something else, that stands beside.
        let properties = |method: &str, name: &str| event(&events, method, name)["properties"].clone();
        if modern {
            let missing = properties("resources/read", "file:///nowhere");
            assert_eq!(missing["mcpcat_handler"]["code"], -32002);
            assert_eq!(properties("tools/call", "list").get("mcpcat_handler"), None);
        } else {
            let input = properties("tools/call", "input");
            assert_eq!(input["mcpcat_handler"]["resultType"], "input_required");
            assert_eq!(properties("tools/call", "task")["mcpcat_handler"]["taskId"], "task-of-the-wire-test");
            assert_eq!(
                properties("tools/call", "list")["mcpcat_handler"]["structuredContent"],
                json!([1, 2])
            );
            let rewritten = properties("tools/call", "list")["mcpcat_rewritten"].clone();
            assert!(rewritten.as_array().unwrap().contains(&json!("structuredContent")), "{rewritten}");
        }
        assert_eq!(properties("tools/call", "text")["mcpcat_argument_bytes"], 7);
        let text = event(&events, "tools/call", "text");
        assert_eq!((&text["input_tokens"], &text["output_tokens"]), (&json!(2), &json!(2)));
        let listing = events.iter().find(|event| event["event_type"] == "mcp:tools/list").unwrap();
        let tools = listing["properties"]["mcpcat_tools"].as_object().unwrap();
        assert_eq!(tools.keys().collect::<Vec<_>>(), ["list", "text"]);
        assert!(tools.values().all(|hash| hash.as_str().unwrap().len() == 16));
    }
}
