//! Answers questions. Every list is read by key, so that page thousand costs what page one costs.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::outline::{STORED, STORED_FROM, stored};
use super::search::{like, snippet};
use crate::event::{Kind, iso};
use crate::store::query::MAX_LIMIT;
use crate::store::{
    Cut, EventPage, EventQuery, Facets, Hits, Result, SessionPage, SessionQuery, SessionRow, Size, Sort,
    StoreError, Stored, Term, TermKind,
};

/// How many of the newest events a text search looks into.
const TEXT_SEARCHED: i64 = 100_000;
/// Most bytes of event text in one answer; the rest is on the next page.
const PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Most values offered for one filter.
const FACET_VALUES: usize = 200;

/// A `WHERE` clause under construction, values apart from text.
#[derive(Default)]
struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Where {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn bad_cursor() -> StoreError {
    StoreError::Asked("`cursor` is not one that this API gave out".into())
}

/// The place after the last session of a page: its sort value and key.
pub(super) fn session_cursor(cursor: &str) -> Result<(Value, i64)> {
    let (key, value) = cursor.split_once('~').ok_or_else(bad_cursor)?;
    let value = match value.split_at_checked(1).ok_or_else(bad_cursor)? {
        ("i", number) => Value::Integer(number.parse().map_err(|_| bad_cursor())?),
        ("t", sorted) => text(sorted),
        _ => return Err(bad_cursor()),
    };
    Ok((value, key.parse().map_err(|_| bad_cursor())?))
}

/// The place after the last event of a page.
pub(super) struct EventCursor {
    at: i64,
    sequence: i64,
    instance: String,
    id: String,
}

/// `at~sequence~length of instance~instance~id`; both texts may hold anything.
pub(super) fn event_cursor(text: &str) -> Result<EventCursor> {
    let mut parts = text.splitn(4, '~');
    let mut part = || parts.next().ok_or_else(bad_cursor);
    let at = part()?.parse().map_err(|_| bad_cursor())?;
    let sequence = part()?.parse().map_err(|_| bad_cursor())?;
    let length: usize = part()?.parse().map_err(|_| bad_cursor())?;
    let rest = part()?;
    let instance = rest.get(..length).ok_or_else(bad_cursor)?.to_owned();
    let id = rest[length..].strip_prefix('~').ok_or_else(bad_cursor)?.to_owned();
    Ok(EventCursor { at, sequence, instance, id })
}

fn term_condition(term: &Term) -> (String, Vec<Value>) {
    let kind = term.kind.as_str();
    let not = if term.negative { "NOT " } else { "" };
    if term.kind == TermKind::Tag && !term.value.contains('=') {
        // '>' is the character after '='.
        return (
            format!("s.key {not}IN (SELECT session FROM term WHERE term >= ? AND term < ?)"),
            vec![text(&format!("tag:{}=", term.value)), text(&format!("tag:{}>", term.value))],
        );
    }
    (
        format!("s.key {not}IN (SELECT session FROM term WHERE term = ?)"),
        vec![text(&format!("{kind}:{}", term.value))],
    )
}

const SESSION_COLUMNS: &str = "s.key, s.id, s.project, s.stateless, s.first_at, s.last_at, s.events, s.tools, s.custom, \
     s.errors, s.actor, s.actor_name, s.client, s.client_version, s.server, s.server_version, s.sdk, s.last_label, \
     s.intent, s.tool_path, s.rate, s.cut, \
     iif(s.errors BETWEEN 1 AND 10000, (SELECT count(*) FROM event f WHERE f.session = s.key AND f.error = 1 AND NOT EXISTS \
       (SELECT 1 FROM event p WHERE p.id = f.parent AND p.project = f.project AND p.error = 1)), s.errors)";

fn session_row(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let (first, last): (i64, i64) = (row.get(4)?, row.get(5)?);
    Ok(SessionRow {
        key: row.get(0)?,
        session_id: row.get(1)?,
        project_id: row.get(2)?,
        stateless: row.get(3)?,
        started_at: iso(first),
        started_us: first,
        last_event_at: iso(last),
        last_event_us: last,
        duration_ms: last.saturating_sub(first) as f64 / 1000.0,
        event_count: row.get(6)?,
        tool_call_count: row.get(7)?,
        custom_event_count: row.get(8)?,
        error_count: row.get(9)?,
        actor_id: row.get(10)?,
        actor_name: row.get(11)?,
        client_name: row.get(12)?,
        client_version: row.get(13)?,
        server_name: row.get(14)?,
        server_version: row.get(15)?,
        sdk_language: row.get(16)?,
        last_label: row.get(17)?,
        intent: row.get(18)?,
        tool_path: row.get::<_, String>(19)?.lines().map(str::to_owned).collect(),
        sample_rate: row.get(20)?,
        removed_by_retention: row.get(21)?,
        failure_count: row.get(22)?,
        hits: None,
    })
}

pub(super) fn newest(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT coalesce(max(seq), 0) FROM event")?.query_row([], |row| row.get(0))
}

pub(super) fn sessions(
    db: &mut Connection,
    query: &SessionQuery,
    cursor: Option<(Value, i64)>,
) -> rusqlite::Result<SessionPage> {
    let db = db.transaction()?;
    let last_seq = newest(&db)?;
    let mut filter = Where::default();
    for project in [&query.scope, &query.project].into_iter().flatten() {
        filter.and("s.project = ?", [text(project)]);
    }
    if let Some(since) = query.since {
        filter.and("s.last_at >= ?", [Value::Integer(since)]);
    }
    if let Some(until) = query.until {
        filter.and("s.first_at < ?", [Value::Integer(until)]);
    }
    if query.errors {
        filter.and("s.errors > 0", []);
    }
    if query.custom {
        filter.and("s.custom > 0", []);
    }
    match query.identified {
        Some(true) => filter.and("s.actor IS NOT NULL", []),
        Some(false) => filter.and("s.actor IS NULL", []),
        None => {}
    }
    for term in &query.terms {
        let (condition, values) = term_condition(term);
        filter.and(&condition, values);
    }
    let mut text_searched = None;
    let (mut with, mut join, mut hit_columns) = (String::new(), "", "NULL, NULL");
    let mut values = Vec::new();
    if let Some(needle) = &query.text {
        let from = (last_seq - TEXT_SEARCHED).max(0);
        text_searched = (from > 0).then_some(TEXT_SEARCHED);
        let (condition, patterns) = like("b.text", needle);
        // The columns beside `min(at)` are those of the event that has it: the first hit.
        with = format!(
            "WITH hit AS MATERIALIZED (SELECT e.session, count(*) AS hits, min(e.at), e.seq FROM event e
               JOIN body b ON b.seq = e.seq WHERE e.seq > ? AND {condition} GROUP BY e.session) "
        );
        values.push(Value::Integer(from));
        values.extend(patterns.clone());
        join = " LEFT JOIN hit ON hit.session = s.key";
        hit_columns = "hit.hits, hit.seq";
        let named: Vec<String> =
            ["s.id", "s.actor", "s.actor_name"].iter().map(|column| like(column, needle).0).collect();
        filter.and(
            &format!("(hit.hits > 0 OR {})", named.join(" OR ")),
            std::iter::repeat_n(patterns, named.len()).flatten(),
        );
    }
    let condition = filter.sql.clone();
    let counted: Vec<Value> = values.iter().chain(&filter.values).cloned().collect();
    let total = db
        .prepare_cached(&format!("{with}SELECT count(*) FROM session s{join}{condition}"))?
        .query_row(params_from_iter(counted), |row| row.get(0))?;
    let sort = match query.sort {
        Sort::Last => "s.last_at",
        Sort::Start => "s.first_at",
        Sort::Events => "s.events",
        Sort::Tools => "s.tools",
        Sort::Custom => "s.custom",
        Sort::Errors => "s.errors",
        Sort::Duration => "(s.last_at - s.first_at)",
        Sort::Project => "s.project",
        Sort::Client => "coalesce(s.client, '')",
        Sort::Server => "coalesce(s.server, '')",
        Sort::Actor => "coalesce(s.actor_name, s.actor, '')",
    };
    let (order, beyond) = if query.ascending { ("ASC", ">") } else { ("DESC", "<") };
    if let Some((value, key)) = cursor {
        filter.and(&format!("({sort}, s.key) {beyond} (?, ?)"), [value, Value::Integer(key)]);
    }
    let limit = query.limit.clamp(1, MAX_LIMIT);
    let sql = format!(
        "{with}SELECT {SESSION_COLUMNS}, {sort}, {hit_columns} FROM session s{join}{}
         ORDER BY {sort} {order}, s.key {order} LIMIT {}",
        filter.sql,
        limit + 1,
    );
    values.extend(filter.values);
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut sessions, mut next, mut place) = (Vec::new(), None, String::new());
    while let Some(row) = rows.next()? {
        if sessions.len() == limit {
            next = Some(place);
            break;
        }
        let mut session = session_row(row)?;
        place = match row.get::<_, Value>(23)? {
            Value::Text(value) => format!("{}~t{value}", session.key),
            Value::Integer(value) => format!("{}~i{value}", session.key),
            _ => String::new(),
        };
        if let (Some(count), Some(seq)) = (row.get(24)?, row.get::<_, Option<i64>>(25)?) {
            session.hits = first_hit(&db, seq, query.text.as_deref().unwrap_or_default())?
                .map(|hit| Hits { count, ..hit });
        }
        sessions.push(session);
    }
    Ok(SessionPage {
        sessions,
        next,
        total,
        now_us: jiff::Timestamp::now().as_microsecond(),
        last_seq,
        text_searched,
    })
}

/// What is shown of the first event of a session that holds the words.
fn first_hit(db: &Connection, seq: i64, words: &str) -> rusqlite::Result<Option<Hits>> {
    db.prepare_cached("SELECT id, type, name, text FROM event JOIN body USING (seq) WHERE seq = ?1")?
        .query_row([seq], |row| {
            let (event_type, name): (String, Option<String>) = (row.get(1)?, row.get(2)?);
            Ok(Hits {
                count: 1,
                event_id: row.get(0)?,
                label: crate::event::label(&event_type, name.as_deref()).to_owned(),
                snippet: snippet(row.get_ref(3)?.as_str()?, words),
            })
        })
        .optional()
}

pub(super) fn session(
    db: &mut Connection,
    id: &str,
    scope: Option<&str>,
) -> rusqlite::Result<Vec<SessionRow>> {
    let sql = format!(
        "SELECT {SESSION_COLUMNS} FROM session s WHERE s.id = ?1 AND (?2 IS NULL OR s.project = ?2) ORDER BY s.key"
    );
    db.prepare_cached(&sql)?.query_map(params![id, scope], session_row)?.collect()
}

pub(super) fn events(
    db: &mut Connection,
    query: &EventQuery,
    cursor: Option<EventCursor>,
) -> rusqlite::Result<EventPage> {
    let db = db.transaction()?;
    let last_seq = newest(&db)?;
    let mut filter = Where::default();
    if let Some(session) = &query.session {
        let keys = db
            .prepare_cached("SELECT key FROM session WHERE id = ?1")?
            .query_map([session], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        // One session is the rule; the index then gives its order for nothing.
        match keys[..] {
            [] => return Ok(EventPage { events: Vec::new(), next: None, last_seq, too_large: None }),
            [key] => filter.and("e.session = ?", [Value::Integer(key)]),
            _ => {
                let marks = vec!["?"; keys.len()].join(",");
                filter.and(&format!("e.session IN ({marks})"), keys.into_iter().map(Value::Integer));
            }
        }
    }
    for project in [&query.scope, &query.project].into_iter().flatten() {
        filter.and("e.project = ?", [text(project)]);
    }
    if let Some(since) = query.since {
        filter.and("e.at >= ?", [Value::Integer(since)]);
    }
    if let Some(until) = query.until {
        filter.and("e.at < ?", [Value::Integer(until)]);
    }
    if let Some(name) = &query.name {
        filter.and("e.name = ?", [text(name)]);
    }
    if let Some(event_type) = &query.event_type {
        filter.and("e.type = ?", [text(event_type)]);
    }
    if query.errors {
        filter.and("e.error = 1", []);
    }
    if query.custom {
        filter.and("e.kind = ?", [text(Kind::Custom.as_str())]);
    }
    if let Some(needle) = &query.text {
        let (condition, patterns) = like("b.text", needle);
        filter.and(&condition, patterns);
    }
    let order = match query.cut {
        Cut::Time => {
            if let Some(cursor) = cursor {
                filter.and(
                    "(e.at, e.instance, e.sequence, e.id) > (?, ?, ?, ?)",
                    [
                        Value::Integer(cursor.at),
                        text(&cursor.instance),
                        Value::Integer(cursor.sequence),
                        text(&cursor.id),
                    ],
                );
            }
            "e.at, e.instance, e.sequence, e.id"
        }
        Cut::After(seq) => {
            filter.and("e.seq > ?", [Value::Integer(cursor.map_or(seq, |cursor| cursor.at))]);
            "e.seq"
        }
        Cut::Newest => {
            if let Some(cursor) = cursor {
                filter.and("e.seq < ?", [Value::Integer(cursor.at)]);
            }
            "e.seq DESC"
        }
    };
    let limit = query.limit.clamp(1, MAX_LIMIT);
    let sql = format!(
        "SELECT e.seq, e.at, e.instance, e.sequence, e.id FROM event e{}{} ORDER BY {order} LIMIT {}",
        if query.text.is_some() { " JOIN body b ON b.seq = e.seq" } else { "" },
        filter.sql,
        limit + 1,
    );
    // Bodies are read one by one, after the order is known: a sort that carried them would hold all of them in memory.
    let whole = format!("SELECT {STORED} FROM {STORED_FROM} WHERE e.seq = ?1");
    let mut whole = db.prepare_cached(&whole)?;
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(filter.values))?;
    let mut size = db.prepare_cached("SELECT octet_length(text) FROM body WHERE seq = ?1")?;
    let (mut events, mut bytes, mut next, mut place) = (Vec::new(), 0, None, String::new());
    let mut too_large = None;
    while let Some(row) = rows.next()? {
        if events.len() == limit || bytes >= query.bytes.unwrap_or(PAGE_BYTES) {
            next = Some(place);
            break;
        }
        let seq: i64 = row.get(0)?;
        if let Some(most) = query.most {
            // From the row's head: the text itself is not read.
            let Some(size) = size.query_row([seq], |row| row.get::<_, i64>(0)).optional()? else {
                continue;
            };
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > most.saturating_sub(bytes) {
                too_large = events.is_empty().then_some(size);
                next = Some(place);
                break;
            }
        }
        let Some(stored) = whole.query_row([seq], stored).optional()? else { continue };
        bytes += stored.body.len();
        place = match query.cut {
            Cut::Time => {
                let (at, instance, sequence): (i64, String, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
                format!("{at}~{sequence}~{}~{instance}~{}", instance.len(), row.get::<_, String>(4)?)
            }
            Cut::After(_) | Cut::Newest => format!("{}~0~0~~", stored.seq),
        };
        events.push(stored);
    }
    Ok(EventPage { events, next, last_seq, too_large })
}

pub(super) fn event(db: &mut Connection, id: &str, scope: Option<&str>) -> rusqlite::Result<Option<Stored>> {
    db.prepare_cached(&format!(
        "SELECT {STORED} FROM {STORED_FROM}
         WHERE e.id = ?1 AND (?2 IS NULL OR e.project = ?2) LIMIT 1",
    ))?
    .query_row(params![id, scope], stored)
    .optional()
}

pub(super) fn facets(db: &mut Connection, scope: Option<&str>) -> rusqlite::Result<Facets> {
    let db = db.transaction()?;
    let values = |kind: TermKind| -> rusqlite::Result<Vec<String>> {
        let prefix = format!("{}:", kind.as_str());
        // ';' is the character after ':'.
        let end = format!("{};", kind.as_str());
        let sql = match scope {
            None => {
                "SELECT substr(term, length(?1) + 1), count(*) AS total FROM term
                 WHERE term >= ?1 AND term < ?2 AND ?3 IS NULL GROUP BY term ORDER BY total DESC LIMIT ?4"
            }
            Some(_) => {
                "SELECT substr(term, length(?1) + 1), count(*) AS total FROM term JOIN session s ON s.key = session
                 WHERE term >= ?1 AND term < ?2 AND s.project = ?3 GROUP BY term ORDER BY total DESC LIMIT ?4"
            }
        };
        db.prepare_cached(sql)?
            .query_map(params![prefix, end, scope, FACET_VALUES as i64], |row| row.get(0))?
            .collect()
    };
    let projects = match scope {
        Some(project) => vec![project.to_owned()],
        None => db
            .prepare_cached(
                "SELECT project FROM session GROUP BY project ORDER BY max(last_at) DESC LIMIT 200",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    Ok(Facets {
        projects,
        actors: values(TermKind::Actor)?,
        clients: values(TermKind::Client)?,
        servers: values(TermKind::Server)?,
        tools: values(TermKind::Tool)?,
        events: values(TermKind::Event)?,
        tags: values(TermKind::Tag)?,
    })
}

pub(super) fn catalogue(db: &mut Connection, project: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT json FROM catalogue WHERE project = ?1")?
        .query_row([project], |row| row.get(0))
        .optional()
}

/// Bytes of the data file that hold something.
pub(super) fn used(db: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let bytes = pragma("page_size")? * (pragma("page_count")? - pragma("freelist_count")?);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

pub(super) fn size(db: &mut Connection) -> rusqlite::Result<Size> {
    let sessions = db.prepare_cached("SELECT count(*) FROM session")?.query_row([], |row| row.get(0))?;
    Ok(Size { bytes: used(db)?, sessions, last_seq: newest(db)? })
}
