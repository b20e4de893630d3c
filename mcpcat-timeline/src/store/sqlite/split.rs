//! Copies the rows of a file of format 3 or 4 into one of this format, where the text of an event is in a table of its own.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Row, Statement, TransactionBehavior, params};

use super::migrate::{CHUNK, CHUNK_BYTES};

/// Columns of the table of events.
const COLUMNS: usize = 15;

/// Tables that are as they were in format 3, and those that came with format 4.
const OF_3: [&str; 6] = ["session", "arrived", "term", "stat", "instance", "catalogue"];
const OF_4: [&str; 6] = ["usage", "token", "forgotten", "unread", "setting", "backup"];

/// Copies the next events, with the number to go on from, in one transaction. Returns that number and how many there were.
pub(super) fn events(
    old: &Connection,
    new: &mut Connection,
    after: i64,
) -> rusqlite::Result<Option<(i64, u64)>> {
    let transaction = new.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut last, mut count, mut bytes) = (after, 0, 0);
    {
        let mut read = old.prepare_cached(
            "SELECT seq, id, project, session, at, instance, sequence, kind, type, name, error, received, parent, took, suspect,
               body FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut event = transaction
            .prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let mut body = transaction.prepare_cached("INSERT INTO body(seq, text) VALUES (?1, ?2)")?;
        let mut rows = read.query(params![after, CHUNK as i64])?;
        while let Some(row) = rows.next()? {
            copy(row, &mut event, COLUMNS)?;
            let text = row.get_ref(COLUMNS)?;
            bytes += text.as_bytes()?.len();
            last = row.get(0)?;
            body.execute(params![last, ToSqlOutput::Borrowed(text)])?;
            count += 1;
            if bytes >= CHUNK_BYTES {
                break;
            }
        }
    }
    if count == 0 {
        return Ok(None);
    }
    transaction
        .prepare_cached("UPDATE setting SET value = ?1 WHERE name = 'upgrade_last'")?
        .execute([last.to_string()])?;
    transaction.commit()?;
    Ok(Some((last, count)))
}

/// Copies all that is beside the events; of format 3 it sums up what each project takes.
pub(super) fn rest(old: &Connection, new: &Connection, has_tables_of_4: bool) -> rusqlite::Result<()> {
    new.execute("DELETE FROM arrived", [])?;
    for table in OF_3 {
        rows(old, new, table)?;
    }
    if !has_tables_of_4 {
        return new.execute_batch(
            "INSERT INTO usage SELECT project, count(*), sum(octet_length(text)) FROM event JOIN body USING (seq)
             GROUP BY project",
        );
    }
    for table in OF_4 {
        rows(old, new, table)?;
    }
    // What a copy says that it holds was said of the former tables.
    new.execute("DELETE FROM setting WHERE name = 'contents'", []).map(drop)
}

fn rows(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<()> {
    let mut read = old.prepare(&format!("SELECT * FROM {table}"))?;
    let columns = read.column_count();
    let marks = vec!["?"; columns].join(",");
    let mut insert = new.prepare(&format!("INSERT OR REPLACE INTO {table} VALUES ({marks})"))?;
    let mut rows = read.query([])?;
    while let Some(row) = rows.next()? {
        copy(row, &mut insert, columns)?;
    }
    Ok(())
}

fn copy(row: &Row<'_>, insert: &mut Statement<'_>, columns: usize) -> rusqlite::Result<()> {
    for column in 0..columns {
        insert.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(row.get_ref(column)?))?;
    }
    insert.raw_execute().map(drop)
}
