//! Shows a file of a former format as it is, for who only looks: views under the names of today's tables, for one connection
//! and written nowhere.
//!
//! Until format 4 the text of an event stood beside its columns. What the tables of formats 1 and 2 lack is read from the events' text where one event is asked for, and is missing where it would be a
//! sum: percentiles, a session's first intent and its path of tools.

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;

use crate::event::Event;

const TEXTS: &str = "CREATE TEMP VIEW body AS SELECT seq, body AS text FROM main.event;";

/// A view hides the table of the same name, and `main.` reaches it.
const VIEWS: &str = "
CREATE TEMP VIEW session AS
    SELECT key, project, id, stateless, first_at, last_at, events, tools, custom, errors, actor, actor_name, client,
      client_version, server, server_version, sdk, last_label, NULL AS intent, NULL AS intent_at, '' AS tool_path,
      NULL AS rate, 0 AS cut
    FROM main.session;
CREATE TEMP VIEW event AS
    SELECT seq, id, project, session, at, instance, sequence, kind, type, name, error, received,
      event_part(body, 'parent') AS parent, event_part(body, 'took') AS took, event_part(body, 'suspect') AS suspect
    FROM main.event;
CREATE TEMP VIEW stat AS
    SELECT slot, project, kind, name, events, errors, timed, sum_ms, max_ms, CAST(events AS REAL) AS weight,
      slot * 300000000 AS last_at, x'' AS spread
    FROM main.stat;
CREATE TEMP TABLE instance (project TEXT, id TEXT, lowest INTEGER, highest INTEGER, events INTEGER, removed INTEGER,
    dropped INTEGER);";

const TERMS_OF_1: &str = "CREATE TEMP VIEW term AS SELECT session, term, 0 AS hour FROM main.term;";

pub(super) fn show_as_current(db: &Connection, format: i64) -> rusqlite::Result<()> {
    db.execute_batch(TEXTS)?;
    if format > 2 {
        return Ok(());
    }
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("event_part", 2, flags, |context| {
        let body = context.get_raw(0).as_str()?;
        let Ok(event) = Event::stored(body) else {
            return Ok(if context.get_raw(1).as_str()? == "suspect" {
                Value::Integer(0)
            } else {
                Value::Null
            });
        };
        Ok(match context.get_raw(1).as_str()? {
            "parent" => event.parent.map_or(Value::Null, Value::Text),
            "took" => event.took().map_or(Value::Null, Value::Integer),
            _ => Value::Integer(event.suspect.bits()),
        })
    })?;
    db.execute_batch(VIEWS)?;
    if format == 1 {
        db.execute_batch(TERMS_OF_1)?;
    }
    Ok(())
}

/// Whether this connection looks through the views: their tables have not the index that a query could name.
pub(super) fn is_shown(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM temp.sqlite_schema WHERE type = 'view' AND name = 'body'")?.exists([])
}
