//! The page's files, part of the binary so that there is nothing to install beside it.

use std::sync::LazyLock;

use axum::extract::{OriginalUri, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Shared;
use super::api::Params;
use super::ask::Ask;
use super::reply::Problem;

struct Asset {
    name: &'static str,
    text: &'static str,
    media: &'static str,
}

macro_rules! assets {
    ($($name:literal: $media:expr),* $(,)?) => {
        [$(Asset { name: $name, text: include_str!(concat!("../../static/", $name)), media: $media }),*]
    };
}

const JS: &str = "text/javascript; charset=utf-8";

static ASSETS: &[Asset] = &assets! {
    "align.js": JS,
    "api.js": JS,
    "app.js": JS,
    "axis.js": JS,
    "banner.js": JS,
    "call.js": JS,
    "catalogue.js": JS,
    "compare.js": JS,
    "content.js": JS,
    "detail.js": JS,
    "differ.js": JS,
    "dom.js": JS,
    "export.js": JS,
    "failure.js": JS,
    "file.js": JS,
    "filters.js": JS,
    "format.js": JS,
    "head.js": JS,
    "json.js": JS,
    "keys.js": JS,
    "line.js": JS,
    "lines.js": JS,
    "list.js": JS,
    "live.js": JS,
    "model.js": JS,
    "outline.js": JS,
    "overview.js": JS,
    "pane.js": JS,
    "paths.js": JS,
    "plot.js": JS,
    "row.js": JS,
    "rows.js": JS,
    "search.js": JS,
    "session.js": JS,
    "source.js": JS,
    "strip.js": JS,
    "theme.js": JS,
    "timeline.js": JS,
    "tree.js": JS,
    "style.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
};

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    ASSETS
        .iter()
        .map(|asset| {
            let digest = Sha256::digest(asset.text.as_bytes());
            let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
            format!("\"{hex}\"")
        })
        .collect()
});

/// All files in one word. It is part of their addresses, so that a browser keeps them until they change and asks for none
/// of them when another session is opened.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(TAGS.concat().as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// Names every module in the shell, so that a browser fetches them at once and not one import after the other.
static PRELOAD: LazyLock<String> = LazyLock::new(|| {
    ASSETS
        .iter()
        .filter(|asset| asset.media == JS && asset.name != "export.js" && asset.name != "file.js")
        .map(|asset| format!("<link rel=\"modulepreload\" href=\"assets/{}/{}\">\n", *EDITION, asset.name))
        .collect()
});

/// The text of one of the page's files.
pub(super) fn text(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.text)
}

/// `GET /assets/{edition}/{name}`: kept for good if the edition is this one.
pub(crate) async fn asset_of(
    Path((edition, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut response = asset(Path(name), headers).await?;
    if edition == *EDITION {
        let keep = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(header::CACHE_CONTROL, keep);
    }
    Ok(response)
}

/// `GET /assets/{name}`. Names are looked up in a fixed list; there is no path to walk out of.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let at = ASSETS.iter().position(|asset| asset.name == name).ok_or_else(|| Problem::missing("file"))?;
    let (asset, tag) = (&ASSETS[at], &TAGS[at]);
    let fresh = headers.get(header::IF_NONE_MATCH).is_some_and(|given| given.as_bytes() == tag.as_bytes());
    let mut response =
        if fresh { StatusCode::NOT_MODIFIED.into_response() } else { Response::new(asset.text.into()) };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The shell of every view. With `?token=…` the token moves into a cookie and out of the address.
pub(crate) async fn shell(
    State(app): State<Shared>,
    headers: HeaderMap,
    OriginalUri(uri): OriginalUri,
    Query(params): Params,
) -> Response {
    let ask = Ask(params);
    if let Some(cookie) = ask.text("token").and_then(|token| app.cookie(&token)) {
        let rest = ask.0.iter().filter(|(name, _)| name != "token");
        let query: Vec<String> = rest
            .map(|(name, value)| format!("{}={}", super::percent_encode(name), super::percent_encode(value)))
            .collect();
        // A doubled slash at the front would name another host.
        let path = uri.path().trim_start_matches('/');
        let target = format!("/{path}{}{}", if query.is_empty() { "" } else { "?" }, query.join("&"));
        if let Ok(target) = HeaderValue::from_str(&target) {
            return (StatusCode::SEE_OTHER, [(header::LOCATION, target), (header::SET_COOKIE, cookie)])
                .into_response();
        }
    }
    let status = if app.may_read(&headers) { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let html = SHELL
        .replace("{{preload}}", &format!("{}{}", *PRELOAD, ahead(&uri, &ask, status)))
        .replace("{{edition}}", &EDITION)
        .replace("{{base}}", &format!("{}/", app.base))
        .replace("{{login}}", if status == StatusCode::OK { "" } else { "needed" });
    (
        status,
        [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ],
        html,
    )
        .into_response()
}

/// Has a browser ask for a session's outline beside the modules that will want it. Ids that would have to be escaped are
/// left alone: the address must be the one that the module asks for, to the letter.
fn ahead(uri: &Uri, ask: &Ask, status: StatusCode) -> String {
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let Some((_, session)) = uri.path().rsplit_once("/sessions/").filter(|(_, id)| plain(id)) else {
        return String::new();
    };
    let project = ask.text("project");
    if status != StatusCode::OK || !project.as_deref().is_none_or(plain) {
        return String::new();
    }
    let path = format!("api/v1/sessions/{session}");
    let scope = project.map(|project| format!("?project={project}")).unwrap_or_default();
    [path.clone(), format!("{path}/outline{scope}")]
        .map(|address| format!("<link rel=\"preload\" as=\"fetch\" crossorigin href=\"{address}\">\n"))
        .concat()
}

const SHELL: &str = include_str!("../../static/shell.html");
