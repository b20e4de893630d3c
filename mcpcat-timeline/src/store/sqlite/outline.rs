//! Reads one session: its outline without any text of events, its events by their numbers, and where words occur in it.

use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::search::like;
use crate::event::{Suspect, label};
use crate::store::outline::{Bone, Builder, Instance, MOST_EVENTS, Outline};
use crate::store::{SessionRef, Stored};

/// Most bytes of event text in one answer to a question for rows; what is left out is asked for again.
const ROWS_BYTES: usize = 16 * 1024 * 1024;

/// The keys of the sessions of that name, one a project, as a list for `IN`. They are numbers of our own.
fn keys(db: &Connection, session: &SessionRef) -> rusqlite::Result<Option<String>> {
    let keys = db
        .prepare_cached(
            "SELECT key FROM session WHERE id = ?1 AND (?2 IS NULL OR project = ?2) AND (?3 IS NULL OR project = ?3)
             ORDER BY key",
        )?
        .query_map(params![session.id, session.scope, session.project], |row| row.get::<_, i64>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    // One session is the rule; the index then gives its order for nothing.
    Ok(match keys[..] {
        [] => None,
        [key] => Some(format!("= {key}")),
        _ => Some(format!("IN ({})", keys.iter().map(i64::to_string).collect::<Vec<_>>().join(","))),
    })
}

pub(super) fn outline(db: &mut Connection, session: &SessionRef) -> rusqlite::Result<Option<Outline>> {
    let db = db.transaction()?;
    let Some(keys) = keys(&db, session)? else { return Ok(None) };
    let last_seq = super::read::newest(&db)?;
    let project: String = db.query_row(
        &format!("SELECT project FROM session WHERE key {keys} ORDER BY key LIMIT 1"),
        [],
        |row| row.get(0),
    )?;
    let total: i64 =
        db.query_row(&format!("SELECT count(*) FROM event WHERE session {keys}"), [], |row| row.get(0))?;
    let mut builder = Builder::default();
    {
        let index = if super::former::is_shown(&db)? { "" } else { "INDEXED BY event_order" };
        let mut read = db.prepare(&format!(
            "SELECT seq, id, at, took, parent, type, name, instance, sequence, error, suspect FROM event
             {index} WHERE session {keys} ORDER BY at, instance, sequence, id LIMIT -1 OFFSET ?1",
        ))?;
        let mut rows = read.query([(total - MOST_EVENTS).max(0)])?;
        while let Some(row) = rows.next()? {
            builder.push(bone(row)?);
        }
    }
    let mut instances = Vec::new();
    let mut known = db.prepare_cached(
        "SELECT lowest, highest, events, removed, dropped FROM instance WHERE project = ?1 AND id = ?2",
    )?;
    for id in builder.instances() {
        let found = known
            .query_row(params![project, id], |row| {
                Ok(Instance {
                    id: id.clone(),
                    lowest: row.get(0)?,
                    highest: row.get(1)?,
                    events: row.get(2)?,
                    removed: row.get(3)?,
                    dropped: row.get(4)?,
                })
            })
            .optional()?;
        let unknown = Instance { id, lowest: 0, highest: 0, events: 0, removed: 0, dropped: 0 };
        instances.push(found.unwrap_or(unknown));
    }
    Ok(Some(builder.finish(total, last_seq, instances)))
}

fn bone(row: &Row<'_>) -> rusqlite::Result<Bone> {
    Ok(Bone {
        seq: row.get(0)?,
        id: row.get(1)?,
        at: row.get(2)?,
        took: row.get(3)?,
        parent: row.get(4)?,
        event_type: row.get(5)?,
        name: row.get(6)?,
        instance: row.get(7)?,
        sequence: row.get(8)?,
        is_error: row.get(9)?,
        suspect: row.get(10)?,
    })
}

/// The columns that `stored` reads.
pub(super) const STORED: &str =
    "e.seq, s.id, e.at, e.took, e.suspect, e.kind, e.type, e.name, e.error, b.text";

/// Where [`STORED`] is read from.
pub(super) const STORED_FROM: &str =
    "event e JOIN body b ON b.seq = e.seq JOIN session s ON s.key = e.session";

pub(super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let (event_type, name): (String, Option<String>) = (row.get(6)?, row.get(7)?);
    Ok(Stored {
        seq: row.get(0)?,
        session: row.get(1)?,
        at: row.get(2)?,
        took: row.get(3)?,
        suspect: Suspect::from_bits(row.get(4)?),
        kind: row.get(5)?,
        label: label(&event_type, name.as_deref()).to_owned(),
        is_error: row.get(8)?,
        body: row.get(9)?,
    })
}

/// The events of a session that have these arrival numbers; ranges include both ends.
pub(super) fn rows(
    db: &mut Connection,
    session: &SessionRef,
    ranges: &[(i64, i64)],
    most: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let db = db.transaction()?;
    let Some(keys) = keys(&db, session)? else { return Ok(Vec::new()) };
    // The plus keeps the planner to the numbers: the other index would walk the whole session for each range.
    let mut read = db.prepare(&format!(
        "SELECT {STORED} FROM {STORED_FROM}
         WHERE e.seq BETWEEN ?1 AND ?2 AND +e.session {keys} ORDER BY e.seq",
    ))?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    for (from, to) in ranges {
        let mut rows = read.query([from, to])?;
        while let Some(row) = rows.next()? {
            if found.len() == most || bytes > ROWS_BYTES {
                return Ok(found);
            }
            let stored = stored(row)?;
            bytes += stored.body.len();
            found.push(stored);
        }
    }
    Ok(found)
}

/// Arrival numbers of a session's events that hold the words, whatever the session's length.
pub(super) fn matches(db: &mut Connection, session: &SessionRef, words: &str) -> rusqlite::Result<Vec<i64>> {
    let db = db.transaction()?;
    let Some(keys) = keys(&db, session)? else { return Ok(Vec::new()) };
    let (condition, patterns) = like("b.text", words);
    let sql = format!(
        "SELECT e.seq FROM event e JOIN body b ON b.seq = e.seq WHERE e.session {keys} AND {condition} ORDER BY e.seq"
    );
    db.prepare(&sql)?.query_map(params_from_iter(patterns), |row| row.get(0))?.collect()
}
