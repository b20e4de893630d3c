//! Reading: sessions, events, the values of filters, the numbers of the overview.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::ask::Ask;
use super::guard::Caller;
use super::reply::{Problem, json, value};
use super::{Shared, ask_store};
use crate::event::quoted;
use crate::store::{EventPage, Stored};

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
) -> Result<Response, Problem> {
    let rows = ask_store(&app, move |store| store.session(&session, caller.scope.as_deref())).await?;
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
    let known = session.clone();
    query.session = Some(session);
    let page = ask_store(&app, move |store| {
        let page = store.events(&query)?;
        if page.events.is_empty() && store.session(&known, caller.scope.as_deref())?.is_empty() {
            return Ok(None);
        }
        Ok(Some(page))
    })
    .await?;
    page.map(|page| bare(&page)).ok_or_else(|| Problem::missing("session"))
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
    let page = ask_store(&app, move |store| store.events(&query)).await?;
    Ok(json(StatusCode::OK, wrapped(&page)))
}

/// `GET /api/v1/events/{event}`
pub(crate) async fn event(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(event): Path<String>,
) -> Result<Response, Problem> {
    let stored = ask_store(&app, move |store| store.event(&event, caller.scope.as_deref())).await?;
    let stored = stored.ok_or_else(|| Problem::missing("event"))?;
    Ok(json(StatusCode::OK, one_wrapped(&stored)))
}

/// `GET /api/v1/facets`
pub(crate) async fn facets(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    value(&ask_store(&app, move |store| store.facets(caller.scope.as_deref())).await?)
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

fn tail(out: &mut String, page: &EventPage) {
    out.push_str("],\"last_seq\":");
    out.push_str(&page.last_seq.to_string());
    if let Some(next) = &page.next {
        out.push_str(",\"next\":");
        out.push_str(&quoted(next));
    }
    out.push('}');
}

/// Events with their kind and label. Their text is JSON already and is not read again.
fn bare(page: &EventPage) -> Response {
    let mut out =
        String::with_capacity(page.events.iter().map(|stored| stored.body.len() + 1).sum::<usize>() + 64);
    out.push_str("{\"events\":[");
    for (at, stored) in page.events.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&stored.shown());
    }
    tail(&mut out, page);
    json(StatusCode::OK, out)
}

/// `{"seq":…,"filed_under":…,"event":{…}}`
pub(crate) fn one_wrapped(stored: &Stored) -> String {
    format!(
        "{{\"seq\":{},\"filed_under\":{},\"event\":{}}}",
        stored.seq,
        quoted(&stored.session),
        stored.shown()
    )
}

/// Events with what the collector knows of them.
pub(crate) fn wrapped(page: &EventPage) -> String {
    let mut out = String::from("{\"events\":[");
    for (at, stored) in page.events.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&one_wrapped(stored));
    }
    tail(&mut out, page);
    out
}
