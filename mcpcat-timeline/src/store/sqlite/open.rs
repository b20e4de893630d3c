//! Opens the data file: private to its user, with the schema of this version.

use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::checkpoint::Checkpoints;
use super::migrate::Upgrade;
use super::reserve::{self, Reserve};
use super::{Durability, READERS, Result, Sqlite, StoreError, Writer};
use crate::private;

/// "mcat": what marks a file as ours, in the place that SQLite's header has for this.
pub(super) const APPLICATION: i32 = 0x6D63_6174;
/// Bytes of an SQLite header.
const HEADER: usize = 100;

/// Raised whenever the tables change shape.
pub(super) const SCHEMA_VERSION: i64 = 5;
/// The first format with tokens and with what was forgotten.
pub(super) const FIRST_THAT_REMEMBERS: i64 = 4;

/// `arrived` is the newest arrival number and time ever given out: numbers are not used again when events go.
/// `session.first_at` and `last_at` are microseconds; `last_at` includes the duration of the event that ends last.
pub(super) const SCHEMA: &str = "
CREATE TABLE session (
    key INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    id TEXT NOT NULL,
    stateless INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    events INTEGER NOT NULL DEFAULT 0,
    tools INTEGER NOT NULL DEFAULT 0,
    custom INTEGER NOT NULL DEFAULT 0,
    errors INTEGER NOT NULL DEFAULT 0,
    actor TEXT, actor_name TEXT,
    client TEXT, client_version TEXT,
    server TEXT, server_version TEXT,
    sdk TEXT,
    last_label TEXT NOT NULL DEFAULT '',
    intent TEXT, intent_at INTEGER,
    tool_path TEXT NOT NULL DEFAULT '',
    rate REAL,
    cut INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, project)
);
CREATE INDEX session_last ON session(last_at, key);
CREATE TABLE arrived (seq INTEGER NOT NULL, at INTEGER NOT NULL);
INSERT INTO arrived VALUES (0, 0);
CREATE TABLE term (
    session INTEGER NOT NULL,
    term TEXT NOT NULL,
    hour INTEGER NOT NULL,
    PRIMARY KEY (session, term)
) WITHOUT ROWID;
CREATE INDEX term_text ON term(term, session);
CREATE TABLE stat (
    slot INTEGER NOT NULL,
    project TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    events INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    timed INTEGER NOT NULL,
    sum_ms REAL NOT NULL,
    max_ms REAL NOT NULL,
    weight REAL NOT NULL,
    last_at INTEGER NOT NULL,
    spread BLOB NOT NULL,
    PRIMARY KEY (slot, project, kind, name)
) WITHOUT ROWID;
CREATE TABLE instance (
    project TEXT NOT NULL,
    id TEXT NOT NULL,
    lowest INTEGER NOT NULL,
    highest INTEGER NOT NULL,
    events INTEGER NOT NULL,
    removed INTEGER NOT NULL DEFAULT 0,
    dropped INTEGER NOT NULL,
    PRIMARY KEY (project, id)
) WITHOUT ROWID;
CREATE TABLE catalogue (project TEXT PRIMARY KEY, json TEXT NOT NULL);
";

/// What format 4 has beside the tables of format 3.
///
/// `usage` is what each project takes, for retention. `token.hash` is the SHA-256 of a random secret. `forgotten` holds keyed
/// hashes of what was forgotten: with a time `at` of a session, person or project whose events from before then are dropped,
/// without one of a single event. `unread` holds events of a former format that this version cannot read, as they were.
pub(super) const ADDED_BY_4: &str = "
CREATE TABLE usage (
    project TEXT PRIMARY KEY,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE token (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    project TEXT NOT NULL,
    label TEXT NOT NULL,
    created INTEGER NOT NULL,
    events_per_minute INTEGER,
    bytes_per_minute INTEGER
) WITHOUT ROWID;
CREATE TABLE forgotten (
    hash BLOB PRIMARY KEY,
    at INTEGER,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE unread (seq INTEGER PRIMARY KEY, project TEXT NOT NULL, received INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE backup (path TEXT PRIMARY KEY, at INTEGER NOT NULL, events INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO setting VALUES ('forget_key', randomblob(32));
";

/// `event` holds all that lists, order and outlines need, in some hundred bytes, and `body` the text. Both grow at their
/// end. The text beside the rest would make a session's outline read all of it; an index with all that an outline says
/// would have a page written for nearly every event, since sessions arrive mixed.
pub(super) const EVENTS: &str = "
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    project TEXT NOT NULL,
    session INTEGER NOT NULL,
    at INTEGER NOT NULL,
    instance TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT,
    error INTEGER NOT NULL,
    received INTEGER NOT NULL,
    parent TEXT,
    took INTEGER,
    suspect INTEGER NOT NULL
);
CREATE UNIQUE INDEX event_id ON event(id, project);
CREATE INDEX event_order ON event(session, at);
CREATE INDEX event_error ON event(seq) WHERE error = 1;
CREATE INDEX event_failure ON event(session, parent, project) WHERE error = 1;
CREATE TABLE body (seq INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TRIGGER event_gone AFTER DELETE ON event BEGIN DELETE FROM body WHERE seq = old.seq; END;
";

impl Sqlite {
    /// A store that is gone with the process.
    pub(crate) fn in_memory() -> Result<Self> {
        let mut connection = Connection::open_in_memory()?;
        prepare(&mut connection)?;
        Ok(Self {
            writer: Mutex::new(Writer::new(connection)),
            readers: Vec::new(),
            newest: watch::channel(0).0,
        })
    }

    /// Opens a file that is this program's own, or creates it. The caller holds its lock. A file of a former format is brought
    /// up to this one first, as `upgrade` says.
    pub(crate) fn open(path: &Path, durability: Durability, upgrade: &mut Upgrade<'_>) -> Result<Self> {
        match identify(path)? {
            Identity::New => create(path)?,
            Identity::Ours => super::migrate::bring_up(path, upgrade)?,
        }
        private::open(path).and_then(|file| private::close_to_others(&file)).map_err(unusable)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
        tune(&connection, WRITER_CACHE)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match durability {
            Durability::Normal => "NORMAL",
            Durability::Full => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        // A page that is split or merged keeps no copy of what has moved away, which no later removal would reach.
        connection.pragma_update(None, "secure_delete", "FAST")?;
        let pages = reserve::journal_pages(path);
        connection.pragma_update(None, "wal_autocheckpoint", pages as i64)?;
        prepare(&mut connection)?;
        let newest = connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(Mutex::new(reader(path)?));
        }
        let mut writer = Writer::new(connection);
        writer.reserve = Some(Reserve::set_aside(path));
        writer.checkpoints = Checkpoints::start(path, (pages * reserve::PAGE) as usize)?;
        Ok(Self { writer: Mutex::new(writer), readers, newest: watch::channel(newest).0 })
    }

    /// Opens a file beside the collector that owns it, to look only.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self> {
        if identify(path)? == Identity::New {
            return Err(StoreError::Asked("it is empty: no timeline has written to it yet".into()));
        }
        let writer = reader(path)?;
        check(&writer)?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(Mutex::new(reader(path)?));
        }
        Ok(Self { writer: Mutex::new(Writer::new(writer)), readers, newest: watch::channel(0).0 })
    }
}

pub(super) fn unusable(error: std::io::Error) -> StoreError {
    StoreError::Asked(error.to_string())
}

/// A connection for a short change beside the collector that has the file open. It has to be of this version's format.
#[cfg(feature = "cli")]
pub(crate) fn beside(path: &Path) -> Result<Connection> {
    let path = private::place(path).map_err(unusable)?;
    identify(&path)?;
    private::open(&path).map_err(unusable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
    db.busy_timeout(Duration::from_secs(5))?;
    match check(&db)? {
        State::Current => Ok(db),
        _ => Err(StoreError::Asked("it has a former format; start `mcpcat-timeline` on it once".into())),
    }
}

/// Whose file a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// There is no file, or an empty one.
    New,
    /// This program wrote it.
    Ours,
}

/// Looks into a file without SQLite, which would change a foreign one by opening it: it plays back journals and makes
/// files of its own. Fails for what is not ours.
pub(crate) fn identify(path: &Path) -> Result<Identity> {
    let mut head = Vec::with_capacity(HEADER);
    match private::open_to_read(path) {
        Ok(file) => file.take(HEADER as u64).read_to_end(&mut head).map_err(unusable)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Identity::New),
        Err(error) => return Err(unusable(error)),
    };
    if head.is_empty() {
        return Ok(Identity::New);
    }
    if head.len() < HEADER || !head.starts_with(b"SQLite format 3\0") {
        return Err(StoreError::Asked("it is not a database; nothing was changed".into()));
    }
    let application = i32::from_be_bytes([head[68], head[69], head[70], head[71]]);
    if application == APPLICATION || (application == 0 && has_our_tables(path)?) {
        return Ok(Identity::Ours);
    }
    Err(StoreError::Asked("it is the database of another program; nothing was changed".into()))
}

/// A file's name with settings for SQLite.
pub(super) fn uri(path: &Path, settings: &str) -> String {
    let name = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{name}?{settings}")
}

/// Whether a file without a mark was written by a version that did not set one. `immutable` keeps SQLite from touching
/// anything beside the file.
fn has_our_tables(path: &Path) -> Result<bool> {
    let uri = uri(path, "mode=ro&immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = Connection::open_with_flags(uri, flags).and_then(|db| {
        db.query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN
               ('session', 'event', 'term', 'stat', 'catalogue')",
            [],
            |row| row.get::<_, i64>(0),
        )
    });
    match found {
        Ok(count) => Ok(count == 5),
        Err(error) => Err(StoreError::Asked(format!("it cannot be read as a database: {error}"))),
    }
}

/// Creates the file under another name and gives it its own when it is complete, so that a file that is there always
/// says whose it is, whenever the process dies.
fn create(path: &Path) -> Result<()> {
    let new = private::beside(path, ".new");
    for left in [&new, &private::beside(&new, "-journal")] {
        match std::fs::remove_file(left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
    }
    private::create(&new).map_err(unusable)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&new, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    prepare(&mut connection)?;
    drop(connection);
    std::fs::rename(&new, path).map_err(unusable)
}

pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)?;
    tune(&reader, READER_CACHE)?;
    // A file without tables is being made by another process at this moment.
    if let Ok(State::Older(format)) = check(&reader) {
        super::former::show_as_current(&reader, format)?;
    }
    Ok(reader)
}

/// Page caches, in KiB. Readers see most pages through the mapping, which is the system's memory.
const WRITER_CACHE: i64 = 32_768;
const READER_CACHE: i64 = 4096;

fn tune(connection: &Connection, cache: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.pragma_update(None, "mmap_size", 268_435_456)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn prepare(connection: &mut Connection) -> Result<()> {
    super::rollup::add_functions(connection)?;
    match check(connection)? {
        State::Current => {}
        State::Older(format) => return Err(StoreError::Asked(format!("it has format {format}, which is read only"))),
        State::Empty => connection.execute_batch(&format!(
            "BEGIN;{SCHEMA}{EVENTS}{ADDED_BY_4}PRAGMA application_id = {APPLICATION};PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"
        ))?,
    }
    // A file of a version that set no mark gets it.
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        connection.pragma_update(None, "application_id", APPLICATION)?;
    }
    Ok(())
}

/// How the tables stand to this version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty,
    /// A format that this version brings up to its own.
    Older(i64),
    Current,
}

pub(super) fn check(connection: &Connection) -> Result<State> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        SCHEMA_VERSION => Ok(State::Current),
        0 => Ok(State::Empty),
        older if (1..SCHEMA_VERSION).contains(&older) => Ok(State::Older(older)),
        other => Err(StoreError::Asked(format!(
            "it has format {other}, which a newer mcpcat-timeline wrote, and this one reads up to {SCHEMA_VERSION}; nothing was \
             changed. Use that version, or go back to the copy that its upgrade left beside the file (its name ends in \
             `.format-{SCHEMA_VERSION}`), which lacks what came since"
        ))),
    }
}
