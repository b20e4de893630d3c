//! Prints what a timeline holds, or writes it to a file.

use std::collections::HashMap;
use std::io::Write;

use serde_json::Value;

use super::Failure;
use super::args::{Export, Format, Query};
use super::remote::parse;
use super::source::{Reader, pairs};
use super::text;
use crate::http::percent_encode;

pub(super) async fn run(args: Query) -> Result<(), Failure> {
    let reader = Reader::open(&args.source).await?;
    let mut query = pairs(&args.filters)?;
    query.push(("limit".into(), args.limit.to_string()));
    let mut out = std::io::stdout().lock();
    let (path, key) = match &args.session {
        Some(session) => (format!("/api/v1/sessions/{}/events", percent_encode(session)), "events"),
        None => ("/api/v1/sessions".into(), "sessions"),
    };
    let body = reader.get(&path, &query).await?.text().await?;
    if args.json {
        writeln!(out, "{body}")?;
        return Ok(());
    }
    let answer = parse(&body)?;
    let list = answer[key].as_array().map(Vec::as_slice).unwrap_or_default();
    if args.session.is_some() {
        for (event, depth) in list.iter().zip(depths(list)) {
            writeln!(out, "{}", text::event(event, depth))?;
        }
    } else {
        for row in list {
            writeln!(out, "{}", text::session(row))?;
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
        .map(|event| {
            let mut at = event.get("id").and_then(Value::as_str).unwrap_or("");
            let mut depth = 0;
            // A sender can make a circle of parents.
            while depth < 8
                && let Some(parent) = parents.get(at)
            {
                at = parent;
                depth += 1;
            }
            depth
        })
        .collect()
}

pub(super) async fn export(args: Export) -> Result<(), Failure> {
    let reader = Reader::open(&args.source).await?;
    let mut query = pairs(&args.filters)?;
    let path = match (args.format, &args.session) {
        (Format::Html, None) => return Err("an HTML export shows one session: give --session".into()),
        (Format::Html, Some(session)) => format!("/api/v1/sessions/{}/export.html", percent_encode(session)),
        (Format::Ndjson, _) => "/api/v1/export.ndjson".into(),
        (Format::Csv, _) => "/api/v1/export.csv".into(),
    };
    if let (Some(session), Format::Ndjson | Format::Csv) = (&args.session, args.format) {
        query.push(("session".into(), session.clone()));
    }
    let mut response = reader.get(&path, &query).await?;
    let mut out: Box<dyn Write> = match &args.output {
        Some(file) => Box::new(std::fs::File::create(file)?),
        None => Box::new(std::io::stdout().lock()),
    };
    while let Some(chunk) = response.chunk().await? {
        out.write_all(&chunk)?;
    }
    out.flush()?;
    Ok(())
}
