//! `#[event]` with rmcp's own attributes: above and below `#[tool]` and `#[prompt]`, and on a whole `impl` block
//! above its router.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock, ErrorData, PromptMessage, Role};
use rmcp::{prompt, prompt_router, tool, tool_router};
use serde_json::{Value, json};

use crate::support::{block_on, one};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greeting {
    name: String,
}

struct Shop;

#[tool_router]
impl Shop {
    /// Greets a customer.
    #[mcpcat::event(name = "shop.greet", params(name = greeting.name), response)]
    #[tool]
    async fn greet(&self, Parameters(greeting): Parameters<Greeting>) -> String {
        format!("hello {}", greeting.name)
    }

    #[tool(description = "Sells what is not there")]
    #[mcpcat::event(name = "shop.sell")]
    async fn sell(&self) -> Result<CallToolResult, ErrorData> {
        Ok(CallToolResult::error(vec![ContentBlock::text("out of paper")]))
    }

    #[mcpcat::event(name = "shop.count")]
    #[tool(description = "Counts")]
    fn count(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no such shelf", None))
    }
}

#[prompt_router]
impl Shop {
    #[mcpcat::event(name = "shop.above")]
    #[prompt(name = "above", description = "Above")]
    async fn above(&self) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(Role::User, "above")]
    }

    #[prompt(name = "below", description = "Below")]
    #[mcpcat::event(name = "shop.below")]
    async fn below(&self) -> Result<Vec<PromptMessage>, ErrorData> {
        Err(ErrorData::invalid_params("no such prompt", None))
    }
}

struct Orders;

#[tool_router]
impl Orders {
    #[mcpcat::event(name = "order")]
    #[tracing::instrument(skip_all)]
    #[tool(description = "1")]
    async fn event_instrument_tool(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[mcpcat::event(name = "order")]
    #[tool(description = "2")]
    #[tracing::instrument(skip_all)]
    async fn event_tool_instrument(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[tracing::instrument(skip_all)]
    #[mcpcat::event(name = "order")]
    #[tool(description = "3")]
    async fn instrument_event_tool(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[tracing::instrument(skip_all)]
    #[tool(description = "4")]
    #[mcpcat::event(name = "order")]
    async fn instrument_tool_event(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[tool(description = "5")]
    #[mcpcat::event(name = "order")]
    #[tracing::instrument(skip_all)]
    async fn tool_event_instrument(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }

    #[tool(description = "6")]
    #[tracing::instrument(skip_all)]
    #[mcpcat::event(name = "order")]
    async fn tool_instrument_event(&self) -> Result<String, ErrorData> {
        Err(ErrorData::invalid_params("no", None))
    }
}

#[test]
fn three_attributes_stand_in_any_order() {
    let failed = |body: Value| assert_eq!(failure(&body), (&json!("order"), &json!("no")));
    failed(one(|| block_on(Orders.event_instrument_tool())));
    failed(one(|| block_on(Orders.event_tool_instrument())));
    failed(one(|| block_on(Orders.instrument_event_tool())));
    failed(one(|| block_on(Orders.instrument_tool_event())));
    failed(one(|| block_on(Orders.tool_event_instrument())));
    failed(one(|| block_on(Orders.tool_instrument_event())));
    assert_eq!(Orders::tool_router().list_all().len(), 6);
}

struct Whole;

#[mcpcat::event(name = "whole")]
#[tool_router]
impl Whole {
    /// Doubles a number.
    #[tool]
    async fn double(&self) -> String {
        "two".to_owned()
    }

    #[event(skip)]
    #[tool(description = "Left out")]
    async fn quiet(&self) -> String {
        "hush".to_owned()
    }
}

fn failure(body: &Value) -> (&Value, &Value) {
    (&body["resource_name"], &body["error"]["message"])
}

#[test]
fn tools_are_events_above_and_below_their_attribute() {
    let greeting = Parameters(Greeting { name: "Ada".to_owned() });
    let body = one(|| block_on(Shop.greet(greeting)));
    assert_eq!(
        (&body["resource_name"], &body["parameters"]),
        (&json!("shop.greet"), &json!({"name": "Ada"}))
    );
    assert_eq!(body["response"], "hello Ada");
    let body = one(|| block_on(Shop.sell()));
    assert_eq!(
        (failure(&body), &body["is_error"]),
        ((&json!("shop.sell"), &json!("out of paper")), &json!(true))
    );
    let body = one(|| Shop.count());
    assert_eq!((&body["resource_name"], &body["is_error"]), (&json!("shop.count"), &json!(true)));
}

#[test]
fn tools_keep_their_descriptions() {
    let tools = Shop::tool_router().list_all();
    let described: Vec<_> = tools.iter().map(|tool| (&*tool.name, tool.description.as_deref())).collect();
    assert_eq!(
        described,
        [
            ("count", Some("Counts")),
            ("greet", Some("Greets a customer.")),
            ("sell", Some("Sells what is not there")),
        ]
    );
}

#[test]
fn prompts_are_events_above_and_below_their_attribute() {
    assert_eq!(one(|| block_on(Shop.above()))["resource_name"], "shop.above");
    let body = one(|| block_on(Shop.below()));
    assert_eq!((&body["resource_name"], &body["is_error"]), (&json!("shop.below"), &json!(true)));
    let prompts = Shop::prompt_router().list_all();
    let names: Vec<_> = prompts.iter().map(|prompt| prompt.name.as_str()).collect();
    assert_eq!(names, ["above", "below"]);
}

#[test]
fn a_whole_block_above_its_router_is_annotated() {
    let body = one(|| block_on(Whole.double()));
    assert_eq!(body["resource_name"], "whole.double");
    assert_eq!(crate::support::seen(|| block_on(Whole.quiet())).1.len(), 0);
    let tools = Whole::tool_router().list_all();
    let described: Vec<_> = tools.iter().map(|tool| (&*tool.name, tool.description.as_deref())).collect();
    assert_eq!(described, [("double", Some("Doubles a number.")), ("quiet", Some("Left out"))]);
}
