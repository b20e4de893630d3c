//! A real HTTP collector on loopback that keeps what it received, and a server and a client to be observed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use mcpcat::{Client, Tracked};
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, ErrorData};
use rmcp::service::{RoleClient, RunningService};
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use serde_json::Value;
use tokio::sync::watch;

/// Long enough for a loaded machine; reached only by a failing test.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const PROJECT: &str = "proj_test";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the body is JSON")
    }
}

type Answer = dyn Fn(usize) -> Response + Send + Sync;

struct Shared {
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
    answer: Box<Answer>,
}

/// The sockets of all collectors.
static KEPT: Mutex<Vec<std::net::TcpListener>> = Mutex::new(Vec::new());

/// The collector.
pub struct Collector {
    pub url: String,
    shared: Arc<Shared>,
}

impl Collector {
    /// One that takes everything, as the product does.
    pub async fn start() -> Self {
        Self::answering(|_| {
            (StatusCode::ACCEPTED, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"accepted"}"#)
                .into_response()
        })
        .await
    }

    /// One that offers to take events of any type, as `mcpcat-timeline` does.
    pub async fn offering_any_type() -> Self {
        Self::answering(|_| (StatusCode::ACCEPTED, [("mcpcat-event-types", "any")]).into_response()).await
    }

    /// One that answers the n-th request (from 0) as `answer` says.
    pub async fn answering(answer: impl Fn(usize) -> Response + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            count: watch::Sender::new(0),
            answer: Box::new(answer),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // A client may outlive its collector and still send: the port is nobody else's until this process ends.
        KEPT.lock().unwrap().push(listener.try_clone().unwrap());
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(receive).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.received().iter().map(Received::json).collect()
    }

    /// Waits until at least `count` requests have arrived.
    pub async fn wait(&self, count: usize) -> Vec<Received> {
        let mut counted = self.shared.count.subscribe();
        let enough = counted.wait_for(|so_far| *so_far >= count);
        tokio::time::timeout(PATIENCE, enough)
            .await
            .unwrap_or_else(|_| panic!("{count} requests expected, {} came", self.received().len()))
            .unwrap();
        self.received()
    }

    /// A client of the test's project that sends here.
    pub fn client(&self) -> Client {
        Client::builder(PROJECT).base_url(&self.url).state_dir(state_dir()).build().unwrap()
    }
}

/// A directory of the test process's own, so that tests adopt nothing of each other.
pub fn state_dir() -> std::path::PathBuf {
    let root = tempfile::Builder::new().prefix("mcpcat-test-").tempdir().unwrap();
    root.keep()
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> Response {
    if method == Method::OPTIONS {
        // No event: a client wants to know what is taken here. This is one that does not know the question.
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let index = {
        let mut received = shared.received.lock().unwrap();
        received.push(Received { method, uri, headers, bytes });
        received.len() - 1
    };
    let answer = (shared.answer)(index);
    shared.count.send_modify(|count| *count += 1);
    answer
}

/// The event of a name among bodies; exactly one is expected.
pub fn named<'a>(bodies: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<_> = bodies.iter().filter(|body| body["resource_name"] == name).collect();
    assert_eq!(found.len(), 1, "events called {name}: {found:#?}");
    found[0]
}

/// The events of a type among bodies.
pub fn of_type<'a>(bodies: &'a [Value], event_type: &str) -> Vec<&'a Value> {
    let mut found: Vec<_> = bodies.iter().filter(|body| body["event_type"] == event_type).collect();
    // Requests under way at the same time arrive in any order.
    found.sort_by_key(|body| body["sequence"].as_u64());
    found
}

/// A server that can do whatever rmcp knows of.
#[expect(deprecated, reason = "every capability there is")]
pub fn every_capability() -> rmcp::model::ServerCapabilities {
    rmcp::model::ServerCapabilities::builder()
        .enable_tools()
        .enable_prompts()
        .enable_resources()
        .enable_resources_subscribe()
        .enable_completions()
        .enable_logging()
        .enable_tasks()
        .enable_skills_with_directory_read()
        .build()
}

/// A server with one tool for each way in which a call can end.
#[derive(Clone)]
pub struct Sample;

#[derive(serde::Deserialize, serde::Serialize, rmcp::schemars::JsonSchema)]
pub struct Greeting {
    pub name: String,
}

#[tool_router]
impl Sample {
    #[tool(description = "Greets")]
    async fn greet(
        &self,
        rmcp::handler::server::wrapper::Parameters(greeting): rmcp::handler::server::wrapper::Parameters<
            Greeting,
        >,
    ) -> String {
        mcpcat::emit!("greeted", name = &greeting.name);
        format!("hello {}", greeting.name)
    }

    #[tool(description = "Reports an error in its result")]
    async fn fail(&self) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text("out of"), ContentBlock::text("paper")])
    }

    #[tool(description = "Answers with a JSON-RPC error")]
    async fn refuse(&self) -> Result<CallToolResult, ErrorData> {
        Err(ErrorData::invalid_params("no such printer", Some(serde_json::json!({ "printer": 7 }))))
    }

    #[tool(description = "Panics")]
    async fn panic(&self) -> String {
        panic!("the drum is broken")
    }
}

#[tool_handler]
impl ServerHandler for Sample {}

/// A client connected to a tracked server over an in-memory pipe.
pub async fn connect<H: ServerHandler>(server: Tracked<H>) -> RunningService<RoleClient, ()> {
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(server_io).await {
            let _ = running.waiting().await;
        }
    });
    ().serve(client_io).await.expect("the handshake succeeds")
}

/// A call of a tool with JSON arguments.
pub fn call(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let call = CallToolRequestParams::new(name);
    match arguments {
        Value::Object(arguments) => call.with_arguments(arguments),
        _ => call,
    }
}

/// A command for a program that is told to end by signals, whatever the shell that started the tests does about them.
pub fn with_default_signals(program: &std::path::Path) -> std::process::Command {
    if cfg!(not(unix)) {
        return std::process::Command::new(program);
    }
    let mut command = std::process::Command::new("env");
    command.arg("--default-signal=INT,TERM,HUP,QUIT").arg(program);
    command
}

/// A program beside this test. Cargo builds it before the tests, unless only some of them were asked for.
pub fn program(name: &str) -> std::path::PathBuf {
    let mut profile = std::env::current_exe().unwrap();
    profile.pop();
    if profile.ends_with("deps") {
        profile.pop();
    }
    let mut cargo = std::process::Command::new(env!("CARGO"));
    // With the features of `cargo test --workspace`, so that nothing is built twice.
    cargo.args(["build", "--quiet", "--workspace", "--example", name]);
    cargo.args(profile.ends_with("release").then_some("--release"));
    assert!(cargo.status().unwrap().success());
    profile.join("examples").join(name)
}
