//! Who a server says it is, its routes, and the tools that it offers its agents in words of its own.

use std::sync::{Arc, Mutex};

use mcpcat::{Feedback, FeedbackTool, WishTool};
use rmcp::ServerHandler;
use rmcp::handler::server::router::prompt::{PromptRoute, PromptRouter};
use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::model::{
    CallToolResult, ContentBlock, GetPromptRequestParams, GetPromptResult, JsonObject, Prompt, PromptMessage,
    Role, Tool,
};
use serde_json::json;

use crate::support::{Collector, PATIENCE, Sample, call, connect, named, of_type};

/// A server on rmcp's defaults.
#[derive(Clone)]
struct Nameless;

impl ServerHandler for Nameless {}

#[tokio::test]
async fn a_server_is_called_what_it_says_and_never_after_rmcp() {
    let collector = Collector::start().await;
    let client = collector.client();
    for server in [client.track(Nameless), client.track(Nameless).server_info(mcpcat::server_info!())] {
        let agent = connect(server).await;
        agent.cancel().await.unwrap();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let hellos = of_type(&bodies, "mcp:initialize");
    assert_eq!(hellos.len(), 2);
    assert!(hellos[0].get("server_name").is_none() && hellos[0].get("server_version").is_none());
    assert_eq!(hellos[1]["server_name"], "mcpcat");
    assert_eq!(hellos[1]["server_version"], env!("CARGO_PKG_VERSION"));
}

fn route() -> ToolRoute<Nameless> {
    let tool = Tool::new("routed", "A tool of a router", Arc::new(JsonObject::new()));
    ToolRoute::new_dyn(tool, |_| {
        Box::pin(async {
            mcpcat::emit!("inside");
            Ok(CallToolResult::success(vec![ContentBlock::text("by the route")]).into())
        })
    })
}

#[tokio::test]
async fn the_calls_of_a_router_are_recorded() {
    let collector = Collector::start().await;
    let client = collector.client();
    let prompt = PromptRoute::new_dyn(Prompt::new("asks", Some("A prompt of a router"), None), |_| {
        Box::pin(async {
            Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, "hello")]).into())
        })
    });
    let mut prompts = PromptRouter::new();
    prompts.add_route(prompt);
    let server =
        client.track(Nameless).with_router(ToolRouter::new().with_route(route())).with_prompt_router(prompts);
    let info = ServerHandler::get_info(&server);
    assert!(info.capabilities.tools.is_some() && info.capabilities.prompts.is_some());
    assert_eq!(server.get_tool("routed").unwrap().name, "routed");
    let agent = connect(server).await;
    assert_eq!(agent.list_tools(None).await.unwrap().tools.len(), 1);
    let answer = agent.call_tool(call("routed", json!({}))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "by the route");
    agent.call_tool(call("nobody", json!({}))).await.unwrap_err();
    agent.get_prompt(GetPromptRequestParams::new("asks")).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let routed = named(&bodies, "routed");
    assert_eq!(named(&bodies, "inside")["parent_id"], routed["id"]);
    assert_eq!(named(&bodies, "nobody")["is_error"], true);
    assert_eq!(named(&bodies, "asks")["event_type"], "mcp:prompts/get");
}

#[tokio::test]
async fn agents_give_feedback_in_the_servers_own_words() {
    let collector = Collector::start().await;
    let client = collector.client();
    let heard: Arc<Mutex<Vec<Feedback>>> = Arc::default();
    let ears = Arc::clone(&heard);
    let tool = FeedbackTool::new(move |feedback: &Feedback| ears.lock().unwrap().push(feedback.clone()))
        .name("rate_this_shop")
        .description("Rates the shop")
        .describe("friction", "What was hard?")
        .describe("sentiment", "")
        .field("stars", json!({ "type": "integer" }))
        .answer("Thank you.");
    let agent = connect(
        client
            .track(Sample)
            .feedback_tool_with(tool)
            .wish_tool_with(WishTool::new().description("Wishes").parameter("Which?").answer("Noted.")),
    )
    .await;
    let tools = agent.list_all_tools().await.unwrap();
    let rate = tools.iter().find(|tool| tool.name == "rate_this_shop").unwrap();
    assert_eq!(rate.description.as_deref(), Some("Rates the shop"));
    let properties = rate.input_schema["properties"].as_object().unwrap();
    assert_eq!(properties.keys().collect::<Vec<_>>(), ["completed", "friction", "stars", "task", "text"]);
    assert_eq!(properties["friction"]["description"], "What was hard?");
    let wish = tools.iter().find(|tool| tool.name == "get_more_tools").unwrap();
    assert_eq!(
        (wish.description.as_deref(), &wish.input_schema["properties"]["context"]["description"]),
        (Some("Wishes"), &json!("Which?"))
    );

    let said = json!({ "task": "buy paper", "completed": false, "friction": "no sizes", "stars": 2 });
    let answer = agent.call_tool(call("rate_this_shop", said.clone())).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "Thank you.");
    let answer = agent.call_tool(call("get_more_tools", json!({ "context": "a printer" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "Noted.");
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let given = named(&bodies, "feedback.given");
    assert_eq!(given["parameters"], said);
    assert_eq!(given["parent_id"], named(&bodies, "rate_this_shop")["id"]);
    assert_eq!(named(&bodies, "get_more_tools")["user_intent"], "a printer");
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].completed, heard[0].own["stars"].as_u64()), (Some(false), Some(2)));
}

#[tokio::test]
async fn a_tool_of_the_servers_own_stays_and_a_handler_that_panics_stays_here() {
    let collector = Collector::start().await;
    let client = collector.client();
    let own = FeedbackTool::new(|_: &Feedback| panic!("never called")).name("greet");
    let agent = connect(client.track(Sample).feedback_tool_with(own)).await;
    let answer = agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "hello Ada");
    let agent = connect(client.track(Sample).feedback_tool(|_| panic!("on purpose"))).await;
    let answer = agent.call_tool(call("give_feedback", json!({ "text": "good" }))).await.unwrap();
    assert_eq!(answer.is_error, Some(false));
    let _ = client.flush(PATIENCE).await;
    assert_eq!(named(&collector.bodies(), "feedback.given")["parameters"], json!({ "text": "good" }));
}

#[tokio::test]
async fn a_model_says_which_it_is_and_the_tool_never_sees_it() {
    let collector = Collector::start().await;
    let client = collector.client();
    let agent = connect(client.track(Sample).model()).await;
    let tools = agent.list_all_tools().await.unwrap();
    assert!(tools.iter().all(|tool| tool.input_schema["properties"]["agent_model"].is_object()));
    for (model, name) in [("gpt-5.2", "Ada"), ("unknown", "Bo")] {
        agent.call_tool(call("greet", json!({ "name": name, "agent_model": model }))).await.unwrap();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let agents: Vec<_> = of_type(&bodies, "mcp:tools/call")
        .iter()
        .map(|it| it["properties"]["mcpcat_agent"].clone())
        .collect();
    assert_eq!(agents, [json!({ "model": "gpt-5.2", "model_from": "agent" }), json!(null)]);
}
