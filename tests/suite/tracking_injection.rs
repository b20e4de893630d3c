//! What a tracker adds to tools when it is asked to: the intent, the wish tool, the session handle and the
//! agent's name. Tools never see any of it.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams,
};
use rmcp::service::{RequestContext, RoleClient, RunningService};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};

use crate::sessions::{agent, serve};
use crate::support::{Collector, PATIENCE, PROJECT, call, connect, named};

/// A server whose tools answer with the arguments that reached them.
#[derive(Clone)]
struct Echo;

#[derive(serde::Deserialize, serde::Serialize, rmcp::schemars::JsonSchema)]
struct Own {
    context: String,
}

#[tool_router]
impl Echo {
    #[tool(description = "Answers with its arguments")]
    async fn echo(&self, arguments: rmcp::model::JsonObject) -> CallToolResult {
        CallToolResult::structured(Value::Object(arguments))
    }

    #[tool(description = "Has a context of its own")]
    async fn own(
        &self,
        rmcp::handler::server::wrapper::Parameters(own): rmcp::handler::server::wrapper::Parameters<Own>,
    ) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::text(own.context)])
    }
}

#[tool_handler]
impl ServerHandler for Echo {}

fn required(tool: &rmcp::model::Tool) -> Vec<&str> {
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    required.into_iter().flatten().filter_map(Value::as_str).collect()
}

async fn tool_named(agent: &RunningService<RoleClient, ()>, name: &str) -> rmcp::model::Tool {
    let tools = agent.list_all_tools().await.unwrap();
    tools.into_iter().find(|tool| tool.name == name).unwrap_or_else(|| panic!("{name} is listed"))
}

#[tokio::test]
async fn nothing_is_injected_unless_asked_for() {
    let collector = Collector::start().await;
    let client = collector.client();
    let plain = {
        let (client_io, server_io) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move { rmcp::serve_server(Echo, server_io).await.unwrap().waiting().await });
        rmcp::serve_client((), client_io).await.unwrap()
    };
    let tracked = connect(client.track(Echo)).await;
    assert_eq!(tracked.list_all_tools().await.unwrap(), plain.list_all_tools().await.unwrap());
    let given = json!({ "context": "c", "session_id": "s", "agent_id": "a" });
    let answer = tracked.call_tool(call("echo", given.clone())).await.unwrap();
    assert_eq!(answer.structured_content, Some(given));
    let _ = client.flush(PATIENCE).await;
    assert!(named(&collector.bodies(), "echo").get("user_intent").is_none());
}

#[tokio::test]
async fn the_intent_is_asked_for_recorded_and_taken_out() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Echo).intent_described("Why?").session_handle();
    let alone = server.get_tool("echo").unwrap();
    let agent = connect(server).await;
    let listed = tool_named(&agent, "echo").await;
    assert_eq!(required(&listed), ["context"], "over a pipe there is a session already");
    assert_eq!(listed.input_schema["properties"]["context"]["description"], "Why?");
    assert!(required(&alone).contains(&"context"), "`get_tool` agrees with the listing");
    let own = tool_named(&agent, "own").await;
    assert_eq!(required(&own), ["context"]);
    assert!(own.input_schema["properties"]["context"].get("description").is_none(), "it is the tool's own");

    let answer = agent.call_tool(call("echo", json!({ "context": "to see", "x": 1 }))).await.unwrap();
    assert_eq!(answer.structured_content, Some(json!({ "x": 1 })));
    let answer = agent.call_tool(call("own", json!({ "context": "mine" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "mine");
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let echo = named(&bodies, "echo");
    assert_eq!(echo["user_intent"], "to see");
    assert_eq!(echo["parameters"]["request"]["params"]["arguments"]["context"], "to see");
    assert!(named(&bodies, "own").get("user_intent").is_none(), "its own context is no intent");
}

#[tokio::test]
async fn a_wish_is_answered_and_recorded() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Echo).wish_tool().intent();
    assert_eq!(server.get_tool("get_more_tools").unwrap().name, "get_more_tools");
    let agent = connect(server).await;
    let tool = tool_named(&agent, "get_more_tools").await;
    assert_eq!(required(&tool), ["context"]);
    assert_eq!(tool.annotations.unwrap().read_only_hint, Some(true));
    let wish = call("get_more_tools", json!({ "context": "a tool that prints" }));
    let answer = agent.call_tool(wish).await.unwrap();
    assert_eq!((answer.is_error, answer.content.len()), (Some(false), 1));
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let event = named(&bodies, "get_more_tools");
    assert_eq!(event["event_type"], "mcp:tools/call");
    assert_eq!(event["user_intent"], "a tool that prints");
    assert!(client.track(Echo).get_tool("get_more_tools").is_none());
}

fn text(result: &CallToolResult, index: usize) -> &str {
    &result.content[index].as_text().unwrap().text
}

fn handle_in(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("session_id: ")).expect("a line with the handle")
}

/// Two agents of a stateless service: each has the session whose handle it sends.
#[tokio::test]
async fn a_handle_links_the_calls_of_a_stateless_client() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let url = serve(move || Ok(tracker.track(Echo).session_handle().agent_id()), config).await;
    let (first, second) = tokio::join!(agent(&url), agent(&url));
    let listed = tool_named(&first, "echo").await;
    assert_eq!(required(&listed), ["session_id", "agent_id"]);

    let mut sessions = Vec::new();
    for agent in [&first, &second] {
        let begun = agent.call_tool(call("echo", json!({ "session_id": "Start ", "x": 1 }))).await.unwrap();
        let handle = handle_in(text(&begun, 0)).to_owned();
        let structured = begun.structured_content.unwrap();
        assert_eq!(structured["x"], 1);
        assert!(structured.get("session_id").is_none(), "the tool has not seen it");
        assert_eq!(structured["mcp_session"], json!({ "session_id": handle, "status": "issued" }));
        let next = json!({ "session_id": handle, "agent_id": "planner" });
        let continued = agent.call_tool(call("echo", next)).await.unwrap();
        assert_eq!(
            continued.structured_content.unwrap(),
            json!({ "mcp_session": { "session_id": handle, "agent_id": "planner", "status": "active" } })
        );
        sessions.push(handle);
    }
    assert_ne!(sessions[0], sessions[1]);
    // A handle that this server never issued has a session all the same: it may be another process's.
    let foreign = "ses_2cOHEO0LYGADMzRvWTXXVbbgxgm";
    first.call_tool(call("echo", json!({ "session_id": foreign }))).await.unwrap();
    let refused = first.call_tool(call("echo", json!({ "session_id": "ses_short" }))).await.unwrap();
    assert!(text(&refused, 0).contains("start"), "{refused:?}");
    assert_eq!(refused.structured_content.unwrap()["mcp_session"]["status"], "unrecognized");

    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let linked = |source: &str| -> Vec<&Value> {
        bodies.iter().filter(|body| body["tags"]["agentcat_session_id_source"] == source).collect()
    };
    for handle in &sessions {
        let session: Vec<_> = bodies.iter().filter(|body| body["session_id"] == **handle).collect();
        assert_eq!(session.len(), 2, "{handle}: {bodies:#?}");
    }
    assert_eq!((linked("minted").len(), linked("supplied").len(), linked("invalid").len()), (2, 3, 1));
    assert!(linked("supplied").iter().any(|body| body["session_id"] == foreign));
    assert!(linked("supplied").iter().any(|body| body["tags"]["agentcat_agent_id"] == "planner"));
    let invalid = linked("invalid")[0];
    assert_eq!(invalid["properties"]["mcpcat_session"], "unlinked");
    assert!(!sessions.iter().any(|handle| invalid["session_id"] == **handle));
}

/// A server that dispatches by hand, without `get_tool`: only its listing says what its tools declare. It has two
/// pages, and is asked in the name of whoever calls.
#[derive(Clone)]
struct ByHand;

impl ServerHandler for ByHand {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        Ok(CallToolResult::structured(Value::Object(arguments)).into())
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        assert!(parts.is_some_and(|parts| parts.headers.contains_key("accept")), "a caller's own listing");
        let tool = |name: &'static str, properties: Value| {
            let schema = json!({ "type": "object", "properties": properties });
            rmcp::model::Tool::new(name, "By hand", schema.as_object().unwrap().clone())
        };
        let mut list = ListToolsResult::default();
        if request.and_then(|request| request.cursor).is_none() {
            list.tools.push(tool("first", json!({ "x": {} })));
            list.next_cursor = Some("2".to_owned());
        } else {
            list.tools.push(tool("echo", json!({ "x": {} })));
            list.tools.push(tool("owns", json!({ "context": {}, "session_id": {} })));
        }
        Ok(list)
    }
}

/// On a stateless service each request has an instance of its own, which has never listed anything.
#[tokio::test]
async fn a_server_that_dispatches_by_hand_never_sees_what_was_injected() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let make = move || Ok(tracker.track(ByHand).session_handle().intent().agent_id().wish_tool());
    let url = serve(make, config).await;
    let (first, second) = tokio::join!(agent(&url), agent(&url));
    let given = |x: u32| json!({ "session_id": "start", "context": "why", "agent_id": "planner", "x": x });
    for (agent, x) in [(&first, 1), (&second, 2)] {
        let listed = tool_named(agent, "echo").await;
        assert_eq!(required(&listed), ["session_id", "agent_id", "context"]);
        let answer = agent.call_tool(call("echo", given(x))).await.unwrap();
        let mut seen = answer.structured_content.unwrap();
        seen.as_object_mut().unwrap().remove("mcp_session").expect("the handle is told");
        assert_eq!(seen, json!({ "x": x }), "the tool has seen what is its own and nothing else");
    }
    let own = json!({ "session_id": "mine", "context": "mine", "agent_id": "planner" });
    let answer = first.call_tool(call("owns", own)).await.unwrap();
    assert_eq!(answer.structured_content, Some(json!({ "session_id": "mine", "context": "mine" })));
    let unlisted = json!({ "session_id": "s", "context": "c" });
    let answer = first.call_tool(call("unlisted", unlisted.clone())).await.unwrap();
    assert_eq!(answer.structured_content, Some(unlisted), "nobody was asked for anything here");
    let wish = first.call_tool(call("get_more_tools", json!({ "context": "a printer" }))).await.unwrap();
    assert!(text(&wish, 0).contains("noted") || text(&wish, 1).contains("noted"), "{wish:?}");

    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let echoed: Vec<_> = bodies.iter().filter(|body| body["resource_name"] == "echo").collect();
    assert_eq!(echoed.len(), 2);
    assert_ne!(echoed[0]["session_id"], echoed[1]["session_id"]);
    for echo in echoed {
        assert_eq!(
            (&echo["user_intent"], &echo["tags"]["agentcat_agent_id"]),
            (&json!("why"), &json!("planner"))
        );
    }
    let owns = named(&bodies, "owns");
    assert_eq!(owns["tags"]["agentcat_session_id_source"], "foreign");
    assert!(owns.get("user_intent").is_none());
    let listings = bodies.iter().filter(|body| body["event_type"] == "mcp:tools/list").count();
    assert_eq!(listings, 4, "two pages for each client; what is asked for here is nobody's request");
}

#[tokio::test]
async fn a_resolver_names_the_session_of_a_stateless_request() {
    let collector = Collector::start().await;
    let client = collector.client();
    let tracker = client.clone();
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false);
    let make = move || {
        let resolver = |request: &mcpcat::RequestInfo<'_>| {
            if request.name() == Some("own") {
                panic!("a resolver of the author's");
            }
            request.header("user-agent").map(|agent| format!(" {agent} "))
        };
        Ok(tracker.track(Echo).resolve_session(resolver).session_handle())
    };
    let url = serve(make, config).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |who: &str, name: &str, arguments: Value| {
        let params = json!({ "name": name, "arguments": arguments });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let accept = "application/json, text/event-stream";
        let request = http.post(&url).header("accept", accept).header("user-agent", who).json(&body);
        request.send().await.unwrap().text().await.unwrap()
    };
    for who in ["ada", "ada", "bob"] {
        let answer = post(who, "echo", json!({ "session_id": "seen by the tool" })).await;
        assert!(answer.contains("seen by the tool"), "with a resolver there is no handle: {answer}");
    }
    assert!(post("ada", "own", json!({ "context": "c" })).await.contains("\"c\""), "the panic stayed here");
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let of = |who: &str| {
        let id = mcpcat::SessionId::derive(who, PROJECT);
        bodies.iter().filter(|body| body["session_id"] == id.as_str()).count()
    };
    assert_eq!((of("ada"), of("bob")), (2, 1));
    assert_eq!(named(&bodies, "own")["properties"]["mcpcat_session"], "unlinked");
}
