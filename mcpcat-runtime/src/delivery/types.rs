//! Types of events that the product has none for go only to a collector that offers to take them. What an answer says
//! of it, and the events that wait to hear. No I/O.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Events that wait to hear at once; beyond it nothing more is read before somebody has been asked.
const MAX_WAITING: usize = 256;

/// What the endpoint takes, as far as it has been heard, and who waits for it.
#[derive(Debug)]
pub(super) struct Types<T> {
    takes_any: Option<bool>,
    waiting: VecDeque<T>,
    /// When the first of them began to wait.
    since: Option<Instant>,
    asking: bool,
}

/// What becomes of an event now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sorted<T> {
    Goes(T),
    /// Nobody would take it.
    Stays(T),
    Waits,
    /// It would wait, and there is no room to.
    Blocked(T),
}

impl<T> Types<T> {
    pub(super) fn new() -> Self {
        Self { takes_any: None, waiting: VecDeque::new(), since: None, asking: false }
    }

    /// What to do with an event that could be sent now.
    pub(super) fn sort(&mut self, item: T, is_foreign: impl Fn(&T) -> bool, now: Instant) -> Sorted<T> {
        if self.takes_any == Some(true) || !is_foreign(&item) {
            return Sorted::Goes(item);
        }
        match self.takes_any {
            Some(_) => Sorted::Stays(item),
            None if self.waiting.len() >= MAX_WAITING => Sorted::Blocked(item),
            None => {
                self.waiting.push_back(item);
                self.since.get_or_insert(now);
                Sorted::Waits
            }
        }
    }

    /// An answer has said whether any type is taken. The first one decides, and who has offered it is believed for
    /// good. Those that waited go back: to be sent, or to be let go.
    pub(super) fn heard(&mut self, any: bool) -> impl Iterator<Item = T> + use<T> {
        self.takes_any = Some(any || self.takes_any == Some(true));
        self.since = None;
        std::mem::take(&mut self.waiting).into_iter()
    }

    /// When the endpoint is to be asked, if no other event's answer tells until then.
    pub(super) fn due(&self, patience: Duration) -> Option<Instant> {
        let full = self.waiting.len() >= MAX_WAITING;
        self.since.filter(|_| !self.asking).map(|since| if full { since } else { since + patience })
    }

    /// It is being asked, or no longer.
    pub(super) fn set_asking(&mut self, asking: bool) {
        self.asking = asking;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "mcp:tools/call";
    const OTHER: &str = "mcp:shop/open";

    fn is_foreign(item: &&str) -> bool {
        *item == OTHER
    }

    #[test]
    fn an_event_of_another_type_waits_for_the_first_answer() {
        for offered in [true, false] {
            let now = Instant::now();
            let mut types = Types::new();
            assert_eq!(types.sort(KNOWN, is_foreign, now), Sorted::Goes(KNOWN));
            assert_eq!(types.due(Duration::ZERO), None);
            assert_eq!(types.sort(OTHER, is_foreign, now), Sorted::Waits);
            let patience = Duration::from_secs(5);
            assert_eq!(types.due(patience), Some(now + patience));
            types.set_asking(true);
            assert_eq!(types.due(patience), None, "it is asked once at a time");
            assert_eq!(types.heard(offered).collect::<Vec<_>>(), [OTHER]);
            let after = types.sort(OTHER, is_foreign, now);
            assert_eq!(after, if offered { Sorted::Goes(OTHER) } else { Sorted::Stays(OTHER) });
        }
    }

    #[test]
    fn an_offer_is_not_taken_back_by_an_answer_that_says_nothing() {
        let mut types = Types::new();
        drop(types.heard(true));
        drop(types.heard(false));
        assert_eq!(types.sort(OTHER, is_foreign, Instant::now()), Sorted::Goes(OTHER));
    }

    #[test]
    fn waiting_is_bounded_and_asking_then_is_due_at_once() {
        let now = Instant::now();
        let mut types = Types::new();
        for _ in 0..MAX_WAITING {
            assert_eq!(types.sort(OTHER, is_foreign, now), Sorted::Waits);
        }
        assert_eq!(types.sort(OTHER, is_foreign, now), Sorted::Blocked(OTHER));
        assert_eq!(types.due(Duration::from_secs(5)), Some(now));
    }
}
