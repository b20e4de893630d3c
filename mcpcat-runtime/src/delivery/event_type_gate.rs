//! EventTypeGate of events that the product has none for go only to a collector that offers to take them. What an answer says
//! of it, and the events that wait to hear. No I/O.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Events that wait to hear at once; beyond it nothing more is read before somebody has been asked.
const MAX_WAITING: usize = 256;

/// What the endpoint takes, as far as it has been heard, and who waits for it.
#[derive(Debug)]
pub(super) struct EventTypeGate<T> {
    takes_any: Option<bool>,
    waiting: VecDeque<T>,
    /// When the first of them began to wait.
    since: Option<Instant>,
    asking: bool,
}

/// What becomes of an event now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate<T> {
    Send(T),
    /// Nobody would take it.
    Drop(T),
    Hold,
    /// It would wait, and there is no room to.
    Blocked(T),
}

impl<T> EventTypeGate<T> {
    pub(super) fn new() -> Self {
        Self { takes_any: None, waiting: VecDeque::new(), since: None, asking: false }
    }

    /// What to do with an event that could be sent now.
    pub(super) fn sort(&mut self, item: T, is_foreign: impl Fn(&T) -> bool, now: Instant) -> Gate<T> {
        if self.takes_any == Some(true) || !is_foreign(&item) {
            return Gate::Send(item);
        }
        match self.takes_any {
            Some(_) => Gate::Drop(item),
            None if self.waiting.len() >= MAX_WAITING => Gate::Blocked(item),
            None => {
                self.waiting.push_back(item);
                self.since.get_or_insert(now);
                Gate::Hold
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
            let mut gate = EventTypeGate::new();
            assert_eq!(gate.sort(KNOWN, is_foreign, now), Gate::Send(KNOWN));
            assert_eq!(gate.due(Duration::ZERO), None);
            assert_eq!(gate.sort(OTHER, is_foreign, now), Gate::Hold);
            let patience = Duration::from_secs(5);
            assert_eq!(gate.due(patience), Some(now + patience));
            gate.set_asking(true);
            assert_eq!(gate.due(patience), None, "it is asked once at a time");
            assert_eq!(gate.heard(offered).collect::<Vec<_>>(), [OTHER]);
            let after = gate.sort(OTHER, is_foreign, now);
            assert_eq!(after, if offered { Gate::Send(OTHER) } else { Gate::Drop(OTHER) });
        }
    }

    #[test]
    fn an_offer_is_not_taken_back_by_an_answer_that_says_nothing() {
        let mut gate = EventTypeGate::new();
        drop(gate.heard(true));
        drop(gate.heard(false));
        assert_eq!(gate.sort(OTHER, is_foreign, Instant::now()), Gate::Send(OTHER));
    }

    #[test]
    fn waiting_is_bounded_and_asking_then_is_due_at_once() {
        let now = Instant::now();
        let mut gate = EventTypeGate::new();
        for _ in 0..MAX_WAITING {
            assert_eq!(gate.sort(OTHER, is_foreign, now), Gate::Hold);
        }
        assert_eq!(gate.sort(OTHER, is_foreign, now), Gate::Blocked(OTHER));
        assert_eq!(gate.due(Duration::from_secs(5)), Some(now));
    }
}
