//! The collector's HTTP side: ingest, the reading API, the live stream and the page.

mod answer;
mod api;
mod ask;
mod body;
mod export;
pub(crate) mod guard;
mod health;
mod ingest;
pub(crate) mod issued;
mod live;
mod manage;
mod page;
pub(crate) mod params;
mod reply;
mod tokens;
mod unpack;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use tokio::sync::{Semaphore, watch};

use crate::budget::Budget;
use crate::ingest::Queue;
use crate::metrics::Metrics;
use crate::store::Store;
#[cfg(feature = "cli")]
pub(crate) use ask::span;
use guard::{Access, Right};
pub(crate) use health::Health;
pub(crate) use ingest::offer as batch_offer;
pub(crate) use live::STREAMS;
use reply::Problem;

/// Everything a handler needs.
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: health::Health,
    pub(crate) access: Access,
    /// Tokens that were handed out to send events.
    pub(crate) issued: issued::Issued,
    /// Bytes that bodies and answers may hold.
    pub(crate) budget: Budget,
    /// One permit for each stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// Path prefix behind a proxy; empty or `/…` without a trailing slash.
    pub(crate) base: String,
    /// Where trace ids lead, with `{trace_id}` in it.
    pub(crate) trace_url: Option<String>,
    pub(crate) batch_offer: String,
    /// True once the server is going down; streams end then.
    pub(crate) closing: watch::Sender<bool>,
}

pub(crate) type Shared = Arc<App>;

/// Runs blocking work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "a request's work panicked");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed inside the timeline")
    })
}

/// Asks the store off the async threads.
pub(crate) async fn ask_store<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce(&dyn Store) -> crate::store::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let store = Arc::clone(&app.store);
    Ok(blocking(move || work(&*store)).await??)
}

/// All routes, under the base path if there is one.
pub(crate) fn router(app: Shared) -> Router {
    let needs = |right: Right| from_fn_with_state((Arc::clone(&app), right), guard::require);
    let ingest = Router::new()
        .route("/v1/public/events/", post(ingest::one).options(ingest::offers))
        .route("/v1/public/events", post(ingest::one).options(ingest::offers))
        // A base URL that ends in a slash gives two of them in every official SDK.
        .route("//v1/public/events/", post(ingest::one).options(ingest::offers))
        .route("//v1/public/events", post(ingest::one).options(ingest::offers))
        .route("/v1/public/events/batch", post(ingest::batch))
        .route("//v1/public/events/batch", post(ingest::batch));
    let in_path = Router::new()
        .route("/t/{token}/v1/public/events/", post(ingest::one).options(ingest::offers))
        .route("/t/{token}/v1/public/events", post(ingest::one).options(ingest::offers))
        .route("/t/{token}/v1/public/events/batch", post(ingest::batch))
        .route_layer(from_fn_with_state(Arc::clone(&app), guard::token_in_path));
    let read = Router::new()
        .route("/api/v1/sessions", get(api::sessions))
        .route("/api/v1/sessions/{session}", get(api::session))
        .route("/api/v1/sessions/{session}/events", get(api::session_events))
        .route("/api/v1/sessions/{session}/outline", get(api::outline))
        .route("/api/v1/sessions/{session}/rows", get(api::rows))
        .route("/api/v1/sessions/{session}/matches", get(api::matches))
        .route("/api/v1/sessions/{session}/export.html", get(export::html))
        .route("/api/v1/events", get(api::events))
        .route("/api/v1/events/{event}", get(api::event))
        .route("/api/v1/export.ndjson", get(export::ndjson))
        .route("/api/v1/export.csv", get(export::csv))
        .route("/api/v1/facets", get(api::facets))
        .route("/api/v1/overview", get(api::overview))
        .route("/api/v1/catalogue", get(manage::catalogue))
        .route("/api/v1/stream", get(live::stream))
        .route("/api/v1/about", get(api::about))
        .route("/metrics", get(api::metrics))
        .route_layer(from_fn(params::check))
        .route_layer(from_fn_with_state(Arc::clone(&app), answer::weigh))
        .route_layer(needs(Right::Read));
    let write = Router::new()
        .route("/api/v1/sessions/{session}", delete(manage::forget_session))
        .route("/api/v1/actors/{actor}", delete(manage::forget_actor))
        .route("/api/v1/projects/{project}", delete(manage::forget_project))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/catalogue", axum::routing::put(manage::set_catalogue))
        .route_layer(from_fn(params::check))
        .route_layer(needs(Right::Manage));
    let open = Router::new()
        .route("/", get(page::shell))
        .route("/sessions/{session}", get(page::shell))
        .route("/overview", get(page::shell))
        .route("/compare", get(page::shell))
        .route("/catalogue", get(page::shell))
        .route("/assets/{name}", get(page::asset))
        .route("/assets/{edition}/{name}", get(page::asset_of))
        .route("/api/v1/login", post(guard::login))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready));
    let routes = Router::new()
        .merge(ingest.route_layer(needs(Right::Ingest)))
        .merge(in_path)
        .merge(read)
        .merge(write)
        .merge(open);
    let routes = if app.base.is_empty() {
        routes
    } else {
        let root = format!("{}/", app.base);
        Router::new().route(&root, get(page::shell)).nest(&app.base, routes)
    };
    routes
        .fallback(|| async { Problem::missing("page or API path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .layer(from_fn(catch))
        .layer(from_fn_with_state(Arc::clone(&app), guard::outer))
        .with_state(app)
}

/// Turns the framework's plain-text refusals (a bad path or query) into this API's JSON.
async fn catch(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    use axum::response::IntoResponse;
    let response = next.run(request).await;
    let plain = response
        .headers()
        .get(axum::http::header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    if !(plain && (response.status().is_client_error() || response.status().is_server_error())) {
        return response;
    }
    let status = response.status();
    let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
    Problem::new(status, String::from_utf8_lossy(&text).into_owned()).into_response()
}

/// Percent-encodes everything that is not plain in a URL path or a cookie.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The reverse of [`percent_encode`]; `None` for broken input.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_coding_returns_what_went_in() {
        for text in ["plain", "a b;c=d", "ünï%", ""] {
            assert_eq!(percent_decode(&percent_encode(text)).as_deref(), Some(text));
        }
        assert_eq!(percent_decode("%zz"), None);
        assert_eq!(percent_decode("%e"), None);
    }
}
