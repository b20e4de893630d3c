//! A server of a user who is asked, for the tests of consent and credentials: `consenter WAY [OPTION…]`.
//!
//! With the way `lines` it does what each line of its stdin says and answers with one line; with `serve` it is an MCP
//! server on stdio. The options are the builder's, and `--log` writes everything that goes through `tracing` to stderr.

#![allow(clippy::print_stdout, reason = "stdout is the pipe to the test")]

use std::time::Duration;

use mcpcat::{Client, CustomEvent, Identity, consent, emit};
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, CustomRequest, CustomResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, ReadResourceRequestParams, ReadResourceResponse,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router, transport::stdio};
use serde_json::{Value, json};

#[derive(Clone)]
struct Server;

#[derive(Debug)]
struct NoSuchCustomer(String);

impl std::fmt::Display for NoSuchCustomer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no customer {}", self.0)
    }
}

impl std::error::Error for NoSuchCustomer {}

#[derive(serde::Deserialize, serde::Serialize, rmcp::schemars::JsonSchema)]
struct Work {
    text: String,
    #[serde(flatten)]
    more: serde_json::Map<String, Value>,
}

#[derive(mcpcat::EventData)]
#[event(name = "typed")]
struct Typed<'a> {
    text: &'a str,
    #[event(tag)]
    tag: &'a str,
}

#[mcpcat::event(name = "annotated", params(text), message = "about {text}", tags(text), response)]
async fn annotated(text: &str) -> Result<String, NoSuchCustomer> {
    Ok(format!("done with {text}"))
}

#[mcpcat::event(name = "annotated.fails", params(text))]
async fn annotated_fails(text: &str) -> Result<(), NoSuchCustomer> {
    Err(NoSuchCustomer(text.to_owned()))
}

#[tool_router]
impl Server {
    #[tool(description = "Does some work")]
    async fn work(&self, Parameters(work): Parameters<Work>) -> Result<String, String> {
        let text = work.text.as_str();
        annotated(text).await.map_err(|error| error.to_string())?;
        let error = annotated_fails(text).await.err();
        emit!("emitted", text, seats = 5, message = "of {text}", response = text, tags.text = text);
        emit!("emitted.fails", error = &error, properties.text = text);
        emit!(Typed { text, tag: text });
        Ok(format!("worked on {text}"))
    }

    #[tool(description = "Reports an error in its result")]
    async fn fail(&self, Parameters(work): Parameters<Work>) -> CallToolResult {
        CallToolResult::error(vec![ContentBlock::text(work.text)])
    }

    #[tool(description = "Answers with a JSON-RPC error")]
    async fn refuse(&self, Parameters(work): Parameters<Work>) -> Result<CallToolResult, ErrorData> {
        Err(ErrorData::internal_error(work.text.clone(), Some(json!({ "text": work.text }))))
    }
}

#[tool_handler]
impl ServerHandler for Server {
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Err(ErrorData::invalid_params(format!("no prompt {}", request.name), None))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Err(ErrorData::resource_not_found(request.uri, None))
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Ok(CustomResult(json!({ "echo": request.params })))
    }
}

async fn serve(client: &Client, names_only: bool, planted: String) {
    let mut server = client.track(Server).intent().agent_id().session_handle();
    if names_only {
        server = server.names_only();
    }
    if !planted.is_empty() {
        let (who, tags, properties) = (planted.clone(), planted.clone(), planted);
        server = server
            .identify(move |_| {
                let identity = Identity::new(&who).name(&who);
                async move { Some(identity) }
            })
            .event_tags(move |_| {
                let tags = vec![(tags.clone(), tags.clone())];
                async move { Some(tags) }
            })
            .event_properties(move |_| {
                let properties = json!({ &properties: &properties }).as_object().cloned().unwrap_or_default();
                async move { Some(properties) }
            });
    }
    let running = server.serve(stdio()).await.expect("the client's handshake");
    let _ = running.waiting().await;
}

/// Does what a line says; the answer is a line.
fn obey(client: &Client, line: &str) -> String {
    const PATIENCE: Duration = Duration::from_secs(60);
    match line.split_once(' ').unwrap_or((line, "")) {
        ("publish", text) => {
            let event = CustomEvent::new("published").parameter("text", text);
            client.publish("session", event).map_or_else(|error| error.to_string(), |id| id.to_string())
        }
        ("many", count) => {
            for n in 0..count.parse().expect("a number") {
                let event = CustomEvent::new("numbered").parameter("n", n);
                let _: u32 = n;
                client.publish("session", event).expect("there is room");
            }
            client.stats().to_string()
        }
        ("set", on) => match consent::set(on == "on") {
            Ok(status) => status.to_string(),
            Err(error) => format!("error: {error}"),
        },
        ("status", _) => {
            let status = consent::status();
            format!("{} {:?} {}", status.records, status.decided_by, status)
        }
        ("notice", _) => consent::notice().replace('\n', " | "),
        ("enabled", _) => format!("{} {:?}", client.is_enabled(), client.off_reason()),
        ("flush", _) => client.flush_blocking(PATIENCE).to_string(),
        ("stats", _) => {
            let stats = client.stats();
            let opted_out = stats.dropped_for(mcpcat::DropReason::OptedOut);
            let balanced = stats.published + stats.adopted == stats.delivered + stats.dropped + stats.pending;
            format!("{opted_out} opted out, {} pending, balanced {balanced}, {stats:?}", stats.pending)
        }
        (other, _) => format!("what is {other}?"),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    // Cargo builds and lists it like an example; without arguments there is nothing to do.
    let Some(way) = arguments.next() else { return };
    let mut builder = Client::builder("proj_desk");
    let (mut names_only, mut planted) = (false, String::new());
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        builder = match argument.as_str() {
            "--opt-in" => builder.opt_in(),
            "--not-in-ci" => builder.enabled_in_ci(false),
            "--disabled" => builder.enabled(false),
            "--enabled" => builder.enabled(true),
            "--names-only" => builder.names_only(),
            "--state-dir" => builder.state_dir(value()),
            "--application" => builder.application(value()),
            "--header" => builder.header("x-own", value()),
            "--dead-proxy" => builder.proxy(value()),
            "--scrubbed" => builder.on_disk(mcpcat::OnDisk::ScrubbedOnly),
            "--tracked-names-only" => {
                names_only = true;
                builder
            }
            "--planted" => {
                planted = value();
                builder
            }
            "--log" => {
                tracing::subscriber::set_global_default(Everything).expect("it is the first");
                builder
            }
            other => panic!("what is {other}?"),
        };
    }
    let client = match builder.build() {
        Ok(client) => client,
        Err(error) => return eprintln!("{error} {error:?}"),
    };
    client.install();
    if way == "serve" {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.expect("a runtime").block_on(serve(&client, names_only, planted));
    }
    for line in std::io::stdin().lines() {
        println!("{}", obey(&client, &line.expect("text")));
    }
}

/// A subscriber that leaves nothing out.
struct Everything;

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        // What others log of their own (the HTTP client its bytes) is not ours to answer for.
        if !event.metadata().target().starts_with("mcpcat") {
            return;
        }
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!(" {field}={value:?}"));
            }
        }
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        eprintln!("{}", line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
