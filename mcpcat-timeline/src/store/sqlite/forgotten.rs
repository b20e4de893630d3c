//! What must not come back: keyed hashes of what somebody asked to forget, for what arrives late.
//!
//! A session, a person or a project is remembered with the moment of forgetting: events of it from before that moment are
//! dropped whenever they come, later ones are new. A single event is remembered by its id where that does not cover it: one
//! without the person's name in a session of theirs, one from the future. The key is in the file, so the hashes hide what
//! they are of from a look, not from whoever has the file and a guess.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use crate::event::Event;
use crate::store::Forget;

/// Bytes of a hash that are kept.
const HASH: usize = 16;
/// Most answers about sessions, people and projects that are remembered.
const MOST_KNOWN: usize = 20_000;
/// How long what was forgotten is remembered unless said otherwise, microseconds.
pub(super) const YEAR: i64 = 365 * 86_400 * 1_000_000;

/// What the writer knows of the table.
#[derive(Default)]
pub(super) struct Tombstones {
    state: Option<State>,
}

struct State {
    key: Vec<u8>,
    /// Whether there is any, and any of a single event.
    any: bool,
    events: bool,
    /// Moments of forgetting by subject, as far as they were looked up.
    known: HashMap<String, Option<i64>>,
}

/// What a removal on request leaves behind.
#[derive(Default)]
pub(super) struct Tombstone {
    key: Vec<u8>,
    actor: Option<String>,
    moment: i64,
    until: i64,
}

fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn hash(key: &[u8], parts: &[&str]) -> [u8; HASH] {
    let mut sum = Sha256::new();
    sum.update(key);
    for part in parts {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part.as_bytes());
    }
    let mut short = [0; HASH];
    short.copy_from_slice(&sum.finalize()[..HASH]);
    short
}

fn key(db: &Connection) -> rusqlite::Result<Vec<u8>> {
    db.query_row("SELECT value FROM setting WHERE name = 'forget_key'", [], |row| row.get(0))
}

impl Tombstones {
    /// Whether an event belongs to what was forgotten.
    pub(super) fn hold(&mut self, db: &Connection, event: &Event) -> rusqlite::Result<bool> {
        let state = match &mut self.state {
            Some(state) => state,
            none => none.insert(State::read(db)?),
        };
        if !state.any {
            return Ok(false);
        }
        let (project, session) = (event.project.as_str(), event.filed_under());
        let mut subjects =
            vec![["project", project, ""], ["session", project, &session], ["session", "", &session]];
        if let Some(actor) = &event.actor {
            subjects.extend([["actor", project, actor], ["actor", "", actor]]);
        }
        for subject in subjects {
            if state.moment(db, &subject)?.is_some_and(|moment| event.at <= moment) {
                return Ok(true);
            }
        }
        Ok(state.events && is_there(db, &hash(&state.key, &["event", project, &event.id]))?)
    }

    /// The table has changed.
    pub(super) fn clear(&mut self) {
        self.state = None;
    }
}

fn is_there(db: &Connection, hash: &[u8]) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM forgotten WHERE hash = ?1 AND until > ?2")?.exists(params![hash, now()])
}

impl State {
    fn read(db: &Connection) -> rusqlite::Result<Self> {
        let (any, events) = db.query_row(
            "SELECT EXISTS (SELECT 1 FROM forgotten WHERE until > ?1),
               EXISTS (SELECT 1 FROM forgotten WHERE until > ?1 AND at IS NULL)",
            [now()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Self { key: key(db)?, any, events, known: HashMap::new() })
    }

    fn moment(&mut self, db: &Connection, subject: &[&str; 3]) -> rusqlite::Result<Option<i64>> {
        let name = subject.join("\0");
        if let Some(known) = self.known.get(&name) {
            return Ok(*known);
        }
        let moment = db
            .prepare_cached("SELECT at FROM forgotten WHERE hash = ?1 AND until > ?2")?
            .query_row(params![hash(&self.key, subject), now()], |row| row.get::<_, Option<i64>>(0))
            .optional()?
            .flatten();
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(name, moment);
        Ok(moment)
    }
}

impl Tombstone {
    /// Remembers a session, a person or a project for so many microseconds, and lets go of what has been long enough.
    pub(super) fn set(
        db: &Connection,
        whose: &Forget,
        scope: Option<&str>,
        hold: i64,
    ) -> rusqlite::Result<Self> {
        let (kind, id) = match whose {
            Forget::Session(id) => ("session", id),
            Forget::Actor(id) => ("actor", id),
            Forget::Project(id) => ("project", id),
        };
        let moment = now();
        let actor = matches!(whose, Forget::Actor(_)).then(|| id.clone());
        let stone = Self { key: key(db)?, actor, moment, until: moment.saturating_add(hold) };
        db.execute("DELETE FROM forgotten WHERE until <= ?1", [moment])?;
        if hold > 0 {
            let subject = match whose {
                Forget::Project(_) => [kind, id, ""],
                _ => [kind, scope.unwrap_or(""), id],
            };
            db.execute(
                "INSERT OR REPLACE INTO forgotten(hash, at, until) VALUES (?1, ?2, ?3)",
                params![hash(&stone.key, &subject), moment, stone.until],
            )?;
        }
        Ok(stone)
    }

    /// Remembers an event that goes, unless its session, person or project does that.
    pub(super) fn lay(&self, db: &Connection, event: &Event) -> rusqlite::Result<()> {
        let named = self.actor.is_none() || self.actor == event.actor;
        if self.until <= self.moment || (named && event.at <= self.moment) {
            return Ok(());
        }
        db.prepare_cached("INSERT OR REPLACE INTO forgotten(hash, at, until) VALUES (?1, NULL, ?2)")?
            .execute(params![hash(&self.key, &["event", &event.project, &event.id]), self.until])?;
        Ok(())
    }
}
