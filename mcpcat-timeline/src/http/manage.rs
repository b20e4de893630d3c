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
use crate::event::iso;
use crate::store::{Forget, Forgotten, KnownBackup};

/// Largest catalogue, in bytes.
const MAX_CATALOGUE: usize = 4 * 1024 * 1024;

/// `DELETE /api/v1/sessions/{session}`
pub(crate) async fn forget_session(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Session(session), Ask(params)).await
}

/// `DELETE /api/v1/actors/{actor}`
pub(crate) async fn forget_actor(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(actor): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Actor(actor), Ask(params)).await
}

/// `DELETE /api/v1/projects/{project}`
pub(crate) async fn forget_project(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(project): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    forget(app, caller, Forget::Project(project), Ask(params)).await
}

/// Of one project alone where it is named. With `dry_run=1` it only counts.
async fn forget(app: Shared, caller: Caller, whose: Forget, ask: Ask) -> Result<Response, Problem> {
    let project = caller.project(ask.text("project"))?;
    if ask.flag("dry_run")? {
        let (found, copies) = ask_store(&app, move |store| {
            Ok((store.would_forget(&whose, project.as_deref())?, store.backups()?))
        })
        .await?;
        return value(&Answer { found, copies: copies_of(&copies) });
    }
    if let Forget::Project(id) = &whose
        && caller.scope.as_ref().is_none_or(|scope| scope == id)
    {
        app.metrics.forget_project(id);
    }
    let (found, copies) =
        ask_store(&app, move |store| Ok((store.forget(&whose, project.as_deref())?, store.backups()?)))
            .await?;
    value(&Answer { found, copies: copies_of(&copies) })
}

#[derive(serde::Serialize)]
struct Answer {
    #[serde(flatten)]
    found: Forgotten,
    copies: Vec<RemainingCopy>,
}

/// A place that a removal does not reach.
#[derive(serde::Serialize)]
struct RemainingCopy {
    place: String,
    what: &'static str,
}

fn copies_of(backups: &[KnownBackup]) -> Vec<RemainingCopy> {
    let copy = |place: &str, what| RemainingCopy { place: place.into(), what };
    let mut copies = vec![
        copy(
            "spools of SDKs",
            "what has not been delivered yet; it is dropped when it comes, as long as the forgetting is remembered",
        ),
        copy(
            "dead letters beside SDKs",
            "what was refused once, in `mcpcat/dead-letters` of their state directories; delete the files, or it is dropped when \
             it is sent again",
        ),
        copy("exports", "files that somebody wrote; an import of them is dropped, the files stay"),
    ];
    copies.extend(backups.iter().map(|backup| RemainingCopy {
        place: format!("{} of {}, {} events", backup.path, iso(backup.at), backup.events),
        what: "a copy of the data file; delete it, or forget again after restoring it",
    }));
    copies
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
    let mut held = body::read(&app.budget, &headers, body, MAX_CATALOGUE).await?;
    held.pay_for_a_copy()?;
    let text = catalogue::check(held.bytes)?;
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
