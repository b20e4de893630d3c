//! Events and spans that lead to each other: `trace_id` and `span_id` of every event are those of a span that
//! tracing-opentelemetry exports.
//!
//! rmcp opens no span for a request, so the question is which span an event should name. Two arrangements answer it:
//!
//! - **A pipe or stdio**: a span around the connection. rmcp runs each request's task in the span that was current when
//!   the server was served, and `trace_context` reads it there.
//! - **HTTP**: a span for each HTTP request, opened by a middleware. The request is handled on another task, which that
//!   span does not reach; its `traceparent` header does. The middleware writes it, and mcpcat takes it from there for
//!   every request that `trace_context` says nothing about. The tool's own span continues the trace in the same way.
//!
//! `cargo run` plays both with a real client, and checks each event against the spans that were exported. Events go to a
//! recorder and spans to memory; a server of your own says `mcpcat::track` and exports by OTLP.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::HeaderValue;
use http::request::Parts;
use mcpcat::testing::Recorder;
use mcpcat::{TraceContext, emit};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, TracerProvider as _,
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use rmcp::handler::server::common::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::CallToolRequestParams;
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ServerHandler, ServiceExt as _, schemars, tool, tool_handler, tool_router};
use tracing::{Instrument as _, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

type Failed = Box<dyn Error + Send + Sync>;

/// The ids of a span, as mcpcat takes them.
fn ids(span: &Span) -> Option<TraceContext> {
    let context = span.context();
    let context = context.span().span_context().clone();
    context
        .is_valid()
        .then(|| TraceContext::new(context.trace_id().to_string(), context.span_id().to_string()))
}

/// Makes a span continue the trace of a request that came with a `traceparent`.
fn continue_trace(span: &Span, headers: &http::HeaderMap) {
    let Some(parent) = headers.get("traceparent").and_then(|it| TraceContext::parse(it.to_str().ok()?)) else {
        return;
    };
    let ids = (TraceId::from_hex(&parent.trace_id), SpanId::from_hex(&parent.span_id));
    if let (Ok(trace), Ok(id)) = ids {
        let remote = SpanContext::new(trace, id, TraceFlags::SAMPLED, true, TraceState::default());
        let context = opentelemetry::Context::new().with_remote_span_context(remote);
        if let Err(error) = span.set_parent(context) {
            tracing::warn!("a span keeps its own trace: {error}");
        }
    }
}

/// A span for each HTTP request, known to whoever handles it by the `traceparent` header.
async fn traced(mut request: Request, next: Next) -> Response {
    let span = info_span!("http.request");
    continue_trace(&span, request.headers());
    if let Some(TraceContext { trace_id, span_id, .. }) = ids(&span)
        && let Ok(value) = HeaderValue::try_from(format!("00-{trace_id}-{span_id}-01"))
    {
        request.headers_mut().insert("traceparent", value);
    }
    next.run(request).instrument(span).await
}

#[derive(Clone)]
struct Shop;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Order {
    item: String,
}

#[tool_router]
impl Shop {
    #[tool(description = "Orders something over a pipe")]
    async fn order(&self, Parameters(order): Parameters<Order>) -> String {
        emit!("order.placed", item = &order.item);
        order.item
    }

    #[tool(description = "Orders something over HTTP")]
    async fn order_online(
        &self,
        Parameters(order): Parameters<Order>,
        Extension(parts): Extension<Parts>,
    ) -> String {
        let span = info_span!("shop.order");
        continue_trace(&span, &parts.headers);
        async {
            emit!("order.placed", item = &order.item);
            order.item
        }
        .instrument(span)
        .await
    }
}

#[tool_handler]
impl ServerHandler for Shop {}

async fn order(agent: &RunningService<RoleClient, ()>, tool: &'static str, item: &str) -> Result<(), Failed> {
    let arguments = serde_json::json!({ "item": item });
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let answer = agent.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await?;
    assert_ne!(answer.is_error, Some(true), "{answer:?}");
    Ok(())
}

/// What an event says of its place in a trace.
fn place(event: &serde_json::Value) -> (String, String) {
    let text = |key: &str| event["properties"][key].as_str().unwrap_or_default().to_owned();
    (text("trace_id"), text("span_id"))
}

fn ids_of(span: &SpanData) -> (String, String) {
    (span.span_context.trace_id().to_string(), span.span_context.span_id().to_string())
}

/// The places of the events of one order, automatic and custom, which are one.
fn place_of_order(recorder: &Recorder, item: &str) -> (String, String) {
    let is_about = |event: &serde_json::Value| {
        event["parameters"]["item"] == item
            || event["parameters"]["request"]["params"]["arguments"]["item"] == item
    };
    let events = recorder.events();
    let places: Vec<_> = events.iter().map(|it| it.json()).filter(|it| is_about(it)).map(place).collect();
    assert_eq!(places.len(), 2, "the call and what it published");
    assert_eq!(places[0], places[1], "stand at one place");
    places[0].clone()
}

/// A pipe in this process, as stdio is one to another.
async fn over_a_pipe(exporter: &InMemorySpanExporter) -> Result<(), Failed> {
    let recorder = Recorder::new();
    let server = recorder.client().track(Shop).trace_context(|| ids(&Span::current()));
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(
        async move {
            server.serve(server_io).await?.waiting().await?;
            Ok::<_, Failed>(())
        }
        .instrument(info_span!("connection")),
    );
    let agent = ().serve(client_io).await?;
    order(&agent, "order", "tea").await?;
    agent.cancel().await?;
    serving.await??;

    let spans = exporter.get_finished_spans()?;
    let connection = spans.iter().find(|span| span.name == "connection").ok_or("the connection is exported")?;
    let events = recorder.events();
    assert_eq!(events.len(), 3, "the handshake, the call, what it published");
    for event in &events {
        assert_eq!(place(event.json()), ids_of(connection), "{}", event.json());
    }
    println!("pipe: 3 events, all in the exported span `connection` {:?}", ids_of(connection));
    Ok(())
}

async fn over_http(exporter: &InMemorySpanExporter) -> Result<(), Failed> {
    let recorder = Recorder::new();
    let client = recorder.client().clone();
    let service = StreamableHttpService::new(
        // There is no span here that `trace_context` could read.
        move || Ok(client.track(Shop).trace_context(|| ids(&Span::current()))),
        Arc::new(LocalSessionManager::default()),
        Default::default(),
    );
    let router = axum::Router::new().nest_service("/mcp", service).layer(from_fn(traced));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/mcp", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let agent = ().serve(StreamableHttpClientTransport::from_uri(url)).await?;
    for item in ["milk", "sugar"] {
        order(&agent, "order_online", item).await?;
    }
    agent.cancel().await?;

    let spans = exporter.get_finished_spans()?;
    let named = |name: &str| -> Vec<&SpanData> { spans.iter().filter(|span| span.name == name).collect() };
    let requests: BTreeSet<_> = named("http.request").into_iter().map(ids_of).collect();
    let mut places = BTreeSet::new();
    for item in ["milk", "sugar"] {
        let place = place_of_order(&recorder, item);
        assert!(requests.contains(&place), "{place:?} is an exported span: {requests:?}");
        let continued = named("shop.order").into_iter().any(|span| {
            (span.span_context.trace_id().to_string(), span.parent_span_id.to_string()) == place
        });
        assert!(continued, "the tool's own span is below it");
        println!("HTTP: the order of {item} is in the exported span `http.request` {place:?}");
        places.insert(place);
    }
    assert_eq!(places.len(), 2, "each request has its own");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    // What rmcp opens for itself is not the connection's span.
    let own = filter_fn(|metadata| !metadata.target().starts_with("rmcp"));
    tracing_subscriber::registry().with(layer.with_filter(own)).init();
    over_a_pipe(&exporter).await?;
    over_http(&exporter).await?;
    provider.shutdown()?;
    Ok(())
}
