//! The session travels: as a parameter of a tool, and into every executor there is.

use mcpcat::{Carrier, InSession as _, Session, carry, emit};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, GetPromptRequestParams, PromptMessage, Role};
use rmcp::task_manager::{TaskManager, TaskOptions};
use rmcp::{ServerHandler, prompt, prompt_handler, prompt_router, tool, tool_handler, tool_router};
use serde_json::json;

use crate::support::{Collector, PATIENCE, call, connect, named};

#[derive(Clone)]
struct Traveller;

#[tool_router]
impl Traveller {
    #[tool(description = "Publishes from everywhere")]
    async fn everywhere(&self, session: Session) -> CallToolResult {
        let mut set = tokio::task::JoinSet::new();
        set.spawn(async { emit!("join set") }.in_current_session());
        tokio::spawn(async { emit!("spawned") }.in_session(session.clone())).await.unwrap();
        while set.join_next().await.is_some() {}
        tokio::task::spawn_blocking(carry(|| emit!("blocking"))).await.unwrap();
        std::thread::spawn(carry(|| emit!("thread"))).join().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let here = Carrier::current();
        let (left, right) = (carry(|| emit!("rayon left")), carry(|| emit!("rayon right")));
        pool.install(|| {
            use rayon::prelude::*;
            ["rayon one", "rayon two"].par_iter().for_each(|name| {
                here.run(|| assert_eq!(Session::current().as_ref(), Some(&session), "{name}"));
            });
            rayon::join(left, right);
        });
        let tasks = TaskManager::new();
        let (done, ended) = tokio::sync::oneshot::channel();
        tasks.spawn(TaskOptions::default(), |_| {
            let work = async move {
                emit!("task");
                let _ = done.send(());
                Ok(CallToolResult::success(Vec::new()))
            };
            Box::pin(work.in_current_session())
        });
        ended.await.unwrap();
        tokio::spawn(async { assert!(Session::current().is_none(), "a naked spawn loses the session") })
            .await
            .unwrap();
        CallToolResult::success(vec![ContentBlock::text(session.project())])
    }
}

#[tool_handler]
impl ServerHandler for Traveller {}

#[tokio::test]
async fn every_executor_can_carry_the_call() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Traveller)).await;
    let answer = agent.call_tool(call("everywhere", json!({}))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, client.project());
    let stats = client.flush(PATIENCE).await;
    assert_eq!(stats.pending, 0, "{stats}");
    let bodies = collector.bodies();
    let tool = named(&bodies, "everywhere");
    for name in ["spawned", "join set", "blocking", "thread", "rayon left", "rayon right", "task"] {
        let event = named(&bodies, name);
        assert_eq!(event["session_id"], tool["session_id"], "{name}");
        assert_eq!(event["parent_id"], tool["id"], "{name} is nested under its call");
    }
    let parameters = &tool["parameters"]["request"]["params"];
    assert!(parameters.get("session").is_none(), "the session is no argument");
}

#[derive(Clone)]
struct Taker;

#[tool_router]
impl Taker {
    #[tool(description = "Takes its session")]
    async fn take(&self, session: Session) -> String {
        session.run(|| emit!("taken"));
        session.project().to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Taker {}

#[tokio::test]
async fn a_session_parameter_works_on_a_server_that_is_not_tracked() {
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { rmcp::serve_server(Taker, server_io).await.unwrap().waiting().await });
    let agent = rmcp::serve_client((), client_io).await.unwrap();
    let tool = agent.list_all_tools().await.unwrap().remove(0);
    let shown = tool.input_schema.get("properties").and_then(|properties| properties.get("session"));
    assert_eq!(shown, None, "the session is no argument");
    let answer = agent.call_tool(call("take", json!({}))).await.unwrap();
    assert_ne!(answer.is_error, Some(true), "{answer:?}");
}

/// A server whose prompts take their session.
#[derive(Clone)]
struct Prompter;

#[derive(serde::Deserialize, serde::Serialize, rmcp::schemars::JsonSchema)]
struct Topic {
    topic: String,
}

#[prompt_router]
impl Prompter {
    #[prompt(name = "briefing", description = "Takes its session and an argument")]
    async fn briefing(&self, session: Session, Parameters(about): Parameters<Topic>) -> Vec<PromptMessage> {
        std::thread::scope(|scope| {
            // A thread of its own carries nothing: the session that was handed over does.
            scope.spawn(|| session.run(|| emit!("briefed", topic = about.topic)));
        });
        vec![PromptMessage::new_text(Role::User, session.project().to_owned())]
    }
}

#[prompt_handler(router = Self::prompt_router())]
impl ServerHandler for Prompter {}

/// What the one message of a briefing says.
async fn brief(agent: &rmcp::service::RunningService<rmcp::RoleClient, ()>, topic: &str) -> String {
    let prompts = agent.list_all_prompts().await.unwrap();
    let arguments: Vec<_> = prompts[0].arguments.iter().flatten().map(|it| it.name.as_str()).collect();
    assert_eq!(arguments, ["topic"], "the session is no argument");
    let arguments = json!({ "topic": topic }).as_object().unwrap().clone();
    let asked = GetPromptRequestParams::new("briefing").with_arguments(arguments);
    let answer = serde_json::to_value(agent.get_prompt(asked).await.unwrap()).unwrap();
    answer["messages"][0]["content"]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_parameter_works_in_a_prompt() {
    let collector = Collector::start().await;
    let client = collector.client();
    let (first, second) = (connect(client.track(Prompter)).await, connect(client.track(Prompter)).await);
    let (one, two) = tokio::join!(brief(&first, "one"), brief(&second, "two"));
    assert_eq!((one.as_str(), two.as_str()), (client.project(), client.project()));
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let of = |topic: &str| {
        let briefed = bodies.iter().find(|body| body["parameters"] == json!({ "topic": topic })).unwrap();
        let asked = |body: &&serde_json::Value| {
            let arguments = &body["parameters"]["request"]["params"]["arguments"];
            body["event_type"] == "mcp:prompts/get" && *arguments == json!({ "topic": topic })
        };
        let prompt = bodies.iter().find(asked).unwrap();
        assert_eq!(
            (&prompt["resource_name"], &prompt["session_id"]),
            (&json!("briefing"), &briefed["session_id"])
        );
        briefed["session_id"].clone()
    };
    assert_ne!(of("one"), of("two"), "each client its own");
}

#[tokio::test]
async fn a_session_parameter_works_in_a_prompt_of_a_server_that_is_not_tracked() {
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move { rmcp::serve_server(Prompter, server_io).await.unwrap().waiting().await });
    let agent = rmcp::serve_client((), client_io).await.unwrap();
    assert!(!brief(&agent, "none").await.is_empty());
}

#[tokio::test]
async fn a_tracked_server_knows_its_one_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Taker);
    assert!(server.session().is_none(), "nobody has called yet");
    let handle = server.handle();
    let agent = connect(server).await;
    agent.call_tool(call("take", json!({}))).await.unwrap();
    let session = handle.session().expect("one client, one session");
    let _ = client.flush(PATIENCE).await;
    assert_eq!(named(&collector.bodies(), "taken")["session_id"], session.id().unwrap().as_str());
}
