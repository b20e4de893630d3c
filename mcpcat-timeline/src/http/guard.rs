//! Who may ask for what.
//!
//! A page of any website can make its visitor's browser talk to loopback, and DNS rebinding can make it look like
//! the same origin. So the name in `Host` must be ours, `Origin` must be ours or invited, and off loopback a token
//! is needed on top.

use std::sync::Arc;

use super::Shared;
use super::issued::{Bearer, Issued};
use super::reply::Problem;
use crate::token::digest;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The cookie that a browser keeps the token in.
pub(crate) const COOKIE: &str = "mcpcat_timeline";

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Right {
    /// Send events.
    Ingest,
    /// Read events, in the page and over the API.
    Read,
    /// Everything, removal included.
    Manage,
}

/// A secret and what it is good for.
#[derive(Debug, Clone)]
pub struct Token {
    digest: [u8; 32],
    right: Right,
    project: Option<String>,
}

impl Token {
    /// A token for every project.
    #[must_use]
    pub fn new(right: Right, secret: &str) -> Self {
        Self { digest: digest(secret), right, project: None }
    }

    /// Limits the token to one project.
    #[must_use]
    pub fn for_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    fn allows(&self, right: Right) -> bool {
        self.right == Right::Manage || self.right == right
    }
}

/// Names and tokens that are accepted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    pub(crate) tokens: Vec<Token>,
    /// Names in `Host`, without port. Empty with a token: any.
    pub(crate) hosts: Vec<String>,
    /// Origins besides our own, as `https://host:port`.
    pub(crate) origins: Vec<String>,
    pub(crate) read_only: bool,
}

impl Access {
    /// The rights behind a secret. Digests are compared whole, so the time taken tells nothing about the secret.
    fn find(&self, secret: &str, right: Right) -> Option<&Token> {
        let given = digest(secret);
        self.tokens.iter().rfind(|token| {
            let differs = token.digest.iter().zip(given).fold(0_u8, |differs, (a, b)| differs | (a ^ b));
            differs == 0 && token.allows(right)
        })
    }

    fn host_is_ours(&self, host: &str) -> bool {
        if self.hosts.is_empty() && !self.tokens.is_empty() {
            return true;
        }
        let name = name_of(host);
        matches!(name, "localhost" | "127.0.0.1" | "[::1]")
            || self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
    }
}

/// A host without its port. What is neither stays whole, and is then nobody's name.
pub(crate) fn name_of(host: &str) -> &str {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']').map_or(host.len(), |end| end + 2),
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    if port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    {
        name
    } else {
        host
    }
}

/// Who is asking, once they have been let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The only project this caller sees; `None` for all.
    pub(crate) scope: Option<String>,
    /// The token that was handed out to who is asking.
    bearer: Option<Arc<Bearer>>,
}

impl Caller {
    /// The project that a request is about: the token's own, or the one that it names.
    pub(crate) fn project(&self, named: Option<String>) -> Result<Option<String>, Problem> {
        if let Some(named) = &named {
            self.may_write(named)?;
        }
        Ok(self.scope.clone().or(named))
    }

    pub(crate) fn may_write(&self, project: &str) -> Result<(), Problem> {
        match &self.scope {
            Some(own) if own != project => {
                Err(Problem::forbidden(format!("the token is for another project than {project:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether the quota of the token has anything left.
    pub(crate) fn may_send(&self) -> Result<(), Problem> {
        match self.bearer.as_ref().and_then(|bearer| bearer.waits()) {
            Some(seconds) => Err(Problem::too_many(seconds)),
            None => Ok(()),
        }
    }

    pub(crate) fn spent(&self, events: usize, bytes: usize) {
        if let Some(bearer) = &self.bearer {
            bearer.spent(events, bytes);
        }
    }
}

/// Layer for every route: names, origins and the headers that keep a browser strict.
pub(crate) async fn outer(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).cloned();
    let invited = origin
        .as_ref()
        .and_then(|origin| origin.to_str().ok())
        .is_some_and(|origin| app.access.origins.iter().any(|ours| ours.eq_ignore_ascii_case(origin)));
    let verdict = check_names(&app.access, &request, invited);
    let mut response = match verdict {
        Err(problem) => problem.into_response(),
        Ok(()) if invited && request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    if invited && let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, content-encoding"),
        );
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

fn check_names(access: &Access, request: &Request, invited: bool) -> Result<(), Problem> {
    let headers = request.headers();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| request.uri().authority().map(http::uri::Authority::as_str))
        .ok_or_else(|| Problem::bad("the Host header is missing"))?;
    if !access.host_is_ours(host) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("this timeline is not called {:?}; allow the name with --allowed-host", name_of(host)),
        ));
    }
    if invited {
        return Ok(());
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, name)| name == host);
        if !own {
            return Err(Problem::forbidden(
                "requests from other websites are refused; allow the origin with --allowed-origin",
            ));
        }
    } else if from_other_site(headers) {
        return Err(Problem::forbidden("requests from other websites are refused"));
    }
    Ok(())
}

/// A browser says that another site asked, and not by a link that its user followed.
fn from_other_site(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|given| given == value);
    (is("sec-fetch-site", "cross-site") || is("sec-fetch-site", "same-site"))
        && !is("sec-fetch-mode", "navigate")
}

/// Layer for routes that need a right.
pub(crate) async fn require(
    State((app, right)): State<(Shared, Right)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.access.read_only && right != Right::Read {
        return Err(Problem::forbidden("this timeline is read-only"));
    }
    let caller = if right == Right::Ingest {
        let secrets = secrets(request.headers()).collect();
        admit_sender(&app, secrets).await?
    } else {
        admit(&app.access, request.headers(), right)?
    };
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn admit(access: &Access, headers: &HeaderMap, right: Right) -> Result<Caller, Problem> {
    if access.tokens.is_empty() {
        return Ok(Caller::default());
    }
    for secret in secrets(headers) {
        if let Some(token) = access.find(&secret, right) {
            return Ok(Caller { scope: token.project.clone(), bearer: None });
        }
    }
    Err(token_needed())
}

fn token_needed() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "a token with the right to do this is needed; send it as `Authorization: Bearer …`",
    )
}

/// Who sends, by the tokens of the configuration and those that were handed out. Also where no token is needed, so that
/// the quota of who sends one holds.
async fn admit_sender(app: &Shared, secrets: Vec<String>) -> Result<Caller, Problem> {
    if let Some(token) = secrets.iter().find_map(|secret| app.access.find(secret, Right::Ingest)) {
        return Ok(Caller { scope: token.project.clone(), bearer: None });
    }
    let digests: Vec<_> = secrets.iter().map(|secret| crate::token::digest(secret)).collect();
    if let Some(bearer) = Issued::find(app, &digests).await {
        return Ok(Caller { scope: Some(bearer.project().to_owned()), bearer: Some(bearer) });
    }
    if app.access.tokens.is_empty() { Ok(Caller::default()) } else { Err(token_needed()) }
}

fn secrets(headers: &HeaderMap) -> impl Iterator<Item = String> + '_ {
    let bearer = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|value| value.to_str().ok()?.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"))
        .map(|(_, secret)| secret.trim().to_owned());
    let cookies = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .filter_map(|(_, value)| super::percent_decode(value));
    bearer.chain(cookies)
}

/// Layer for the path form: an SDK that sends no header carries the token in its base URL.
pub(crate) async fn token_in_path(
    State(app): State<Shared>,
    axum::extract::Path(path): axum::extract::Path<std::collections::HashMap<String, String>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.access.read_only {
        return Err(Problem::forbidden("this timeline is read-only"));
    }
    let token = path.get("token").cloned().unwrap_or_default();
    let caller = admit_sender(&app, vec![token])
        .await
        .map_err(|_| Problem::new(StatusCode::UNAUTHORIZED, "the token in the path is not known"))?;
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

/// Whether a browser may be given this token to keep.
pub(crate) async fn login(
    State(app): State<Shared>,
    axum::Json(given): axum::Json<Login>,
) -> Result<Response, Problem> {
    let cookie = app.cookie(&given.token).ok_or_else(|| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "the token is not known here, or it only lets its bearer send events",
        )
    })?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

#[derive(serde::Deserialize)]
pub(crate) struct Login {
    token: String,
}

impl super::App {
    /// The cookie for a token with the right to read.
    pub(crate) fn cookie(&self, secret: &str) -> Option<HeaderValue> {
        self.access.find(secret, Right::Read)?;
        HeaderValue::from_str(&format!(
            "{COOKIE}={}; Path={}/; HttpOnly; SameSite=Lax; Max-Age=2592000",
            super::percent_encode(secret),
            self.base
        ))
        .ok()
    }

    /// Whether these headers let their sender read.
    pub(crate) fn may_read(&self, headers: &HeaderMap) -> bool {
        admit(&self.access, headers, Right::Read).is_ok()
    }
}
