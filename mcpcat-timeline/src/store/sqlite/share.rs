//! Whose events go first when there are too many: each project has its share, and grows at its own expense.
//!
//! Events of all projects are in one table in the order of arrival, and no index leads to those of one project: it would
//! be one more page written for every event. A walk remembers up to where a project has nothing left instead.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use crate::store::Retention;

/// Rows looked at under one lock.
const LOOKED_AT: usize = 5000;
/// What an event takes beside its text, in bytes: its row, and its part of the indexes.
const OVERHEAD: i64 = 700;
/// Most projects whose growth is remembered.
const MOST_GROWING: usize = 10_000;

/// Up to which number there is nothing left, by project; under the empty name, of those without a bound of their own.
#[derive(Default)]
pub(super) struct Shares {
    walks: HashMap<String, i64>,
    /// Bytes of text that have come in since removal had last nothing to do.
    growth: HashMap<String, i64>,
}

/// Events to remove, and whether there may be more behind what was looked at.
#[derive(Default)]
pub(super) struct Found {
    pub(super) seqs: Vec<i64>,
    pub(super) more: bool,
}

/// What each project takes of the bytes in use.
fn weights(db: &Connection) -> rusqlite::Result<Vec<(String, i64)>> {
    db.prepare_cached("SELECT project, bytes + events * ?1 FROM usage")?
        .query_map([OVERHEAD], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

impl Shares {
    pub(super) fn grew<'a>(&mut self, by: impl Iterator<Item = (&'a str, i64)>) {
        for (project, bytes) in by {
            if let Some(sum) = self.growth.get_mut(project) {
                *sum += bytes;
            } else if self.growth.len() < MOST_GROWING {
                self.growth.insert(project.to_owned(), bytes);
            }
        }
    }

    /// Events past their time.
    pub(super) fn too_old(
        &mut self,
        db: &Connection,
        keep: &Retention,
        chunk: usize,
        now: i64,
    ) -> rusqlite::Result<Found> {
        let before =
            |age: std::time::Duration| now.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        let own = |project: &str| keep.projects.get(project).and_then(|own| own.age);
        for (project, age) in keep.projects.iter().filter_map(|(project, own)| Some((project, own.age?))) {
            let found = self.walk(db, project, chunk, Some(before(age)), |other| other == project)?;
            if !found.seqs.is_empty() || found.more {
                return Ok(found);
            }
        }
        match keep.age {
            Some(age) => self.walk(db, "", chunk, Some(before(age)), |project| own(project).is_none()),
            None => Ok(Found::default()),
        }
    }

    /// The oldest events of a project that has more than it may have, or of the one that has to give way when all of them
    /// together have.
    pub(super) fn too_many(
        &mut self,
        db: &Connection,
        keep: &Retention,
        chunk: usize,
    ) -> rusqlite::Result<Found> {
        if keep.bytes.is_none() && keep.projects.values().all(|own| own.bytes.is_none()) {
            return Ok(Found::default());
        }
        let used = super::read::used(db)?;
        let over = keep.bytes.is_some_and(|most| used > most);
        let weights = weights(db)?;
        let all: i64 = weights.iter().map(|(_, weight)| weight).sum();
        let bytes = |weight: i64| (used as f64 * weight as f64 / all.max(1) as f64) as u64;
        let own = weights.iter().find(|(project, weight)| {
            let most = keep.projects.get(project).and_then(|own| own.bytes);
            most.is_some_and(|most| bytes(*weight) > most)
        });
        let whose = match own {
            Some((project, _)) => project,
            None if over => match self.gives_way(&weights, all) {
                Some(project) => project,
                None => return Ok(Found::default()),
            },
            None => {
                self.growth.clear();
                return Ok(Found::default());
            }
        };
        self.walk(db, whose, chunk, None, |project| project == whose)
    }

    /// Of the projects that have more than an equal part, the one that has grown most.
    fn gives_way<'a>(&self, weights: &'a [(String, i64)], all: i64) -> Option<&'a String> {
        let part = all / weights.len().max(1) as i64;
        weights
            .iter()
            .filter(|(_, weight)| *weight >= part)
            .max_by_key(|(project, weight)| (self.growth.get(project).copied().unwrap_or(0), *weight))
            .map(|(project, _)| project)
    }

    fn walk(
        &mut self,
        db: &Connection,
        name: &str,
        chunk: usize,
        before: Option<i64>,
        wanted: impl Fn(&str) -> bool,
    ) -> rusqlite::Result<Found> {
        let from = self.walks.get(name).copied().unwrap_or(i64::MIN);
        let (mut empty_to, mut found, mut looked) = (from, Found::default(), 0);
        let mut read = db.prepare_cached(
            "SELECT seq, received, project FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        )?;
        let mut rows = read.query(params![from, LOOKED_AT as i64])?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            looked += 1;
            if wanted(row.get_ref(2)?.as_str()?) {
                // Arrival times grow with the number, so the first young one ends the search.
                if before.is_some_and(|before| row.get::<_, i64>(1).is_ok_and(|received| received >= before))
                {
                    break;
                }
                found.seqs.push(seq);
                if found.seqs.len() == chunk {
                    break;
                }
            } else if found.seqs.is_empty() {
                empty_to = seq;
            }
        }
        found.more = looked == LOOKED_AT || found.seqs.len() == chunk;
        if empty_to > from {
            self.walks.insert(name.to_owned(), empty_to);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_grows_gives_way_unless_it_has_less_than_its_part() {
        let weights = |all: &[(&str, i64)]| -> Vec<(String, i64)> {
            all.iter().map(|(project, weight)| ((*project).to_owned(), *weight)).collect()
        };
        let mut shares = Shares::default();
        let large = weights(&[("old", 60), ("busy", 50), ("small", 10)]);
        assert_eq!(shares.gives_way(&large, 120).unwrap(), "old", "nobody grows: the largest");
        shares.grew([("busy", 7), ("small", 100)].into_iter());
        assert_eq!(shares.gives_way(&large, 120).unwrap(), "busy", "the small one may grow to its part");
        let even = weights(&[("a", 10), ("b", 10)]);
        assert!(shares.gives_way(&even, 20).is_some());
        assert!(shares.gives_way(&[], 0).is_none());
    }
}
