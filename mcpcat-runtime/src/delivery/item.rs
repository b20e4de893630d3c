//! One event on its way through the worker, and where it is marked when it has ended.

use bytes::Bytes;

use crate::event::EventId;
use crate::privacy::Privacy;
use crate::spool::Position;

/// What an event was read from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// This process's log.
    Own(Position),
    /// A log that an earlier process left.
    Adopted(Position),
    /// The scrubbed log, under this number.
    Scrubbed(Position, u64),
    /// The file of dead letters.
    DeadLetter,
}

/// One event on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) origin: Origin,
    pub(super) id: EventId,
    pub(super) body: Bytes,
    /// Only a collector that offers to take any type gets it.
    pub(super) foreign_type: bool,
    /// It goes in a request of its own: in a batch it would be in the way of others.
    pub(super) alone: bool,
    /// The body is as it will leave: patterns and hooks have seen it.
    pub(super) scrubbed: bool,
    pub(super) strikes: u32,
    /// The number of successes when it last failed.
    pub(super) failed_at: Option<u64>,
}

/// An event that privacy kept back, and why.
pub(super) type Withheld = (Item, String);

impl Item {
    pub(super) fn new(origin: Origin, id: EventId, foreign_type: bool, body: Bytes) -> Self {
        Self { origin, id, body, foreign_type, alone: false, scrubbed: false, strikes: 0, failed_at: None }
    }

    /// The event as it may leave, or why it may not.
    pub(super) async fn scrub(mut self, privacy: &Privacy) -> Result<Self, Withheld> {
        if !self.scrubbed {
            match privacy.apply(Vec::from(std::mem::take(&mut self.body))).await {
                Ok(body) => self.body = Bytes::from(body),
                Err(withheld) => return Err((self, withheld.to_string())),
            }
            self.scrubbed = true;
        }
        Ok(self)
    }
}
