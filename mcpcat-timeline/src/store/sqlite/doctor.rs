//! Looks for what is wrong with a data file: what SQLite finds, tables that differ from this version's, events whose text
//! says something else than their columns, and sums that differ from a recount of all events.
//!
//! The recount is made by the code that made the sums, into a private temporary database. Both are read in one transaction,
//! so that a collector may go on beside it.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::known::Known;
use super::open::{ADDED_BY_4, EVENTS, SCHEMA, SCHEMA_VERSION, uri};
use super::rollup::Change;
use super::terms::NewTerms;
use crate::event::Event;
use crate::private;
use crate::store::Result;

/// Events counted at a time.
const CHUNK: usize = 1000;
/// Complaints of SQLite that are told.
const COMPLAINTS: usize = 5;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    /// Where: a table, or the file.
    pub(crate) place: &'static str,
    pub(crate) count: i64,
    pub(crate) what: String,
    /// What would put it right.
    pub(crate) mend: &'static str,
}

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) events: i64,
    pub(crate) last_seq: i64,
    /// Events of each session, by project and id.
    pub(crate) sessions: BTreeMap<(String, String), i64>,
    pub(crate) unread: i64,
}

pub(crate) const RECOUNT: &str = "the sums are counted anew from the events (`doctor --mend`)";
const COPY: &str =
    "nothing but a copy: `restore` one, or `export` what can still be read and `import` it into a new file";

/// Everything that is found, and the recount for who wants to compare answers with it; none where the file is at fault.
pub(crate) fn examine(
    path: &Path,
    told: &mut dyn FnMut(u64, u64),
) -> Result<(Vec<Finding>, Option<Counted>)> {
    let mut found = Vec::new();
    modes(path, &mut found);
    let db = open(path, "ro")?;
    let format: i64 = db.pragma_query_value(Some("real"), "user_version", |row| row.get(0))?;
    if format != SCHEMA_VERSION {
        found.push(Finding {
            place: "format",
            count: 1,
            what: format!("it has format {format}, and this version looks into format {SCHEMA_VERSION}"),
            mend: "the next start of `mcpcat-timeline` brings a former one up to date",
        });
        return Ok((found, None));
    }
    integrity(&db, &mut found)?;
    schema(&db, &mut found)?;
    if found.iter().any(|finding| finding.place == "tables") {
        return Ok((found, None));
    }
    db.execute_batch("BEGIN")?;
    let recounted =
        recount(&db, &mut found, told).and_then(|counted| compare(&db, &mut found).map(|()| counted));
    let counted = match recounted {
        // A damaged page ends the counting where it stands.
        Err(_) if found.iter().any(is_damage) => None,
        other => Some(other?),
    };
    Ok((found, counted))
}

/// Whether the file itself is at fault, so that reading it any further says nothing.
fn is_damage(finding: &Finding) -> bool {
    matches!(finding.place, "file" | "tables") && finding.mend == COPY
}

/// Puts the sums right that differ from a recount. Returns whether there was anything to put right.
pub(crate) fn mend(path: &Path, told: &mut dyn FnMut(u64, u64)) -> Result<usize> {
    let db = open(path, "rw")?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    let mut found = Vec::new();
    recount(&db, &mut found, told)?;
    found.clear();
    compare(&db, &mut found)?;
    db.execute_batch(
        "INSERT INTO real.session(key, project, id, stateless, first_at, last_at, actor, actor_name, client, client_version,
           server, server_version, sdk, last_label, intent, intent_at, tool_path, rate)
           SELECT key, project, id, stateless, first_at, last_at, actor, actor_name, client, client_version, server,
             server_version, sdk, last_label, intent, intent_at, tool_path, rate
           FROM main.session WHERE key NOT IN (SELECT key FROM real.session);
         DELETE FROM real.session WHERE key NOT IN (SELECT key FROM main.session);
         UPDATE real.session AS r SET events = m.events, tools = m.tools, custom = m.custom, errors = m.errors,
           first_at = m.first_at, last_at = max(r.last_at, m.last_at)
           FROM main.session m WHERE m.key = r.key;
         DELETE FROM real.stat; INSERT INTO real.stat SELECT * FROM main.stat;
         DELETE FROM real.term; INSERT INTO real.term SELECT * FROM main.term;
         DELETE FROM real.usage; INSERT INTO real.usage SELECT * FROM main.usage;
         DELETE FROM real.instance WHERE NOT EXISTS (SELECT 1 FROM main.instance m WHERE m.project = instance.project AND m.id = instance.id);
         INSERT INTO real.instance(project, id, lowest, highest, events, dropped)
           SELECT project, id, lowest, highest, events, dropped FROM main.instance WHERE true
           ON CONFLICT DO UPDATE SET lowest = min(lowest, excluded.lowest), highest = max(highest, excluded.highest),
             events = excluded.events;
         DELETE FROM real.body WHERE seq NOT IN (SELECT seq FROM real.event);
         UPDATE real.arrived SET seq = max(seq, (SELECT coalesce(max(seq), 0) FROM real.event));
         COMMIT",
    )?;
    Ok(found.len())
}

/// A private database for the recount, with the file beside it under the name `real`.
fn open(path: &Path, mode: &str) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    // An empty name is a temporary file that nobody else sees and that is gone with the connection.
    let db = Connection::open_with_flags("", flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    super::rollup::add_functions(&db)?;
    db.execute_batch(&format!("{SCHEMA}{EVENTS}{ADDED_BY_4}"))?;
    db.execute("ATTACH ?1 AS real", [uri(path, &format!("mode={mode}"))])?;
    Ok(db)
}

fn modes(path: &Path, found: &mut Vec<Finding>) {
    #[cfg(unix)]
    for ending in ["", "-wal", "-shm", ".lock", ".reserve"] {
        use std::os::unix::fs::PermissionsExt as _;
        let name = private::beside(path, ending);
        if std::fs::metadata(&name).is_ok_and(|meta| meta.permissions().mode() & 0o077 != 0) {
            found.push(Finding {
                place: "file",
                count: 1,
                what: format!("{} can be read by others", name.display()),
                mend: "the next start of `mcpcat-timeline` takes the rights of others away",
            });
        }
    }
    for ending in [".upgrade", ".restore", ".new", ".part"] {
        let name = private::beside(path, ending);
        if name.exists() {
            found.push(Finding {
                place: "file",
                count: 1,
                what: format!("{} was left by work that was broken off", name.display()),
                mend: "the next start or the same command goes on with it or removes it",
            });
        }
    }
}

fn integrity(db: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    let mut read = db.prepare("PRAGMA real.integrity_check(100)")?;
    let said: rusqlite::Result<Vec<String>> = read.query_map([], |row| row.get(0))?.collect();
    let said = match said {
        Ok(said) => said,
        // A page that cannot be read at all.
        Err(error) => vec![error.to_string()],
    };
    if said != ["ok"] {
        found.push(Finding {
            place: "file",
            count: said.len() as i64,
            what: format!("SQLite: {}", said.iter().take(COMPLAINTS).cloned().collect::<Vec<_>>().join("; ")),
            mend: COPY,
        });
    }
    Ok(())
}

fn schema(db: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    let missing: Vec<String> = db
        .prepare(
            "SELECT type || ' ' || name FROM main.sqlite_schema m WHERE m.sql IS NOT NULL AND NOT EXISTS
               (SELECT 1 FROM real.sqlite_schema r WHERE r.type = m.type AND r.name = m.name AND r.sql = m.sql)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let (tables, indexes): (Vec<_>, Vec<_>) = missing.into_iter().partition(|name| name.starts_with("table"));
    for (place, names, mend) in
        [("tables", tables, COPY), ("indexes", indexes, "what is missing is made anew (`doctor --mend`)")]
    {
        if !names.is_empty() {
            found.push(Finding {
                place,
                count: names.len() as i64,
                what: format!("missing or other than format {SCHEMA_VERSION} has them: {}", names.join(", ")),
                mend,
            });
        }
    }
    Ok(())
}

/// Makes the indexes and the trigger that are missing. Apart from the sums, because it locks the file for as long as it takes.
pub(crate) fn mend_indexes(path: &Path) -> Result<usize> {
    let db = open(path, "rw")?;
    let statements: Vec<String> = db
        .prepare(
            "SELECT sql FROM main.sqlite_schema m WHERE m.type <> 'table' AND m.sql IS NOT NULL AND NOT EXISTS
               (SELECT 1 FROM real.sqlite_schema r WHERE r.type = m.type AND r.name = m.name)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for sql in &statements {
        for kind in ["CREATE INDEX ", "CREATE UNIQUE INDEX ", "CREATE TRIGGER "] {
            if let Some(rest) = sql.strip_prefix(kind) {
                db.execute_batch(&format!("{kind}real.{rest}"))?;
            }
        }
    }
    Ok(statements.len())
}

/// Counts all events into `main`, and looks at each of them.
fn recount(db: &Connection, found: &mut Vec<Finding>, told: &mut dyn FnMut(u64, u64)) -> Result<Counted> {
    let total: i64 = db.query_row("SELECT count(*) FROM real.event", [], |row| row.get(0))?;
    let mut counted = Counted {
        unread: db.query_row("SELECT count(*) FROM real.unread", [], |row| row.get(0))?,
        ..Counted::default()
    };
    let (mut unreadable, mut other, mut astray) =
        (Problem::default(), Problem::default(), Problem::default());
    let mut known = Known::default();
    let mut read = db.prepare(
        "SELECT e.seq, e.session, e.received, b.text, e.id, e.project, e.at, e.instance, e.sequence, e.kind, e.type, e.name,
           e.error, e.parent, e.took, s.project, s.id
         FROM real.event e LEFT JOIN real.body b ON b.seq = e.seq LEFT JOIN real.session s ON s.key = e.session WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2",
    )?;
    let mut place = db.prepare(
        "INSERT INTO main.session(key, project, id, stateless, first_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
    )?;
    loop {
        told(counted.events as u64, total as u64);
        let mut events = Vec::with_capacity(CHUNK);
        let mut rows = read.query(params![counted.last_seq, CHUNK as i64])?;
        let mut looked = 0;
        while let Some(row) = rows.next()? {
            looked += 1;
            counted.last_seq = row.get(0)?;
            counted.events += 1;
            let (seq, session, received): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let text = row.get_ref(3)?.as_str().unwrap_or_default();
            let Ok(event) = Event::stored(text) else {
                unreadable.at(seq);
                continue;
            };
            let same = row.get::<_, String>(4)? == event.id
                && row.get::<_, String>(5)? == event.project
                && row.get::<_, i64>(6)? == event.at
                && row.get::<_, String>(7)? == event.instance
                && row.get::<_, i64>(8)? == event.sequence
                && row.get::<_, String>(9)? == event.kind.as_str()
                && row.get::<_, String>(10)? == event.event_type
                && row.get::<_, Option<String>>(11)? == event.name
                && row.get::<_, bool>(12)? == event.is_error
                && row.get::<_, Option<String>>(13)? == event.parent
                && row.get::<_, Option<i64>>(14)? == event.took();
            if !same {
                other.at(seq);
            }
            let filed = row.get::<_, Option<String>>(15)?.zip(row.get::<_, Option<String>>(16)?);
            if filed.is_none_or(|(project, id)| project != event.project || id != event.filed_under()) {
                astray.at(seq);
            }
            place.execute(params![
                session,
                event.project,
                event.filed_under(),
                event.session.is_none(),
                event.at,
                event.end()
            ])?;
            *counted
                .sessions
                .entry((event.project.clone(), event.filed_under().into_owned()))
                .or_default() += 1;
            events.push((session, received, event));
        }
        if looked == 0 {
            break;
        }
        let (mut change, mut terms) = (Change::default(), NewTerms::default());
        for (session, received, event) in &events {
            change.count(*session, event, 1);
            terms.find(&mut known, *session, event, *received);
        }
        change.add(db)?;
        terms.add(db)?;
    }
    for (problem, what, mend) in [
        (unreadable, "events cannot be read", COPY),
        (other, "events have columns that differ from their text", COPY),
        (astray, "events are in no session, or in another one's", RECOUNT),
    ] {
        if let Some(first) = problem.first {
            let what = format!("{what}, the first at number {first}");
            found.push(Finding { place: "event", count: problem.count, what, mend });
        }
    }
    Ok(counted)
}

#[derive(Default)]
struct Problem {
    count: i64,
    first: Option<i64>,
}

impl Problem {
    fn at(&mut self, seq: i64) {
        self.count += 1;
        self.first.get_or_insert(seq);
    }
}

/// Each counts rows that are wrong and names one of them. What retention may leave behind is not wrong: a session's end, its
/// intent, its path and its terms of before, the longest duration of a slot.
const CHECKS: [(&str, &str, &str); 9] = [
    (
        "session",
        "sessions count other events than they have",
        "SELECT count(*), min(r.id) FROM real.session r JOIN main.session m ON m.key = r.key
         WHERE (r.events, r.tools, r.custom, r.errors, r.first_at) <> (m.events, m.tools, m.custom, m.errors, m.first_at)
           OR r.last_at < m.last_at",
    ),
    (
        "session",
        "sessions have no event",
        "SELECT count(*), min(r.id) FROM real.session r WHERE r.key NOT IN (SELECT key FROM main.session)",
    ),
    (
        "stat",
        "counts by time and name differ",
        "SELECT count(*), min(coalesce(r.name, m.name)) FROM real.stat r FULL JOIN main.stat m
           ON m.slot = r.slot AND m.project = r.project AND m.kind = r.kind AND m.name = r.name
         WHERE r.slot IS NULL OR m.slot IS NULL OR (r.events, r.errors, r.timed, r.spread) <> (m.events, m.errors, m.timed, m.spread)
           OR abs(r.sum_ms - m.sum_ms) > 0.001 + abs(m.sum_ms) / 1e6 OR abs(r.weight - m.weight) > 0.001 + abs(m.weight) / 1e6",
    ),
    (
        "term",
        "things that sessions are found by are missing, or would go too early",
        "SELECT count(*), min(m.term) FROM main.term m LEFT JOIN real.term r ON r.session = m.session AND r.term = m.term
         WHERE r.term IS NULL OR r.hour < m.hour",
    ),
    (
        "term",
        "sessions are found by what they do not hold",
        "SELECT count(*), min(r.term) FROM real.term r LEFT JOIN main.term m ON r.session = m.session AND r.term = m.term
         WHERE m.term IS NULL AND coalesce((SELECT cut FROM real.session s WHERE s.key = r.session), 0) = 0",
    ),
    (
        "instance",
        "senders have other numbers than their events",
        "SELECT count(*), min(coalesce(r.id, m.id)) FROM real.instance r FULL JOIN main.instance m
           ON m.project = r.project AND m.id = r.id
         WHERE r.id IS NULL OR m.id IS NULL OR r.events <> m.events OR r.lowest > m.lowest OR r.highest < m.highest",
    ),
    (
        "usage",
        "projects take other room than their events",
        "SELECT count(*), min(coalesce(r.project, m.project)) FROM real.usage r FULL JOIN main.usage m ON m.project = r.project
         WHERE r.project IS NULL OR m.project IS NULL OR (r.events, r.bytes) <> (m.events, m.bytes)",
    ),
    (
        "body",
        "texts are of no event",
        "SELECT count(*), NULL FROM real.body WHERE seq NOT IN (SELECT seq FROM real.event)",
    ),
    (
        "arrived",
        "the number to go on from was given out already, or is missing",
        "SELECT (SELECT count(*) FROM real.arrived) <> 1
           OR (SELECT max(seq) FROM real.arrived) < (SELECT coalesce(max(seq), 0) FROM real.event), NULL",
    ),
];

fn compare(db: &Connection, found: &mut Vec<Finding>) -> Result<()> {
    for (place, what, sql) in CHECKS {
        let (count, example): (i64, Option<String>) =
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if count > 0 {
            let what = match example {
                Some(example) => format!("{what}, such as {example:?}"),
                None => what.to_owned(),
            };
            found.push(Finding { place, count, what, mend: RECOUNT });
        }
    }
    Ok(())
}
