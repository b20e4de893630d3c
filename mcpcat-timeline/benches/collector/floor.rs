//! What the same disk and the same SQLite do with nothing but the text: one table, no index, no HTTP, no JSON.

use std::time::Instant;

use crate::event::Stream;

/// Events a second when `batch` of them share a transaction.
pub(crate) fn rate(events: usize, batch: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let mut db = rusqlite::Connection::open(folder.path().join("floor.sqlite3")).expect("a file");
    db.pragma_update(None, "journal_mode", "WAL").expect("a journal");
    db.pragma_update(None, "synchronous", "NORMAL").expect("the default durability");
    db.execute_batch("CREATE TABLE body(text TEXT NOT NULL)").expect("a table");
    let stream = Stream { first: 0, own_sessions: false };
    let bodies: Vec<String> = (0..1000)
        .map(|number| {
            let mut body = String::new();
            stream.write(&mut body, number, 0, 1);
            body
        })
        .collect();
    let started = Instant::now();
    for part in 0..events / batch {
        let transaction = db.transaction().expect("a transaction");
        {
            let mut insert = transaction.prepare_cached("INSERT INTO body VALUES (?1)").expect("a statement");
            for number in 0..batch {
                insert.execute([&bodies[(part * batch + number) % bodies.len()]]).expect("an insert");
            }
        }
        transaction.commit().expect("a commit");
    }
    (events / batch * batch) as f64 / started.elapsed().as_secs_f64()
}
