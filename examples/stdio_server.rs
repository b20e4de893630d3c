//! The stdio server of the README, ready for an MCP client's configuration:
//!
//! ```json
//! { "mcpServers": { "dice": { "command": "target/debug/examples/stdio_server",
//!                             "env": { "MCPCAT_API_URL": "http://127.0.0.1:6228" } } } }
//! ```
//!
//! stdout belongs to the protocol. Logs go to stderr.

use mcpcat::emit;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::transport::stdio;
use rmcp::{schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use std::time::Duration;

#[derive(Clone)]
struct Dice;

#[derive(Deserialize, schemars::JsonSchema)]
struct Roll {
    /// How many sides the die has.
    sides: u32,
}

#[mcpcat::event(name = "dice.throw", params(sides), response)]
fn throw(sides: u32) -> Result<u32, &'static str> {
    let tick = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
    tick.checked_rem(sides).map(|rest| rest + 1).ok_or("a die has at least one side")
}

#[tool_router]
impl Dice {
    #[tool(description = "Rolls a die")]
    async fn roll(&self, Parameters(Roll { sides }): Parameters<Roll>) -> CallToolResult {
        match throw(sides) {
            Ok(result) => {
                emit!("dice.rolled", sides, result);
                CallToolResult::success(vec![ContentBlock::text(result.to_string())])
            }
            Err(why) => CallToolResult::error(vec![ContentBlock::text(why)]),
        }
    }
}

#[tool_handler]
impl rmcp::ServerHandler for Dice {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = mcpcat::track(Dice, "proj_dice");
    server.serve(stdio()).await?.waiting().await?;
    if let Some(client) = mcpcat::Client::installed() {
        // What does not get through in this time is delivered by the next start.
        let stats = client.shutdown(Duration::from_secs(2)).await;
        eprintln!("{stats}");
    }
    Ok(())
}
