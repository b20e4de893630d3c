//! Copies a data file beside the collector that writes to it, and brings a copy back. Both are counted and summed up, so that
//! a copy that is not whole is known before it is needed.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::forgotten::{Tombstone, Tombstones};
use super::known::Known;
use super::migrate::{Upgrade, bring_up};
use super::open::{FIRST_THAT_REMEMBERS, Identity, State, beside, check, identify, reader, unusable};
use super::remove::{CHUNK, Why, fold, remove};
use crate::event::Event;
use crate::private;
use crate::store::{Result, StoreError};

/// Pages copied between two looks at how far it is.
const PAGES: i32 = 1024;

/// What a copy holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Contents {
    pub(crate) events: i64,
    pub(crate) sessions: i64,
    /// SHA-256 of every value of every table, in the order of their keys.
    pub(crate) checksum: String,
}

/// What became of a copy that was brought back.
#[derive(Debug)]
pub(crate) struct Restored {
    /// What the copy holds; without a checksum in it, when it was not made by `backup`.
    pub(crate) contents: Contents,
    pub(crate) was_summed: bool,
    /// Events that were left out, because the file in whose place it came remembers that they were forgotten.
    pub(crate) forgotten: u64,
}

/// Tables and the order of their rows. `backup` notes copies and is no content.
const TABLES: [(&str, &str); 12] = [
    ("session", "key"),
    ("event", "seq"),
    ("body", "seq"),
    ("arrived", "seq"),
    ("term", "session, term"),
    ("stat", "slot, project, kind, name"),
    ("instance", "project, id"),
    ("catalogue", "project"),
    ("usage", "project"),
    ("token", "id"),
    ("forgotten", "hash"),
    ("unread", "seq"),
];

/// Reads everything, within whatever transaction is open. In a file of format 4 the texts are in the table of events.
fn contents(db: &Connection, state: &State) -> rusqlite::Result<Contents> {
    let mut sum = Sha256::new();
    for (table, order) in TABLES {
        if table == "body" && *state != State::Current {
            continue;
        }
        sum.update(table.as_bytes());
        let mut read = db.prepare(&format!("SELECT * FROM {table} ORDER BY {order}"))?;
        let columns = read.column_count();
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let (tag, bytes): (u8, &[u8]) = match row.get_ref(column)? {
                    ValueRef::Null => (0, &[]),
                    ValueRef::Integer(number) => (1, &number.to_le_bytes()),
                    ValueRef::Real(number) => (2, &number.to_bits().to_le_bytes()),
                    ValueRef::Text(text) => (3, text),
                    ValueRef::Blob(bytes) => (4, bytes),
                };
                sum.update([tag]);
                sum.update((bytes.len() as u64).to_le_bytes());
                sum.update(bytes);
            }
        }
    }
    let count = |table: &str| db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
    Ok(Contents {
        events: count("event")?,
        sessions: count("session")?,
        checksum: sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// Whether a file of this format has what was forgotten, and says itself what was copied.
fn remembers(state: &State) -> bool {
    match state {
        State::Current => true,
        State::Older(format) => *format >= FIRST_THAT_REMEMBERS,
        State::Empty => false,
    }
}

fn writable(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)
}

/// What SQLite finds wrong with a file.
fn whole(db: &Connection) -> Result<()> {
    let verdict: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Broken(format!("it is damaged: {verdict}"))) }
}

fn not_there(path: &Path, force: bool) -> Result<()> {
    if !force && std::fs::symlink_metadata(path).is_ok_and(|meta| meta.len() > 0 || !meta.is_file()) {
        return Err(StoreError::Asked(format!("{} is there; --force replaces it", path.display())));
    }
    Ok(())
}

fn gone(path: &Path) -> Result<()> {
    for ending in ["", "-wal", "-shm", "-journal"] {
        match std::fs::remove_file(private::beside(path, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Copies a data file, as it is at one moment, to another file. Both are read to their end and compared.
pub(crate) fn backup(
    data: &Path,
    to: &Path,
    force: bool,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Contents> {
    let (data, to) = (private::place(data).map_err(unusable)?, private::place(to).map_err(unusable)?);
    not_there(&to, force)?;
    if identify(&data)? == Identity::New {
        return Err(StoreError::Asked("it is empty: there is nothing to copy".into()));
    }
    let source = reader(&data)?;
    if check(&source)? != State::Current {
        return Err(StoreError::Asked(
            "it has a former format: start `mcpcat-timeline` on it once, or copy the file while nothing has it open".into(),
        ));
    }
    let part = private::beside(&to, ".part");
    gone(&part)?;
    let copied = copy(&source, &part, told);
    if copied.is_err() {
        let _ = gone(&part);
    }
    let contents = copied?;
    std::fs::rename(&part, &to).map_err(unusable)?;
    let noted = beside(&data).and_then(|db| {
        Ok(db.execute(
            "INSERT OR REPLACE INTO backup(path, at, events) VALUES (?1, ?2, ?3)",
            params![to.display().to_string(), jiff::Timestamp::now().as_microsecond(), contents.events],
        )?)
    });
    if let Err(error) = noted {
        tracing::warn!(%error, "the copy could not be noted in the data file; a forgetting will not name it");
    }
    Ok(contents)
}

fn copy(source: &Connection, part: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<Contents> {
    private::create(part).map_err(unusable)?;
    // One transaction around the copy and the sum: both are of the same moment, whatever is written meanwhile.
    let moment = source.unchecked_transaction()?;
    let expected = contents(&moment, &State::Current)?;
    let mut copy = writable(part)?;
    {
        let backup = Backup::new(&moment, &mut copy)?;
        while backup.step(PAGES)? == rusqlite::backup::StepResult::More {
            let progress = backup.progress();
            told((progress.pagecount - progress.remaining) as u64, progress.pagecount as u64);
        }
    }
    drop(moment);
    // One plain file, without a journal beside it.
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let manifest = serde_json::to_string(&expected).map_err(|error| StoreError::Broken(error.to_string()))?;
    copy.execute("INSERT OR REPLACE INTO setting VALUES ('contents', ?1)", [manifest])?;
    drop(copy);
    let copy = reader(part)?;
    whole(&copy)?;
    if contents(&copy, &State::Current)? != expected {
        return Err(StoreError::Broken("the copy differs from the file; it was removed. Try again".into()));
    }
    drop(copy);
    std::fs::File::open(part).and_then(|file| file.sync_all()).map_err(unusable)?;
    Ok(expected)
}

/// Reads a copy to its end, and tells what it holds and whether it says the same itself.
pub(crate) fn verify(from: &Path) -> Result<(Contents, bool)> {
    if identify(from)? == Identity::New {
        return Err(StoreError::Asked("it is empty".into()));
    }
    let db = reader(from)?;
    let state = check(&db)?;
    whole(&db)?;
    if !remembers(&state) {
        let count =
            |table: &str| db.query_row(&format!("SELECT count(*) FROM main.{table}"), [], |row| row.get(0));
        return Ok((
            Contents { events: count("event")?, sessions: count("session")?, checksum: String::new() },
            false,
        ));
    }
    let found = contents(&db, &state)?;
    let said: Option<String> =
        db.query_row("SELECT value FROM setting WHERE name = 'contents'", [], |row| row.get(0)).optional()?;
    match said.and_then(|said| serde_json::from_str::<Contents>(&said).ok()) {
        Some(said) if said != found => Err(StoreError::Broken(format!(
            "it is not what was copied: it says {} events and checksum {}, and has {} and {}",
            said.events, said.checksum, found.events, found.checksum
        ))),
        said => Ok((found, said.is_some())),
    }
}

/// Puts a verified copy in the place of a data file. The caller holds the file's lock. What the file in its place remembers
/// as forgotten is not brought back.
pub(crate) fn restore(from: &Path, data: &Path, force: bool) -> Result<Restored> {
    let from = private::place(from).map_err(unusable)?;
    not_there(data, force)?;
    let (contents, was_summed) = verify(&from)?;
    let remembered = match identify(data)? {
        Identity::New => None,
        Identity::Ours => remembered_by(data)?,
    };
    let part = private::beside(data, ".restore");
    gone(&part)?;
    let placed = place(&from, &part, remembered.as_ref());
    if placed.is_err() {
        let _ = gone(&private::beside(&part, ".upgrade"));
        let _ = gone(&part);
    }
    let forgotten = placed?;
    // The journal of the file that goes must not be taken for one of the file that comes.
    for ending in ["-wal", "-shm"] {
        match std::fs::remove_file(private::beside(data, ending)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    std::fs::rename(&part, data).map_err(unusable)?;
    #[cfg(unix)]
    if let Some(folder) = data.parent() {
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable)?;
    }
    Ok(Restored { contents, was_summed, forgotten })
}

/// The key of a file's hashes, and the hashes.
type Remembered = (Vec<u8>, Vec<(Vec<u8>, Option<i64>, i64)>);

/// What a file remembers as forgotten; its journal is emptied on the way.
fn remembered_by(data: &Path) -> Result<Option<Remembered>> {
    let db = writable(data)?;
    db.busy_timeout(Duration::from_secs(5))?;
    if !fold(&db)? {
        return Err(StoreError::Busy("another process reads it; stop that one and try again".into()));
    }
    if !remembers(&check(&db)?) {
        return Ok(None);
    }
    let key = db.query_row("SELECT value FROM setting WHERE name = 'forget_key'", [], |row| row.get(0))?;
    let remembered = db
        .prepare("SELECT hash, at, until FROM forgotten")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some((key, remembered)))
}

fn place(from: &Path, part: &Path, remembered: Option<&Remembered>) -> Result<u64> {
    let mut to = private::create(part).map_err(unusable)?;
    std::io::copy(&mut private::open_to_read(from).map_err(unusable)?, &mut to).map_err(unusable)?;
    to.sync_all().map_err(unusable)?;
    drop(to);
    match check(&writable(part)?)? {
        State::Current => {}
        // Its first start brings it up to date.
        state if !remembers(&state) || remembered.is_none() => return Ok(0),
        _ => bring_up(part, &mut Upgrade { keep_old: false, told: &mut |_| {} })?,
    }
    let mut db = writable(part)?;
    super::rollup::add_functions(&db)?;
    db.pragma_update(None, "secure_delete", "ON")?;
    db.execute("DELETE FROM setting WHERE name = 'contents'", [])?;
    let mut forgotten = 0;
    if let Some(remembered) = remembered {
        forgotten = leave_out(&mut db, remembered)?;
    }
    drop(db);
    std::fs::File::open(part).and_then(|file| file.sync_all()).map_err(unusable)?;
    Ok(forgotten)
}

/// Removes what was forgotten since the copy was made. Hashes under another key are of another file.
fn leave_out(db: &mut Connection, (key, remembered): &Remembered) -> Result<u64> {
    let own: Vec<u8> =
        db.query_row("SELECT value FROM setting WHERE name = 'forget_key'", [], |row| row.get(0))?;
    if own != *key {
        return Ok(0);
    }
    for (hash, at, until) in remembered {
        db.execute(
            "INSERT OR REPLACE INTO forgotten(hash, at, until) VALUES (?1, ?2, ?3)",
            params![hash, at, until],
        )?;
    }
    let (mut held, mut tombstones) = (Vec::new(), Tombstones::default());
    {
        let mut read = db.prepare("SELECT seq, text FROM event JOIN body USING (seq) ORDER BY seq")?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            if let Ok(event) = Event::stored(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)
                && tombstones.hold(db, &event)?
            {
                held.push(row.get(0)?);
            }
        }
    }
    let (mut known, remembered) = (Known::default(), Tombstone::default());
    for part in held.chunks(CHUNK) {
        remove(db, &mut known, part, Why::Asked(&remembered))?;
    }
    Ok(held.len() as u64)
}
