//! One tool call over an in-process pipe, untracked and tracked, with arguments and result recorded and, where a
//! peer has a switch, nothing injected into the tool. Client, server and the peer's call path share one thread,
//! so that its allocations are all counted; delivery runs on the peer's own thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, ServerCapabilities, ServerConfig};
use rmcp::service::{RunningService, ServerInitializeError};
use rmcp::{RoleServer, ServerHandler, ServiceExt as _, schemars, tool, tool_handler, tool_router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::DuplexStream;

use crate::measure::{Calls, allocations, cpu};

#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
struct Charge {
    customer: String,
    cents: u32,
    currency: String,
    retry: bool,
}

#[derive(Clone)]
struct Shop;

#[tool_router]
impl Shop {
    #[tool(description = "Charges an invoice")]
    async fn charge(&self, Parameters(charge): Parameters<Charge>) -> String {
        let Charge { customer, cents, currency, retry } = charge;
        format!("charged {customer} {cents} {currency}, retry {retry}")
    }
}

#[tool_handler]
impl ServerHandler for Shop {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}

/// Times of calls, and the CPU each took with its delivery.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct ToolCalls {
    pub calls: Calls,
    pub cpu_us: f64,
}

pub const NAMES: [&str; 4] = ["untracked", "ours", "official", "posthog"];

const CALLS: u32 = 5_000;
const WARM: u32 = 500;

pub fn run(name: &str, url: &str) -> ToolCalls {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let before = cpu();
        let patience = Duration::from_secs(60);
        let calls = match name {
            "untracked" => serve(Shop).await,
            "ours" => {
                let client =
                    mcpcat::Client::builder("proj_peers").base_url(url).build().expect("good settings");
                let tracked = client.track(Shop);
                let calls = served(|ours| tracked.serve(ours)).await;
                let _ = client.shutdown(patience).await;
                calls
            }
            "official" => {
                let options = agentcat_sdk::Options::default()
                    .api_base_url(url)
                    .enable_tool_call_context(false)
                    .enable_report_missing(false);
                let handle = agentcat_sdk::AgentCat::new("proj_peers", options);
                let calls = serve(handle.track(Shop)).await;
                handle.shutdown(patience).await;
                calls
            }
            "posthog" => {
                let client = Arc::new(posthog_rs::client(("phc_peers", url)).await);
                let options = posthog_rs::mcp::McpOptionsBuilder::default()
                    .context(false)
                    .capture_model(false)
                    .conversation_id(false)
                    .build()
                    .expect("good settings");
                let tracked =
                    posthog_rs::mcp::McpAnalytics::new(Arc::clone(&client), options).instrument(Shop);
                let calls = serve(tracked).await;
                client.shutdown().await;
                calls
            }
            _ => panic!("no server is called {name}"),
        };
        let cpu_us = (cpu() - before).as_secs_f64() * 1e6 / f64::from(CALLS + WARM);
        ToolCalls { calls, cpu_us }
    })
}

async fn serve(handler: impl ServerHandler) -> Calls {
    served(|ours| handler.serve(ours)).await
}

/// Served as `serve` says, which for a tracked server is a method of its own.
async fn served<H, F>(serve: impl FnOnce(DuplexStream) -> F) -> Calls
where
    H: ServerHandler,
    F: Future<Output = Result<RunningService<RoleServer, H>, ServerInitializeError>> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let serving = serve(ours);
    let server = tokio::spawn(async move {
        let running = serving.await.expect("the server starts");
        running.waiting().await.expect("the server ends")
    });
    let client = ().serve(theirs).await.expect("the client starts");
    // As a client does: the list first, then calls.
    client.list_all_tools().await.expect("the tools are listed");
    let call = async |n: u32| {
        let arguments = json!({"customer": "cus_8812", "cents": n, "currency": "eur", "retry": false});
        let arguments = arguments.as_object().cloned().expect("an object");
        let request = CallToolRequestParams::new("charge").with_arguments(arguments);
        let answer = client.call_tool(request).await.expect("the call is answered");
        assert_ne!(answer.is_error, Some(true), "{answer:?}");
    };
    for n in 0..WARM {
        call(n).await;
    }
    let mut times = Vec::with_capacity(CALLS as usize);
    let before = allocations();
    for n in 0..CALLS {
        let start = Instant::now();
        call(n).await;
        times.push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    let calls = Calls::of(times, allocations() - before);
    client.cancel().await.expect("the client ends");
    server.await.expect("the server's task ends");
    calls
}
