//! Looks for what is wrong with a data file, says what would put it right, and does that when asked to.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::args::{Doctor, Source};
use super::remote::parse;
use super::source::{Reader, data_file};
use super::{Failure, progress, text};
use crate::store::sqlite::doctor::{self, Counted, Finding};

/// Sessions asked for at a time, and outlines asked for in all.
const PAGE: usize = 500;
const OUTLINES: usize = 100;

pub(super) async fn run(args: Doctor) -> Result<(), Failure> {
    let path = data_file(args.data.as_ref())?;
    if args.mend {
        mend(&path).await?;
    }
    let (mut found, counted) = examine(&path).await?;
    if let Some(counted) = &counted {
        found.extend(answers(&path, counted).await?);
    }
    let counted = counted.unwrap_or_default();
    if args.json {
        println!(
            "{}",
            serde_json::json!({ "events": counted.events, "unread": counted.unread, "findings": found })
        );
    } else {
        for finding in &found {
            println!(
                "{}: {} ({})\n  mended by: {}",
                finding.place,
                text::plain(&finding.what),
                finding.count,
                finding.mend
            );
        }
        println!(
            "{} events in {} sessions looked at{}: {}",
            counted.events,
            counted.sessions.len(),
            if counted.unread > 0 {
                format!(", {} more that this version cannot read", counted.unread)
            } else {
                String::new()
            },
            match found.len() {
                0 => "nothing is wrong".to_owned(),
                1 => "1 finding".to_owned(),
                many => format!("{many} findings"),
            }
        );
    }
    if found.is_empty() { Ok(()) } else { Err(format!("{} is not well", path.display()).into()) }
}

async fn examine(path: &Path) -> Result<(Vec<Finding>, Option<Counted>), Failure> {
    let place = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let bar = progress::part("counting events", 0);
        let place = crate::timeline::ours(&place)?;
        let examined = doctor::examine(&place, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        Ok(examined.map_err(|error| format!("{}: {error}", place.display()))?)
    })
    .await?
}

async fn mend(path: &Path) -> Result<(), Failure> {
    let place = path.to_owned();
    let (indexes, sums) = tokio::task::spawn_blocking(move || crate::timeline::mend(&place)).await??;
    println!("{indexes} indexes made anew, {sums} kinds of sums put right");
    Ok(())
}

/// What the page would say, through the same routes over the same file, beside what was counted. Events that come in
/// meanwhile make the two differ, so that they are compared at the same newest event only.
async fn answers(path: &Path, counted: &Counted) -> Result<Option<Finding>, Failure> {
    let source = Source { data: Some(path.to_owned()), url: None, token: None };
    let reader = match Reader::open(&source).await {
        Ok(reader) => reader,
        Err(error) => return Ok(Some(wrong(1, format!("there is no page: {error}")))),
    };
    match compare(&reader, counted).await {
        Ok(found) => Ok(found),
        Err(error) => Ok(Some(wrong(1, format!("an answer failed: {error}")))),
    }
}

fn wrong(count: i64, what: String) -> Finding {
    Finding { place: "page", count, what, mend: doctor::RECOUNT }
}

async fn compare(reader: &Reader, counted: &Counted) -> Result<Option<Finding>, Failure> {
    let mut shown: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = vec![("limit".to_owned(), PAGE.to_string())];
        query.extend(cursor.take().map(|cursor| ("cursor".to_owned(), cursor)));
        let page = ask(reader, "/api/v1/sessions", &query).await?;
        if page["last_seq"].as_i64().unwrap_or(0) > counted.last_seq {
            eprintln!("events come in, so that the page's answers were not compared");
            return Ok(None);
        }
        for row in page["sessions"].as_array().into_iter().flatten() {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            shown.insert((text("project_id"), text("session_id")), row["event_count"].as_i64().unwrap_or(-1));
        }
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let differ = |key: &&(String, String)| shown.get(*key) != counted.sessions.get(*key);
    let wrong_rows: Vec<_> = shown
        .keys()
        .chain(counted.sessions.keys().filter(|key| !shown.contains_key(*key)))
        .filter(differ)
        .collect();
    if let Some((project, session)) = wrong_rows.first() {
        let what = format!(
            "the list of sessions has other numbers than a recount, such as of {session:?} of {project:?}"
        );
        return Ok(Some(wrong(wrong_rows.len() as i64, what)));
    }
    for ((project, session), events) in counted.sessions.iter().take(OUTLINES) {
        let Ok(segment) = text::segment(session) else { continue };
        let path = format!("/api/v1/sessions/{segment}/outline");
        let outline = ask(reader, &path, &[("project".to_owned(), project.clone())]).await?;
        if outline["total"].as_i64() != Some(*events) {
            return Ok(Some(wrong(
                1,
                format!("session {session:?} shows {} events and has {events}", outline["total"]),
            )));
        }
    }
    let all = [
        ("since".to_owned(), "1970-01-02T00:00:00Z".to_owned()),
        ("until".to_owned(), "2200-01-01T00:00:00Z".to_owned()),
    ];
    let overview = ask(reader, "/api/v1/overview", &all).await?;
    let (said, events) = (overview["events"].as_i64().unwrap_or(-1), counted.sessions.values().sum::<i64>());
    Ok((said != events)
        .then(|| wrong(1, format!("the overview tells of {said} events, and there are {events}"))))
}

async fn ask(reader: &Reader, path: &str, query: &[(String, String)]) -> Result<Value, Failure> {
    let response = reader.get(path, query).await?;
    parse(&reader.text(response).await?)
}
