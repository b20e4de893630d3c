//! Moves the journal into the data file beside the writer, so that a sender does not wait for it.
//!
//! The journal begins anew only when all of it has been moved, which never happens beside a writer that goes on. So at the
//! journal's bound the writer moves the rest itself, which is little by then.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};

/// Bytes of events after which the journal is looked at.
const DUE: usize = 1024 * 1024;
/// What an event adds beside its text, in bytes.
const BESIDE: usize = 512;

pub(super) struct Checkpoints {
    due: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Held while the journal is moved: two at a time refuse each other.
    turn: Arc<Mutex<()>>,
    owed: usize,
    /// About how many bytes the journal holds, and the most that it may.
    held: usize,
    bound: usize,
}

impl Checkpoints {
    /// `bound` is the journal's, in bytes.
    pub(super) fn start(path: &Path, bound: usize) -> rusqlite::Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
        let (due, dues) = sync_channel::<()>(1);
        let turn = Arc::new(Mutex::new(()));
        let thread = std::thread::Builder::new().name("mcpcat-timeline-journal".into()).spawn({
            let turn = Arc::clone(&turn);
            move || {
                for () in dues {
                    let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                    shift(&db);
                }
            }
        });
        // Without a thread the writer does it all.
        Ok(thread.ok().map(|thread| Self {
            due: Some(due),
            thread: Some(thread),
            turn,
            owed: 0,
            held: 0,
            bound,
        }))
    }

    /// Events of that many bytes of text have been committed by the writer's connection.
    pub(super) fn committed(&mut self, db: &Connection, events: usize, bytes: usize) {
        // Indexes and sums take about as many pages as the events themselves.
        self.held += 2 * (events * BESIDE + bytes);
        if self.held >= self.bound {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            shift(db);
            (self.held, self.owed) = (0, 0);
            return;
        }
        self.owed += events * BESIDE + bytes;
        if self.owed >= DUE
            && let Some(due) = &self.due
        {
            // One that is due already will see these events too.
            let _ = due.try_send(());
            self.owed = 0;
        }
    }

    /// Nothing is moved while this is held.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves what can be moved without waiting for anybody.
fn shift(db: &Connection) {
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::debug!(%error, "the journal was not moved into the data file");
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.due = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the journal had panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Event;
    use crate::store::Store as _;
    use crate::store::sqlite::{Durability, Sqlite, Upgrade};

    #[test]
    fn the_journal_stays_within_a_bound_beside_a_writer_that_never_rests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.sqlite3");
        let mut upgrade = Upgrade { keep_old: true, told: &mut |_| {} };
        let store = Sqlite::open(&path, Durability::Normal, &mut upgrade).unwrap();
        let mut largest = 0;
        for batch in 0..400 {
            let events: Vec<Event> = (0..100)
                .map(|n| {
                    let filler = "x".repeat(3000);
                    let body = format!(
                        r#"{{"id":"{batch}-{n}","project_id":"p","session_id":"{n}","event_type":"mcpcat:custom","timestamp":"2026-01-01T00:00:00Z","parameters":"{filler}"}}"#
                    );
                    Event::stored(&body).unwrap()
                })
                .collect();
            store.append(&events.iter().collect::<Vec<_>>()).unwrap();
            let journal = std::fs::metadata(folder.path().join("events.sqlite3-wal")).unwrap().len();
            largest = largest.max(journal);
        }
        assert!(largest < 48 << 20, "{largest} bytes for 120 MB of events");
    }
}
