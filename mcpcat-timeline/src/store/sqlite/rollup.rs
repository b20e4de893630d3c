//! The sums that lists and plots read, as differences that an append adds and a removal takes away.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::known::Known;
use crate::event::{Event, Kind};

/// Length of a statistics slot, microseconds.
pub(super) const SLOT: i64 = 300_000_000;

/// What a batch changes in the sums, in the order of the tables' keys: neighbours are written together.
#[derive(Default)]
pub(super) struct Change<'a> {
    sessions: BTreeMap<i64, SessionChange<'a>>,
    stats: BTreeMap<(i64, &'a str, &'static str, &'a str), StatChange>,
}

#[derive(Default)]
struct SessionChange<'a> {
    first: i64,
    last: i64,
    events: i64,
    tools: i64,
    custom: i64,
    errors: i64,
    actor: Option<&'a str>,
    actor_name: Option<&'a str>,
    client: Option<&'a str>,
    client_version: Option<&'a str>,
    server: Option<&'a str>,
    server_version: Option<&'a str>,
    sdk: Option<&'a str>,
    label: &'a str,
}

#[derive(Default)]
struct StatChange {
    events: i64,
    errors: i64,
    timed: i64,
    sum: f64,
    max: f64,
}

/// The name that an event is counted under. Custom events without one stay apart from those called what the page calls
/// them.
fn stat_name(event: &Event) -> &str {
    match event.kind {
        Kind::Custom => event.name.as_deref().unwrap_or(""),
        _ => event.label(),
    }
}

impl<'a> Change<'a> {
    /// Counts one event in (`sign` 1) or out (`sign` -1).
    pub(super) fn count(&mut self, session: i64, event: &'a Event, sign: i64) {
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
            let keep = |slot: &mut Option<&'a str>, value: &'a Option<String>| {
                *slot = value.as_deref().or(*slot);
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
        let slot = event.at.div_euclid(SLOT);
        let stat = self
            .stats
            .entry((slot, event.project.as_str(), event.kind.as_str(), stat_name(event)))
            .or_default();
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
    pub(super) fn subtract(self, db: &Connection, known: &mut Known) -> rusqlite::Result<u64> {
        let mut gone = 0;
        let mut session = db.prepare_cached(
            "UPDATE session SET events = events + ?2, tools = tools + ?3, custom = custom + ?4, errors = errors + ?5,
               first_at = coalesce((SELECT min(at) FROM event WHERE session = ?1), first_at)
             WHERE key = ?1",
        )?;
        let mut empty =
            db.prepare_cached("DELETE FROM session WHERE key = ?1 AND events <= 0 RETURNING project, id")?;
        let mut terms = db.prepare_cached("DELETE FROM term WHERE session = ?1")?;
        for (key, change) in &self.sessions {
            session.execute(params![key, change.events, change.tools, change.custom, change.errors])?;
            let ended = empty
                .query_row([key], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
                .optional()?;
            if let Some((project, id)) = ended {
                gone += 1;
                terms.execute([key])?;
                known.remove_session(&project, &id, *key);
            }
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
