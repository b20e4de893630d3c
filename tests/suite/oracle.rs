//! A server that overrides every method with an answer of its own answers the same tracked and plain.
//!
//! A default method answers "method not found" too, so a server that overrides nothing would prove nothing:
//! each answer here is one that no default gives, and each call of each side is counted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rmcp::model::*;
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::sync::watch;

use crate::sessions::serve;
use crate::support::{Collector, PATIENCE, every_capability, of_type};

/// How often each method was called.
type Calls = BTreeMap<&'static str, usize>;

#[derive(Clone)]
struct Oracle(watch::Sender<Calls>);

impl Oracle {
    fn count(&self, method: &'static str) {
        self.0.send_modify(|calls| *calls.entry(method).or_default() += 1);
    }

    /// A recognisable refusal: no default method says this.
    fn refuse<T>(&self, method: &'static str) -> Result<T, ErrorData> {
        self.count(method);
        Err(ErrorData::new(
            ErrorCode(-31_999),
            format!("the oracle heard {method}"),
            Some(json!({ "oracle": method })),
        ))
    }
}

#[deny(clippy::missing_trait_methods)]
#[expect(deprecated, reason = "every method there is")]
impl ServerHandler for Oracle {
    async fn ping(&self, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.refuse("ping")
    }
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.count("initialize");
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }
    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.count("negotiate_initialize");
        let mut info = self.get_info();
        info.protocol_version = request.protocol_version.clone();
        info.instructions = Some("negotiated by the oracle".into());
        Ok(info)
    }
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        // Not counted, as `get_info`.
        Cow::Owned(vec![ProtocolVersion::V_2025_06_18, ProtocolVersion::V_2026_07_28])
    }
    async fn discover(&self, _: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.refuse("discover")
    }
    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        self.refuse("complete")
    }
    async fn set_level(
        &self,
        _: SetLevelRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.refuse("set_level")
    }
    async fn get_prompt(
        &self,
        _: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.refuse("get_prompt")
    }
    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.refuse("list_prompts")
    }
    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.refuse("list_resources")
    }
    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.refuse("list_resource_templates")
    }
    async fn read_resource(
        &self,
        _: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.refuse("read_resource")
    }
    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.count("accepted_subscription_filter");
        Some(requested.clone())
    }
    async fn listen(&self, _: SubscriptionContext) -> Result<(), ErrorData> {
        self.refuse("listen")
    }
    async fn subscribe(
        &self,
        _: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.refuse("subscribe")
    }
    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.refuse("unsubscribe")
    }
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.refuse("call_tool")
    }
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.refuse("list_tools")
    }
    fn get_tool(&self, _: &str) -> Option<Tool> {
        self.count("get_tool");
        None
    }
    async fn on_custom_request(
        &self,
        _: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        self.refuse("on_custom_request")
    }
    async fn on_cancelled(&self, _: CancelledNotificationParam, _: NotificationContext<RoleServer>) {
        self.count("on_cancelled");
    }
    async fn on_progress(&self, _: ProgressNotificationParam, _: NotificationContext<RoleServer>) {
        self.count("on_progress");
    }
    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {
        self.count("on_initialized");
    }
    async fn on_roots_list_changed(&self, _: NotificationContext<RoleServer>) {
        self.count("on_roots_list_changed");
    }
    async fn on_custom_notification(&self, _: CustomNotification, _: NotificationContext<RoleServer>) {
        self.count("on_custom_notification");
    }
    // Not counted: rmcp and the wrapper may ask as often as they like, it has no effect.
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(every_capability()).with_server_info(Implementation::new("oracle", "1.2.3"))
    }
    async fn get_task(
        &self,
        _: GetTaskParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        self.refuse("get_task")
    }
    async fn update_task(&self, _: UpdateTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.refuse("update_task")
    }
    async fn cancel_task(&self, _: CancelTaskParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        self.refuse("cancel_task")
    }
    async fn list_skills(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        self.refuse("list_skills")
    }
    async fn get_skill(
        &self,
        _: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        self.refuse("get_skill")
    }
    async fn read_resource_directory(
        &self,
        _: ReadResourceDirectoryRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        self.refuse("read_resource_directory")
    }
}

/// Every method that a counted call can reach: the trait's 32 without `get_info` and
/// `supported_protocol_versions`, which are compared directly.
const METHODS: [&str; 30] = [
    "accepted_subscription_filter",
    "call_tool",
    "cancel_task",
    "complete",
    "discover",
    "get_prompt",
    "get_skill",
    "get_task",
    "get_tool",
    "initialize",
    "list_prompts",
    "list_resource_templates",
    "list_resources",
    "list_skills",
    "list_tools",
    "listen",
    "negotiate_initialize",
    "on_cancelled",
    "on_custom_notification",
    "on_custom_request",
    "on_initialized",
    "on_progress",
    "on_roots_list_changed",
    "ping",
    "read_resource",
    "read_resource_directory",
    "set_level",
    "subscribe",
    "unsubscribe",
    "update_task",
];

/// The methods of the scripts that are events when nobody says otherwise: all but `ping`.
const RECORDED: [&str; 21] = [
    "a/method/of/their/own",
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// A session of the older revisions: a handshake, every request, every notification, and malformed ones.
fn legacy() -> Vec<Value> {
    let capabilities = json!({ "extensions": { TASKS_EXTENSION_ID: {} } });
    let mut script = vec![
        json!({ "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": capabilities,
            "clientInfo": { "name": "script", "version": "9" } } }),
        json!({ "method": "notifications/initialized", "notify": true }),
        json!({ "method": "notifications/progress", "notify": true,
            "params": { "progressToken": "t", "progress": 1.0 } }),
        json!({ "method": "notifications/roots/list_changed", "notify": true }),
        json!({ "method": "notifications/cancelled", "notify": true,
            "params": { "requestId": 999, "reason": "none" } }),
        json!({ "method": "notifications/of/their/own", "notify": true, "params": { "x": 1 } }),
    ];
    for (method, params) in [
        ("ping", json!({})),
        (
            "completion/complete",
            json!({
            "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "a", "value": "v" } }),
        ),
        ("logging/setLevel", json!({ "level": "warning" })),
        ("prompts/get", json!({ "name": "p" })),
        ("prompts/list", json!({})),
        ("resources/list", json!({ "cursor": "c" })),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "file:///x" })),
        ("resources/subscribe", json!({ "uri": "file:///x" })),
        ("resources/unsubscribe", json!({ "uri": "file:///x" })),
        ("tools/call", json!({ "name": "t", "arguments": { "a": 1 }, "_meta": { "progressToken": 5 } })),
        ("tools/list", json!({})),
        ("tasks/get", json!({ "taskId": "1" })),
        ("tasks/update", json!({ "taskId": "1", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "1" })),
        ("skills/list", json!({})),
        ("skills/get", json!({ "uri": "skill://s/SKILL.md" })),
        ("resources/directory/read", json!({ "uri": "file:///d" })),
        ("a/method/of/their/own", json!({ "deep": [1, { "x": null }] })),
        // Malformed requests are somebody's too.
        ("tools/call", json!("a string")),
        ("tools/call", json!({ "arguments": [] })),
        ("prompts/get", json!({})),
        ("resources/read", json!(7)),
    ] {
        script.push(json!({ "method": method, "params": params }));
    }
    script
}

/// Requests of the newest revision, which carry their own metadata.
fn modern() -> Vec<Value> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "script", "version": "9" },
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { TASKS_EXTENSION_ID: {} } },
    });
    ["server/discover", "tools/list", "tools/call", "skills/list", "subscriptions/listen"]
        .iter()
        .map(|method| {
            let mut params = json!({ "_meta": meta });
            if *method == "tools/call" {
                params["name"] = json!("t");
            }
            if *method == "subscriptions/listen" {
                params["notifications"] = json!({ "toolsListChanged": true });
            }
            json!({ "method": method, "params": params })
        })
        .collect()
}

/// Plays a script line by line; each request's answer is awaited before the next is sent. Returns the
/// answers as the bytes they were.
async fn play(script: &[Value], io: DuplexStream) -> Vec<String> {
    let (read, mut write) = tokio::io::split(io);
    let mut lines = BufReader::new(read).lines();
    let mut answers = Vec::new();
    for (id, step) in script.iter().enumerate() {
        let notify = step.get("notify").is_some();
        let mut message = json!({ "jsonrpc": "2.0", "method": step["method"] });
        if let Some(params) = step.get("params") {
            message["params"] = params.clone();
        }
        if !notify {
            message["id"] = json!(id);
        }
        write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        if !notify {
            let answer = tokio::time::timeout(PATIENCE, lines.next_line()).await;
            let answer = answer.unwrap_or_else(|_| panic!("no answer to {message}")).unwrap();
            answers.push(answer.unwrap_or_else(|| panic!("the server went away at {message}")));
        }
    }
    answers
}

async fn answers_of<H: ServerHandler>(server: H, script: &[Value]) -> Vec<String> {
    let (client, io) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(io).await {
            let _ = running.waiting().await;
        }
    });
    play(script, client).await
}

/// The same through the seam at the pipe.
async fn answers_at_the_seam<H: ServerHandler>(server: mcpcat::Tracked<H>, script: &[Value]) -> Vec<String> {
    let (client, io) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(io).await {
            let _ = running.waiting().await;
        }
    });
    play(script, client).await
}

/// The same over HTTP: status and body of each answer, one request after the other.
async fn post(url: &str, script: &[Value], newest: bool) -> Vec<(u16, String)> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut session = None;
    let mut answers = Vec::new();
    for (id, step) in script.iter().enumerate() {
        let mut message = json!({ "jsonrpc": "2.0", "method": step["method"] });
        if let Some(params) = step.get("params") {
            message["params"] = params.clone();
        }
        if step.get("notify").is_none() {
            message["id"] = json!(id);
        }
        let mut request = http.post(url).header("accept", "application/json, text/event-stream");
        if newest {
            let method = step["method"].as_str().unwrap();
            request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
            if let Some(name) = step["params"]["name"].as_str() {
                request = request.header("mcp-name", name);
            }
        }
        if let Some(session) = &session {
            request = request.header("mcp-session-id", session);
        }
        let answer = request.json(&message).send().await.unwrap();
        session = session.or_else(|| answer.headers().get("mcp-session-id").cloned());
        let status = answer.status().as_u16();
        let text = tokio::time::timeout(PATIENCE, answer.text()).await;
        answers.push((status, text.unwrap_or_else(|_| panic!("no end of the answer to {message}")).unwrap()));
    }
    answers
}

/// Every method was called on both, equally often, and its events have left.
async fn both_heard_all(plain: &Oracle, tracked: &Oracle, client: &mcpcat::Client) {
    for side in [plain, tracked] {
        let mut calls = side.0.subscribe();
        let all = calls.wait_for(|calls| METHODS.iter().all(|method| calls.contains_key(method)));
        let reached = tokio::time::timeout(PATIENCE, all).await.is_ok();
        let calls = side.0.borrow();
        let missing: Vec<_> = METHODS.iter().filter(|method| !calls.contains_key(*method)).collect();
        assert!(reached, "never called: {missing:?}");
    }
    assert_eq!(*plain.0.borrow(), *tracked.0.borrow(), "the same calls, as often");
    let stats = client.flush(PATIENCE).await;
    assert!(stats.delivered >= 15 && stats.pending == 0, "{stats}");
}

#[tokio::test]
async fn every_method_answers_the_same_over_http() {
    let collector = Collector::start().await;
    let client = collector.client();
    let (plain, tracked) = (Oracle(watch::Sender::default()), Oracle(watch::Sender::default()));
    for (stateful, newest) in [(true, false), (false, false), (true, true)] {
        let config = || StreamableHttpServerConfig::default().with_legacy_session_mode(stateful);
        let (one, other, tracker) = (plain.clone(), tracked.clone(), client.clone());
        let untouched = serve(move || Ok(one.clone()), config()).await;
        let wrapped = serve(move || Ok(tracker.track(other.clone())), config()).await;
        let script = if newest { modern() } else { legacy() };
        let untouched = post(&untouched, &script, newest).await;
        let wrapped = post(&wrapped, &script, newest).await;
        assert!(untouched.iter().any(|(_, text)| text.contains("the oracle heard")), "{untouched:#?}");
        assert_eq!(untouched, wrapped, "byte for byte; stateful {stateful}, newest {newest}");
    }
    both_heard_all(&plain, &tracked, &client).await;
}

#[tokio::test]
async fn every_method_answers_the_same_tracked_and_plain() {
    let collector = Collector::offering_any_type().await;
    let client = collector.client();
    let (plain, tracked) = (Oracle(watch::Sender::default()), Oracle(watch::Sender::default()));
    for script in [legacy(), modern()] {
        let untouched = answers_of(plain.clone(), &script).await;
        let wrapped = answers_of(client.track(tracked.clone()), &script).await;
        answers_of(plain.clone(), &script).await;
        let seamed = answers_at_the_seam(client.track(tracked.clone()), &script).await;
        assert!(untouched.len() >= 5);
        assert_eq!(untouched, wrapped, "byte for byte");
        assert_eq!(untouched, seamed, "byte for byte, at the seam");
    }

    // The synchronous methods, called as rmcp calls them.
    let wrapped = client.track(tracked.clone());
    assert_eq!(wrapped.get_info(), plain.get_info());
    assert_eq!(wrapped.supported_protocol_versions(), plain.supported_protocol_versions());
    assert_eq!(wrapped.get_tool("t"), plain.get_tool("t"));
    let filter: SubscriptionFilter = serde_json::from_value(json!({ "toolsListChanged": true })).unwrap();
    assert_eq!(
        format!("{:?}", wrapped.accepted_subscription_filter(&filter)),
        format!("{:?}", plain.accepted_subscription_filter(&filter))
    );

    both_heard_all(&plain, &tracked, &client).await;
    let bodies = collector.bodies();
    for method in RECORDED {
        let events = of_type(&bodies, &format!("mcp:{method}"));
        assert!(!events.is_empty(), "{method} is no event");
        // What the oracle refuses is an error, in the oracle's words.
        assert!(
            events.iter().all(|it| method == "initialize" || it["is_error"] == true),
            "{method}: {events:#?}"
        );
    }
    assert!(of_type(&bodies, "mcp:ping").is_empty());
}
