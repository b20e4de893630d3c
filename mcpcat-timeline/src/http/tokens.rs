//! Hands out, lists and revokes tokens that send events. Needs the right to manage.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::api::Params;
use super::ask::Ask;
use super::guard::Caller;
use super::reply::{Problem, value};
use super::{Shared, ask_store};
use crate::token::Limits;

/// `POST /api/v1/tokens?project=…`: the only answer that ever has the secret.
pub(crate) async fn create(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let project = ask
        .text("project")
        .or_else(|| caller.scope.clone())
        .ok_or_else(|| Problem::bad("`project` is missing: whose events may it send?"))?;
    caller.may_write(&project)?;
    let limits = Limits {
        events_per_minute: limit(&ask, "events_per_minute")?,
        bytes_per_minute: limit(&ask, "bytes_per_minute")?,
    };
    let (token, secret) = crate::token::issue(project, ask.text("label").unwrap_or_default(), limits)
        .map_err(|error| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no randomness: {error}"))
        })?;
    let shown = serde_json::json!({ "id": token.id, "project": token.project, "token": secret });
    ask_store(&app, move |store| store.add_token(&token)).await?;
    app.issued.changed();
    value(&shown)
}

fn limit(ask: &Ask, name: &'static str) -> Result<Option<i64>, Problem> {
    ask.text(name)
        .map(|text| {
            text.parse()
                .ok()
                .filter(|limit| *limit > 0)
                .ok_or_else(|| Problem::bad(format!("`{name}` must be a number above 0")))
        })
        .transpose()
}

/// `GET /api/v1/tokens`
pub(crate) async fn list(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    let mut tokens = ask_store(&app, |store| store.tokens()).await?;
    tokens.retain(|token| caller.scope.as_ref().is_none_or(|scope| *scope == token.project));
    value(&serde_json::json!({ "tokens": tokens }))
}

/// `DELETE /api/v1/tokens/{id}`
pub(crate) async fn revoke(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let gone = ask_store(&app, move |store| store.revoke_token(&id, caller.scope.as_deref())).await?;
    app.issued.changed();
    if gone { value(&serde_json::json!({ "revoked": 1 })) } else { Err(Problem::missing("token")) }
}
