//! What earlier processes left: their logs, adopted one at a time and delivered under their own ids.
//!
//! A definition may stand behind the events that need it, so an event whose session is not known yet waits
//! for the end of its log.

use std::collections::{HashMap, HashSet, VecDeque};

use super::DropReason;
use super::ledger::Ledger;
use super::scrubbed_log::ScrubbedRecord;
use crate::event::EventId;
use crate::event::record::{Definition, Header, RecordKind};
use crate::spool::{Adopter, Orphan, OrphanRecord, Position};

/// Events of one log that wait for their session's definition, at most. Beyond it they go out with what is
/// known.
const MAX_WAITING: usize = 4_096;

/// An event of a log that was adopted.
pub(super) struct Adopted {
    pub(super) at: Position,
    pub(super) what: What,
}

/// What the log holds of it.
pub(super) enum What {
    /// A record, as its publisher wrote it.
    Event { header: Header, members: Vec<u8>, session: Box<Definition> },
    /// A body that was to leave like this.
    Scrubbed { id: EventId, body: Vec<u8>, hooked: bool, foreign_type: bool },
}

/// The logs that were found, and the one that is being delivered.
pub(super) struct Backlog {
    adopter: Adopter,
    project: String,
    current: Option<Log>,
    done: bool,
}

/// One log.
struct Log {
    orphan: Orphan,
    definitions: HashMap<u64, Definition>,
    waiting: VecDeque<(Position, Header, Vec<u8>)>,
    /// Handed out and not ended.
    outstanding: HashSet<Position>,
    read: bool,
    damaged: u64,
}

impl Backlog {
    pub(super) fn new(adopter: Adopter, project: String) -> Self {
        Self { adopter, project, current: None, done: false }
    }

    /// Whether everything that was found has ended.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// The next event that can go out; `None` when there is none, or none until others have ended.
    pub(super) fn next(&mut self, ledger: &Ledger) -> Option<Adopted> {
        while !self.done {
            let Some(log) = &mut self.current else {
                match self.adopter.next() {
                    Some(orphan) if orphan.is_expired() => give_up(orphan, ledger, DropReason::Expired),
                    Some(orphan) => self.current = Some(Log::new(orphan)),
                    None => self.done = true,
                }
                continue;
            };
            if let Some(event) = log.next(ledger, &self.project) {
                return Some(event);
            }
            if !log.outstanding.is_empty() {
                return None;
            }
            if let Some(log) = self.current.take() {
                log.orphan.remove();
            }
        }
        None
    }

    /// Deletes everything that was found and has not been handed out: its user has said no.
    pub(super) fn discard(&mut self, ledger: &Ledger) {
        if let Some(log) = self.current.take() {
            ledger.drop_events(DropReason::OptedOut, log.waiting.len() as u64);
            // What is handed out is counted by whoever has it.
            give_up(log.orphan, ledger, DropReason::OptedOut);
        }
        while let Some(orphan) = if self.done { None } else { self.adopter.next() } {
            give_up(orphan, ledger, DropReason::OptedOut);
        }
        self.done = true;
    }

    pub(super) fn complete(&mut self, at: Position) {
        if let Some(log) = &mut self.current
            && log.outstanding.remove(&at)
        {
            log.orphan.complete(at);
        }
    }
}

/// Counts what is not to be sent, and deletes it.
fn give_up(mut orphan: Orphan, ledger: &Ledger, reason: DropReason) {
    let events = orphan
        .records()
        .filter(|record| {
            matches!(RecordKind::try_from(record.kind), Ok(RecordKind::Event | RecordKind::Scrubbed))
        })
        .count() as u64;
    let damaged = orphan.damaged();
    ledger.adopt(events + damaged);
    ledger.drop_events(reason, events);
    ledger.drop_events(DropReason::Damaged, damaged);
    if events > 0 && reason == DropReason::Expired {
        crate::notice::warn(format_args!("{events} events that had waited for too long are deleted"));
    }
    orphan.remove();
}

impl Log {
    fn new(orphan: Orphan) -> Self {
        Self {
            orphan,
            definitions: HashMap::new(),
            waiting: VecDeque::new(),
            outstanding: HashSet::new(),
            read: false,
            damaged: 0,
        }
    }

    fn next(&mut self, ledger: &Ledger, project: &str) -> Option<Adopted> {
        loop {
            if self.read || self.waiting.len() >= MAX_WAITING {
                let (at, header, members) = self.waiting.pop_front()?;
                return Some(self.give(at, header, members, project));
            }
            let Some(OrphanRecord { at, kind, bytes, .. }) = self.orphan.next() else {
                self.read = true;
                self.count_damage(ledger);
                continue;
            };
            match RecordKind::try_from(kind) {
                // Kept in the log until it is removed as a whole: a killed adopter's successor needs it too.
                Ok(RecordKind::Session) => {
                    if let Some(definition) = Definition::decode(&bytes) {
                        self.definitions.insert(definition.reference, definition);
                    }
                }
                Ok(RecordKind::Event) => {
                    ledger.adopt(1);
                    let Some((header, members)) = Header::decode(&bytes) else {
                        ledger.drop_event(DropReason::Damaged);
                        self.orphan.complete(at);
                        continue;
                    };
                    let members = members.to_vec();
                    match self.definitions.get(&header.session) {
                        Some(definition) if !definition.pending => {
                            return Some(self.give(at, header, members, project));
                        }
                        _ => self.waiting.push_back((at, header, members)),
                    }
                }
                Ok(RecordKind::Scrubbed) => {
                    ledger.adopt(1);
                    let Some(scrubbed) = ScrubbedRecord::decode(&bytes) else {
                        ledger.drop_event(DropReason::Damaged);
                        self.orphan.complete(at);
                        continue;
                    };
                    self.outstanding.insert(at);
                    let (id, hooked, foreign_type) = (scrubbed.id, scrubbed.hooked, scrubbed.foreign_type);
                    return Some(Adopted {
                        at,
                        what: What::Scrubbed { id, body: scrubbed.body.to_vec(), hooked, foreign_type },
                    });
                }
                Ok(RecordKind::FlushMark) | Err(_) => self.orphan.complete(at),
            }
        }
    }

    fn give(&mut self, at: Position, header: Header, members: Vec<u8>, project: &str) -> Adopted {
        self.outstanding.insert(at);
        // Without a definition the project is known all the same: only logs of this one are adopted.
        let unknown = || Definition { project: project.to_owned(), ..Definition::default() };
        let session = Box::new(self.definitions.get(&header.session).cloned().unwrap_or_else(unknown));
        Adopted { at, what: What::Event { header, members, session } }
    }

    /// What was damaged on disk was published once, and is lost.
    fn count_damage(&mut self, ledger: &Ledger) {
        let damaged = self.orphan.damaged();
        for _ in self.damaged..damaged {
            ledger.adopt(1);
            ledger.drop_event(DropReason::Damaged);
        }
        self.damaged = damaged;
        let torn = self.orphan.torn();
        if torn + damaged > 0 {
            crate::notice::warn(format_args!(
                "a log that an earlier process left held {damaged} damaged and {torn} unfinished records"
            ));
        }
    }
}
