//! Ingest tokens as they are kept: the hash of the secret, and what it is good for.

use rusqlite::{Connection, params};

use crate::store::IssuedToken;

pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<IssuedToken>> {
    db.prepare_cached(
        "SELECT id, hash, project, label, created, events_per_minute, bytes_per_minute FROM token ORDER BY created, id",
    )?
    .query_map([], |row| {
        Ok(IssuedToken {
            id: row.get(0)?,
            hash: row.get(1)?,
            project: row.get(2)?,
            label: row.get(3)?,
            created: row.get(4)?,
            events_per_minute: row.get(5)?,
            bytes_per_minute: row.get(6)?,
        })
    })?
    .collect()
}

pub(crate) fn add(db: &Connection, token: &IssuedToken) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO token(id, hash, project, label, created, events_per_minute, bytes_per_minute)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            token.id,
            token.hash,
            token.project,
            token.label,
            token.created,
            token.events_per_minute,
            token.bytes_per_minute
        ],
    )
    .map(drop)
}

/// False when there is none of that id, or it is of another project than `scope`.
pub(crate) fn revoke(db: &Connection, id: &str, scope: Option<&str>) -> rusqlite::Result<bool> {
    let gone =
        db.execute("DELETE FROM token WHERE id = ?1 AND (?2 IS NULL OR project = ?2)", params![id, scope])?;
    Ok(gone > 0)
}
