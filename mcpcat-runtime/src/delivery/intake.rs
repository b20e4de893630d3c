//! From the log of this process to events that can be sent: reading, joining with the session's definition, waiting for
//! a session's name, sampling, and marking as ended.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::DropReason;
use super::flushes::Flushes;
use super::item::{Item, Origin};
use super::ledger::Ledger;
use super::mailbox::Mailbox;
use crate::event::record::{Definition, Header, RecordKind};
use crate::event::wire::{self, Dialect};
use crate::policy::Sample;
use crate::spool::{Position, Reader, Spool};

/// Events held for a name at once; beyond it they go out under the provisional one.
const MAX_HELD: usize = 1_024;

/// An event whose session has no name yet.
#[derive(Debug)]
struct Held {
    at: Position,
    header: Header,
    members: Vec<u8>,
    since: Instant,
}

pub(super) struct Intake {
    spool: Arc<Spool>,
    reader: Reader,
    mailbox: Arc<Mailbox>,
    ledger: Arc<Ledger>,
    dialect: Dialect,
    sample: Sample,
    /// By session, with the segment that it was last read in.
    definitions: HashMap<u64, (Definition, u64)>,
    /// Definitions in the log that its events may still need, should another process adopt it.
    needed: VecDeque<Position>,
    held: VecDeque<Held>,
    /// Events read and not ended.
    outstanding: BTreeSet<Position>,
    drained: bool,
    last_record: Instant,
    swept: u64,
    /// Losses that an event has told of.
    told: u64,
}

impl Intake {
    pub(super) fn new(
        spool: Arc<Spool>,
        reader: Reader,
        mailbox: Arc<Mailbox>,
        ledger: Arc<Ledger>,
        dialect: Dialect,
        sample: Sample,
    ) -> Self {
        Self {
            spool,
            reader,
            mailbox,
            ledger,
            dialect,
            sample,
            definitions: HashMap::new(),
            needed: VecDeque::new(),
            held: VecDeque::new(),
            outstanding: BTreeSet::new(),
            drained: false,
            last_record: Instant::now(),
            swept: 0,
            told: 0,
        }
    }

    pub(super) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Makes room ready for what publishers will need.
    pub(super) fn prepare(&mut self) {
        self.reader.prepare();
    }

    /// The oldest event that has not ended.
    pub(super) fn oldest(&self) -> Option<Position> {
        self.outstanding.first().copied()
    }

    /// No segment of the log up to this one gives another record.
    pub(super) fn read_through(&self) -> u64 {
        self.reader.read_through()
    }

    /// Whether the last look found nothing more to read.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Whether nothing that was read is left.
    pub(super) fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    pub(super) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Since when the longest waits for a name.
    pub(super) fn held_since(&self) -> Option<Instant> {
        self.held.front().map(|held| held.since)
    }

    pub(super) fn idle_for(&self) -> Duration {
        self.last_record.elapsed()
    }

    /// Somebody says that there is something: look often for a while.
    pub(super) fn stay_awake(&mut self) {
        self.last_record = Instant::now();
    }

    /// The next event of the log that can go out.
    pub(super) fn read(&mut self, flushes: &mut Flushes) -> Option<Item> {
        self.drained = false;
        loop {
            let Some(record) = self.reader.next() else {
                self.drained = true;
                self.sweep();
                return None;
            };
            self.last_record = Instant::now();
            let at = record.at;
            match RecordKind::try_from(record.kind) {
                Ok(RecordKind::Session) => {
                    if let Some(definition) = Definition::decode(record.bytes) {
                        if !definition.pending {
                            // Nobody waits any more for what this says.
                            self.mailbox.expect_no_name(definition.reference);
                        }
                        self.definitions.insert(definition.reference, (definition, at.segment()));
                    }
                    self.needed.push_back(at);
                }
                Ok(RecordKind::Event) => {
                    let Some((header, members)) = Header::decode(record.bytes) else {
                        self.ledger.drop_event(DropReason::Damaged);
                        self.reader.complete(at);
                        continue;
                    };
                    self.outstanding.insert(at);
                    if is_unnamed(&self.definitions, header.session) {
                        let members = members.to_vec();
                        self.held.push_back(Held { at, header, members, since: self.last_record });
                        continue;
                    }
                    if samples_out(&self.definitions, self.sample, &header) {
                        self.complete(at);
                        self.ledger.withdraw();
                        continue;
                    }
                    let lost = untold(&self.ledger, &mut self.told);
                    let body = join(&self.definitions, &self.dialect, &header, members, lost);
                    return Some(Item::new(Origin::Own(at), header.id, header.foreign_type, body));
                }
                Ok(RecordKind::FlushMark) => {
                    if let Ok(number) = record.bytes.try_into().map(u64::from_le_bytes) {
                        flushes.mark_read(number, at);
                    }
                    self.reader.complete(at);
                }
                Ok(RecordKind::Scrubbed) | Err(_) => self.reader.complete(at),
            }
        }
    }

    /// Gives up everything in the log; how many events that were.
    pub(super) fn discard(&mut self, flushes: &mut Flushes) -> u64 {
        let mut events = 0;
        while let Some(item) = self.read(flushes) {
            if let Origin::Own(at) = item.origin {
                self.complete(at);
                events += 1;
            }
        }
        for held in std::mem::take(&mut self.held) {
            self.complete(held.at);
            events += 1;
        }
        events
    }

    /// Whether every record of the log is marked as done, those among them that are just being written.
    pub(super) fn is_cleared(&self) -> bool {
        self.spool.pending() == 0
    }

    /// The events whose session has been named, and those that have waited too long for it.
    pub(super) fn release_held(&mut self, patience: Duration) -> Vec<Item> {
        let now = Instant::now();
        // Definitions that name a session stand behind the held events in the log: read on.
        let crowded = self.held.len() > MAX_HELD;
        let (mut kept, mut released) = (VecDeque::new(), Vec::new());
        while let Some(held) = self.held.pop_front() {
            if is_unnamed(&self.definitions, held.header.session) {
                let overdue = crowded || now.duration_since(held.since) >= patience;
                if !self.try_name(held.header.session, overdue) {
                    kept.push_back(held);
                    continue;
                }
            }
            if samples_out(&self.definitions, self.sample, &held.header) {
                self.complete(held.at);
                self.ledger.withdraw();
                continue;
            }
            let lost = untold(&self.ledger, &mut self.told);
            let body = join(&self.definitions, &self.dialect, &held.header, &held.members, lost);
            let Held { at, header, .. } = held;
            released.push(Item::new(Origin::Own(at), header.id, header.foreign_type, body));
        }
        self.held = kept;
        released
    }

    /// Whether the session has a name now; `overdue` gives it its provisional one for good.
    fn try_name(&mut self, reference: u64, overdue: bool) -> bool {
        let Some((definition, _)) = self.definitions.get_mut(&reference) else { return true };
        let provisional = definition.session_id.clone().unwrap_or_default();
        let Some(name) = self.mailbox.name(reference, &provisional, overdue) else { return false };
        definition.session_id = Some(name);
        definition.pending = false;
        true
    }

    /// Forgets the definitions of sessions whose records have left the log, and counts what the log lost.
    fn sweep(&mut self) {
        self.ledger.drop_events(DropReason::Damaged, self.reader.lost());
        let freed = self.reader.freed_through();
        if freed > self.swept {
            self.swept = freed;
            let waiting: HashSet<u64> = self.held.iter().map(|held| held.header.session).collect();
            self.definitions
                .retain(|reference, (_, segment)| *segment > freed || waiting.contains(reference));
        }
        self.release_definitions();
    }

    /// What gave way to newer events. A flush that asked for some of it has nothing left to wait for but what is
    /// on its way.
    pub(super) fn count_evicted(&mut self, flushes: &mut Flushes) {
        self.ledger.drop_events(DropReason::Evicted, self.reader.evicted_of(RecordKind::Event.into()));
        let marks = self.reader.evicted_of(RecordKind::FlushMark.into()) as usize;
        flushes.marks_evicted(marks, self.outstanding.last().copied());
    }

    /// An event has ended.
    pub(super) fn complete(&mut self, at: Position) {
        self.outstanding.remove(&at);
        self.reader.complete(at);
        self.release_definitions();
    }

    /// A definition is done with when the log has gone on and all of its segment is read and every event there has
    /// ended.
    fn release_definitions(&mut self) {
        let unread = (self.reader.read_through() + 1).min(self.spool.segment());
        let oldest = self.outstanding.first().map_or(unread, |oldest| oldest.segment().min(unread));
        while self.needed.front().is_some_and(|needed| needed.segment() < oldest) {
            if let Some(needed) = self.needed.pop_front() {
                self.reader.complete(needed);
            }
        }
    }

    /// Takes no more events.
    pub(super) fn close(&mut self) {
        if self.outstanding.is_empty() {
            // Nothing is left that would need them: the log can be deleted.
            for at in std::mem::take(&mut self.needed) {
                self.reader.complete(at);
            }
        }
        self.spool.close();
    }
}

type Definitions = HashMap<u64, (Definition, u64)>;

fn join(definitions: &Definitions, dialect: &Dialect, header: &Header, members: &[u8], lost: u64) -> Bytes {
    let unknown = Definition::default();
    let session = definitions.get(&header.session).map_or(&unknown, |(definition, _)| definition);
    if lost > 0 {
        return Bytes::from(wire::body(dialect, header, members, &telling(session, lost)));
    }
    Bytes::from(wire::body(dialect, header, members, session))
}

/// Events of this process that were lost since the last word of it. A collector cannot tell otherwise what never left;
/// an event that tells it and is lost itself takes the number along.
fn untold(ledger: &Ledger, told: &mut u64) -> u64 {
    let lost = ledger.lost_here();
    lost.saturating_sub(std::mem::replace(told, lost))
}

/// A session whose event says how many were lost before it.
fn telling(session: &Definition, lost: u64) -> Definition {
    let said = session.properties.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let mut properties: serde_json::Map<String, serde_json::Value> = said.unwrap_or_default();
    properties.insert("mcpcat_dropped".to_owned(), lost.into());
    let properties = serde_json::to_string(&properties).ok();
    Definition { properties, ..session.clone() }
}

/// Whether the rate of sessions leaves an event out whose session had no name when it was raised. For others the call
/// site has decided, alike.
fn samples_out(definitions: &Definitions, sample: Sample, header: &Header) -> bool {
    let session = definitions.get(&header.session).and_then(|(it, _)| it.session_id.as_deref());
    header.is_error != Some(true) && session.is_some_and(|id| !sample.keeps(id))
}

fn is_unnamed(definitions: &Definitions, reference: u64) -> bool {
    definitions.get(&reference).is_some_and(|(definition, _)| definition.pending)
}
