//! Takes events out: a little at a time when they are old, at once and without trace when someone asks.

use std::sync::MutexGuard;

use rusqlite::{Connection, TransactionBehavior, params};

use super::Writer;
use super::known::Known;
use super::rollup::Change;
use super::terms;
use crate::event::Event;
use crate::store::{Forget, Forgotten, Result, Retention};

/// Events removed under one lock; ingest waits for no more than this.
const CHUNK: usize = 250;
/// The same when so many come in at once that removal would fall behind.
const MOST: usize = 1500;
/// Pages given back to the file system at a time.
const PAGES_BACK: i64 = 256;
/// Free pages that stay in the file for the next events.
const SPARE_PAGES: i64 = 1024;

/// Removes one chunk of what is too old or too much. Age counts from arrival.
pub(super) fn prune(writer: &mut Writer, keep: Retention, events: usize, now: i64) -> Result<bool> {
    let Writer { db, known, sweep } = writer;
    let chunk = events.clamp(CHUNK, MOST);
    let mut gone = Vec::new();
    if let Some(age) = keep.age {
        let before = now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        gone = oldest(db, chunk, Some(before))?;
    }
    if gone.is_empty()
        && let Some(bytes) = keep.bytes
        && super::read::used(db)? > bytes
    {
        gone = oldest(db, chunk, None)?;
    }
    if !gone.is_empty() {
        remove(db, known, &gone, true)?;
    }
    let shrinks = shrink(db)?;
    Ok(sweep.step(db, now)? || shrinks || gone.len() == chunk)
}

/// Gives some free pages back when there are more than the next events will fill. Returns whether there are more.
fn shrink(db: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let spare = pragma("freelist_count")? - SPARE_PAGES.max(pragma("page_count")? / 8);
    if spare > 0 {
        db.execute_batch(&format!("PRAGMA incremental_vacuum({})", spare.min(PAGES_BACK)))?;
    }
    Ok(spare > PAGES_BACK)
}

fn oldest(db: &Connection, chunk: usize, before: Option<i64>) -> rusqlite::Result<Vec<i64>> {
    // Arrival times grow with the arrival number, so the first young one ends the search.
    let rows = db
        .prepare_cached("SELECT seq, received FROM event ORDER BY seq LIMIT ?1")?
        .query_map([chunk as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    Ok(rows
        .into_iter()
        .take_while(|(_, received)| before.is_none_or(|before| *received < before))
        .map(|(seq, _)| seq)
        .collect())
}

/// Removes these events and what they added to the sums; returns how many sessions ended with them.
fn remove(db: &mut Connection, known: &mut Known, seqs: &[i64], retention: bool) -> rusqlite::Result<u64> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut events = Vec::with_capacity(seqs.len());
    {
        let mut read = transaction.prepare_cached("SELECT session, body FROM event WHERE seq = ?1")?;
        let mut delete = transaction.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
        for seq in seqs {
            let mut rows = read.query([seq])?;
            if let Some(row) = rows.next()? {
                let session: i64 = row.get(0)?;
                match Event::stored(row.get_ref(1)?.as_str()?) {
                    Ok(event) => events.push((session, event)),
                    Err(refusal) => {
                        tracing::warn!(seq, reason = refusal.message, "a stored event cannot be read")
                    }
                }
            }
            drop(rows);
            delete.execute([seq])?;
        }
    }
    let mut change = Change::default();
    for (session, event) in &events {
        change.count(*session, event, -1);
    }
    let sessions = change.subtract(&transaction, known, retention)?;
    transaction.commit()?;
    Ok(sessions)
}

/// Removes everything of a session, a person or a project, in the file and in its journal.
pub(super) fn forget<'a>(
    writer: impl Fn() -> MutexGuard<'a, Writer>,
    whose: &Forget,
    scope: Option<&str>,
) -> Result<Forgotten> {
    let mut done = Forgotten::default();
    writer().db.pragma_update(None, "secure_delete", "ON")?;
    let outcome: rusqlite::Result<()> = (|| {
        let targets = targets(&writer().db, whose, scope)?;
        for (session, actor) in targets {
            let seqs = events_of(&writer().db, session, actor)?;
            for chunk in seqs.chunks(CHUNK) {
                let Writer { db, known, .. } = &mut *writer();
                done.sessions += remove(db, known, chunk, false)?;
                done.events += chunk.len() as u64;
            }
            if actor.is_some() {
                let Writer { db, known, .. } = &mut *writer();
                terms::rewrite(db, known, session)?;
            }
        }
        Ok(())
    })();
    let db = &writer().db;
    if let Forget::Project(id) = whose
        && scope.is_none_or(|scope| scope == id)
    {
        db.execute("DELETE FROM catalogue WHERE project = ?1", [id])?;
    }
    if let (Forget::Actor(id), Ok(())) = (whose, &outcome) {
        // A session shared with others stays, without this person's name on it.
        db.execute(
            "UPDATE session SET actor = NULL, actor_name = NULL WHERE actor = ?1 AND (?2 IS NULL OR project = ?2)",
            params![id, scope],
        )?;
    }
    db.execute_batch(
        "PRAGMA secure_delete = OFF; PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);",
    )?;
    outcome?;
    Ok(done)
}

/// The sessions to go through; with an actor, only the events that name them go.
fn targets<'a>(
    db: &Connection,
    whose: &'a Forget,
    scope: Option<&str>,
) -> rusqlite::Result<Vec<(i64, Option<&'a str>)>> {
    let (sql, id) = match whose {
        Forget::Session(id) => ("SELECT key, 1 FROM session WHERE id = ?1 AND (?2 IS NULL OR project = ?2)", id),
        Forget::Project(id) => ("SELECT key, 1 FROM session WHERE project = ?1 AND (?2 IS NULL OR project = ?2)", id),
        // Events without a name belong to the only person that their session names.
        Forget::Actor(id) => (
            "SELECT t.session, (SELECT count(*) FROM term o WHERE o.session = t.session AND o.term >= 'actor:'
               AND o.term < 'actor;') = 1
             FROM term t JOIN session s ON s.key = t.session
             WHERE t.term = 'actor:' || ?1 AND (?2 IS NULL OR s.project = ?2)",
            id,
        ),
    };
    db.prepare_cached(sql)?
        .query_map(params![id, scope], |row| {
            let whole: bool = row.get(1)?;
            Ok((row.get(0)?, (!whole).then_some(id.as_str())))
        })?
        .collect()
}

fn events_of(db: &Connection, session: i64, actor: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    let Some(actor) = actor else {
        return db
            .prepare_cached("SELECT seq FROM event WHERE session = ?1")?
            .query_map([session], |row| row.get(0))?
            .collect();
    };
    let mut named = Vec::new();
    let mut rows = db.prepare_cached("SELECT seq, body FROM event WHERE session = ?1")?;
    let mut rows = rows.query([session])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        if Event::stored(&body).is_ok_and(|event| event.actor.as_deref() == Some(actor)) {
            named.push(row.get(0)?);
        }
    }
    Ok(named)
}
