//! Tells supervisors how the collector is: whether it lives, and whether it can do its work.
//!
//! `/healthz` is for who restarts a process: it answers 200 as long as the process can, because a restart empties no
//! disk. `/readyz` is for who sends requests: 503 while events cannot be written. Both say which of the two it is.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::reply::json;
use super::{Shared, blocking};

/// How long an answer holds. A probe writes, and anybody may ask.
const FRESH: Duration = Duration::from_secs(2);

/// What was found out last.
#[derive(Default)]
pub(crate) struct Health(Mutex<Option<(Instant, Result<(), String>)>>);

/// Whether events can be written, by writing when that is not known from just now.
async fn store(app: &Shared) -> Result<(), String> {
    let known = app.health.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((at, found)) = known
        && at.elapsed() < FRESH
    {
        return found;
    }
    let store = std::sync::Arc::clone(&app.store);
    let found = match blocking(move || store.probe()).await {
        Ok(probed) => probed.map_err(|error| error.to_string()),
        Err(_) => Err("the probe failed inside the timeline".into()),
    };
    *app.health.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found.clone()));
    found
}

fn answer(app: &Shared, found: &Result<(), String>, status: StatusCode) -> Response {
    let store = match found {
        Ok(()) if app.access.read_only => "read-only",
        Ok(()) => "writable",
        Err(_) => "not writable",
    };
    let mut body =
        serde_json::json!({ "status": if found.is_ok() { "ok" } else { "degraded" }, "store": store });
    if let Err(reason) = found {
        body["reason"] = reason.as_str().into();
    }
    let mut response = json(status, body.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    response
}

/// `GET /healthz`
pub(crate) async fn alive(State(app): State<Shared>) -> Response {
    let found = store(&app).await;
    answer(&app, &found, StatusCode::OK)
}

/// `GET /readyz`
pub(crate) async fn ready(State(app): State<Shared>) -> Response {
    let found = store(&app).await;
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(&app, &found, status)
}
