//! Puts a batch of events in, with everything that sums them up, in one transaction.

use rusqlite::{CachedStatement, Connection, OptionalExtension, TransactionBehavior, params};

use super::Writer;
use super::known::Known;
use super::rollup::Change;
use super::terms::{HOUR, NewTerms};
use crate::event::{Event, Suspect};
use crate::store::Outcome;

/// Returns what became of each event, and the newest arrival number if anything was added.
pub(super) fn append(
    writer: &mut Writer,
    events: &[&Event],
) -> rusqlite::Result<(Vec<Outcome>, Option<i64>)> {
    let done = commit(writer, events);
    match (&done, &mut writer.checkpoints) {
        (Err(_), _) => {
            writer.known.clear();
            writer.tombstones.clear();
        }
        (Ok(_), Some(checkpoints)) => {
            let bytes = events.iter().map(|event| event.body.len()).sum();
            checkpoints.committed(&writer.db, events.len(), bytes);
        }
        (Ok(_), None) => {}
    }
    done
}

fn commit(writer: &mut Writer, events: &[&Event]) -> rusqlite::Result<(Vec<Outcome>, Option<i64>)> {
    let Writer { db, known, tombstones, shares, .. } = writer;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (before, last_received) = match known.last() {
        Some(last) => last,
        None => {
            transaction.query_row("SELECT seq, at FROM arrived", [], |row| Ok((row.get(0)?, row.get(1)?)))?
        }
    };
    // Arrival times do not run backwards, because removal by age relies on it. A clock that was far ahead and has been
    // put right is believed, or nothing would age until then.
    let now = jiff::Timestamp::now().as_microsecond();
    let received = if last_received > now + HOUR { now } else { last_received.max(now) };
    let mut seq = before;
    let mut outcomes = Vec::with_capacity(events.len());
    let (mut change, mut terms) = (Change::default(), NewTerms::default());
    {
        let mut insert = Inserts::prepare(&transaction)?;
        for event in events {
            if tombstones.hold(&transaction, event)? {
                outcomes.push(Outcome::Forgotten);
                continue;
            }
            let added = match session_key(&transaction, known, event)? {
                None => 0,
                Some(session) => {
                    let added = insert.event(seq + 1, session, event, received)?;
                    if added > 0 {
                        change.count(session, event, 1);
                        terms.find(known, session, event, received);
                    }
                    added
                }
            };
            seq += added as i64;
            outcomes.push(if added > 0 { Outcome::Accepted } else { Outcome::Duplicate });
        }
    }
    if seq == before {
        return Ok((outcomes, None));
    }
    shares.grew(change.bytes());
    change.add(&transaction)?;
    terms.add(&transaction)?;
    transaction.prepare_cached("UPDATE arrived SET seq = ?1, at = ?2")?.execute([seq, received])?;
    transaction.commit()?;
    known.arrived(seq, received);
    Ok((outcomes, Some(seq)))
}

/// A sender's clock may run ahead by this much, microseconds.
const AHEAD: i64 = 60_000_000;

/// What puts events in, one after the other.
pub(super) struct Inserts<'a> {
    event: CachedStatement<'a>,
    body: CachedStatement<'a>,
}

impl<'a> Inserts<'a> {
    pub(super) fn prepare(db: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            event: db.prepare_cached(
                "INSERT INTO event(seq, id, project, session, at, instance, sequence, kind, type, name, error, received,
                   parent, took, suspect)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
                 ON CONFLICT (id, project) DO NOTHING",
            )?,
            body: db.prepare_cached("INSERT INTO body(seq, text) VALUES (?1, ?2)")?,
        })
    }

    /// Puts one event in; 0 when its id is there.
    pub(super) fn event(
        &mut self,
        seq: i64,
        session: i64,
        event: &Event,
        received: i64,
    ) -> rusqlite::Result<usize> {
        let future = if event.at > received.saturating_add(AHEAD) { Suspect::FUTURE } else { Suspect::NONE };
        let added = self.event.execute(params![
            seq,
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
            event.parent,
            event.took(),
            event.suspect.with(future).bits(),
        ])?;
        if added > 0 {
            self.body.execute(params![seq, event.body])?;
        }
        Ok(added)
    }
}

/// The session that an event is filed under, made if need be; `None` when the event is there already and its session
/// is not.
pub(super) fn session_key(
    db: &Connection,
    known: &mut Known,
    event: &Event,
) -> rusqlite::Result<Option<i64>> {
    let id = event.filed_under();
    if let Some(key) = known.session(&event.project, &id) {
        return Ok(Some(key));
    }
    let mut find = db.prepare_cached("SELECT key FROM session WHERE id = ?1 AND project = ?2")?;
    let key =
        match find.query_row(params![id, event.project], |row| row.get(0)).optional()? {
            Some(key) => key,
            None => {
                let mut there = db.prepare_cached("SELECT 1 FROM event WHERE id = ?1 AND project = ?2")?;
                if there.exists(params![event.id, event.project])? {
                    return Ok(None);
                }
                db.prepare_cached(
                "INSERT INTO session(project, id, stateless, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .insert(params![event.project, id, event.session.is_none(), event.at, event.end()])?
            }
        };
    known.add_session(&event.project, &id, key);
    Ok(Some(key))
}
