//! Removes everything of a session, a person or a project, without trace in the file and its journal.
//!
//! Normally what is removed is overwritten in the transaction that removes it. That writes as many bytes as are removed,
//! to the journal, which a full disk has no room for. There, small steps are taken: a step unlinks events, which takes
//! little room, gives the pages that they had back to the file system, and empties the journal, which makes the room
//! for the next one.

use std::sync::MutexGuard;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::Writer;
use super::forgotten::Tombstone;
use super::remove::{CHUNK, Why, fold_in_turn, is_full, make_room, remove, vacuum};
use super::terms;
use crate::event::Event;
use crate::store::{Forget, Forgotten, Result, StoreError};

/// Events removed in one step on a full disk, at first.
const STEP: usize = 16;
/// Pages given back under one lock.
const PAGES: i64 = 512;
/// The same on a full disk, where each page that moves takes room in the journal.
const FEW_PAGES: i64 = 32;

/// One removal on request.
struct Removal<'a, W: Fn() -> MutexGuard<'a, Writer>> {
    writer: W,
    /// Whether the disk turned out to be full.
    tight: bool,
    done: Forgotten,
    tombstone: Tombstone,
}

/// Removes everything of a session, a person or a project, in the file and in its journal.
pub(super) fn forget<'a>(
    writer: impl Fn() -> MutexGuard<'a, Writer>,
    whose: &Forget,
    scope: Option<&str>,
) -> Result<Forgotten> {
    let tombstone = remember(&mut writer(), whose, scope)?;
    writer().db.pragma_update(None, "secure_delete", "ON")?;
    let mut removal = Removal { writer, tight: false, done: Forgotten::default(), tombstone };
    let outcome = removal.run(whose, scope);
    let cleaned = removal.clean();
    let writer = (removal.writer)();
    writer.db.pragma_update(None, "secure_delete", "FAST")?;
    if let Some(reserve) = &writer.reserve {
        reserve.fill();
    }
    drop(writer);
    outcome?;
    cleaned?;
    Ok(removal.done)
}

/// First, so that nothing comes in behind the removal's back.
fn remember(writer: &mut Writer, whose: &Forget, scope: Option<&str>) -> Result<Tombstone> {
    let set = |writer: &Writer| Tombstone::set(&writer.db, whose, scope, writer.hold);
    let tombstone = match set(writer) {
        Err(error) if is_full(&error) => {
            make_room(writer);
            set(writer)
        }
        other => other,
    };
    writer.tombstones.clear();
    Ok(tombstone?)
}

impl<'a, W: Fn() -> MutexGuard<'a, Writer>> Removal<'a, W> {
    fn run(&mut self, whose: &Forget, scope: Option<&str>) -> Result<()> {
        // Not in the loop's head, where the lock would be held until its end.
        let targets = targets(&(self.writer)().db, whose, scope)?;
        for (session, actor) in targets {
            let seqs = events_of(&(self.writer)().db, session, actor)?;
            self.events(&seqs)?;
            if actor.is_some() {
                self.step(|writer| terms::rewrite(&mut writer.db, &mut writer.known, session))?;
            }
        }
        self.step(|writer| aside(writer, whose, scope))?;
        match whose {
            Forget::Project(id) if scope.is_none_or(|scope| scope == id) => {
                self.done.sessions += self.step(|writer| project(writer, id))?;
            }
            // A session shared with others stays, without this person's name on it.
            Forget::Actor(id) => {
                self.step(|writer| {
                    writer.db.execute(
                        "UPDATE session SET actor = NULL, actor_name = NULL
                         WHERE actor = ?1 AND (?2 IS NULL OR project = ?2)",
                        params![id, scope],
                    )
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Removes events, in smaller steps once the disk is full.
    fn events(&mut self, seqs: &[i64]) -> Result<()> {
        let (mut rest, mut most) = (seqs, if self.tight { STEP } else { CHUNK });
        while !rest.is_empty() {
            let (step, after) = rest.split_at(most.min(rest.len()));
            let was_tight = self.tight;
            // Borrowed apart from what the step changes.
            let tombstone = std::mem::take(&mut self.tombstone);
            let removed = self
                .try_step(|writer| remove(&mut writer.db, &mut writer.known, step, Why::Asked(&tombstone)));
            self.tombstone = tombstone;
            match removed {
                Ok(sessions) => {
                    self.done.sessions += sessions;
                    self.done.events += step.len() as u64;
                    rest = after;
                }
                Err(error) if is_full(&error) && (!was_tight || most > 1) => {
                    most = if was_tight { most / 4 } else { STEP }.max(1);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Does something that may find the disk full, a second time when it has.
    fn step<T>(&mut self, work: impl Fn(&mut Writer) -> rusqlite::Result<T>) -> Result<T> {
        match self.try_step(&work) {
            Err(error) if is_full(&error) => Ok(self.try_step(&work)?),
            other => Ok(other?),
        }
    }

    fn try_step<T>(&mut self, work: impl Fn(&mut Writer) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let mut writer = (self.writer)();
        let done = work(&mut writer);
        match &done {
            Err(error) if is_full(error) => {
                // Pages that become free are not overwritten from here on; they leave the file instead.
                writer.db.pragma_update(None, "secure_delete", "FAST")?;
                make_room(&mut writer);
                self.tight = true;
            }
            // What cannot be given back yet is at the end.
            Ok(_) if self.tight => drop(give_back(&writer, FEW_PAGES)),
            _ => {}
        }
        done
    }

    /// Sees to it that nothing is left in free pages and in the journal.
    fn clean(&mut self) -> Result<()> {
        let pages = if self.tight { FEW_PAGES } else { PAGES };
        loop {
            let writer = (self.writer)();
            let free = free_pages(&writer.db)?;
            if free == 0 {
                break;
            }
            vacuum(&writer.db, pages)?;
            if self.tight {
                // It may have to wait until the file is shorter.
                let _ = fold_in_turn(&writer);
            }
            // A file without room for the list of its pages has none to give back.
            if free_pages(&writer.db)? >= free {
                break;
            }
        }
        if fold_in_turn(&(self.writer)())? {
            return Ok(());
        }
        Err(StoreError::Busy(
            "the events are removed, but a reader holds the journal that still has them; ask once more"
                .into(),
        ))
    }
}

fn free_pages(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "freelist_count", |row| row.get(0))
}

/// Gives pages back and empties the journal, so that the disk has room again.
fn give_back(writer: &Writer, pages: i64) -> rusqlite::Result<()> {
    vacuum(&writer.db, pages)?;
    fold_in_turn(writer).map(drop)
}

/// Removes events that this version cannot read, where their text names what is forgotten.
fn aside(writer: &mut Writer, whose: &Forget, scope: Option<&str>) -> rusqlite::Result<usize> {
    let (Forget::Session(id) | Forget::Actor(id) | Forget::Project(id)) = whose;
    let quoted = crate::event::quoted(id);
    writer.db.execute(
        "DELETE FROM unread WHERE instr(body, ?1) AND (?2 IS NULL OR project = ?2)",
        params![quoted, scope],
    )
}

/// Removes what names a project beside its events: every row of every table that has a column for it, and what SQLite
/// noted of the tables' contents. Returns how many sessions were among it.
fn project(writer: &mut Writer, id: &str) -> rusqlite::Result<u64> {
    writer.known.clear();
    let transaction = writer.db.transaction()?;
    let mut sessions = 0;
    transaction
        .execute("DELETE FROM term WHERE session IN (SELECT key FROM session WHERE project = ?1)", [id])?;
    let tables = transaction
        .prepare(
            "SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c
             WHERE t.type = 'table' AND c.name = 'project'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    for table in tables {
        // Names of our own schema. Who may send is not what was sent.
        if table == "token" {
            continue;
        }
        let gone = transaction.execute(&format!("DELETE FROM \"{table}\" WHERE project = ?1"), [id])?;
        if table == "session" {
            sessions = gone as u64;
        }
    }
    for table in ["sqlite_stat1", "sqlite_stat4"] {
        let there = transaction
            .query_row("SELECT 1 FROM sqlite_schema WHERE name = ?1", [table], |_| Ok(()))
            .optional()?;
        if there.is_some() {
            transaction.execute(&format!("DELETE FROM {table}"), [])?;
        }
    }
    transaction.commit()?;
    Ok(sessions)
}

/// What [`forget`] would remove.
pub(super) fn count(db: &mut Connection, whose: &Forget, scope: Option<&str>) -> rusqlite::Result<Forgotten> {
    let db = db.transaction()?;
    let mut found = Forgotten::default();
    for (session, actor) in targets(&db, whose, scope)? {
        let all = db
            .prepare_cached("SELECT count(*) FROM event WHERE session = ?1")?
            .query_row([session], |row| row.get::<_, i64>(0))? as u64;
        let events = match actor {
            None => all,
            Some(_) => events_of(&db, session, actor)?.len() as u64,
        };
        found.events += events;
        found.sessions += u64::from(events == all);
    }
    Ok(found)
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
    let mut rows =
        db.prepare_cached("SELECT seq, text FROM event JOIN body USING (seq) WHERE session = ?1")?;
    let mut rows = rows.query([session])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        if Event::stored(&body).is_ok_and(|event| event.actor.as_deref() == Some(actor)) {
            named.push(row.get(0)?);
        }
    }
    Ok(named)
}
