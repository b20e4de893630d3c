//! The sums that lists and plots read, as differences that an append adds and a removal takes away.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::known::Known;
use crate::event::{Event, Kind};
use crate::store::histogram::Histogram;

/// Length of a statistics slot, microseconds.
pub(super) const SLOT: i64 = 300_000_000;

/// What a batch changes in the sums, in the order of the tables' keys: neighbours are written together.
#[derive(Default)]
pub(super) struct Change<'a> {
    sessions: BTreeMap<i64, SessionChange<'a>>,
    stats: BTreeMap<(i64, &'a str, &'static str, &'a str), StatChange>,
    instances: BTreeMap<(&'a str, &'a str), InstanceChange>,
    /// Events and bytes of text by project.
    projects: BTreeMap<&'a str, (i64, i64)>,
}

/// What one process has numbered, and what it says that it has dropped.
#[derive(Default)]
struct InstanceChange {
    lowest: i64,
    highest: i64,
    events: i64,
    dropped: i64,
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
    intent: Option<(i64, &'a str)>,
    /// Names of tools in the order of arrival, each on a line.
    tool_path: String,
    rate: Option<f64>,
}

#[derive(Default)]
struct StatChange {
    events: i64,
    errors: i64,
    timed: i64,
    sum: f64,
    max: f64,
    weight: f64,
    last: i64,
    spread: Histogram,
}

/// Longest sequence of tools that a session's line tells, in bytes.
const TOOL_PATH: usize = 400;

/// What the statements here call by name.
pub(super) fn add_functions(db: &Connection) -> rusqlite::Result<()> {
    use rusqlite::functions::FunctionFlags;
    db.create_scalar_function(
        "spread_sum",
        2,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |context| {
            let mut sum = Histogram::decode(context.get_raw(0).as_blob()?);
            sum.add(&Histogram::decode(context.get_raw(1).as_blob()?));
            Ok(sum.encode())
        },
    )
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
            change.rate = event.rate.or(change.rate);
            if let Some(intent) = &event.intent
                && change.intent.is_none_or(|(at, _)| event.at < at)
            {
                change.intent = Some((event.at, intent));
            }
            if event.kind == Kind::Tool && change.tool_path.len() < TOOL_PATH {
                change
                    .tool_path
                    .extend(event.label().chars().map(|letter| if letter == '\n' { ' ' } else { letter }));
                change.tool_path.push('\n');
            }
        }
        let project = self.projects.entry(&event.project).or_default();
        project.0 += sign;
        project.1 += event.body.len() as i64 * sign;
        if !event.instance.is_empty() {
            let instance = self.instances.entry((&event.project, &event.instance)).or_insert_with(|| {
                InstanceChange { lowest: i64::MAX, highest: i64::MIN, ..InstanceChange::default() }
            });
            instance.lowest = instance.lowest.min(event.sequence);
            instance.highest = instance.highest.max(event.sequence);
            instance.events += sign;
            instance.dropped += event.dropped * sign;
        }
        let slot = event.at.div_euclid(SLOT);
        let stat = self
            .stats
            .entry((slot, event.project.as_str(), event.kind.as_str(), stat_name(event)))
            .or_default();
        stat.events += sign;
        stat.errors += error;
        stat.weight += sign as f64 / event.rate.unwrap_or(1.0);
        stat.last = stat.last.max(event.at);
        // A negative duration says nothing about how long anything takes.
        if let Some(took) = event.took().filter(|took| *took >= 0) {
            let ms = took as f64 / 1000.0;
            stat.timed += sign;
            stat.sum += ms * sign as f64;
            stat.max = stat.max.max(ms);
            stat.spread.count(took, sign);
        }
    }

    /// Adds to the sums.
    pub(super) fn add(self, db: &Connection) -> rusqlite::Result<()> {
        let mut session = db.prepare_cached(
            "UPDATE session SET first_at = min(first_at, ?2), last_at = max(last_at, ?3), events = events + ?4,
               tools = tools + ?5, custom = custom + ?6, errors = errors + ?7, actor = coalesce(?8, actor),
               actor_name = coalesce(?9, actor_name), client = coalesce(?10, client),
               client_version = coalesce(?11, client_version), server = coalesce(?12, server),
               server_version = coalesce(?13, server_version), sdk = coalesce(?14, sdk), last_label = ?15,
               intent = iif(?16 IS NOT NULL AND ?17 < coalesce(intent_at, 9223372036854775807), ?16, intent),
               intent_at = min(coalesce(intent_at, ?17), coalesce(?17, intent_at)),
               tool_path = iif(length(tool_path) < 400, tool_path || ?18, tool_path), rate = coalesce(?19, rate)
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
                change.intent.map(|(_, intent)| intent),
                change.intent.map(|(at, _)| at),
                change.tool_path,
                change.rate,
            ])?;
        }
        let mut stat = db.prepare_cached(
            "INSERT INTO stat(slot, project, kind, name, events, errors, timed, sum_ms, max_ms, weight, last_at, spread)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET events = events + excluded.events, errors = errors + excluded.errors,
               timed = timed + excluded.timed, sum_ms = sum_ms + excluded.sum_ms, max_ms = max(max_ms, excluded.max_ms),
               weight = weight + excluded.weight, last_at = max(last_at, excluded.last_at),
               spread = spread_sum(spread, excluded.spread)",
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
                change.weight,
                change.last,
                change.spread.encode(),
            ])?;
        }
        let mut instance = db.prepare_cached(
            "INSERT INTO instance(project, id, lowest, highest, events, dropped) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET lowest = min(lowest, excluded.lowest), highest = max(highest, excluded.highest),
               events = events + excluded.events, dropped = dropped + excluded.dropped",
        )?;
        for ((project, id), change) in &self.instances {
            instance.execute(params![
                project,
                id,
                change.lowest,
                change.highest,
                change.events,
                change.dropped
            ])?;
        }
        let mut usage = db.prepare_cached(
            "INSERT INTO usage(project, events, bytes) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET events = events + excluded.events, bytes = bytes + excluded.bytes",
        )?;
        for (project, (events, bytes)) in &self.projects {
            usage.execute(params![project, events, bytes])?;
        }
        Ok(())
    }

    /// Bytes of text by project.
    pub(super) fn bytes(&self) -> impl Iterator<Item = (&'a str, i64)> + '_ {
        self.projects.iter().map(|(project, (_, bytes))| (*project, *bytes))
    }

    /// Takes away from the sums, and drops what nothing is left of. Returns how many sessions ended that way.
    ///
    /// The longest duration of a slot cannot be taken back; it goes with the slot.
    ///
    /// What retention takes is counted as `cut`, so that a session can say what it no longer shows; what somebody asked to
    /// forget leaves no such trace.
    pub(super) fn subtract(
        self,
        db: &Connection,
        known: &mut Known,
        retention: bool,
    ) -> rusqlite::Result<u64> {
        let mut gone = 0;
        let mut session = db.prepare_cached(
            "UPDATE session SET events = events + ?2, tools = tools + ?3, custom = custom + ?4, errors = errors + ?5,
               first_at = coalesce((SELECT min(at) FROM event WHERE session = ?1), first_at),
               cut = cut + ?6
             WHERE key = ?1",
        )?;
        let mut empty =
            db.prepare_cached("DELETE FROM session WHERE key = ?1 AND events <= 0 RETURNING project, id")?;
        let mut terms = db.prepare_cached("DELETE FROM term WHERE session = ?1")?;
        for (key, change) in &self.sessions {
            let cut = if retention { -change.events } else { 0 };
            session.execute(params![key, change.events, change.tools, change.custom, change.errors, cut])?;
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
            "UPDATE stat SET events = events + ?5, errors = errors + ?6, timed = timed + ?7, sum_ms = sum_ms + ?8,
               weight = weight + ?9, spread = spread_sum(spread, ?10)
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
                change.sum,
                change.weight,
                change.spread.encode(),
            ])?;
            blank.execute(params![slot, project, kind, name])?;
        }
        // Numbers that were here are not lost ones; an instance without an event is forgotten.
        let mut instance = db.prepare_cached(
            "UPDATE instance SET events = events + ?3, removed = removed - ?3 WHERE project = ?1 AND id = ?2",
        )?;
        let mut silent =
            db.prepare_cached("DELETE FROM instance WHERE project = ?1 AND id = ?2 AND events <= 0")?;
        for ((project, id), change) in &self.instances {
            instance.execute(params![project, id, change.events])?;
            silent.execute(params![project, id])?;
        }
        let mut usage = db
            .prepare_cached("UPDATE usage SET events = events + ?2, bytes = bytes + ?3 WHERE project = ?1")?;
        let mut unused = db.prepare_cached("DELETE FROM usage WHERE project = ?1 AND events <= 0")?;
        for (project, (events, bytes)) in &self.projects {
            usage.execute(params![project, events, bytes])?;
            unused.execute([project])?;
        }
        Ok(gone)
    }
}
