//! Prints what a timeline holds.

use std::collections::HashMap;
use std::io::Write;

use serde_json::Value;

use super::Failure;
use super::args::Query;
use super::remote::parse;
use super::source::{Reader, filters};
use super::text::{Style, segment};
use crate::http::params;
use crate::inert;

/// Deepest indentation. A sender can make a circle of parents.
const DEEPEST: usize = 8;

pub(super) async fn run(args: Query) -> Result<(), Failure> {
    let (path, key, known) = match &args.session {
        Some(session) => (format!("/api/v1/sessions/{}/events", segment(session)?), "events", params::EVENTS),
        None => ("/api/v1/sessions".into(), "sessions", params::SESSIONS),
    };
    let mut query = filters(&args.filters, known)?;
    query.push(("limit".into(), args.limit.to_string()));
    let reader = Reader::open(&args.source).await?;
    let body = reader.get(&path, &query).await?;
    let body = reader.text(body).await?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", inert::escaped(&body))?;
        return Ok(());
    }
    let style = Style::new(&args.look);
    let answer = parse(&body)?;
    let list = answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
    if args.session.is_some() {
        for (event, depth) in list.iter().zip(depths(list)) {
            writeln!(out, "{}", style.event(event, depth))?;
        }
    } else {
        for row in list {
            writeln!(out, "{}", style.session(row))?;
        }
    }
    if answer.get("next").is_some() {
        writeln!(out, "… more; raise --limit")?;
    }
    Ok(())
}

/// How deep each event is below the call that raised it.
fn depths(events: &[Value]) -> Vec<usize> {
    let parents: HashMap<&str, &str> = events
        .iter()
        .filter_map(|event| Some((event.get("id")?.as_str()?, event.get("parent_id")?.as_str()?)))
        .collect();
    events
        .iter()
        .map(|event| depth(&parents, event.get("id").and_then(Value::as_str).unwrap_or("")))
        .collect()
}

fn depth(parents: &HashMap<&str, &str>, id: &str) -> usize {
    std::iter::successors(parents.get(id), |parent| parents.get(*parent)).take(DEEPEST).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(pairs: &[(&str, &str)]) -> Vec<usize> {
        let events: Vec<Value> = pairs
            .iter()
            .map(|(id, parent)| match *parent {
                "" => serde_json::json!({ "id": id }),
                parent => serde_json::json!({ "id": id, "parent_id": parent }),
            })
            .collect();
        depths(&events)
    }

    #[test]
    fn each_level_is_one_deeper_in_any_order() {
        assert_eq!(chain(&[("a", ""), ("b", "a"), ("c", "b"), ("d", "a")]), [0, 1, 2, 1]);
        assert_eq!(chain(&[("c", "b"), ("b", "a"), ("a", "")]), [2, 1, 0]);
        assert_eq!(chain(&[("b", "of another page")]), [1]);
    }

    #[test]
    fn a_circle_of_parents_and_a_deep_nest_end() {
        assert_eq!(chain(&[("a", "b"), ("b", "a"), ("c", "c")]), [DEEPEST, DEEPEST, DEEPEST]);
        let ids: Vec<String> = (0..12).map(|n| n.to_string()).collect();
        let pairs: Vec<(&str, &str)> =
            (0..12).map(|n| (ids[n].as_str(), if n == 0 { "" } else { ids[n - 1].as_str() })).collect();
        assert_eq!(chain(&pairs), [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]);
    }
}
