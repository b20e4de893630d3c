//! Who waits in `flush`, and when they are told: everything that can make a flush late is here.
//!
//! A flush puts a mark into the log behind what was published before it. It has ended when the mark has been read and no
//! event before it is outstanding, and, for one that asks for everything, when what earlier processes left has ended too.

use std::collections::HashMap;

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
}

impl Flushes {
    pub(super) fn add(&mut self, mark: u64, scope: Scope, deadline: Instant, reply: Reply) {
        let passed = self.early.remove(&mark);
        let mark = Some(mark);
        self.waiting.push(Waiter { mark, passed, free: false, scrubbed: None, scope, deadline, reply });
    }

    /// A mark found no room in the log: that flush waits until nothing is left.
    pub(super) fn mark_refused(&mut self, mark: u64) {
        for waiter in self.waiting.iter_mut().filter(|waiter| waiter.mark == Some(mark)) {
            waiter.mark = None;
        }
    }

    pub(super) fn mark_read(&mut self, number: u64, at: Position) {
        match self.waiting.iter_mut().find(|waiter| waiter.mark == Some(number)) {
            Some(waiter) => waiter.passed = Some(at),
            None => drop(self.early.insert(number, at)),
        }
    }

    /// Marks gave way to newer events: those flushes wait for what is on its way, up to `newest`.
    pub(super) fn marks_evicted(&mut self, marks: usize, newest: Option<Position>) {
        let waiting = self.waiting.iter_mut().filter(|it| it.mark.is_some() && it.passed.is_none());
        for waiter in waiting.take(marks) {
            waiter.passed = newest;
            waiter.free = newest.is_none();
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
