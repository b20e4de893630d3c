//! Opens the data file: private to its user, with the schema of this version.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::{Durability, READERS, Result, Sqlite, StoreError, Writer};

/// Raised whenever the tables change shape.
pub(super) const SCHEMA_VERSION: i64 = 3;

/// `arrived` is the newest arrival number and time ever given out: numbers are not used again when events go.
/// `session.first_at` and `last_at` are microseconds; `last_at` includes the duration of the event that ends last.
/// `event_outline` holds all that the outline of a session says, in its order, so that no body is read for it.
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
    suspect INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX event_id ON event(id, project);
CREATE INDEX event_outline ON event(session, at, instance, sequence, id, parent, took, error, suspect, type, name);
CREATE INDEX event_error ON event(seq) WHERE error = 1;
CREATE INDEX event_failure ON event(session, parent, project) WHERE error = 1;
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

    /// Opens a file that [`private`] has made.
    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        tune(&connection)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match durability {
            Durability::Normal => "NORMAL",
            Durability::Full => "FULL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        prepare(&mut connection)?;
        let newest = connection.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(Mutex::new(reader(path)?));
        }
        Ok(Self { writer: Mutex::new(Writer::new(connection)), readers, newest: watch::channel(newest).0 })
    }

    /// Opens a file beside the collector that owns it, to look only.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self> {
        let writer = reader(path)?;
        if check(&writer)? == State::Older {
            return Err(StoreError::Asked(
                "it has an older format; start `mcpcat-timeline serve` on it once, which brings it up to date".into(),
            ));
        }
        let mut readers = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            readers.push(Mutex::new(reader(path)?));
        }
        Ok(Self { writer: Mutex::new(Writer::new(writer)), readers, newest: watch::channel(0).0 })
    }
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let reader = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    tune(&reader)?;
    Ok(reader)
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -32_768)?;
    connection.pragma_update(None, "mmap_size", 268_435_456)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn prepare(connection: &mut Connection) -> Result<()> {
    super::rollup::add_functions(connection)?;
    match check(connection)? {
        State::Current => Ok(()),
        State::Older => Ok(super::migrate::from_2(connection)?),
        State::Empty => {
            connection
                .execute_batch(&format!("BEGIN;{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;"))?;
            Ok(())
        }
    }
}

/// How the tables stand to this version.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Empty,
    Older,
    Current,
}

fn check(connection: &Connection) -> Result<State> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        SCHEMA_VERSION => Ok(State::Current),
        0 => Ok(State::Empty),
        2 => Ok(State::Older),
        1 => Err(StoreError::Asked(format!(
            "it has format 1, this version reads {SCHEMA_VERSION}; export it with the version that wrote it, \
             then import it into a new file"
        ))),
        other => Err(StoreError::Asked(format!(
            "it has format {other}, this version reads {SCHEMA_VERSION}; use a newer mcpcat-timeline"
        ))),
    }
}

/// Creates the folder and the file before SQLite does, because SQLite would leave them readable by others.
pub(crate) fn private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    drop(file);
    Ok(())
}
