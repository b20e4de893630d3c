//! Brings a file of a former format up to this version's, so that whatever ends the process leaves a whole file.
//!
//! A new file is written beside the old one from its events, a chunk a transaction, and takes the old one's name when it is
//! complete and counted. The old file is only read until then. A start that was killed goes on where the last one stopped;
//! one that finds the disk full takes its own file away.
//!
//! Formats 1 and 2: all that is beside the events' own text is made from it. Formats 3 and 4: rows are copied, the text of an
//! event to a table of its own; what format 3 lacks is summed up.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use super::append::{Inserts, session_key};
use super::known::Known;
use super::open::{
    ADDED_BY_4, APPLICATION, EVENTS, FIRST_THAT_REMEMBERS, SCHEMA, SCHEMA_VERSION, State, check, unusable,
};
use super::remove::fold;
use super::reserve::free;
use super::rollup::Change;
use super::terms::NewTerms;
use crate::event::Event;
use crate::private;
use crate::store::{Result, StoreError};

/// Events and bytes written in one transaction.
pub(super) const CHUNK: usize = 2000;
pub(super) const CHUNK_BYTES: usize = 16 * 1024 * 1024;
/// Room that the new file may need for each byte that the old one uses, in percent, and beside that.
const GROWTH: u64 = 150;
const SPARE: u64 = 16 * 1024 * 1024;
/// Formats from this one on have all columns and sums of an event as they are now.
const FIRST_COPIED: i64 = 3;
/// How many kept files of one format are given a name.
const MOST_KEPT: u32 = 100;

/// How a file is brought up to date.
pub(crate) struct Upgrade<'a> {
    /// Whether the file is kept as it was, beside the new one, under a name that ends in `.format-N`.
    pub(crate) keep_old: bool,
    pub(crate) told: &'a mut dyn FnMut(Stage),
}

/// How far it is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// Events written of all.
    Events { done: u64, total: u64 },
    /// The format it was of, where the old file is, and how many of its events this version cannot read.
    Done { from: i64, kept: Option<PathBuf>, unread: u64 },
}

/// Does nothing for a file of this version.
pub(crate) fn bring_up(path: &Path, upgrade: &mut Upgrade<'_>) -> Result<()> {
    undo_second_names(path).map_err(unusable)?;
    private::open(path).and_then(|file| private::close_to_others(&file)).map_err(unusable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    let State::Older(format) = check(&db)? else { return Ok(()) };
    let (kept, unread) = rebuild(path, format, db, upgrade)?;
    if let Some(kept) = &kept {
        note(path, kept);
    }
    (upgrade.told)(Stage::Done { from: format, kept, unread });
    Ok(())
}

/// The old file is a copy that a forgetting does not reach, and is named to who asks for one.
fn note(path: &Path, kept: &Path) {
    let noted = Connection::open(path).and_then(|db| {
        db.execute(
            "INSERT OR REPLACE INTO backup SELECT ?1, ?2, count(*) FROM event",
            params![kept.display().to_string(), jiff::Timestamp::now().as_microsecond()],
        )
    });
    if let Err(error) = noted {
        tracing::debug!(%error, "the kept file could not be noted");
    }
}

/// A start that was killed between giving the old file its second name and taking its first one away left it with both.
fn undo_second_names(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let own = std::fs::symlink_metadata(path)?;
        for number in 0..MOST_KEPT {
            for format in 1..SCHEMA_VERSION {
                let name = kept_name(path, format, number);
                match std::fs::symlink_metadata(&name) {
                    Ok(meta) if meta.dev() == own.dev() && meta.ino() == own.ino() => {
                        std::fs::remove_file(&name)?
                    }
                    _ => {}
                }
            }
            if own.nlink() == 1 {
                break;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn kept_name(path: &Path, format: i64, number: u32) -> PathBuf {
    match number {
        0 => private::beside(path, &format!(".format-{format}")),
        more => private::beside(path, &format!(".format-{format}.{more}")),
    }
}

fn no_name(path: &Path) -> StoreError {
    StoreError::Asked(format!(
        "there are {MOST_KEPT} old files beside {}; remove some, or say that none is to be kept (`--no-backup`)",
        path.display()
    ))
}

/// Refuses when the disk has not the room that the work may take.
fn room(path: &Path, needed: u64) -> Result<()> {
    let free = free(path).map_err(unusable)?;
    if free >= needed {
        return Ok(());
    }
    Err(StoreError::Busy(format!(
        "it has a former format, and bringing it to this version's takes up to {} MB beside it, where {} MB are free; make room \
         and start again. Nothing was changed, and `--read-only` shows it as it is",
        needed.div_ceil(1_000_000),
        free / 1_000_000
    )))
}

/// The disk was full after all.
fn full(error: StoreError) -> StoreError {
    StoreError::Busy(format!(
        "{error} while it was brought to this version's format; it is as it was, and what was written beside it is removed. Make \
         room and start again, or use `--read-only`, which shows it as it is"
    ))
}

fn removed_with_journal(path: &Path) -> std::io::Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(private::beside(path, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Puts a new file in the old one's place.
fn rebuild(
    path: &Path,
    format: i64,
    old: Connection,
    upgrade: &mut Upgrade<'_>,
) -> Result<(Option<PathBuf>, u64)> {
    let part = private::beside(path, ".upgrade");
    let there = std::fs::metadata(&part).map_or(0, |meta| meta.len());
    room(path, (super::read::used(&old)? / 100 * GROWTH + SPARE).saturating_sub(there))?;
    // What the journal holds comes into the file; nothing is lost where it cannot.
    let _ = fold(&old);
    let filled = fill(&old, &part, format, &mut *upgrade.told);
    let unread = match filled {
        Ok(unread) => unread,
        Err(StoreError::Busy(why)) => {
            // The room is needed elsewhere.
            let _ = removed_with_journal(&part);
            return Err(full(StoreError::Busy(why)));
        }
        Err(other) => return Err(other),
    };
    // The last one to close takes the journal away.
    drop(old);
    if private::beside(path, "-wal").exists() || private::beside(path, "-shm").exists() {
        return Err(StoreError::Busy(
            "its journal could not be folded into it, because another process reads it or the disk is full; start again then".into(),
        ));
    }
    let kept = if upgrade.keep_old { Some(second_name(path, format)?) } else { None };
    std::fs::rename(&part, path).map_err(unusable)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
    }
    Ok((kept, unread))
}

/// Gives the old file a name of its own, which it keeps when the new one takes its place.
fn second_name(path: &Path, format: i64) -> Result<PathBuf> {
    for number in 0..MOST_KEPT {
        let name = kept_name(path, format, number);
        match std::fs::hard_link(path, &name) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unusable(error)),
        }
    }
    Err(no_name(path))
}

/// What says whose events a file that is not complete holds.
fn identity(old: &Connection, format: i64) -> rusqlite::Result<(String, i64)> {
    let total: i64 = old.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    let last: Option<(i64, String)> = old
        .query_row("SELECT seq, id FROM event ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok((format!("{format} {total} {last:?}"), total))
}

/// Opens the file that a start before has begun, if it is for these events, or begins one. Returns the last number in it.
fn begin(part: &Path, identity: &str) -> Result<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || Connection::open_with_flags(part, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW);
    let begun = private::open(part).is_ok().then(|| {
        let db = open().ok()?;
        let last: String = db
            .query_row(
                "SELECT last.value FROM setting last JOIN setting whose ON whose.name = 'upgrade_of' AND whose.value = ?1
                 WHERE last.name = 'upgrade_last'",
                [identity],
                |row| row.get(0),
            )
            .ok()?;
        let last = last.parse().ok()?;
        Some((db, last))
    });
    if let Some(Some(begun)) = begun {
        return Ok(begun);
    }
    removed_with_journal(part).map_err(unusable)?;
    private::create(part).map_err(unusable)?;
    let db = open()?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.execute_batch(&format!("BEGIN;{SCHEMA}{EVENTS}{ADDED_BY_4}PRAGMA application_id = {APPLICATION};"))?;
    for (name, value) in [("upgrade_of", identity), ("upgrade_last", &i64::MIN.to_string())] {
        db.execute("INSERT INTO setting VALUES (?1, ?2)", [name, value])?;
    }
    db.execute_batch("COMMIT")?;
    Ok((db, i64::MIN))
}

/// Writes the new file, and counts it. Returns how many events were taken over unread.
fn fill(old: &Connection, part: &Path, format: i64, told: &mut dyn FnMut(Stage)) -> Result<u64> {
    let (identity, total) = identity(old, format)?;
    let (mut new, mut last) = begin(part, &identity)?;
    super::rollup::add_functions(&new)?;
    new.pragma_update(None, "synchronous", "NORMAL")?;
    new.pragma_update(None, "cache_size", -32_768)?;
    new.pragma_update(None, "temp_store", "MEMORY")?;
    let held = |db: &Connection| {
        db.query_row("SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM unread)", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    let mut done = held(&new)? as u64;
    let mut known = Known::default();
    loop {
        told(Stage::Events { done, total: total as u64 });
        if format >= FIRST_COPIED {
            let Some((newest, count)) = super::split::events(old, &mut new, last)? else { break };
            (last, done) = (newest, done + count);
            continue;
        }
        let chunk = chunk(old, last)?;
        let Some(newest) = chunk.last().map(|row| row.seq) else { break };
        last = newest;
        done += chunk.len() as u64;
        write(&mut new, &mut known, &chunk, last)?;
    }
    let transaction = new.transaction()?;
    if format >= FIRST_COPIED {
        super::split::rest(old, &transaction, format >= FIRST_THAT_REMEMBERS)?;
    } else {
        rest(old, &transaction, format)?;
    }
    let numbers = "SELECT count(*), coalesce(sum(seq), 0) FROM";
    let read = |db: &Connection, sql: &str| {
        db.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
    };
    let before = read(old, &format!("{numbers} event"))?;
    let after = if format >= FIRST_COPIED {
        read(&transaction, &format!("{numbers} event JOIN body USING (seq)"))?
    } else {
        read(&transaction, &format!("{numbers} (SELECT seq FROM event UNION ALL SELECT seq FROM unread)"))?
    };
    if before != after {
        drop(transaction);
        drop(new);
        removed_with_journal(part).map_err(unusable)?;
        return Err(StoreError::Broken(format!(
            "it has {} events and {} of them reached the new file, which was removed; nothing was changed. Start again",
            before.0, after.0
        )));
    }
    // Those that a former upgrade has set aside have been told of.
    let unread: i64 = if format >= FIRST_COPIED {
        0
    } else {
        transaction.query_row("SELECT count(*) FROM unread", [], |row| row.get(0))?
    };
    transaction.execute_batch(&format!(
        "DELETE FROM setting WHERE name IN ('upgrade_of', 'upgrade_last'); PRAGMA user_version = {SCHEMA_VERSION};"
    ))?;
    transaction.commit()?;
    if !fold(&new)? {
        return Err(StoreError::Busy("another process reads the new file".into()));
    }
    drop(new);
    std::fs::File::open(part).and_then(|file| file.sync_all()).map_err(unusable)?;
    Ok(unread as u64)
}

/// What formats 1 and 2 have beside events and what is made from them.
fn rest(old: &Connection, new: &Connection, format: i64) -> rusqlite::Result<()> {
    let (arrived, received): (i64, i64) = if format == 1 {
        let newest: i64 =
            old.query_row("SELECT coalesce(max(received), 0) FROM event", [], |row| row.get(0))?;
        let seq = old
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'event'", [], |row| row.get(0))
            .optional()?;
        (seq.unwrap_or(0), newest)
    } else {
        old.query_row("SELECT seq, at FROM arrived", [], |row| Ok((row.get(0)?, row.get(1)?)))?
    };
    let catalogues = old
        .prepare("SELECT project, json FROM catalogue")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    new.execute("UPDATE arrived SET seq = ?1, at = ?2", [arrived, received])?;
    for (project, json) in catalogues {
        new.execute("INSERT INTO catalogue VALUES (?1, ?2)", [project, json])?;
    }
    Ok(())
}

/// What is taken over of an event.
struct OldEvent {
    seq: i64,
    received: i64,
    project: String,
    body: String,
}

fn chunk(old: &Connection, after: i64) -> rusqlite::Result<Vec<OldEvent>> {
    let mut read = old.prepare_cached(
        "SELECT seq, received, project, body FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = read.query(params![after, CHUNK as i64])?;
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let event =
            OldEvent { seq: row.get(0)?, received: row.get(1)?, project: row.get(2)?, body: row.get(3)? };
        bytes += event.body.len();
        chunk.push(event);
        if bytes >= CHUNK_BYTES {
            break;
        }
    }
    Ok(chunk)
}

/// Puts a chunk in, with its sums and with the number to go on from, in one transaction.
fn write(db: &mut Connection, known: &mut Known, chunk: &[OldEvent], last: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let events: Vec<_> = chunk.iter().map(|old| (old, Event::stored(&old.body))).collect();
    let (mut change, mut terms) = (Change::default(), NewTerms::default());
    {
        let mut insert = Inserts::prepare(&transaction)?;
        let mut aside = transaction
            .prepare_cached("INSERT INTO unread(seq, project, received, body) VALUES (?1, ?2, ?3, ?4)")?;
        for (old, event) in &events {
            let mut added = 0;
            match event {
                Ok(event) => {
                    if let Some(session) = session_key(&transaction, known, event)? {
                        added = insert.event(old.seq, session, event, old.received)?;
                        if added > 0 {
                            change.count(session, event, 1);
                            terms.find(known, session, event, old.received);
                        }
                    }
                }
                Err(refusal) => {
                    tracing::warn!(seq = old.seq, reason = refusal.message, "a stored event cannot be read");
                }
            }
            if added == 0 {
                aside.execute(params![old.seq, old.project, old.received, old.body])?;
            }
        }
    }
    change.add(&transaction)?;
    terms.add(&transaction)?;
    transaction
        .prepare_cached("UPDATE setting SET value = ?1 WHERE name = 'upgrade_last'")?
        .execute([last.to_string()])?;
    transaction.commit()
}
