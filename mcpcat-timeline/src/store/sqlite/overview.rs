//! The numbers of a range of time: sums that are kept beside the events, never a walk over the events themselves.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use serde_json::value::RawValue;

use super::rollup::SLOT;
use crate::store::histogram::Histogram;
use crate::store::{NameStats, Overview, SeenName, Slot, VersionStats};

/// Most columns of a plot over time.
const PLOT_SLOTS: i64 = 120;
/// Most names in one answer, and most versions.
const NAMES: usize = 500;
const VERSIONS: i64 = 100;
/// How many of the newest events are looked into for the keys that custom events carry.
const KEYS_SEARCHED: i64 = 20_000;

pub(super) fn overview(
    db: &mut Connection,
    since: i64,
    until: i64,
    scope: Option<&str>,
) -> rusqlite::Result<Overview> {
    let db = db.transaction()?;
    let (from, to) = (since.div_euclid(SLOT), until.div_euclid(SLOT));
    // Whole multiples of the stored slot, as many as fit a plot.
    let step = ((to - from + 1 + PLOT_SLOTS - 1) / PLOT_SLOTS).max(1);
    let mut slots: Vec<Slot> = (0..=(to - from) / step)
        .map(|n| Slot { at: (from + n * step) * (SLOT / 1000), ..Slot::default() })
        .collect();
    let mut names: BTreeMap<(String, String), (NameStats, f64, Histogram)> = BTreeMap::new();
    let (mut events, mut errors, mut weighted) = (0, 0, 0.0);
    let mut read = db.prepare_cached(
        "SELECT slot, kind, iif(kind = 'custom' AND name = '', 'Custom', name), events, errors, weight, timed, sum_ms, max_ms,
           spread FROM stat WHERE slot BETWEEN ?1 AND ?2 AND (?3 IS NULL OR project = ?3)",
    )?;
    let mut rows = read.query(params![from, to, scope])?;
    while let Some(row) = rows.next()? {
        let (slot, kind, name): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (count, failed, weight): (i64, i64, f64) = (row.get(3)?, row.get(4)?, row.get(5)?);
        events += count;
        errors += failed;
        weighted += weight;
        if let Some(slot) = slots.get_mut(((slot - from) / step) as usize) {
            slot.events += count;
            slot.errors += failed;
            match kind.as_str() {
                "tool" => slot.tools += count,
                "custom" => slot.custom += count,
                _ => {}
            }
        }
        let (stats, sum, spread) = names.entry((kind.clone(), name.clone())).or_insert_with(|| {
            let stats = NameStats {
                kind,
                name,
                events: 0,
                errors: 0,
                weighted: 0.0,
                timed: 0,
                mean_ms: None,
                p50_ms: None,
                p95_ms: None,
                p99_ms: None,
                max_ms: None,
            };
            (stats, 0.0, Histogram::default())
        });
        stats.events += count;
        stats.errors += failed;
        stats.weighted += weight;
        stats.timed += row.get::<_, i64>(6)?;
        *sum += row.get::<_, f64>(7)?;
        stats.max_ms = Some(stats.max_ms.unwrap_or(0.0).max(row.get(8)?));
        spread.add(&Histogram::decode(row.get_ref(9)?.as_blob()?));
    }
    let mut names: Vec<NameStats> = names
        .into_values()
        .map(|(stats, sum, spread)| NameStats {
            mean_ms: (stats.timed > 0).then(|| sum / stats.timed as f64),
            p50_ms: spread.quantile(0.5),
            p95_ms: spread.quantile(0.95),
            p99_ms: spread.quantile(0.99),
            max_ms: stats.max_ms.filter(|_| stats.timed > 0),
            ..stats
        })
        .collect();
    names.sort_by(|a, b| b.events.cmp(&a.events).then_with(|| a.name.cmp(&b.name)));
    names.truncate(NAMES);
    let (sessions, sampled_sessions, removed_by_retention) = db
        .prepare_cached(
            "SELECT count(*), count(rate), coalesce(sum(cut), 0) FROM session
             WHERE last_at >= ?1 AND first_at <= ?2 AND (?3 IS NULL OR project = ?3)",
        )?
        .query_row(params![since, until, scope], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let versions = |name: &str, version: &str| -> rusqlite::Result<Vec<VersionStats>> {
        db.prepare_cached(&format!(
            "SELECT {name}, {version}, count(*) AS total, sum(events), sum(errors) FROM session
             WHERE last_at >= ?1 AND first_at <= ?2 AND (?3 IS NULL OR project = ?3) AND {name} IS NOT NULL
             GROUP BY {name}, {version} ORDER BY total DESC LIMIT ?4"
        ))?
        .query_map(params![since, until, scope, VERSIONS], |row| {
            Ok(VersionStats {
                name: row.get(0)?,
                version: row.get(1)?,
                sessions: row.get(2)?,
                events: row.get(3)?,
                errors: row.get(4)?,
            })
        })?
        .collect()
    };
    Ok(Overview {
        slot_ms: step * (SLOT / 1000),
        slots,
        names,
        clients: versions("client", "client_version")?,
        servers: versions("server", "server_version")?,
        sessions,
        sampled_sessions,
        events,
        weighted_events: weighted,
        errors,
        removed_by_retention,
    })
}

pub(super) fn custom_names(db: &mut Connection, project: &str) -> rusqlite::Result<Vec<SeenName>> {
    let db = db.transaction()?;
    let mut names = db
        .prepare_cached(
            "SELECT name, sum(events), max(last_at) FROM stat WHERE project = ?1 AND kind = 'custom' AND name <> ''
             GROUP BY name ORDER BY name",
        )?
        .query_map([project], |row| {
            Ok(SeenName { name: row.get(0)?, count: row.get(1)?, last_us: row.get(2)?, keys: BTreeSet::new() })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut read = db.prepare_cached(
        "SELECT name, text FROM event JOIN body USING (seq)
         WHERE seq > ?1 AND project = ?2 AND kind = 'custom' AND name IS NOT NULL",
    )?;
    let mut rows = read.query(params![super::read::newest(&db)? - KEYS_SEARCHED, project])?;
    while let Some(row) = rows.next()? {
        let held = keys.entry(row.get(0)?).or_default();
        let body = row.get_ref(1)?.as_str()?;
        let places = ["parameters", "tags", "properties"];
        for (place, raw) in places.iter().zip(crate::event::raw_fields(body, &places)) {
            let members = raw.and_then(|raw| serde_json::from_str::<BTreeMap<String, &RawValue>>(raw).ok());
            for (key, _) in members.into_iter().flatten() {
                held.insert(format!("{place}.{key}"));
            }
        }
    }
    for name in &mut names {
        name.keys = keys.remove(&name.name).unwrap_or_default();
    }
    Ok(names)
}
