//! Events on their way from memory to the scrubbed log, where nothing else may be on a disk: patterns and hooks see them
//! ahead of the requests, whether or not the endpoint answers.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::item::{Item, Origin, Withheld};
use super::scrubbed_log::ScrubbedLog;
use crate::event::record::RecordKind;
use crate::privacy::Privacy;
use crate::spool::Refused;

/// Events that are given to the user's hooks at once.
pub(super) const MAX_HOOKED: usize = 32;

pub(super) type Scrubbed = Result<Item, Withheld>;
type Job = Pin<Box<dyn Future<Output = Scrubbed> + Send>>;

pub(super) struct Scrubbing {
    log: ScrubbedLog,
    privacy: Arc<Privacy>,
    jobs: FuturesUnordered<Job>,
    /// Scrubbed, and waiting for room in the log.
    roomless: VecDeque<Item>,
}

/// What became of a scrubbed event.
pub(super) enum Kept {
    /// It is in the log: where it was read from it has ended.
    Stored(Origin),
    /// It waits for room.
    NoRoom,
    /// The log takes it never: it is sent from memory.
    Send(Item),
}

impl Scrubbing {
    pub(super) fn new(log: ScrubbedLog, privacy: Arc<Privacy>) -> Self {
        Self { log, privacy, jobs: FuturesUnordered::new(), roomless: VecDeque::new() }
    }

    pub(super) fn log(&self) -> &ScrubbedLog {
        &self.log
    }

    pub(super) fn log_mut(&mut self) -> &mut ScrubbedLog {
        &mut self.log
    }

    /// Whether another event may be read for it.
    pub(super) fn has_room(&self) -> bool {
        self.roomless.is_empty() && self.jobs.len() < MAX_HOOKED
    }

    pub(super) fn waits_for_room(&self) -> bool {
        !self.roomless.is_empty()
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.jobs.is_empty()
    }

    pub(super) fn start(&mut self, item: Item) {
        let privacy = Arc::clone(&self.privacy);
        self.jobs.push(Box::pin(async move { item.scrub(&privacy).await }));
    }

    /// The next event that has been scrubbed; never where none is being.
    pub(super) async fn next(&mut self) -> Scrubbed {
        match self.jobs.next().await {
            Some(scrubbed) => scrubbed,
            None => std::future::pending().await,
        }
    }

    /// One that is ready at this moment.
    pub(super) fn next_ready(&mut self) -> Option<Scrubbed> {
        self.jobs.next().now_or_never().flatten()
    }

    /// Those that waited for room, to be tried again.
    pub(super) fn take_roomless(&mut self) -> VecDeque<Item> {
        std::mem::take(&mut self.roomless)
    }

    /// Moves a scrubbed event from memory to the disk.
    pub(super) fn keep(&mut self, item: Item) -> Kept {
        match self.log.keep(item.id, item.foreign_type, &item.body) {
            Ok(()) => Kept::Stored(item.origin),
            // Room comes when something of it has been delivered. Until then memory fills, and then publishers
            // are told.
            Err(Refused::Full) if !self.log.is_empty() => {
                self.roomless.push_back(item);
                Kept::NoRoom
            }
            Err(_) => Kept::Send(item),
        }
    }

    pub(super) fn evicted(&mut self) -> u64 {
        self.log.reader.evicted_of(RecordKind::Scrubbed.into())
    }

    pub(super) fn lost(&mut self) -> u64 {
        self.log.reader.lost()
    }
}
