//! Between a request and the store: events of many requests share one commit, and a request is answered after it.

mod group;

use std::future::Future;
use std::pin::Pin;

pub(crate) use group::GroupCommit;

use crate::budget::Lease;
use crate::event::Event;
use crate::store::{Outcome, Result};

/// A reply that comes when the events are safe.
pub(crate) type Reply<'a> = Pin<Box<dyn Future<Output = Result<Vec<Outcome>>> + Send + 'a>>;

/// A place that takes events in. When its reply says so, they survive the death of this process.
pub(crate) trait Queue: Send + Sync {
    /// What was paid for the events is held until they are committed.
    fn submit(&self, events: Vec<Event>, lease: Option<Lease>) -> Reply<'_>;
    /// Events taken in and not yet committed.
    fn waiting(&self) -> usize;
    /// Ends after everything taken in is committed.
    fn close(&self);
}
