//! The worker's side: hands out committed records in the order of their reservation, and frees segments.
//!
//! A record whose producer stopped between reservation and commit is stepped over after a bounded wait and
//! handed out late, once it is committed. If not even its length is there, nothing behind it in its segment is looked
//! at: that segment is sealed and waits, and the others go on. Nothing that `append` acknowledged is skipped for good.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{self, SEGMENT_HEADER, size};
use super::log::{Ahead, Shortage};
use super::moving::{Held, InVain, Moved};
use super::region::{Found, ReadSide};
use super::{Overflow, Position, Record, Spool};

/// The time since the previous look counts at most this much towards a bound: a process that was stopped as a
/// whole must not find its producers late when it goes on.
const LONGEST_STEP: Duration = Duration::from_millis(10);

/// The one reader of a spool. In a forked child it reads and changes nothing: the spool is the parent's.
#[derive(Debug)]
pub struct Reader {
    pub(super) spool: Arc<Spool>,
    pub(super) side: ReadSide,
    /// Segments with something left, oldest first; those without records of their own stay until what was moved out
    /// of them is complete.
    pub(super) live: VecDeque<Live>,
    /// Sequence numbers of those that are not read to their end, oldest first.
    reading: VecDeque<u64>,
    pub(super) moved: Vec<Moved>,
    pub(super) in_vain: Option<InVain>,
    pub(super) buffer: Vec<u8>,
    ahead: Ahead,
    taken_through: u64,
    evicted: u64,
    evicted_kinds: BTreeMap<u8, u64>,
    lost: u64,
    #[cfg(test)]
    pub(super) at_each_step: Option<super::moving::AtEachStep>,
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) sequence: u64,
    /// `None` once it is freed.
    pub(super) slot: Option<usize>,
    pub(super) next: u32,
    /// How far it was claimed when last asked. Asked only when all of that is read: the word is the one that
    /// producers fight for.
    end: u32,
    /// Handed out and not completed, by offset at first.
    pub(super) out: HashMap<u32, Held>,
    /// Claims accounted for, and their bytes.
    seen: u32,
    seen_bytes: u64,
    /// Stepped over: claimed, with a length, and not committed.
    pub(super) late: Vec<(u32, u32)>,
    stuck: Option<Stuck>,
}

impl Live {
    pub(super) fn is_read(&self, tail: super::region::Tail) -> bool {
        tail.sealed() && self.next >= tail.end() && self.late.is_empty()
    }
}

#[derive(Debug)]
struct Stuck {
    at: u32,
    waited: Duration,
    looked: Instant,
}

/// What one step along a segment met.
enum Step {
    Record {
        at: u32,
        kind: u8,
    },
    Passed,
    /// Nothing yet: soon there will be.
    Wait,
    /// Nothing for some time: others can go on.
    Blocked,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, side: ReadSide) -> Self {
        Self {
            spool,
            side,
            live: VecDeque::new(),
            reading: VecDeque::new(),
            moved: Vec::new(),
            in_vain: None,
            buffer: Vec::new(),
            ahead: Ahead::default(),
            taken_through: 0,
            evicted: 0,
            evicted_kinds: BTreeMap::new(),
            lost: 0,
            #[cfg(test)]
            at_each_step: None,
        }
    }

    /// The next committed record, in the order of reservation; `None` when none is ready.
    ///
    /// A record that is reserved but not committed holds up those behind it for at most
    /// [`Options::stall`](super::Options::stall); it is handed out later, when it is committed.
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the reader")]
    pub fn next(&mut self) -> Option<Record<'_>> {
        if self.spool.is_parents() {
            return None;
        }
        self.make_room();
        let (at, kind) = match self.step_late() {
            Some(found) => found,
            None => self.step()?,
        };
        Some(Record { at, kind, bytes: &self.buffer })
    }

    /// Says that a record needs no delivery any more: delivered, or given up. Frees the segments that this
    /// leaves without work. A position that was completed before, or whose segment is gone, is ignored.
    pub fn complete(&mut self, at: Position) {
        if self.spool.is_parents() {
            return;
        }
        let Some(index) = self.index(at.segment) else { return };
        let Some(held) = self.live[index].out.remove(&at.offset) else { return };
        self.spool.log.retire(1, size(held.len));
        self.let_go(held);
        self.reclaim(at.segment);
    }

    /// Marks a record as done where it stands now.
    fn let_go(&mut self, held: Held) {
        self.spool.log.store().finish(&mut self.side, held.slot, held.at, held.len);
        self.left_moved(held.slot);
    }

    /// Records given up under [`Overflow::DropOldest`] since this was last asked. A record that was handed out
    /// is never among them.
    pub fn evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// [`evicted`](Self::evicted) records of one kind since this was last asked for that kind.
    pub fn evicted_of(&mut self, kind: u8) -> u64 {
        self.evicted_kinds.remove(&kind).unwrap_or(0)
    }

    /// Records that were appended and could not be read back since this was last asked: somebody else changed
    /// or cut the file.
    pub fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Work for quiet moments that keeps `append` fast: touches the pages that producers will need before this
    /// is called again (going by what they took since the last time), keeps a segment ready, and gives back
    /// what an earlier burst needed. Makes system calls.
    pub fn prepare(&mut self) {
        if self.spool.is_parents() {
            return;
        }
        self.make_room();
        let sealed: Vec<u64> = self.live.iter().map(|live| live.sequence).collect();
        sealed.into_iter().for_each(|sequence| self.reclaim(sequence));
        self.spool.log.prepare(&mut self.ahead);
    }

    /// No segment with this sequence number or a lower one holds anything that waits.
    pub fn freed_through(&self) -> u64 {
        self.live.front().map_or(self.taken_through, |oldest| oldest.sequence - 1)
    }

    /// No segment with this sequence number or a lower one will give another record to [`next`](Self::next).
    pub fn read_through(&self) -> u64 {
        self.reading.front().map_or(self.taken_through, |oldest| oldest - 1)
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        self.live.binary_search_by_key(&sequence, |live| live.sequence).ok()
    }

    /// Moves along the log to the next record that can be handed out.
    fn step(&mut self) -> Option<(Position, u8)> {
        let mut turn = 0;
        loop {
            let Some(sequence) = self.reading.get(turn).copied() else {
                if !self.take_up() {
                    return None;
                }
                continue;
            };
            let Some(index) = self.index(sequence) else {
                self.reading.remove(turn);
                continue;
            };
            let (live, log) = (&mut self.live[index], &self.spool.log);
            let Some(slot) = live.slot else {
                self.reading.remove(turn);
                continue;
            };
            if live.next >= live.end {
                let tail = log.tail(slot);
                live.end = tail.end();
                if live.next >= live.end {
                    if !tail.sealed() {
                        return None;
                    }
                    if live.late.is_empty() {
                        self.reading.remove(turn);
                        self.reclaim(sequence);
                    } else {
                        turn += 1;
                    }
                    continue;
                }
            }
            match self.walk(index, true) {
                Step::Record { at, kind } => return Some((Position { segment: sequence, offset: at }, kind)),
                Step::Passed => {}
                Step::Wait => return None,
                Step::Blocked => {
                    self.spool.log.pass_over(slot);
                    turn += 1;
                }
            }
        }
    }

    fn take_up(&mut self) -> bool {
        let Some((sequence, slot)) = self.spool.log.take_opened() else { return false };
        let next = SEGMENT_HEADER as u32;
        self.live.push_back(Live {
            sequence,
            slot: Some(slot),
            next,
            end: next,
            out: HashMap::new(),
            seen: 0,
            seen_bytes: 0,
            late: Vec::new(),
            stuck: None,
        });
        self.reading.push_back(sequence);
        self.taken_through = sequence;
        true
    }

    /// Goes one frame further in a segment; the record it meets is left in the buffer, and is out.
    fn walk(&mut self, index: usize, patient: bool) -> Step {
        let (live, log) = (&mut self.live[index], &self.spool.log);
        let Some(slot) = live.slot else { return Step::Passed };
        let (at, end) = (live.next, live.end);
        // Asked after the tail was read and before the bytes are: then it speaks of every claim below `end`.
        let settled = log.store().all_returned(slot);
        let found = log.store().look(&self.side, slot, at, end, settled, &mut self.buffer);
        match found {
            Found::Record { len, .. } | Found::Done { len } | Found::Damaged { len } => {
                live.next += size(len) as u32;
                self.take_in(index, at, found)
            }
            Found::Reserved { len } if settled => {
                live.next += size(len) as u32;
                Step::Passed
            }
            Found::Unknown if settled => {
                let behind = at + frame::OVERHEAD as u32;
                live.next = log.store().find_frame(slot, behind.min(end), end).unwrap_or(end);
                Step::Passed
            }
            _ if patient && !waited(&mut live.stuck, at, self.spool.stall) => Step::Wait,
            Found::Reserved { len } => {
                live.next += size(len) as u32;
                live.late.push((at, len));
                Step::Passed
            }
            Found::Unknown => {
                let tail = log.tail(slot);
                live.end = tail.end();
                // Nobody is behind a claim that nothing follows.
                let behind = tail.records() - live.seen - live.late.len() as u32 > 1;
                if behind || tail.sealed() { Step::Blocked } else { Step::Wait }
            }
        }
    }

    /// Accounts for a claim that is committed.
    fn take_in(&mut self, index: usize, at: u32, found: Found) -> Step {
        let live = &mut self.live[index];
        let (Found::Record { len, .. } | Found::Done { len } | Found::Damaged { len }) = found else {
            return Step::Passed;
        };
        live.seen += 1;
        live.seen_bytes += size(len);
        if let (Found::Record { kind, .. }, Some(slot)) = (found, live.slot) {
            live.out.insert(at, Held { slot, at, len });
            return Step::Record { at, kind };
        }
        // What is done was given up by its producer, who went on elsewhere.
        self.lost += u64::from(matches!(found, Found::Damaged { .. }));
        self.spool.log.retire(1, size(len));
        Step::Passed
    }

    /// Looks again at what was stepped over.
    fn step_late(&mut self) -> Option<(Position, u8)> {
        if self.live.iter().all(|live| live.late.is_empty()) {
            return None;
        }
        for index in 0..self.live.len() {
            let mut turn = 0;
            while let Some((at, len)) = self.live[index].late.get(turn).copied() {
                let (live, log) = (&mut self.live[index], &self.spool.log);
                let Some(slot) = live.slot else { break };
                let settled = log.store().all_returned(slot);
                let end = at + size(len) as u32;
                let found = log.store().look(&self.side, slot, at, end, settled, &mut self.buffer);
                if matches!(found, Found::Reserved { .. } | Found::Unknown) && !settled {
                    turn += 1;
                    continue;
                }
                live.late.swap_remove(turn);
                let segment = live.sequence;
                if let Step::Record { at, kind } = self.take_in(index, at, found) {
                    return Some((Position { segment, offset: at }, kind));
                }
            }
        }
        None
    }

    /// Frees a segment that is read, committed and complete.
    pub(super) fn reclaim(&mut self, sequence: u64) {
        let Some(index) = self.index(sequence) else { return };
        let (live, log) = (&mut self.live[index], &self.spool.log);
        if let Some(slot) = live.slot {
            let tail = log.tail(slot);
            if !live.is_read(tail) || live.out.values().any(|held| held.slot == slot) {
                return;
            }
            let missing = tail.records().saturating_sub(live.seen);
            if missing > 0 {
                // Only where records are written to files: there a claim can end without a record.
                if !log.store().all_returned(slot) {
                    return;
                }
                self.lost += u64::from(missing.saturating_sub(log.store().failed(slot)));
                log.retire(u64::from(missing), tail.data().saturating_sub(live.seen_bytes));
            }
            log.free(&mut self.side, slot, tail.end());
            live.slot = None;
        }
        if live.out.is_empty() {
            self.live.remove(index);
            self.reading.retain(|reading| *reading != sequence);
        }
    }

    /// Room for producers, where they will soon find none: moves the few records that wait in large segments and,
    /// under `DropOldest`, gives up the oldest.
    fn make_room(&mut self) {
        if !self.spool.log.may_be_short() {
            return;
        }
        match self.spool.log.shortage() {
            None => {}
            Some(Shortage::Segments) if self.move_waiting() => {}
            Some(_) if self.spool.overflow == Overflow::DropOldest => self.evict_oldest(),
            Some(_) => {}
        }
    }

    fn evict_oldest(&mut self) {
        if self.live.is_empty() && !self.take_up() {
            return;
        }
        let sequence = self.live[0].sequence;
        if let Some(slot) = self.live[0].slot {
            loop {
                let tail = self.spool.log.tail(slot);
                if !tail.sealed() {
                    return;
                }
                self.live[0].end = tail.end();
                if self.live[0].next >= tail.end() {
                    break;
                }
                match self.walk(0, false) {
                    Step::Record { at, kind } => {
                        self.evicted += 1;
                        *self.evicted_kinds.entry(kind).or_default() += 1;
                        if let Some(held) = self.live[0].out.remove(&at) {
                            self.spool.log.retire(1, size(held.len));
                        }
                    }
                    Step::Passed => {}
                    Step::Wait | Step::Blocked => return,
                }
            }
        }
        // Handed out: their bytes are with the worker, which goes on with them.
        for (_, held) in std::mem::take(&mut self.live[0].out) {
            self.spool.log.retire(1, size(held.len));
            self.let_go(held);
        }
        self.reclaim(sequence);
    }
}

/// Whether the bound has passed since the reader first stood at `at`.
fn waited(stuck: &mut Option<Stuck>, at: u32, bound: Duration) -> bool {
    let now = Instant::now();
    match stuck {
        Some(stuck) if stuck.at == at => {
            stuck.waited += now.duration_since(stuck.looked).min(LONGEST_STEP);
            stuck.looked = now;
            stuck.waited >= bound
        }
        _ => {
            *stuck = Some(Stuck { at, waited: Duration::ZERO, looked: now });
            false
        }
    }
}
