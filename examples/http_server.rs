//! The dice of `stdio_server` over streamable HTTP, for clients of any language:
//!
//! ```text
//! MCPCAT_API_URL=http://127.0.0.1:6228 cargo run --example http_server -- 127.0.0.1:8080
//! ```
//!
//! Its first line on stdout is its address. Ctrl-C ends it.

#![allow(clippy::print_stdout, reason = "the address is its output")]

use std::sync::Arc;
use std::time::Duration;

use mcpcat::emit;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{schemars, tool, tool_handler, tool_router};
use serde::Deserialize;

#[derive(Clone)]
struct Dice;

#[derive(Deserialize, schemars::JsonSchema)]
struct Roll {
    /// How many sides the die has.
    sides: u32,
}

#[tool_router]
impl Dice {
    #[tool(description = "Rolls a die")]
    async fn roll(&self, Parameters(Roll { sides }): Parameters<Roll>) -> CallToolResult {
        let tick = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
        match tick.checked_rem(sides) {
            Some(rest) => {
                emit!("dice.rolled", sides, result = rest + 1);
                CallToolResult::success(vec![ContentBlock::text((rest + 1).to_string())])
            }
            None => CallToolResult::error(vec![ContentBlock::text("a die has at least one side")]),
        }
    }
}

#[tool_handler]
impl rmcp::ServerHandler for Dice {}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    // One wrapper for each connection, all of one client.
    let service = StreamableHttpService::new(
        || Ok(mcpcat::track(Dice, "proj_dice")),
        Arc::new(LocalSessionManager::default()),
        Default::default(),
    );
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/mcp", listener.local_addr()?);
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        _ = tokio::signal::ctrl_c() => {}
    }
    if let Some(client) = mcpcat::Client::installed() {
        let stats = client.shutdown(Duration::from_secs(2)).await;
        eprintln!("{stats}");
    }
    Ok(())
}
