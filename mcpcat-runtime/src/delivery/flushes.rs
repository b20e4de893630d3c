//! Who waits in `flush`, and when they are told: everything that can make a flush late is here.
//!
//! A flush puts a mark into the log behind what was published before it. It has ended when the mark has been read and no
//! event before it is outstanding, and, for one that asks for everything, when what earlier processes left has ended too.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::mailbox::{Reply, Scope};
use super::scrubbed_log::ScrubbedLog;
use crate::spool::Position;

struct Waiter {
    /// `None` when the mark found no room.
    mark: Option<u64>,
    /// Where the mark stood, once it has been read.
    passed: Option<Position>,
    /// Nothing of what was published before the mark is left.
    free: bool,
    /// What was published before the mark is in the scrubbed log up to here.
    scrubbed: Option<u64>,
    scope: Scope,
    deadline: Instant,
    reply: Reply,
}

/// How far the delivery is.
pub(super) struct Progress<'a> {
    pub(super) now: Instant,
    /// What earlier processes left, and the dead letters, have ended.
    pub(super) earlier_ended: bool,
    /// Nothing of this process is left.
    pub(super) idle: bool,
    /// Nothing is tried before then.
    pub(super) silent_until: Option<Instant>,
    /// The oldest event of the log that has not ended.
    pub(super) oldest: Option<Position>,
    /// No segment of the log up to this one gives another record. A producer that stands still blocks its segment and
    /// not those behind it, so a mark may be read before events of an earlier segment.
    pub(super) read_through: u64,
    pub(super) scrubbed: Option<&'a ScrubbedLog>,
}

#[derive(Default)]
pub(super) struct Flushes {
    waiting: Vec<Waiter>,
    /// Marks that were read before the command that they belong to was taken.
    early: HashMap<u64, Position>,
    /// Marks that are still in the log, of flushes that have ended without them.
    lapsed: BTreeSet<u64>,
    /// Marks that gave way before the command that they belong to was taken.
    evicted: usize,
}

impl Flushes {
    pub(super) fn add(&mut self, mark: u64, scope: Scope, deadline: Instant, reply: Reply) {
        let passed = self.early.remove(&mark);
        let free = passed.is_none() && self.evicted > 0;
        self.evicted -= usize::from(free);
        let mark = Some(mark);
        self.waiting.push(Waiter { mark, passed, free, scrubbed: None, scope, deadline, reply });
    }

    /// A mark found no room in the log: that flush waits until nothing is left.
    pub(super) fn mark_refused(&mut self, mark: u64) {
        for waiter in self.waiting.iter_mut().filter(|waiter| waiter.mark == Some(mark)) {
            waiter.mark = None;
        }
        self.lapsed.remove(&mark);
    }

    pub(super) fn mark_read(&mut self, number: u64, at: Position) {
        match self.waiting.iter_mut().find(|waiter| waiter.mark == Some(number)) {
            Some(waiter) => waiter.passed = Some(at),
            None if self.lapsed.remove(&number) => {}
            None => drop(self.early.insert(number, at)),
        }
    }

    /// The oldest marks gave way to newer events: those flushes wait for what is on its way, up to `newest`.
    pub(super) fn marks_evicted(&mut self, marks: usize, newest: Option<Position>) {
        for _ in 0..marks {
            let waiting = self.waiting.iter_mut().filter(|it| it.passed.is_none() && !it.free);
            let oldest = waiting.filter(|it| it.mark.is_some()).min_by_key(|it| it.mark);
            match (oldest, self.lapsed.first().copied()) {
                (Some(waiter), lapsed) if lapsed.is_none() || waiter.mark < lapsed => {
                    waiter.passed = newest;
                    waiter.free = newest.is_none();
                }
                (_, Some(lapsed)) => drop(self.lapsed.remove(&lapsed)),
                (_, None) => self.evicted += 1,
            }
        }
    }

    /// Whether somebody waits for everything, and is not to wait for the name of a session.
    pub(super) fn any_for_all(&self) -> bool {
        self.waiting.iter().any(|waiter| waiter.scope == Scope::All)
    }

    /// Whether somebody waits for events of this process alone: they go first.
    pub(super) fn any_for_own(&self) -> bool {
        self.waiting.iter().any(|waiter| waiter.scope == Scope::Own)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiter| waiter.deadline).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those that have ended, whose time is up, or for whom nothing will be tried in time.
    pub(super) fn take_ended(&mut self, progress: &Progress<'_>) -> Vec<Reply> {
        let (mut kept, mut ended) = (Vec::new(), Vec::new());
        for mut waiter in self.waiting.drain(..) {
            let passed = waiter.passed.is_some_and(|mark| {
                progress.read_through + 1 >= mark.segment()
                    && progress.oldest.is_none_or(|oldest| oldest > mark)
            });
            let passed = (passed || waiter.free)
                && progress
                    .scrubbed
                    .is_none_or(|log| log.ended(*waiter.scrubbed.get_or_insert_with(|| log.mark())));
            let earlier = progress.earlier_ended || waiter.scope == Scope::Own;
            let done = earlier && (passed || (progress.idle && waiter.mark.is_none()));
            let vain = waiter.scope == Scope::Own
                && progress.silent_until.is_some_and(|until| until > waiter.deadline);
            if done || vain || progress.now >= waiter.deadline {
                if waiter.passed.is_none() && !waiter.free {
                    self.lapsed.extend(waiter.mark);
                }
                ended.push(waiter.reply);
            } else {
                kept.push(waiter);
            }
        }
        self.waiting = kept;
        ended
    }

    /// Everybody, when the worker ends.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Reply> {
        self.waiting.drain(..).map(|waiter| waiter.reply)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn add(flushes: &mut Flushes, mark: u64, deadline: Instant) {
        flushes.add(mark, Scope::Own, deadline, Box::new(|_| {}));
    }

    fn ended(flushes: &mut Flushes, now: Instant) -> usize {
        let progress = Progress {
            now,
            earlier_ended: true,
            idle: false,
            silent_until: None,
            oldest: None,
            read_through: 0,
            scrubbed: None,
        };
        flushes.take_ended(&progress).len()
    }

    #[test]
    fn a_mark_that_gave_way_ends_the_flush_that_it_belongs_to_and_no_other() {
        let (mut flushes, now) = (Flushes::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        add(&mut flushes, 1, now);
        assert_eq!(ended(&mut flushes, later), 1, "its time is up, its mark still in the log");
        add(&mut flushes, 2, later + Duration::from_secs(60));
        flushes.marks_evicted(1, None);
        assert_eq!(ended(&mut flushes, later), 0, "that was the first one's");
        flushes.marks_evicted(1, None);
        assert_eq!(ended(&mut flushes, later), 1);
    }

    #[test]
    fn a_mark_may_give_way_before_its_command_is_taken() {
        let (mut flushes, now) = (Flushes::default(), Instant::now());
        flushes.marks_evicted(1, None);
        add(&mut flushes, 1, now + Duration::from_secs(60));
        assert_eq!(ended(&mut flushes, now), 1);
        add(&mut flushes, 2, now + Duration::from_secs(60));
        assert_eq!(ended(&mut flushes, now), 0);
    }

    #[test]
    fn nothing_is_kept_of_a_flush_that_has_ended_before_its_mark_was_read() {
        let (mut flushes, now) = (Flushes::default(), Instant::now());
        (0..100).for_each(|mark| add(&mut flushes, mark, now));
        assert_eq!(ended(&mut flushes, now), 100);
        (0..100).for_each(|mark| flushes.mark_read(mark, Position::default()));
        assert!(flushes.early.is_empty() && flushes.lapsed.is_empty());
    }
}
