//! Ways to take events along: lines, a spreadsheet, or one session as a page of its own.

use std::sync::LazyLock;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest, Sha256};

use super::api::Params;
use super::ask::Ask;
use super::guard::Caller;
use super::reply::Problem;
use super::{Shared, answer, page};
use crate::store::{Cut, EventPage, EventQuery};

/// Events read from the store at a time.
const CHUNK: usize = 1000;

/// `GET /api/v1/export.ndjson`: events one a line, in the order of arrival unless a session is named.
pub(crate) async fn ndjson(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let query = whole(Ask(params).events(caller.scope)?);
    download(app, query, "application/x-ndjson", "events.ndjson", "", |page| {
        let mut out = String::with_capacity(page.events.iter().map(|stored| stored.body.len() + 1).sum());
        for stored in &page.events {
            out.push_str(&stored.body);
            out.push('\n');
        }
        out
    })
    .await
}

/// `GET /api/v1/export.csv`: one row an event. Payloads are JSON in a cell.
pub(crate) async fn csv(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let query = whole(Ask(params).events(caller.scope)?);
    static HEAD: LazyLock<String> = LazyLock::new(|| format!("{}\r\n", COLUMNS.join(",")));
    download(app, query, "text/csv; charset=utf-8", "events.csv", &HEAD, |page| {
        page.events.iter().map(|stored| csv_row(&stored.body)).collect()
    })
    .await
}

const COLUMNS: [&str; 16] = [
    "timestamp",
    "session_id",
    "project_id",
    "event_type",
    "resource_name",
    "duration",
    "is_error",
    "user_intent",
    "identify_actor_given_id",
    "client_name",
    "server_name",
    "id",
    "parent_id",
    "tags",
    "parameters",
    "error",
];

fn csv_row(body: &str) -> String {
    let mut out = String::new();
    for (at, value) in crate::event::raw_fields(body, &COLUMNS).into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if let Some(raw) = value {
            let text = serde_json::from_str::<String>(raw);
            let number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
            out.push_str(&if number { raw.to_owned() } else { cell(text.as_deref().unwrap_or(raw)) });
        }
    }
    out.push_str("\r\n");
    out
}

/// A quoted cell. A text that a spreadsheet would run as a formula gets an apostrophe in front.
fn cell(text: &str) -> String {
    let text = crate::inert::escaped(text);
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn whole(query: EventQuery) -> EventQuery {
    let cut = if query.session.is_some() { Cut::Time } else { Cut::After(0) };
    EventQuery { cut, limit: CHUNK, cursor: None, ..query }
}

/// Streams piece after piece, so that an export of any size takes the memory of one.
async fn download(
    app: Shared,
    query: EventQuery,
    media: &'static str,
    name: &str,
    head: &'static str,
    render: fn(&EventPage) -> String,
) -> Result<Response, Problem> {
    let first = answer::piece(&app, &query, None).await?;
    let pieces = stream::unfold(Some((app, query, Some(first))), move |state| async move {
        let (app, mut query, first) = state?;
        let piece = match first {
            Some(first) => Ok(first),
            None => answer::piece(&app, &query, Some(answer::PATIENCE)).await,
        };
        match piece {
            Ok((page, lease)) => {
                query.cursor.clone_from(&page.next);
                let more = query.cursor.is_some().then_some((app, query, None));
                Some((Ok(answer::rendered(page, lease, render)), more))
            }
            Err(problem) => Some((Err(problem), None)),
        }
    });
    let head = stream::iter([Ok(Bytes::from_static(head.as_bytes()))]);
    let mut response = Response::new(answer::streamed(head.chain(pieces)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// The page's modules that a single session needs, each after those it imports.
const MODULES: [&str; 24] = [
    "dom.js",
    "json.js",
    "format.js",
    "model.js",
    "outline.js",
    "paths.js",
    "lines.js",
    "differ.js",
    "tree.js",
    "content.js",
    "failure.js",
    "axis.js",
    "call.js",
    "row.js",
    "detail.js",
    "rows.js",
    "strip.js",
    "head.js",
    "keys.js",
    "search.js",
    "pane.js",
    "timeline.js",
    "file.js",
    "export.js",
];

/// Most bytes of events in an exported page, which is built as a whole; it says so when there are more.
const HTML: usize = 16 * 1024 * 1024;

/// `GET /api/v1/sessions/{session}/export.html`: a page that opens anywhere and asks nobody for anything.
pub(crate) async fn html(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Path(session): Path<String>,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let mut query = ask.events(caller.scope.clone())?;
    query.session = Some(session.clone());
    let trace_url = app.trace_url.clone();
    let named = ask.session(session.clone(), caller.scope.clone());
    let (rows, outline) = answer::in_turn(&app, move |store| {
        Ok((store.session(&session, caller.scope.as_deref())?, store.outline(&named)?))
    })
    .await?;
    let (page, _lease) = answer::read_paid(&app, &query, HTML, 4, None).await?;
    let row = rows.first().ok_or_else(|| Problem::missing("session"))?;
    let mut events = String::new();
    for (at, stored) in page.events.iter().enumerate() {
        events.push_str(if at > 0 { "," } else { "" });
        answer::wrapped(stored, &mut events);
    }
    let data = format!(
        "{{\"session\":{},\"outline\":{},\"events\":[{}],\"cut\":{},\"trace_url\":{}}}",
        serde_json::to_string(row).unwrap_or_default(),
        serde_json::to_string(&outline).unwrap_or_default(),
        events,
        page.next.is_some(),
        trace_url.as_deref().map_or_else(|| "null".into(), crate::event::quoted),
    )
    // Inside a script element nothing may look like markup.
    .replace('<', "\\u003c");
    let data = crate::inert::escaped(&data);
    let script = bundle();
    let style = page::text("style.css");
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(style)
    );
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>MCP session</title>\n<style>{style}</style>\n</head>\n\
         <body class=\"exported\">\n<main id=\"main\"></main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n\
         <script type=\"module\">{script}</script>\n</body>\n</html>\n"
    );
    let mut response = Response::new(html.into());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"session.html\""),
    );
    Ok(response)
}

/// The modules as one: imports are dropped because what they name is in the same scope.
fn bundle() -> String {
    let mut out = String::new();
    for name in MODULES {
        for line in page::text(name).lines() {
            if line.starts_with("import ") {
                continue;
            }
            out.push_str(line.strip_prefix("export ").unwrap_or(line));
            out.push('\n');
        }
    }
    out.push_str("showExport(parseJson(document.getElementById('data').textContent));\n");
    out
}

fn hash(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_begin_a_formula_are_defused() {
        assert_eq!(cell("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(cell("@x"), "\"'@x\"");
        assert_eq!(cell("a\"b"), "\"a\"\"b\"");
        assert_eq!(cell("plain"), "\"plain\"");
    }

    #[test]
    fn base64_agrees_with_known_values() {
        assert_eq!(base64(b"Man"), "TWFu");
        assert_eq!(base64(b"Ma"), "TWE=");
        assert_eq!(base64(b"M"), "TQ==");
        assert_eq!(base64(b""), "");
    }

    #[test]
    fn the_bundle_has_no_module_syntax_left_and_cannot_end_its_element() {
        let script = bundle();
        assert!(!script.lines().any(|line| line.starts_with("import ") || line.starts_with("export ")));
        assert!(!script.contains("</script"));
        assert!(script.contains("function showExport("));
    }

    #[test]
    fn no_two_modules_of_the_bundle_declare_the_same_name() {
        let mut names = std::collections::BTreeMap::new();
        for module in MODULES {
            for line in page::text(module).lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let declared =
                    ["const ", "let ", "function ", "class "].iter().find_map(|word| line.strip_prefix(word));
                let name =
                    declared.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    assert_eq!(names.insert(name, module), None, "{name} of {module}");
                }
            }
        }
        assert!(names.len() > 100, "{}", names.len());
    }
}
