//! Where events come from, and where each is marked when it has ended: the log of this process, the scrubbed log, the
//! logs of earlier processes, the dead letters.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::DropReason;
use super::backlog::{Backlog, What};
use super::dead_letters::{self, DeadLetters};
use super::flushes::Flushes;
use super::intake::Intake;
use super::item::{Item, Origin};
use super::ledger::Ledger;
use super::scrubbing::{Kept, Scrubbed, Scrubbing};
use crate::event::EventId;
use crate::event::{names_only, wire};

pub(super) struct Sources {
    pub(super) intake: Intake,
    pub(super) flushes: Flushes,
    pub(super) backlog: Backlog,
    /// Where events are scrubbed before they may be on a disk.
    pub(super) scrubbing: Option<Scrubbing>,
    pub(super) resent: Resent,
    pub(super) ledger: Arc<Ledger>,
    /// The user has hooks: what an earlier process scrubbed without them goes through them.
    pub(super) hooked: bool,
    /// Payloads are left out of what earlier processes wrote in full.
    pub(super) names_only: Arc<AtomicBool>,
}

/// Dead letters on their way again. They stay in their file until they have arrived.
pub(super) struct Resent {
    pub(super) file: DeadLetters,
    out: usize,
    arrived: HashSet<EventId>,
}

impl Resent {
    pub(super) fn new(file: DeadLetters) -> Self {
        Self { file, out: 0, arrived: HashSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out == 0
    }

    /// All that are kept, unless they are on their way already.
    fn start(&mut self) -> Vec<(EventId, Bytes)> {
        if self.out > 0 {
            return Vec::new();
        }
        let letters = self.file.read();
        self.out = letters.len();
        letters
    }

    pub(super) fn arrived(&mut self, id: EventId) {
        self.arrived.insert(id);
    }

    fn ended(&mut self) {
        self.out -= 1;
        if self.out == 0 {
            let arrived = std::mem::take(&mut self.arrived);
            if let Err(error) = self.file.remove(&arrived) {
                crate::notice::warn(format_args!("dead letters that arrived are still kept: {error}"));
            }
        }
    }
}

impl Sources {
    /// The next event that can be sent: of this process first if somebody waits for those alone.
    pub(super) fn next(&mut self) -> Option<Item> {
        match self.flushes.any_for_own() {
            true => self.published().or_else(|| self.adopted()),
            false => self.adopted().or_else(|| self.published()),
        }
    }

    /// The next event that an earlier process left.
    fn adopted(&mut self) -> Option<Item> {
        let event = self.backlog.next(&self.ledger)?;
        let origin = Origin::Adopted(event.at);
        Some(match event.what {
            What::Event { header, members, session } => {
                let body = wire::body(self.intake.dialect(), &header, &members, &session);
                Item::new(origin, header.id, header.foreign_type, self.reduced(Bytes::from(body)))
            }
            What::Scrubbed { id, body, hooked, foreign_type } => {
                // The stricter of two processes: hooks that it has not seen see it now.
                let scrubbed = hooked || !self.hooked;
                let body = self.reduced(Bytes::from(body));
                Item { scrubbed, ..Item::new(origin, id, foreign_type, body) }
            }
        })
    }

    /// What is left of a body that an earlier process wrote, where payloads are left out now.
    fn reduced(&self, body: Bytes) -> Bytes {
        if !self.names_only.load(Ordering::Relaxed) {
            return body;
        }
        Bytes::from(names_only::reduce(&body, &self.intake.dialect().version_key))
    }

    /// The next event of this process.
    fn published(&mut self) -> Option<Item> {
        let Some(scrubbing) = &mut self.scrubbing else { return self.intake.read(&mut self.flushes) };
        let (at, number, id, foreign_type, body) = scrubbing.log_mut().next()?;
        Some(Item { scrubbed: true, ..Item::new(Origin::Scrubbed(at, number), id, foreign_type, body) })
    }

    /// Dead letters to be sent again.
    pub(super) fn resend(&mut self) -> Vec<Item> {
        let letters = self.resent.start();
        self.ledger.adopt(letters.len() as u64);
        let item = |(id, body): (EventId, Bytes)| Item {
            scrubbed: true,
            // What was refused once is not worth a whole batch's refusal.
            alone: true,
            ..Item::new(Origin::DeadLetter, id, dead_letters::is_foreign_type(&body), self.reduced(body))
        };
        letters.into_iter().map(item).collect()
    }

    /// An event that was read from the log and is whole: it is returned where it can be sent, and scrubbed first where
    /// nothing else may be on a disk.
    pub(super) fn ready(&mut self, item: Item) -> Option<Item> {
        let Some(scrubbing) = &mut self.scrubbing else { return Some(item) };
        scrubbing.start(item);
        None
    }

    /// Scrubs what waits in memory. Returns what is to be sent from there.
    pub(super) fn scrub_ahead(&mut self) -> Vec<Item> {
        let Some(scrubbing) = &mut self.scrubbing else { return Vec::new() };
        let roomless = scrubbing.take_roomless();
        let send = roomless.into_iter().filter_map(|item| self.keep(item)).collect();
        while let Some(scrubbing) = self.scrubbing.as_mut().filter(|scrubbing| scrubbing.has_room()) {
            let Some(item) = self.intake.read(&mut self.flushes) else { break };
            scrubbing.start(item);
        }
        send
    }

    /// Gives up everything that waits: the user has said no. What is being scrubbed is given up when it comes back.
    pub(super) fn discard(&mut self) {
        let mut events = self.intake.discard(&mut self.flushes);
        let roomless = self.scrubbing.as_mut().map(Scrubbing::take_roomless).unwrap_or_default();
        events += roomless.len() as u64;
        roomless.into_iter().for_each(|item| self.ended(item.origin));
        if let Some(scrubbing) = &mut self.scrubbing {
            while let Some((at, number, ..)) = scrubbing.log_mut().next() {
                scrubbing.log_mut().complete(at, number);
                events += 1;
            }
        }
        self.ledger.drop_events(DropReason::OptedOut, events);
        self.backlog.discard(&self.ledger);
    }

    /// A scrubbed event goes to the disk; returned if it is to be sent from memory.
    pub(super) fn keep(&mut self, item: Item) -> Option<Item> {
        let Some(scrubbing) = &mut self.scrubbing else { return Some(item) };
        match scrubbing.keep(item) {
            Kept::Stored(origin) => {
                self.ended(origin);
                None
            }
            Kept::NoRoom => None,
            Kept::Send(item) => Some(item),
        }
    }

    /// One that has been scrubbed and is ready at this moment.
    pub(super) fn next_scrubbed(&mut self) -> Option<Scrubbed> {
        self.scrubbing.as_mut().and_then(Scrubbing::next_ready)
    }

    /// Marks an event as ended where it was read from.
    pub(super) fn ended(&mut self, origin: Origin) {
        match origin {
            Origin::Own(at) => self.intake.complete(at),
            Origin::Adopted(at) => self.backlog.complete(at),
            Origin::Scrubbed(at, number) => {
                if let Some(scrubbing) = &mut self.scrubbing {
                    scrubbing.log_mut().complete(at, number);
                }
            }
            Origin::DeadLetter => self.resent.ended(),
        }
    }

    pub(super) fn prepare(&mut self) {
        self.intake.prepare();
        if let Some(scrubbing) = &mut self.scrubbing {
            scrubbing.log_mut().reader.prepare();
        }
    }

    /// Counts what gave way to newer events, and what the scrubbed log lost.
    pub(super) fn count_evicted(&mut self) {
        if let Some(scrubbing) = &mut self.scrubbing {
            self.ledger.drop_events(DropReason::Evicted, scrubbing.evicted());
            self.ledger.drop_events(DropReason::Damaged, scrubbing.lost());
        }
        self.intake.count_evicted(&mut self.flushes);
    }

    /// Whether what earlier processes left has ended, and the dead letters that were sent again.
    pub(super) fn earlier_ended(&self) -> bool {
        self.backlog.is_done() && self.resent.is_empty()
    }

    /// Whether nothing of this process is left to send.
    pub(super) fn is_idle(&self) -> bool {
        let scrubbed = self.scrubbing.as_ref().is_none_or(|scrubbing| scrubbing.log().is_empty());
        self.intake.is_drained() && self.intake.is_empty() && scrubbed
    }

    /// Whether what may be kept is kept: what is left in memory is lost with the worker.
    pub(super) fn is_kept(&self) -> bool {
        self.scrubbing.as_ref().is_none_or(|scrubbing| {
            let moved = self.intake.is_drained() && !scrubbing.is_busy() && !self.intake.holds_any();
            moved || scrubbing.waits_for_room()
        })
    }

    /// Takes no more events.
    pub(super) fn close(&mut self) {
        self.intake.close();
        if let Some(scrubbing) = &self.scrubbing {
            scrubbing.log().close();
        }
    }
}
