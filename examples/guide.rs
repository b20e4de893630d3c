//! A server with one tool, tracked.

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router, transport::stdio};

#[derive(Clone)]
struct Shop;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Order {
    plan: String,
}

#[tool_router]
impl Shop {
    #[tool(description = "Upgrades the customer to a plan")]
    async fn upgrade(&self, Parameters(order): Parameters<Order>) -> Result<String, String> {
        charge(&order.plan, 4_900).await.map_err(|error| error.to_string())?;
        mcpcat::emit!("subscription_upgraded", plan = order.plan);
        Ok(format!("welcome to {}", order.plan))
    }
}

#[mcpcat::event(name = "invoice.charge", params(plan, cents))]
async fn charge(plan: &str, cents: u32) -> Result<(), std::io::Error> {
    // ... the bank is asked here ...
    Ok(())
}

#[tool_handler]
impl ServerHandler for Shop {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = mcpcat::track(Shop, "proj_abc123xyz");
    server.serve(stdio()).await?.waiting().await?;
    Ok(())
}
