//! Puts a batch of events in, with everything that sums them up, in one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::rollup::Change;
use crate::event::Event;
use crate::store::Outcome;

/// Returns what became of each event, and the newest arrival number if anything was added.
pub(super) fn append(
    db: &mut Connection,
    events: &[&Event],
) -> rusqlite::Result<(Vec<Outcome>, Option<i64>)> {
    let received = jiff::Timestamp::now().as_microsecond();
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(events.len());
    let mut newest = None;
    let mut change = Change::default();
    let mut keys: HashMap<(String, &str), i64> = HashMap::new();
    {
        let mut known = transaction.prepare_cached("SELECT 1 FROM event WHERE id = ?1 AND project = ?2")?;
        let mut insert = transaction.prepare_cached(
            "INSERT INTO event(id, project, session, at, instance, sequence, kind, type, name, error, received, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        for event in events {
            if known.query_row(params![event.id, event.project], |_| Ok(())).optional()?.is_some() {
                outcomes.push(Outcome::Duplicate);
                continue;
            }
            let id = event.filed_under();
            let session = match keys.get(&(id.clone(), event.project.as_str())) {
                Some(&key) => key,
                None => {
                    let key = session_key(&transaction, &id, event)?;
                    keys.insert((id, event.project.as_str()), key);
                    key
                }
            };
            newest = Some(insert.insert(params![
                event.id,
                event.project,
                session,
                event.at,
                event.instance,
                event.sequence,
                event.kind.as_str(),
                event.event_type,
                event.name,
                event.is_error,
                received,
                event.body,
            ])?);
            change.count(session, event, 1);
            outcomes.push(Outcome::Accepted);
        }
    }
    change.add(&transaction)?;
    transaction.commit()?;
    Ok((outcomes, newest))
}

fn session_key(db: &Connection, id: &str, event: &Event) -> rusqlite::Result<i64> {
    let mut find = db.prepare_cached("SELECT key FROM session WHERE id = ?1 AND project = ?2")?;
    if let Some(key) = find.query_row(params![id, event.project], |row| row.get(0)).optional()? {
        return Ok(key);
    }
    db.prepare_cached(
        "INSERT INTO session(project, id, stateless, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .insert(params![event.project, id, event.session.is_none(), event.at, event.end()])
}
