//! Which parameters a path takes. One that it does not take is an error that names the nearest, because a filter that
//! is ignored gives an answer to another question.

use axum::extract::{Query, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

use super::reply::Problem;

/// Most parameters of one request, repeated ones counted.
const MOST: usize = 100;
/// Most bytes of one value. Ids have at most as many.
const MOST_BYTES: usize = 4096;
/// The same for a list of arrival numbers: a thousand of them.
const MOST_BYTES_OF_NUMBERS: usize = 20 * 1024;

/// What `GET /api/v1/sessions` takes.
pub(crate) const SESSIONS: &[&str] = &[
    "project",
    "q",
    "since",
    "until",
    "errors",
    "custom",
    "identified",
    "sort",
    "order",
    "limit",
    "cursor",
    "actor",
    "client",
    "server",
    "tool",
    "event",
    "type",
    "tag",
    "not_actor",
    "not_client",
    "not_server",
    "not_tool",
    "not_event",
    "not_type",
    "not_tag",
];

/// What lists of events take.
pub(crate) const EVENTS: &[&str] = &[
    "session", "project", "name", "type", "q", "since", "until", "errors", "custom", "after", "order",
    "limit", "cursor",
];

const STREAM: &[&str] = &[
    "session", "project", "name", "type", "q", "since", "until", "errors", "custom", "after", "order",
    "limit", "cursor", "ticks",
];

/// What a path below the base takes; `None` for paths that look at their parameters themselves.
fn of(method: &Method, path: &str) -> Option<&'static [&'static str]> {
    let rest = path.strip_prefix("/api/v1/")?;
    match rest {
        "sessions" => Some(SESSIONS),
        "events" | "export.ndjson" | "export.csv" => Some(EVENTS),
        "stream" => Some(STREAM),
        "overview" => Some(&["since", "until", "project"]),
        "about" => Some(&[]),
        "facets" | "catalogue" => Some(&["project"]),
        "tokens" => Some(&["project", "label", "events_per_minute", "bytes_per_minute"]),
        _ => match rest.split('/').collect::<Vec<_>>()[..] {
            ["sessions", _, "events" | "export.html"] => Some(EVENTS),
            ["sessions", _, "outline"] => Some(&["project"]),
            ["sessions", _, "rows"] => Some(&["project", "seq", "q", "whole"]),
            ["sessions", _, "matches"] => Some(&["project", "q"]),
            ["projects", _] => Some(&["dry_run"]),
            ["sessions", _] | ["actors", _] if method == Method::DELETE => Some(&["project", "dry_run"]),
            ["sessions", _] | ["events", _] | ["tokens", _] => Some(&["project"]),
            _ => None,
        },
    }
}

/// The known name that a given one was probably meant to be.
pub(crate) fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::osa_distance(given, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 2).min(3))
        .map(|(_, name)| name)
}

/// What is wrong with a parameter's name, if something is.
pub(crate) fn unknown(given: &str, known: &[&str]) -> Option<String> {
    if known.contains(&given) {
        return None;
    }
    let shown: String = crate::inert::plain(given).chars().take(64).collect();
    Some(match nearest(given, known) {
        Some(name) => format!("`{shown}` is no parameter here; did you mean `{name}`?"),
        None if known.is_empty() => format!("`{shown}` is no parameter here; there are none"),
        None => format!("`{shown}` is no parameter here; there are {}", known.join(", ")),
    })
}

/// Layer for the API's routes.
pub(crate) async fn check(request: Request, next: Next) -> Result<Response, Problem> {
    if let Some(known) = of(request.method(), request.uri().path()) {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())
            .map_err(|error| Problem::bad(format!("the query cannot be read: {error}")))?;
        if given.len() > MOST {
            return Err(Problem::bad(format!(
                "there are {} parameters; at most {MOST} are taken",
                given.len()
            )));
        }
        for (name, value) in &given {
            if let Some(wrong) = unknown(name, known) {
                return Err(Problem::bad(wrong));
            }
            let most = if name == "seq" { MOST_BYTES_OF_NUMBERS } else { MOST_BYTES };
            if value.len() > most {
                return Err(Problem::bad(format!(
                    "`{name}` has {} bytes; at most {most} are taken",
                    value.len()
                )));
            }
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        for (given, expected) in [
            ("tol", Some("tool")),
            ("sesion", None),
            ("not_tagg", Some("not_tag")),
            ("Project", Some("project")),
            ("limits", Some("limit")),
            ("xyzzy", None),
            ("", None),
            ("error", Some("errors")),
        ] {
            assert_eq!(nearest(given, SESSIONS), expected, "{given}");
        }
        assert_eq!(nearest("sesion", EVENTS), Some("session"));
        assert!(unknown("tool", SESSIONS).is_none());
        assert!(unknown("\u{1b}[2J", SESSIONS).is_some_and(|text| !text.contains(crate::inert::acts)));
    }

    #[test]
    fn each_path_knows_its_parameters() {
        let of = |path: &str| of(&Method::GET, path);
        assert_eq!(of("/api/v1/sessions"), Some(SESSIONS));
        assert_eq!(of("/api/v1/sessions/a%2Fb/events"), Some(EVENTS));
        for (path, name) in [("outline", "project"), ("rows", "seq"), ("matches", "q")] {
            let known = of(&format!("/api/v1/sessions/a/{path}"));
            assert!(known.is_some_and(|known| known.contains(&name) && !known.contains(&"since")), "{path}");
        }
        assert!(of("/api/v1/stream").is_some_and(|known| known.contains(&"ticks")));
        assert_eq!(of("/assets/app.js"), None);
        assert_eq!(of("/api/v1/sessions/a"), Some(&["project"][..]), "nothing is removed by reading");
        let delete = super::of(&Method::DELETE, "/api/v1/sessions/a");
        assert!(delete.is_some_and(|known| known.contains(&"dry_run")));
    }
}
