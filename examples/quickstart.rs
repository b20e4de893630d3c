//! The whole path in one command: a timeline, a tracked MCP server over streamable HTTP, and a client that
//! calls its tools.
//!
//! ```text
//! cargo run --example quickstart              prints the timeline and serves its page until Ctrl-C
//! cargo run --example quickstart -- --once    prints it and ends: 0 if everything has arrived, else 1
//! ```

#![allow(clippy::print_stdout, reason = "this is what the program is for")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mcpcat::{CustomEvent, EventData, InSession as _, emit};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, ErrorData};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ServiceExt as _, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PROJECT: &str = "proj_quickstart";

// --- The server: an ordinary rmcp server with a few annotations. -----------------------------------------

#[derive(Clone)]
struct Billing;

#[derive(Deserialize, schemars::JsonSchema)]
struct Upgrade {
    /// The customer to upgrade.
    customer: String,
    /// The plan to change to.
    plan: String,
}

#[derive(EventData)]
#[event(name = "subscription_upgraded")]
struct Upgraded<'a> {
    plan: &'a str,
    seats: u32,
    #[event(tag)]
    region: &'a str,
    #[event(redact)]
    email: &'a str,
}

#[derive(Debug)]
struct Declined {
    cause: std::io::Error,
}

impl std::fmt::Display for Declined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the bank declined the card")
    }
}

impl std::error::Error for Declined {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Two calls below the tool, and no session in sight.
#[mcpcat::event(name = "invoice.charge", params(customer, cents))]
async fn charge(customer: &str, cents: u32) -> Result<u32, Declined> {
    authorize(customer).await?;
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(cents)
}

#[mcpcat::event(name = "card.authorize", params(customer))]
async fn authorize(customer: &str) -> Result<(), Declined> {
    tokio::time::sleep(Duration::from_millis(10)).await;
    if customer == "mallory" {
        return Err(Declined { cause: std::io::Error::other("insufficient funds") });
    }
    Ok(())
}

#[tool_router]
impl Billing {
    #[tool(description = "Upgrades a customer to a plan")]
    async fn upgrade(&self, Parameters(request): Parameters<Upgrade>) -> Result<CallToolResult, ErrorData> {
        let Upgrade { customer, plan } = request;
        if plan == "unknown" {
            return Err(ErrorData::invalid_params("there is no plan of that name", None));
        }
        match charge(&customer, 4_900).await {
            Ok(_) => {
                emit!(Upgraded { plan: &plan, seats: 5, region: "eu", email: "ada@example.com" });
                // A spawned task has to be told whose it is; that is all.
                let mail =
                    async move { emit!("mail.sent", template = "welcome", message = "welcome to {plan}") };
                tokio::spawn(mail.in_current_session());
                Ok(CallToolResult::success(vec![ContentBlock::text("upgraded")]))
            }
            Err(declined) => Ok(CallToolResult::error(vec![ContentBlock::text(declined.to_string())])),
        }
    }
}

#[tool_handler]
impl rmcp::ServerHandler for Billing {}

// --- The program: timeline, server and client in one process. ---------------------------------------------

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let once = std::env::args().any(|argument| argument == "--once");
    let timeline = mcpcat_timeline::Timeline::builder().in_memory().start().await?;

    let client = mcpcat::Client::builder(PROJECT).base_url(timeline.ingest_url()).build()?;
    client.install();
    let url = serve(&client).await?;
    converse(&url).await?;
    // A background job knows its customer, not the MCP session: a string of its own names one.
    mcpcat::publish_custom_event(
        "nightly-report",
        PROJECT,
        CustomEvent::new("report.sent").parameter("pages", 12).duration(Duration::from_millis(340)),
    )?;

    let stats = client.flush(Duration::from_secs(10)).await;
    let events = read_back(timeline.url()).await?;
    print(&events);
    println!("\n{stats}");
    let complete = stats.pending == 0 && stats.dropped == 0 && is_complete(&events);
    if !complete {
        eprintln!("something is missing from the timeline");
    }
    if once {
        return Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("\nThe same on a page: {}   (Ctrl-C ends)", timeline.url());
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

/// Serves the tracked server over streamable HTTP on a free port of loopback.
async fn serve(client: &mcpcat::Client) -> Result<String, Failure> {
    let client = client.clone();
    let service = StreamableHttpService::new(
        move || Ok(client.track(Billing)),
        Arc::new(LocalSessionManager::default()),
        Default::default(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// What an agent would do: list the tools, then call them.
async fn converse(url: &str) -> Result<(), Failure> {
    let agent = ().serve(StreamableHttpClientTransport::from_uri(url)).await?;
    agent.list_all_tools().await?;
    for (customer, plan) in [("ada", "pro"), ("mallory", "pro"), ("ada", "unknown"), ("grace", "team")] {
        let arguments = serde_json::json!({ "customer": customer, "plan": plan });
        let request = CallToolRequestParams::new("upgrade")
            .with_arguments(arguments.as_object().cloned().unwrap_or_default());
        // The third is answered with a JSON-RPC error, which is one of the things to see.
        let _ = agent.call_tool(request).await;
    }
    agent.cancel().await?;
    Ok(())
}

/// The sessions and their events, over the timeline's own API.
async fn read_back(url: &str) -> Result<Vec<(String, Vec<Value>)>, Failure> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let get = async |path: String| -> Result<Value, Failure> {
        Ok(http
            .get(format!("{}{path}", url.trim_end_matches('/')))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    };
    let sessions = get("/api/v1/sessions".to_owned()).await?;
    let mut read = Vec::new();
    for session in sessions["sessions"].as_array().into_iter().flatten() {
        let id = session["session_id"].as_str().unwrap_or_default().to_owned();
        let events = get(format!("/api/v1/sessions/{id}/events")).await?;
        read.push((id, events["events"].as_array().cloned().unwrap_or_default()));
    }
    Ok(read)
}

fn print(sessions: &[(String, Vec<Value>)]) {
    for (id, events) in sessions {
        println!("\nsession {id}");
        for event in events {
            let text = |key: &str| event[key].as_str().unwrap_or_default();
            let custom = text("event_type").ends_with(":custom");
            let depth = depth(event, events);
            let badge = if custom { "⚡" } else { "▸ " };
            let label = match (custom, event["resource_name"].as_str()) {
                (true, name) => name.unwrap_or("Custom").to_owned(),
                (false, Some(name)) => format!("{} {name}", text("event_type")),
                (false, None) => text("event_type").to_owned(),
            };
            let duration = event["duration"].as_u64().map(|ms| format!("{ms} ms")).unwrap_or_default();
            let time = text("timestamp").get(11..23).unwrap_or_default();
            print!(
                "  {time}  {:indent$}{badge} {label:<width$} {duration:>7}",
                "",
                indent = depth * 2,
                width = 36 - depth * 2
            );
            if event["is_error"] == true {
                let error = &event["error"];
                print!(
                    "  ✗ {}: {}",
                    error["type"].as_str().unwrap_or("error"),
                    error["message"].as_str().unwrap_or_default()
                );
            } else if let Some(message) = event["user_intent"].as_str() {
                print!("  {message}");
            }
            println!();
        }
    }
}

/// How many calls an event is nested in.
fn depth(event: &Value, events: &[Value]) -> usize {
    let parent = event["parent_id"].as_str().and_then(|id| events.iter().find(|other| other["id"] == id));
    parent.map_or(0, |parent| 1 + depth(parent, events))
}

/// Whether the timeline holds what this program caused.
fn is_complete(sessions: &[(String, Vec<Value>)]) -> bool {
    let count =
        |events: &[Value], key: &str, value: &str| events.iter().filter(|event| event[key] == value).count();
    let conversation = sessions.iter().find(|(_, events)| count(events, "event_type", "mcp:initialize") == 1);
    let report = sessions.iter().find(|(_, events)| count(events, "resource_name", "report.sent") == 1);
    let Some((_, events)) = conversation else { return false };
    let expected = [
        ("event_type", "mcp:tools/list", 1),
        ("event_type", "mcp:tools/call", 4),
        ("resource_name", "card.authorize", 3),
        ("resource_name", "invoice.charge", 3),
        ("resource_name", "subscription_upgraded", 2),
        ("resource_name", "mail.sent", 2),
    ];
    let failed = events.iter().filter(|event| event["is_error"] == true).count();
    report.is_some() && failed == 4 && expected.iter().all(|&(key, value, n)| count(events, key, value) == n)
}
