//! Removal on request, and the catalogue of declared events.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::api::Params;
use super::ask::Ask;
use super::guard::Caller;
use super::reply::{Problem, value};
use super::{Shared, ask_store, body};
use crate::catalogue;
use crate::store::Forget;

/// Largest catalogue, in bytes.
const MAX_CATALOGUE: usize = 4 * 1024 * 1024;

/// `DELETE /api/v1/sessions/{session}`
pub(crate) async fn forget_session(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Session(session)).await
}

/// `DELETE /api/v1/actors/{actor}`
pub(crate) async fn forget_actor(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(actor): Path<String>,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Actor(actor)).await
}

/// `DELETE /api/v1/projects/{project}`
pub(crate) async fn forget_project(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Project(project)).await
}

async fn forget(app: Shared, caller: Caller, whose: Forget) -> Result<Response, Problem> {
    value(&ask_store(&app, move |store| store.forget(&whose, caller.scope.as_deref())).await?)
}

fn project_of(ask: &Ask, caller: &Caller) -> Result<String, Problem> {
    let project = ask
        .text("project")
        .or_else(|| caller.scope.clone())
        .ok_or_else(|| Problem::bad("`project` is missing: whose catalogue?"))?;
    caller.may_write(&project)?;
    Ok(project)
}

/// `PUT /api/v1/catalogue?project=…`: what the code can emit, as `mcpcat::catalog().to_json()` writes it.
pub(crate) async fn set_catalogue(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    body::media(&headers)?;
    let project = project_of(&Ask(params), &caller)?;
    let bytes = body::read(&headers, body, MAX_CATALOGUE).await?;
    let text = catalogue::check(bytes)?;
    let declared = catalogue::declared(&text)?.len();
    ask_store(&app, move |store| store.set_catalogue(&project, &text)).await?;
    value(&serde_json::json!({ "declared": declared }))
}

/// `GET /api/v1/catalogue?project=…`: declared events, and how they compare with what was seen.
pub(crate) async fn catalogue(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let project = project_of(&Ask(params), &caller)?;
    let (text, seen) =
        ask_store(&app, move |store| Ok((store.catalogue(&project)?, store.custom_names(&project)?))).await?;
    let declared = text.as_deref().map(catalogue::declared).transpose()?;
    value(&catalogue::compare(declared, &seen))
}
