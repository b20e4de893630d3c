//! An axum server that is told to end (SIGTERM, Ctrl-C) and loses nothing: no new connection is taken, calls that are
//! running get their answer, and what they recorded is delivered before the process ends.
//!
//! ```text
//! MCPCAT_API_URL=http://127.0.0.1:6228 cargo run --example graceful_shutdown -- 127.0.0.1:8080
//! ```
//!
//! Its first line on stdout is its address.

#![allow(clippy::print_stdout, reason = "the address is its output")]

use std::sync::Arc;
use std::time::Duration;

use mcpcat::emit;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use tokio::sync::watch;

/// How long calls may take to end. Together with the next one less than the grace period of the platform: 10 s with
/// Docker, 30 s with Kubernetes.
const CALLS: Duration = Duration::from_secs(5);
/// How long their events may take to be delivered. What is not stays in the state directory.
const EVENTS: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct Kitchen;

#[derive(Deserialize, schemars::JsonSchema)]
struct Order {
    dish: String,
    /// How long it takes, in milliseconds.
    takes: u64,
}

#[tool_router]
impl Kitchen {
    #[tool(description = "Cooks a dish")]
    async fn cook(&self, Parameters(Order { dish, takes }): Parameters<Order>) -> String {
        emit!("order.taken", dish = &dish);
        tokio::time::sleep(Duration::from_millis(takes)).await;
        emit!("order.served", dish = &dish);
        format!("here is your {dish}")
    }
}

#[tool_handler]
impl rmcp::ServerHandler for Kitchen {}

/// Until somebody wants the process to end.
async fn told_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            ended = tokio::signal::ctrl_c() => ended,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let client = mcpcat::Client::builder("proj_kitchen").build()?;
    let tracker = client.clone();
    // Without sessions of the transport a connection carries calls and no open stream: axum waits for exactly those
    // calls. With sessions, cancel the configuration's token once the calls have ended.
    let service = StreamableHttpService::new(
        move || Ok(tracker.track(Kitchen)),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_legacy_session_mode(false),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/mcp", listener.local_addr()?);

    let (end, ending) = watch::channel(false);
    tokio::spawn(async move {
        if let Err(error) = told_to_end().await {
            eprintln!("signals cannot be watched: {error}");
        }
        let _ = end.send(true);
    });
    let told = |mut ending: watch::Receiver<bool>| async move { drop(ending.wait_for(|told| *told).await) };
    let calls = axum::serve(listener, router).with_graceful_shutdown(told(ending.clone()));
    tokio::select! {
        served = calls => served?,
        () = async { told(ending).await; tokio::time::sleep(CALLS).await } => {}
    }
    // After the last call, so that its events are among those that are waited for.
    let stats = client.shutdown(EVENTS).await;
    eprintln!("{stats}");
    Ok(())
}
