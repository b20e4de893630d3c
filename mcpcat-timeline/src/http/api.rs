//! Reading: sessions, events, the values of filters, the numbers of the overview.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::ask::Ask;
use super::guard::Caller;
use super::reply::{Problem, json, value};
use super::{Shared, answer, ask_store};
use crate::event::quoted;
use crate::store::{Stored, snippet};

pub(crate) type Params = Query<Vec<(String, String)>>;

/// `GET /api/v1/sessions`
pub(crate) async fn sessions(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let query = Ask(params).sessions(caller.scope)?;
    value(&ask_store(&app, move |store| store.sessions(&query)).await?)
}

/// `GET /api/v1/sessions/{session}`: `{"sessions":[…]}`, one per project that has it.
pub(crate) async fn session(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let project = caller.project(Ask(params).text("project"))?;
    let rows = ask_store(&app, move |store| store.session(&session, project.as_deref())).await?;
    if rows.is_empty() {
        return Err(Problem::missing("session"));
    }
    value(&serde_json::json!({ "sessions": rows }))
}

/// `GET /api/v1/sessions/{session}/events`: whole events in the order things happened.
pub(crate) async fn session_events(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let mut query = Ask(params).events(caller.scope.clone())?;
    query.session = Some(session.clone());
    let first = answer::first(&app, &query).await?;
    if first.0.events.is_empty()
        && ask_store(&app, move |store| store.session(&session, caller.scope.as_deref())).await?.is_empty()
    {
        return Err(Problem::missing("session"));
    }
    Ok(answer::events(app, query, first, answer::bare))
}

/// `GET /api/v1/sessions/{session}/outline`: the session without its payloads, as columns.
pub(crate) async fn outline(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let session = Ask(params).session(session, caller.scope);
    let text = answer::in_turn(&app, move |store| {
        let outline = store.outline(&session)?;
        Ok(outline.map(|outline| serde_json::to_string(&outline).unwrap_or_default()))
    });
    Ok(json(StatusCode::OK, text.await?.ok_or_else(|| Problem::missing("session"))?))
}

/// `GET /api/v1/sessions/{session}/rows?seq=1-500,507`: events by their arrival numbers, as they were sent; the long fields of
/// large ones only with `whole=1`.
pub(crate) async fn rows(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let (ranges, words, whole) = (ask.ranges()?, ask.text("q"), ask.flag("whole")?);
    let session = ask.session(session, caller.scope);
    let text = answer::in_turn(&app, move |store| {
        let mut out = String::from("{\"events\":[");
        for (at, stored) in store.rows(&session, &ranges, MOST_ROWS)?.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            push_row(&mut out, stored, whole, words.as_deref());
        }
        out.push_str("]}");
        Ok(out)
    });
    Ok(json(StatusCode::OK, text.await?))
}

/// Most events in one answer to a question for rows.
const MOST_ROWS: usize = 1000;
/// An event of more bytes comes without its long fields in a row, and whole when it is opened.
const ROW_BYTES: usize = 16 * 1024;
/// A field of more bytes is a long one.
const FIELD_BYTES: usize = 2 * 1024;

/// `GET /api/v1/sessions/{session}/matches?q=…`: the arrival numbers of all events that hold the words.
pub(crate) async fn matches(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let words = ask.text("q").ok_or_else(|| Problem::bad("`q` is missing: which words?"))?;
    let session = ask.session(session, caller.scope);
    let seq = answer::in_turn(&app, move |store| store.matches(&session, &words)).await?;
    value(&serde_json::json!({ "seq": seq }))
}

/// `GET /api/v1/events`: events of all sessions, with their arrival numbers.
pub(crate) async fn events(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let mut ask = Ask(params);
    if ask.text("limit").is_none() {
        ask.0.push(("limit".into(), "200".into()));
    }
    let query = ask.events(caller.scope)?;
    let first = answer::first(&app, &query).await?;
    Ok(answer::events(app, query, first, answer::wrapped))
}

/// `GET /api/v1/events/{event}`, of the project that `project` names, else of any.
pub(crate) async fn event(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(event): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let project = caller.scope.or_else(|| Ask(params).text("project"));
    let stored = ask_store(&app, move |store| store.event(&event, project.as_deref())).await?;
    let stored = stored.ok_or_else(|| Problem::missing("event"))?;
    let mut text = String::with_capacity(stored.body.len() + 128);
    answer::wrapped(&stored, &mut text);
    Ok(json(StatusCode::OK, text))
}

/// `GET /api/v1/facets`
pub(crate) async fn facets(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let project = caller.project(Ask(params).text("project"))?;
    value(&ask_store(&app, move |store| store.facets(project.as_deref())).await?)
}

/// `GET /api/v1/overview`: the last day unless `since` and `until` say otherwise.
pub(crate) async fn overview(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let until = ask.moment("until")?.unwrap_or_else(|| jiff::Timestamp::now().as_microsecond());
    let since = ask.moment("since")?.unwrap_or(until.saturating_sub(DAY));
    if since >= until {
        return Err(Problem::bad("`since` must be before `until`"));
    }
    let project = caller.scope.or_else(|| ask.text("project"));
    value(&ask_store(&app, move |store| store.overview(since, until, project.as_deref())).await?)
}

/// A day in microseconds.
const DAY: i64 = 86_400_000_000;

/// `GET /api/v1/about`: what the page has to know about its server.
pub(crate) async fn about(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let size = ask_store(&app, |store| store.size()).await?;
    value(&serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "api": "v1",
        "trace_url": app.trace_url,
        "read_only": app.access.read_only,
        "project": caller.scope,
        "store": size,
    }))
}

/// `GET /metrics`
pub(crate) async fn metrics(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let size = ask_store(&app, |store| store.size()).await?;
    let text = app.metrics.render(size, app.queue.waiting(), caller.scope.as_deref());
    let mut response = Response::new(text.into());
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    Ok(response)
}

/// A row of the page: what the collector knows of an event, where the words of a search are in it, and the event as it was
/// sent, without its long fields when it is large.
fn push_row(out: &mut String, stored: &Stored, whole: bool, words: Option<&str>) {
    answer::push_known(out, stored);
    if let Some(parts) = words.and_then(|words| snippet(&stored.body, words)) {
        out.push_str(",\"hit\":[");
        out.push_str(&parts.map(|part| quoted(&part)).join(","));
        out.push(']');
    }
    if whole || stored.body.len() <= ROW_BYTES {
        out.push_str(",\"event\":");
        out.push_str(&stored.body);
    } else {
        out.push_str(&format!(",\"cut\":{},\"event\":", stored.body.len()));
        out.push_str(&crate::event::without_long_fields(&stored.body, FIELD_BYTES));
    }
    out.push('}');
}
