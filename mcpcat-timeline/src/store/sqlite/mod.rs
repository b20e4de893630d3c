//! The store of one machine: an SQLite file with one writer, a pool of readers and a session roll-up.
//!
//! The roll-up (sessions, terms, statistics) is kept in the transaction of the events it sums up. Without it the
//! session list of a million events takes a third of a second, with it some microseconds.

mod append;
#[cfg(feature = "cli")]
pub(crate) mod backup;
mod checkpoint;
#[cfg(feature = "cli")]
pub(crate) mod doctor;
mod forget;
mod forgotten;
mod former;
mod known;
mod migrate;
mod open;
mod outline;
mod overview;
mod read;
mod remove;
mod reserve;
mod rollup;
mod search;
mod share;
mod split;
mod terms;
pub(crate) mod tokens;

#[cfg(feature = "cli")]
pub(crate) use migrate::bring_up;
pub(crate) use migrate::{Stage, Upgrade};
pub(crate) use open::identify;
#[cfg(feature = "cli")]
pub(crate) use open::{Identity, beside};
pub(crate) use search::snippet;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    EventPage, EventQuery, Facets, Forget, Forgotten, IssuedToken, KnownBackup, Outcome, Overview, Result,
    Retention, SeenName, SessionPage, SessionQuery, SessionRef, SessionRow, Size, Store, StoreError, Stored,
};
use crate::event::Event;

/// How hard a commit tries to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Survives the death of the process; a power cut may cost the last moments.
    #[default]
    Normal,
    /// Survives a power cut: every commit waits for the disk.
    Full,
}

/// Connections that only read.
const READERS: usize = 4;

/// The one connection that writes, and what it keeps in mind.
struct Writer {
    db: Connection,
    known: known::Known,
    sweep: terms::Sweep,
    shares: share::Shares,
    tombstones: forgotten::Tombstones,
    /// How long what was forgotten is remembered, microseconds.
    hold: i64,
    /// Room for removal on a full disk; `None` where nothing is on a disk or nothing is removed.
    reserve: Option<reserve::Reserve>,
    /// `None` where there is no journal or it is another's.
    checkpoints: Option<checkpoint::Checkpoints>,
}

impl Writer {
    fn new(db: Connection) -> Self {
        Self {
            db,
            known: known::Known::default(),
            sweep: terms::Sweep::default(),
            shares: share::Shares::default(),
            tombstones: forgotten::Tombstones::default(),
            hold: forgotten::YEAR,
            reserve: None,
            checkpoints: None,
        }
    }
}

pub(crate) struct Sqlite {
    writer: Mutex<Writer>,
    /// Empty for a store in memory, whose only connection does everything.
    readers: Vec<Mutex<Connection>>,
    newest: watch::Sender<i64>,
}

impl Sqlite {
    /// How long keyed hashes of what was forgotten are kept.
    pub(crate) fn remember_forgotten_for(&self, hold: std::time::Duration) {
        self.writer().hold = i64::try_from(hold.as_micros()).unwrap_or(i64::MAX);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T> {
        let free = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        let mut connection = match (free, self.readers.first()) {
            (Some(free), _) => free,
            (None, Some(_)) => {
                let turn = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_micros() as usize);
                self.readers[turn % self.readers.len()].lock().unwrap_or_else(PoisonError::into_inner)
            }
            (None, None) => return work(&mut self.writer().db).map_err(StoreError::from),
        };
        work(&mut connection).map_err(StoreError::from)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OperationInterrupted, SystemIoFailure,
        };
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::Busy("the disk with the data file is full".into()),
            Some(SystemIoFailure) => Self::Busy(format!("the disk refused a read or a write: {error}")),
            Some(DatabaseBusy | DatabaseLocked | CannotOpen | OperationInterrupted) => {
                Self::Busy(format!("the data file is busy: {error}"))
            }
            _ => Self::Broken(format!("the data file: {error}")),
        }
    }
}

impl Store for Sqlite {
    fn append(&self, events: &[&Event]) -> Result<Vec<Outcome>> {
        let (outcomes, newest) = append::append(&mut self.writer(), events)?;
        if let Some(newest) = newest {
            self.newest.send_replace(newest);
        }
        Ok(outcomes)
    }

    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage> {
        let cursor = query.cursor.as_deref().map(read::session_cursor).transpose()?;
        self.read(|connection| read::sessions(connection, query, cursor))
    }

    fn session(&self, session: &str, scope: Option<&str>) -> Result<Vec<SessionRow>> {
        self.read(|connection| read::session(connection, session, scope))
    }

    fn events(&self, query: &EventQuery) -> Result<EventPage> {
        let cursor = query.cursor.as_deref().map(read::event_cursor).transpose()?;
        self.read(|connection| read::events(connection, query, cursor))
    }

    fn outline(&self, session: &SessionRef) -> Result<Option<super::outline::Outline>> {
        self.read(|connection| outline::outline(connection, session))
    }

    fn rows(&self, session: &SessionRef, ranges: &[(i64, i64)], most: usize) -> Result<Vec<Stored>> {
        self.read(|connection| outline::rows(connection, session, ranges, most))
    }

    fn matches(&self, session: &SessionRef, words: &str) -> Result<Vec<i64>> {
        self.read(|connection| outline::matches(connection, session, words))
    }

    fn event(&self, id: &str, scope: Option<&str>) -> Result<Option<Stored>> {
        self.read(|connection| read::event(connection, id, scope))
    }

    fn facets(&self, scope: Option<&str>) -> Result<Facets> {
        self.read(|connection| read::facets(connection, scope))
    }

    fn overview(&self, since: i64, until: i64, scope: Option<&str>) -> Result<Overview> {
        self.read(|connection| overview::overview(connection, since, until, scope))
    }

    fn custom_names(&self, project: &str) -> Result<Vec<SeenName>> {
        self.read(|connection| overview::custom_names(connection, project))
    }

    fn forget(&self, whose: &Forget, scope: Option<&str>) -> Result<Forgotten> {
        forget::forget(|| self.writer(), whose, scope)
    }

    fn would_forget(&self, whose: &Forget, scope: Option<&str>) -> Result<Forgotten> {
        self.read(|connection| forget::count(connection, whose, scope))
    }

    fn probe(&self) -> Result<()> {
        let writer = self.writer();
        if writer.db.is_readonly("main")? {
            return Ok(());
        }
        // As much as a batch takes. No project has an empty name.
        writer.db.execute_batch(
            "BEGIN IMMEDIATE; INSERT OR REPLACE INTO catalogue(project, json) VALUES ('', hex(zeroblob(32768))); COMMIT;
             DELETE FROM catalogue WHERE project = '';",
        ).inspect_err(|_| {
            // A transaction that could not be committed is still open.
            let _ = writer.db.execute_batch("ROLLBACK");
        })?;
        Ok(())
    }

    fn prune(&self, keep: &Retention, events: usize, now: i64) -> Result<bool> {
        remove::prune(&mut self.writer(), keep, events, now)
    }

    fn catalogue(&self, project: &str) -> Result<Option<String>> {
        self.read(|connection| read::catalogue(connection, project))
    }

    fn set_catalogue(&self, project: &str, json: &str) -> Result<()> {
        self.writer().db.execute(
            "INSERT INTO catalogue(project, json) VALUES (?1, ?2) ON CONFLICT(project) DO UPDATE SET json = excluded.json",
            (project, json),
        )?;
        Ok(())
    }

    fn tokens(&self) -> Result<Vec<IssuedToken>> {
        self.read(|connection| {
            // A file of a former format that is only looked at has none.
            if connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
                < open::FIRST_THAT_REMEMBERS
            {
                return Ok(Vec::new());
            }
            tokens::all(connection)
        })
    }

    fn add_token(&self, token: &IssuedToken) -> Result<()> {
        Ok(tokens::add(&self.writer().db, token)?)
    }

    fn revoke_token(&self, id: &str, scope: Option<&str>) -> Result<bool> {
        Ok(tokens::revoke(&self.writer().db, id, scope)?)
    }

    fn backups(&self) -> Result<Vec<KnownBackup>> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT path, at, events FROM backup ORDER BY at")?
                .query_map([], |row| {
                    Ok(KnownBackup { path: row.get(0)?, at: row.get(1)?, events: row.get(2)? })
                })?
                .collect()
        })
    }

    fn size(&self) -> Result<Size> {
        self.read(read::size)
    }

    fn watch(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        // One that only looked leaves the journal to its owner.
        if self.writer().db.is_readonly("main").unwrap_or(true) {
            return;
        }
        // The last one out leaves one plain file behind; a failure only means that the journal stays beside it.
        self.readers.clear();
        self.writer().checkpoints = None;
        if let Err(error) = self.writer().db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::debug!(%error, "the journal could not be folded into the data file");
        }
    }
}
