//! What sessions are found by: who, which client, which tool, which tag.
//!
//! A set, not a count: an event that brings nothing new writes nothing here. So that a term can go when its last event
//! has gone, it carries the hour in which it was last seen; removal by age or size sweeps older hours out.

use rusqlite::{Connection, params};

use super::known::Known;
use crate::event::{Event, Kind};
use crate::store::TermKind;

/// The coarseness of a term's age, microseconds.
pub(super) const HOUR: i64 = 3_600_000_000;
/// Terms looked at under one lock by the sweep.
const SWEPT: usize = 2000;

/// Tells every term of an event.
fn each(event: &Event, buffer: &mut String, mut tell: impl FnMut(&str)) {
    let mut term = |kind: TermKind, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            buffer.clear();
            buffer.push_str(kind.as_str());
            buffer.push(':');
            buffer.push_str(value);
            tell(buffer);
        }
    };
    term(TermKind::Actor, event.actor.as_deref());
    term(TermKind::Client, event.client.as_deref());
    term(TermKind::Server, event.server.as_deref());
    term(TermKind::Type, Some(&event.event_type));
    match event.kind {
        Kind::Tool => term(TermKind::Tool, event.name.as_deref()),
        Kind::Custom => term(TermKind::Event, event.name.as_deref()),
        _ => {}
    }
    for (key, value) in &event.tags {
        buffer.clear();
        for part in ["tag:", key, "=", value] {
            buffer.push_str(part);
        }
        tell(buffer);
    }
}

/// Terms that the file has to learn.
#[derive(Default)]
pub(super) struct NewTerms {
    found: Vec<(i64, String, i64)>,
    buffer: String,
}

impl NewTerms {
    pub(super) fn find(&mut self, known: &mut Known, session: i64, event: &Event, received: i64) {
        let (found, hour) = (&mut self.found, received.div_euclid(HOUR));
        each(event, &mut self.buffer, |term| {
            if known.is_news(session, term, hour) {
                found.push((session, term.to_owned(), hour));
            }
        });
    }

    pub(super) fn add(mut self, db: &Connection) -> rusqlite::Result<()> {
        // In the order of the key, neighbours are written together.
        self.found.sort_unstable();
        let mut insert = db.prepare_cached(
            "INSERT INTO term(session, term, hour) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET hour = max(hour, excluded.hour) WHERE hour < excluded.hour",
        )?;
        for (session, term, hour) in &self.found {
            insert.execute(params![session, term, hour])?;
        }
        Ok(())
    }
}

/// Writes a session's terms anew from the events that are left of it.
pub(super) fn rewrite(db: &mut Connection, known: &mut Known, session: i64) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    transaction.prepare_cached("DELETE FROM term WHERE session = ?1")?.execute([session])?;
    known.remove_terms(session);
    let mut fresh = Known::default();
    let mut terms = NewTerms::default();
    {
        let mut read = transaction.prepare_cached(
            "SELECT received, text FROM event JOIN body USING (seq)
             WHERE session = ?1 ORDER BY seq",
        )?;
        let mut rows = read.query([session])?;
        while let Some(row) = rows.next()? {
            if let Ok(event) = Event::stored(row.get_ref(1)?.as_str()?) {
                terms.find(&mut fresh, session, &event, row.get(0)?);
            }
        }
    }
    terms.add(&transaction)?;
    transaction.commit()
}

/// A walk over all terms, a little at a time, that removes those whose events have gone.
#[derive(Default)]
pub(super) struct Sweep {
    /// Terms last seen before this hour go.
    before: i64,
    /// Where the walk goes on; `None` between walks.
    at: Option<(i64, String)>,
}

impl Sweep {
    /// One step, and a new walk when the oldest event left is of a later hour than at the last one. Returns whether
    /// there is more to do.
    pub(super) fn step(&mut self, db: &mut Connection, now: i64) -> rusqlite::Result<bool> {
        if self.at.is_none() {
            let oldest: i64 = db
                .prepare_cached("SELECT coalesce((SELECT received FROM event ORDER BY seq LIMIT 1), 0)")?
                .query_row([], |row| row.get(0))?;
            let hour = oldest.div_euclid(HOUR);
            // An event that claims to come from later says nothing about the others.
            if hour <= self.before || oldest > now {
                return Ok(false);
            }
            self.before = hour;
            self.at = Some((i64::MIN, String::new()));
        }
        let Some((session, term)) = self.at.take() else { return Ok(false) };
        let transaction = db.transaction()?;
        let mut last = None;
        {
            let mut read = transaction.prepare_cached(
                "SELECT session, term, hour FROM term WHERE (session, term) > (?1, ?2) ORDER BY session, term LIMIT ?3",
            )?;
            let mut delete =
                transaction.prepare_cached("DELETE FROM term WHERE session = ?1 AND term = ?2")?;
            let rows = read
                .query_map(params![session, term, SWEPT as i64], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let full = rows.len() == SWEPT;
            for (session, term, hour) in rows {
                if hour < self.before {
                    delete.execute(params![session, term])?;
                }
                last = full.then_some((session, term));
            }
        }
        transaction.commit()?;
        self.at = last;
        Ok(self.at.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::sqlite::Sqlite;
    use crate::store::{Forget, Outcome, Retention, Store};

    fn event(id: &str, session: &str, tool: &str, actor: &str) -> Event {
        let text = format!(
            r#"{{"id":"{id}","project_id":"p","session_id":"{session}","event_type":"mcp:tools/call",
                "resource_name":"{tool}","identify_actor_given_id":"{actor}"}}"#
        );
        Event::parse(&mut text.into_bytes()).unwrap()
    }

    /// Makes everything that is there three hours older.
    fn age(store: &Sqlite) {
        let mut writer = store.writer();
        let back = 3 * HOUR;
        writer
            .db
            .execute_batch(&format!(
                "UPDATE event SET received = received - {back}; UPDATE term SET hour = hour - 3;
                 UPDATE arrived SET at = at - {back};"
            ))
            .unwrap();
        writer.known.clear();
    }

    #[test]
    fn a_session_that_goes_on_is_not_found_by_what_has_gone() {
        let store = Sqlite::in_memory().unwrap();
        store.append(&[&event("1", "s", "old", "ada"), &event("2", "t", "old", "ada")]).unwrap();
        age(&store);
        store.append(&[&event("3", "s", "new", "bob")]).unwrap();
        assert_eq!(store.facets(None).unwrap().tools, ["old", "new"]);
        let keep = Retention { age: Some(Duration::from_secs(7200)), ..Retention::default() };
        let now = jiff::Timestamp::now().as_microsecond();
        while store.prune(&keep, 0, now).unwrap() {}
        let facets = store.facets(None).unwrap();
        assert_eq!((facets.tools, facets.actors), (vec!["new".to_owned()], vec!["bob".to_owned()]));
        assert_eq!(store.session("s", None).unwrap()[0].event_count, 1);
    }

    #[test]
    fn a_term_seen_again_stays() {
        let store = Sqlite::in_memory().unwrap();
        store.append(&[&event("1", "s", "lasting", "ada")]).unwrap();
        age(&store);
        store.append(&[&event("2", "s", "lasting", "ada")]).unwrap();
        let keep = Retention { age: Some(Duration::from_secs(7200)), ..Retention::default() };
        while store.prune(&keep, 0, jiff::Timestamp::now().as_microsecond()).unwrap() {}
        assert_eq!(store.facets(None).unwrap().tools, ["lasting"]);
    }

    #[test]
    fn a_clock_that_was_far_ahead_takes_no_term_along() {
        let store = Sqlite::in_memory().unwrap();
        let now = jiff::Timestamp::now().as_microsecond();
        store.append(&[&event("1", "s", "early", "ada")]).unwrap();
        let ahead = now + 1000 * HOUR;
        let sql = format!("UPDATE event SET received = {ahead}; UPDATE arrived SET at = {ahead};");
        store.writer().db.execute_batch(&sql).unwrap();
        store.writer().known.clear();
        store.append(&[&event("2", "s", "late", "ada")]).unwrap();
        let received: i64 = store
            .writer()
            .db
            .query_row("SELECT received FROM event WHERE id = '2'", [], |row| row.get(0))
            .unwrap();
        assert!((now..now + HOUR).contains(&received), "the clock is believed again");
        let keep = Retention { age: Some(Duration::from_secs(7200)), ..Retention::default() };
        while store.prune(&keep, 0, now + 1).unwrap() {}
        assert_eq!(store.facets(None).unwrap().tools, ["early", "late"]);
    }

    #[test]
    fn what_only_a_forgotten_person_did_is_not_found_any_more() {
        let store = Sqlite::in_memory().unwrap();
        let events =
            [event("1", "s", "hers", "ada"), event("2", "s", "both", "ada"), event("3", "s", "both", "bob")];
        store.append(&events.iter().collect::<Vec<_>>()).unwrap();
        store.forget(&Forget::Actor("ada".into()), None).unwrap();
        let facets = store.facets(None).unwrap();
        assert_eq!((facets.tools, facets.actors), (vec!["both".to_owned()], vec!["bob".to_owned()]));
        // What the writer remembers has to follow.
        store.append(&[&event("4", "s", "hers", "ada")]).unwrap();
        assert_eq!(store.facets(None).unwrap().tools, ["both", "hers"]);
    }

    #[test]
    fn the_numbers_of_arrival_are_not_given_out_twice_and_a_duplicate_makes_no_session() {
        let store = Sqlite::in_memory().unwrap();
        store.append(&[&event("1", "s", "a", "x")]).unwrap();
        store.append(&[&event("2", "t", "a", "x")]).unwrap();
        store.forget(&Forget::Session("t".into()), None).unwrap();
        store.writer().known.clear();
        store.append(&[&event("3", "s", "a", "x")]).unwrap();
        assert_eq!(store.event("3", None).unwrap().unwrap().seq, 3);
        let again = event("1", "elsewhere", "a", "x");
        assert_eq!(store.append(&[&again, &again]).unwrap(), [Outcome::Duplicate, Outcome::Duplicate]);
        assert!(store.session("elsewhere", None).unwrap().is_empty());
        assert_eq!(store.session("s", None).unwrap()[0].event_count, 2);
    }
}
