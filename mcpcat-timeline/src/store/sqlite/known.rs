//! What the writer remembers of the file, so that the next event of a session costs one row and not ten.
//!
//! Only a shortcut: forgetting any of it costs lookups, never correctness. It holds what is committed or being
//! committed, so a failed commit has to clear it.

use std::collections::{HashMap, HashSet};

/// Most sessions and most pairs of a session and a term that are remembered; beyond it everything is forgotten.
const MOST_SESSIONS: usize = 50_000;
const MOST_PAIRS: usize = 400_000;
/// Most bytes of distinct terms that are remembered.
const MOST_BYTES: usize = 8 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Known {
    /// Keys of sessions, by project and id.
    sessions: HashMap<String, HashMap<String, i64>>,
    session_count: usize,
    /// A number for every distinct term, so that a pair takes a few bytes.
    words: HashMap<String, u32>,
    bytes: usize,
    /// The terms that the file has for a session in the present hour.
    held: HashMap<i64, HashSet<u32>>,
    pairs: usize,
    hour: i64,
    /// The newest arrival number and time.
    last: Option<(i64, i64)>,
}

impl Known {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn last(&self) -> Option<(i64, i64)> {
        self.last
    }

    pub(super) fn arrived(&mut self, seq: i64, received: i64) {
        self.last = Some((seq, received));
    }

    pub(super) fn session(&self, project: &str, id: &str) -> Option<i64> {
        self.sessions.get(project)?.get(id).copied()
    }

    pub(super) fn add_session(&mut self, project: &str, id: &str, key: i64) {
        if self.session_count >= MOST_SESSIONS {
            self.sessions.clear();
            self.session_count = 0;
        }
        let ids = match self.sessions.get_mut(project) {
            Some(ids) => ids,
            None => self.sessions.entry(project.to_owned()).or_default(),
        };
        self.session_count += usize::from(ids.insert(id.to_owned(), key).is_none());
    }

    /// A session has ended; its key may be given to another one.
    pub(super) fn remove_session(&mut self, project: &str, id: &str, key: i64) {
        if self.sessions.get_mut(project).is_some_and(|ids| ids.remove(id).is_some()) {
            self.session_count -= 1;
        }
        self.remove_terms(key);
    }

    /// The file no longer has this session's terms.
    pub(super) fn remove_terms(&mut self, key: i64) {
        if let Some(held) = self.held.remove(&key) {
            self.pairs -= held.len();
        }
    }

    /// Whether the file is yet to learn that the session holds this term in this hour; from now on it counts as known.
    pub(super) fn is_news(&mut self, session: i64, term: &str, hour: i64) -> bool {
        if hour != self.hour || self.pairs >= MOST_PAIRS || self.bytes >= MOST_BYTES {
            self.hour = hour;
            self.held.clear();
            self.pairs = 0;
            self.words.clear();
            self.bytes = 0;
        }
        let word = match self.words.get(term) {
            Some(word) => *word,
            None => {
                let word = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
                self.words.insert(term.to_owned(), word);
                self.bytes += term.len();
                word
            }
        };
        let news = self.held.entry(session).or_default().insert(word);
        self.pairs += usize::from(news);
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_news_once_an_hour_and_again_after_its_session_ended() {
        let mut known = Known::default();
        assert!(known.is_news(1, "tool:a", 5));
        assert!(!known.is_news(1, "tool:a", 5));
        assert!(known.is_news(2, "tool:a", 5));
        assert!(known.is_news(1, "tool:b", 5));
        known.remove_session("p", "s", 1);
        assert!(known.is_news(1, "tool:a", 5));
        assert!(!known.is_news(2, "tool:a", 5));
        assert!(known.is_news(2, "tool:a", 6));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut known = Known::default();
        for session in 0..MOST_PAIRS as i64 + 10 {
            known.is_news(session, "tool:a", 1);
        }
        assert!(known.pairs <= MOST_PAIRS && known.held.len() <= MOST_PAIRS);
        for n in 0..=MOST_BYTES / 4096 {
            known.is_news(1, &format!("{n:04096}"), 1);
        }
        assert!(known.bytes <= MOST_BYTES + 4096);
        for n in 0..MOST_SESSIONS + 10 {
            known.add_session("p", &n.to_string(), n as i64);
        }
        assert!(known.session_count <= MOST_SESSIONS);
        assert_eq!(known.session("p", &MOST_SESSIONS.to_string()), Some(MOST_SESSIONS as i64));
    }
}
