//! Takes events out a little at a time when they are old or too many, and what they added to the sums with them.

use rusqlite::{Connection, TransactionBehavior};

use super::Writer;
use super::checkpoint::Checkpoints;
use super::forgotten::Tombstone;
use super::known::Known;
use super::rollup::Change;
use crate::event::Event;
use crate::store::{Result, Retention};

/// Events removed under one lock; ingest waits for no more than this.
pub(super) const CHUNK: usize = 250;
/// The same when so many come in at once that removal would fall behind.
const MOST: usize = 1500;
/// Pages given back to the file system at a time.
const PAGES_BACK: i64 = 256;
/// Free pages that stay in the file for the next events.
const SPARE_PAGES: i64 = 1024;

/// Removes one chunk of what is too old or too much, on a full disk as well. Age counts from arrival.
pub(super) fn prune(writer: &mut Writer, keep: &Retention, events: usize, now: i64) -> Result<bool> {
    match prune_once(writer, keep, events.max(CHUNK), now) {
        Err(error) if is_full(&error) => {
            make_room(writer);
            let more = prune_once(writer, keep, CHUNK / 10, now);
            if let (Ok(_), Some(reserve)) = (&more, &writer.reserve) {
                fold_in_turn(writer)?;
                reserve.fill();
            }
            Ok(more?)
        }
        other => Ok(other?),
    }
}

fn prune_once(writer: &mut Writer, keep: &Retention, events: usize, now: i64) -> rusqlite::Result<bool> {
    let Writer { db, known, sweep, shares, .. } = writer;
    let chunk = events.min(MOST);
    let mut found = shares.too_old(db, keep, chunk, now)?;
    if found.seqs.is_empty() && !found.more {
        found = shares.too_many(db, keep, chunk)?;
    }
    if !found.seqs.is_empty() {
        remove(db, known, &found.seqs, Why::Retention)?;
    }
    if let Some(age) = keep.age {
        let before = now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        db.prepare_cached("DELETE FROM unread WHERE received < ?1")?.execute([before])?;
    }
    let shrinks = shrink(db)?;
    Ok(sweep.step(db, now)? || shrinks || found.more)
}

/// Gives some free pages back when there are more than the next events will fill. Returns whether there are more.
fn shrink(db: &Connection) -> rusqlite::Result<bool> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let spare = pragma("freelist_count")? - SPARE_PAGES.max(pragma("page_count")? / 8);
    if spare > 0 {
        vacuum(db, spare.min(PAGES_BACK))?;
    }
    Ok(spare > PAGES_BACK)
}

/// What events are removed for.
#[derive(Clone, Copy)]
pub(super) enum Why<'a> {
    Retention,
    /// Somebody asked, and they are not to come back.
    Asked(&'a Tombstone),
}

/// Removes these events and what they added to the sums; returns how many sessions ended with them.
pub(super) fn remove(
    db: &mut Connection,
    known: &mut Known,
    seqs: &[i64],
    why: Why<'_>,
) -> rusqlite::Result<u64> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut events = Vec::with_capacity(seqs.len());
    {
        let mut read = transaction
            .prepare_cached("SELECT session, text FROM event JOIN body USING (seq) WHERE seq = ?1")?;
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
        if let Why::Asked(tombstone) = why {
            tombstone.lay(&transaction, event)?;
        }
    }
    let sessions = change.subtract(&transaction, known, matches!(why, Why::Retention))?;
    transaction.commit()?;
    Ok(sessions)
}

/// Gives up to so many free pages back to the file system. Each page is a row of the pragma: asked for once, it frees one.
pub(super) fn vacuum(db: &Connection, pages: i64) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Whether the disk is what an operation failed for.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure))
}

/// Makes room on a full disk for what a removal has to write before it frees anything.
pub(super) fn make_room(writer: &mut Writer) {
    writer.known.clear();
    if let Some(reserve) = &writer.reserve {
        reserve.release();
    }
    // The journal's room comes back when it is folded into the data file, which may have to grow for that.
    if let Err(error) = fold_in_turn(writer) {
        tracing::debug!(%error, "the journal could not be folded into the data file");
    }
}

/// Folds the journal into the data file and empties it. False when a reader was in the way.
pub(super) fn fold(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// The same while nobody else moves the journal.
pub(super) fn fold_in_turn(writer: &Writer) -> rusqlite::Result<bool> {
    let _turn = writer.checkpoints.as_ref().map(Checkpoints::turn);
    fold(&writer.db)
}
