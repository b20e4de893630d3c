//! The sums that lists and plots read, as differences that an append adds and a removal takes away.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::event::{Event, Kind};
use crate::store::TermKind;

/// Length of a statistics slot, microseconds.
pub(super) const SLOT: i64 = 300_000_000;

/// What a batch changes in the sums, in the order of the tables' keys: neighbours are written together.
#[derive(Default)]
pub(super) struct Change {
    sessions: BTreeMap<i64, SessionChange>,
    terms: BTreeMap<(String, i64), i64>,
    stats: BTreeMap<(i64, String, &'static str, String), StatChange>,
}

#[derive(Default)]
struct SessionChange {
    first: i64,
    last: i64,
    events: i64,
    tools: i64,
    custom: i64,
    errors: i64,
    actor: Option<String>,
    actor_name: Option<String>,
    client: Option<String>,
    client_version: Option<String>,
    server: Option<String>,
    server_version: Option<String>,
    sdk: Option<String>,
    label: String,
}

#[derive(Default)]
struct StatChange {
    events: i64,
    errors: i64,
    timed: i64,
    sum: f64,
    max: f64,
}

/// What a session is found by because of this event.
fn terms(event: &Event) -> Vec<String> {
    let mut terms = Vec::with_capacity(6 + event.tags.len());
    let mut add = |kind: TermKind, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            terms.push(format!("{}:{value}", kind.as_str()));
        }
    };
    add(TermKind::Actor, event.actor.as_deref());
    add(TermKind::Client, event.client.as_deref());
    add(TermKind::Server, event.server.as_deref());
    add(TermKind::Type, Some(&event.event_type));
    match event.kind {
        Kind::Tool => add(TermKind::Tool, event.name.as_deref()),
        Kind::Custom => add(TermKind::Event, event.name.as_deref()),
        _ => {}
    }
    terms.extend(event.tags.iter().map(|(key, value)| format!("tag:{key}={value}")));
    terms
}

impl Change {
    /// Counts one event in (`sign` 1) or out (`sign` -1).
    pub(super) fn count(&mut self, session: i64, event: &Event, sign: i64) {
        let error = i64::from(event.is_error) * sign;
        let change = self.sessions.entry(session).or_insert_with(|| SessionChange {
            first: i64::MAX,
            last: i64::MIN,
            ..SessionChange::default()
        });
        change.first = change.first.min(event.at);
        change.last = change.last.max(event.end());
        change.events += sign;
        change.errors += error;
        change.tools += i64::from(event.kind == Kind::Tool) * sign;
        change.custom += i64::from(event.kind == Kind::Custom) * sign;
        if sign > 0 {
            let keep = |slot: &mut Option<String>, value: &Option<String>| {
                if value.is_some() {
                    slot.clone_from(value);
                }
            };
            keep(&mut change.actor, &event.actor);
            keep(&mut change.actor_name, &event.actor_name);
            keep(&mut change.client, &event.client);
            keep(&mut change.client_version, &event.client_version);
            keep(&mut change.server, &event.server);
            keep(&mut change.server_version, &event.server_version);
            keep(&mut change.sdk, &event.sdk);
            change.label = event.label();
        }
        for term in terms(event) {
            *self.terms.entry((term, session)).or_default() += sign;
        }
        let slot = event.at.div_euclid(SLOT);
        let stat =
            self.stats.entry((slot, event.project.clone(), event.kind.as_str(), event.label())).or_default();
        stat.events += sign;
        stat.errors += error;
        if let Some(duration) = event.duration {
            stat.timed += sign;
            stat.sum += duration * sign as f64;
            stat.max = stat.max.max(duration);
        }
    }

    /// Adds to the sums.
    pub(super) fn add(self, db: &Connection) -> rusqlite::Result<()> {
        let mut session = db.prepare_cached(
            "UPDATE session SET first_at = min(first_at, ?2), last_at = max(last_at, ?3), events = events + ?4,
               tools = tools + ?5, custom = custom + ?6, errors = errors + ?7, actor = coalesce(?8, actor),
               actor_name = coalesce(?9, actor_name), client = coalesce(?10, client),
               client_version = coalesce(?11, client_version), server = coalesce(?12, server),
               server_version = coalesce(?13, server_version), sdk = coalesce(?14, sdk), last_label = ?15
             WHERE key = ?1",
        )?;
        for (key, change) in &self.sessions {
            session.execute(params![
                key,
                change.first,
                change.last,
                change.events,
                change.tools,
                change.custom,
                change.errors,
                change.actor,
                change.actor_name,
                change.client,
                change.client_version,
                change.server,
                change.server_version,
                change.sdk,
                change.label,
            ])?;
        }
        let mut term = db.prepare_cached(
            "INSERT INTO term(term, session, n) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET n = n + excluded.n",
        )?;
        for ((text, key), n) in &self.terms {
            term.execute(params![text, key, n])?;
        }
        let mut stat = db.prepare_cached(
            "INSERT INTO stat(slot, project, kind, name, events, errors, timed, sum_ms, max_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT DO UPDATE SET events = events + excluded.events, errors = errors + excluded.errors,
               timed = timed + excluded.timed, sum_ms = sum_ms + excluded.sum_ms, max_ms = max(max_ms, excluded.max_ms)",
        )?;
        for ((slot, project, kind, name), change) in &self.stats {
            stat.execute(params![
                slot,
                project,
                kind,
                name,
                change.events,
                change.errors,
                change.timed,
                change.sum,
                change.max,
            ])?;
        }
        Ok(())
    }

    /// Takes away from the sums, and drops what nothing is left of. Returns how many sessions ended that way.
    ///
    /// The longest duration of a slot cannot be taken back; it goes with the slot.
    pub(super) fn subtract(self, db: &Connection) -> rusqlite::Result<u64> {
        let mut gone = 0;
        let mut session = db.prepare_cached(
            "UPDATE session SET events = events + ?2, tools = tools + ?3, custom = custom + ?4, errors = errors + ?5,
               first_at = coalesce((SELECT min(at) FROM event WHERE session = ?1), first_at)
             WHERE key = ?1",
        )?;
        let mut empty = db.prepare_cached("DELETE FROM session WHERE key = ?1 AND events <= 0")?;
        for (key, change) in &self.sessions {
            session.execute(params![key, change.events, change.tools, change.custom, change.errors])?;
            gone += empty.execute([key])? as u64;
        }
        let mut term = db.prepare_cached("UPDATE term SET n = n + ?3 WHERE term = ?1 AND session = ?2")?;
        let mut bare = db.prepare_cached("DELETE FROM term WHERE term = ?1 AND session = ?2 AND n <= 0")?;
        for ((text, key), n) in &self.terms {
            term.execute(params![text, key, n])?;
            bare.execute(params![text, key])?;
        }
        let mut stat = db.prepare_cached(
            "UPDATE stat SET events = events + ?5, errors = errors + ?6, timed = timed + ?7, sum_ms = sum_ms + ?8
             WHERE slot = ?1 AND project = ?2 AND kind = ?3 AND name = ?4",
        )?;
        let mut blank = db.prepare_cached(
            "DELETE FROM stat WHERE slot = ?1 AND project = ?2 AND kind = ?3 AND name = ?4 AND events <= 0",
        )?;
        for ((slot, project, kind, name), change) in &self.stats {
            stat.execute(params![
                slot,
                project,
                kind,
                name,
                change.events,
                change.errors,
                change.timed,
                change.sum
            ])?;
            blank.execute(params![slot, project, kind, name])?;
        }
        Ok(gone)
    }
}
