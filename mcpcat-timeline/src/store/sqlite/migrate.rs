//! Brings a file of the version before up to date, by reading every event of it once more.
//!
//! All that is beside the events' own text can be made from it, so nothing but the text, its number and the time of its
//! arrival is taken over. One transaction: a start that is broken off leaves the old file.

use rusqlite::{Connection, TransactionBehavior, params};

use super::append::{INSERT, insert_event, session_key};
use super::known::Known;
use super::open::{SCHEMA, SCHEMA_VERSION};
use super::rollup::Change;
use super::terms::NewTerms;
use crate::event::Event;

/// Events read again at a time.
const CHUNK: i64 = 1000;

pub(super) fn from_2(db: &mut Connection) -> rusqlite::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let total: i64 = transaction.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    tracing::info!(events = total, "the data file is brought up to this version's format");
    transaction.execute_batch(
        "ALTER TABLE event RENAME TO old_event;
         ALTER TABLE catalogue RENAME TO old_catalogue;
         ALTER TABLE arrived RENAME TO old_arrived;
         DROP INDEX event_id; DROP INDEX event_order; DROP INDEX event_error;
         DROP TABLE session; DROP TABLE term; DROP TABLE stat;",
    )?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(
        "DELETE FROM arrived; INSERT INTO arrived SELECT seq, at FROM old_arrived; DROP TABLE old_arrived;
         INSERT INTO catalogue SELECT project, json FROM old_catalogue; DROP TABLE old_catalogue;",
    )?;
    let mut known = Known::default();
    let mut last = 0;
    loop {
        let rows = transaction
            .prepare_cached("SELECT seq, received, body FROM old_event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?
            .query_map(params![last, CHUNK], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?
            .collect::<rusqlite::Result<Vec<(i64, i64, String)>>>()?;
        let Some((newest, ..)) = rows.last() else { break };
        last = *newest;
        let mut events = Vec::with_capacity(rows.len());
        for (seq, received, body) in &rows {
            match Event::stored(body) {
                Ok(event) => events.push((*seq, *received, event)),
                Err(refusal) => {
                    tracing::warn!(seq, reason = refusal.message, "a stored event cannot be read")
                }
            }
        }
        let (mut change, mut terms) = (Change::default(), NewTerms::default());
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            for (seq, received, event) in &events {
                if let Some(session) = session_key(&transaction, &mut known, event)? {
                    insert_event(&mut insert, *seq, session, event, *received)?;
                    change.count(session, event, 1);
                    terms.find(&mut known, session, event, *received);
                }
            }
        }
        change.add(&transaction)?;
        terms.add(&transaction)?;
    }
    transaction.execute_batch(&format!("DROP TABLE old_event; PRAGMA user_version = {SCHEMA_VERSION};"))?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::{Durability, Sqlite};
    use crate::store::{SessionRef, Store};

    /// What a file of format 2 holds, as far as it is read.
    const FORMAT_2: &str = "
        CREATE TABLE session (key INTEGER PRIMARY KEY, project TEXT, id TEXT);
        CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, project TEXT NOT NULL, session INTEGER NOT NULL,
            at INTEGER NOT NULL, received INTEGER NOT NULL, error INTEGER NOT NULL, body TEXT NOT NULL);
        CREATE UNIQUE INDEX event_id ON event(id, project);
        CREATE INDEX event_order ON event(session, at);
        CREATE INDEX event_error ON event(seq) WHERE error = 1;
        CREATE TABLE arrived (seq INTEGER NOT NULL, at INTEGER NOT NULL);
        CREATE TABLE term (session INTEGER, term TEXT, hour INTEGER);
        CREATE TABLE stat (slot INTEGER);
        CREATE TABLE catalogue (project TEXT PRIMARY KEY, json TEXT NOT NULL);
        INSERT INTO arrived VALUES (9, 1000);
        INSERT INTO catalogue VALUES ('p', '[]');
        PRAGMA user_version = 2;";

    #[test]
    fn a_file_of_the_format_before_keeps_its_events_numbers_and_times_of_arrival() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.sqlite3");
        {
            let db = Connection::open(&path).unwrap();
            db.execute_batch(FORMAT_2).unwrap();
            for (seq, body) in [
                (
                    3,
                    r#"{"id":"a","project_id":"p","session_id":"s","event_type":"mcp:tools/call","resource_name":"add","timestamp":"2026-01-01T00:00:00Z","duration":40,"user_intent":"add them"}"#,
                ),
                (
                    7,
                    r#"{"id":"b","project_id":"p","session_id":"s","event_type":"mcpcat:custom","parent_id":"a","timestamp":"2026-01-01T00:00:00.010Z","is_error":true}"#,
                ),
            ] {
                let event = Event::stored(body).unwrap();
                db.execute(
                    "INSERT INTO event VALUES (?1, ?2, 'p', 1, ?3, ?4, ?5, ?6)",
                    params![seq, event.id, event.at, 500 + seq, event.is_error, body],
                )
                .unwrap();
            }
        }
        assert!(Sqlite::open_to_read(&path).is_err(), "who only looks changes nothing");
        let store = Sqlite::open(&path, Durability::Normal).unwrap();
        let mark: i32 =
            store.writer().db.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap();
        assert_eq!(mark, i32::from_be_bytes(*b"mcat"), "a file of before has no mark, and gets it");
        let outline =
            store.outline(&SessionRef { id: "s".into(), ..SessionRef::default() }).unwrap().unwrap();
        assert_eq!(
            (outline.id, outline.seq, outline.parent),
            (vec!["a".into(), "b".into()], vec![3, 7], vec![-1, 0])
        );
        let row = &store.session("s", None).unwrap()[0];
        assert_eq!((row.event_count, row.error_count, row.intent.as_deref()), (2, 1, Some("add them")));
        assert_eq!(store.catalogue("p").unwrap().as_deref(), Some("[]"));
        assert_eq!(store.facets(None).unwrap().tools, ["add"]);
        let received: Vec<i64> = {
            let writer = store.writer();
            let mut read = writer.db.prepare("SELECT received FROM event ORDER BY seq").unwrap();
            read.query_map([], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        assert_eq!(received, [503, 507]);
        let arrived: i64 =
            store.writer().db.query_row("SELECT seq FROM arrived", [], |row| row.get(0)).unwrap();
        assert_eq!(arrived, 9, "numbers are not given out twice");
        drop(store);
        assert!(Sqlite::open(&path, Durability::Normal).is_ok(), "it is done once");
    }
}
