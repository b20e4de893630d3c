//! The worker's side: hands out committed records in the order of their reservation, and frees segments.
//!
//! A record whose producer stopped between reservation and commit is stepped over after a bounded wait and
//! handed out late, once it is committed. Nothing that `append` acknowledged is skipped for good.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{OVERHEAD, SEGMENT_HEADER, size};
use super::log::Ahead;
use super::region::{Found, ReadSide};
use super::{Overflow, Position, Record, Spool};

/// The time since the previous look counts at most this much towards a bound: a process that was stopped as a
/// whole must not find its producers late when it goes on.
const LONGEST_STEP: Duration = Duration::from_millis(10);
/// A claim that was not committed in this many times the stall bound (of a process that runs; 30 s by default)
/// never will be. Its segment is not used again, and its record counts as lost.
const GIVE_UP: u32 = 600;

/// The one reader of a spool. In a forked child it reads and changes nothing: the spool is the parent's.
#[derive(Debug)]
pub struct Reader {
    spool: Arc<Spool>,
    side: ReadSide,
    /// Segments that are not freed, oldest first; the last one is being read.
    live: VecDeque<Live>,
    late: Vec<Late>,
    late_looked: Instant,
    buffer: Vec<u8>,
    stuck: Option<Stuck>,
    ahead: Ahead,
    freed_through: u64,
    evicted: u64,
    evicted_kinds: BTreeMap<u8, u64>,
    lost: u64,
}

#[derive(Debug)]
struct Live {
    sequence: u64,
    slot: usize,
    next: u32,
    /// How far it was claimed when last asked. Asked only when all of that is read: the word is the one that
    /// producers fight for.
    end: u32,
    /// Handed out and not completed: offset and payload length.
    out: HashMap<u32, u32>,
    /// Claims accounted for.
    seen: u32,
}

/// A stretch that was stepped over: one record or, where the length was missing, perhaps several.
#[derive(Debug)]
struct Late {
    sequence: u64,
    slot: usize,
    at: u32,
    end: u32,
    waited: Duration,
}

#[derive(Debug)]
struct Stuck {
    at: u32,
    waited: Duration,
    looked: Instant,
}

/// What one step along a segment met.
enum Step {
    Record { at: u32, len: u32, kind: u8 },
    Passed,
    Wait,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, side: ReadSide) -> Self {
        Self {
            spool,
            side,
            live: VecDeque::new(),
            late: Vec::new(),
            late_looked: Instant::now(),
            buffer: Vec::new(),
            stuck: None,
            ahead: Ahead::default(),
            freed_through: 0,
            evicted: 0,
            evicted_kinds: BTreeMap::new(),
            lost: 0,
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
    /// leaves without work, oldest first. A position that was completed before, or whose segment is gone, is
    /// ignored.
    pub fn complete(&mut self, at: Position) {
        if self.spool.is_parents() {
            return;
        }
        let Some(live) = self.live.iter_mut().find(|live| live.sequence == at.segment) else { return };
        let Some(len) = live.out.remove(&at.offset) else { return };
        self.spool.log.store().finish(&mut self.side, live.slot, at.offset, len);
        self.spool.log.retire(1);
        self.reclaim();
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
        self.reclaim();
        self.spool.log.prepare(&mut self.ahead);
    }

    /// All segments with this sequence number or a lower one are gone.
    pub fn freed_through(&self) -> u64 {
        self.freed_through
    }

    /// Moves along the log to the next record that can be handed out.
    fn step(&mut self) -> Option<(Position, u8)> {
        loop {
            if self.live.is_empty() {
                self.take_up()?;
            }
            let last = self.live.len() - 1;
            let live = &mut self.live[last];
            if live.next >= live.end {
                let tail = self.spool.log.segment(live.slot).tail();
                live.end = tail.end();
                if live.next >= live.end {
                    if !tail.sealed() {
                        return None;
                    }
                    let taken = self.take_up();
                    self.reclaim();
                    taken?;
                    continue;
                }
            }
            match self.walk(last, true) {
                Step::Record { at, len, kind } => {
                    let live = &mut self.live[last];
                    live.out.insert(at, len);
                    return Some((Position { segment: live.sequence, offset: at }, kind));
                }
                Step::Passed => {}
                Step::Wait => return None,
            }
        }
    }

    fn take_up(&mut self) -> Option<()> {
        let (sequence, slot) = self.spool.log.take_opened()?;
        let next = SEGMENT_HEADER as u32;
        self.live.push_back(Live { sequence, slot, next, end: next, out: HashMap::new(), seen: 0 });
        self.stuck = None;
        Some(())
    }

    /// Goes one frame further in a segment; the record it meets is left in the buffer.
    fn walk(&mut self, index: usize, patient: bool) -> Step {
        let live = &mut self.live[index];
        let log = &self.spool.log;
        let (at, end) = (live.next, live.end);
        // Asked after the tail was read and before the bytes are: then it speaks of every claim below `end`.
        let settled = log.store().all_returned(live.slot);
        let found = log.store().look(&self.side, live.slot, at, end, settled, &mut self.buffer);
        match found {
            Found::Record { len, kind } => {
                live.next += size(len as usize) as u32;
                live.seen += 1;
                Step::Record { at, len, kind }
            }
            Found::Done { len } => {
                live.next += size(len as usize) as u32;
                live.seen += 1;
                Step::Passed
            }
            Found::Damaged { len } => {
                live.next += size(len as usize) as u32;
                live.seen += 1;
                self.lost += 1;
                log.retire(1);
                Step::Passed
            }
            Found::Reserved { .. } | Found::Unknown
                if patient && !settled && !waited(&mut self.stuck, at, self.spool.stall) =>
            {
                Step::Wait
            }
            Found::Reserved { .. } | Found::Unknown => {
                let next = match found {
                    Found::Reserved { len } => Some(at + size(len as usize) as u32),
                    _ => log.store().find_frame(&self.side, live.slot, at + OVERHEAD as u32, end),
                };
                // Nobody is behind a claim that nothing follows, unless no one is going to fill it either.
                let Some(next) = next.or(settled.then_some(end)) else {
                    live.end = log.segment(live.slot).tail().end();
                    return Step::Wait;
                };
                live.next = next;
                if !settled {
                    let (sequence, slot) = (live.sequence, live.slot);
                    if self.late.is_empty() {
                        self.late_looked = Instant::now();
                    }
                    self.late.push(Late { sequence, slot, at, end: next, waited: Duration::ZERO });
                }
                Step::Passed
            }
        }
    }

    /// Looks again at what was stepped over.
    fn step_late(&mut self) -> Option<(Position, u8)> {
        if self.late.is_empty() {
            return None;
        }
        let log = &self.spool.log;
        let now = Instant::now();
        let passed = now.duration_since(std::mem::replace(&mut self.late_looked, now)).min(LONGEST_STEP);
        self.late.iter_mut().for_each(|late| late.waited += passed);
        let give_up = self.spool.stall * GIVE_UP;
        let (mut index, mut dropped) = (0, false);
        while let Some(late) = self.late.get_mut(index) {
            let at = late.at;
            let settled = log.store().all_returned(late.slot);
            let found = log.store().look(&self.side, late.slot, at, late.end, settled, &mut self.buffer);
            let sequence = late.sequence;
            match found {
                Found::Record { len, .. } | Found::Done { len } | Found::Damaged { len } => {
                    late.at += size(len as usize) as u32;
                }
                Found::Reserved { .. } | Found::Unknown if !settled && late.waited < give_up => {
                    index += 1;
                    continue;
                }
                Found::Reserved { .. } | Found::Unknown => late.at = late.end,
            }
            if late.at >= late.end {
                self.late.swap_remove(index);
                dropped = true;
            }
            let Some(live) = self.live.iter_mut().find(|live| live.sequence == sequence) else { continue };
            match found {
                Found::Record { len, kind } => {
                    live.seen += 1;
                    live.out.insert(at, len);
                    return Some((Position { segment: sequence, offset: at }, kind));
                }
                Found::Done { .. } => live.seen += 1,
                Found::Damaged { .. } => {
                    live.seen += 1;
                    self.lost += 1;
                    log.retire(1);
                }
                Found::Reserved { .. } | Found::Unknown => {}
            }
        }
        if dropped {
            self.reclaim();
        }
        None
    }

    /// Frees what is read, committed and complete, strictly oldest first.
    fn reclaim(&mut self) {
        while let Some(oldest) = self.live.front() {
            let log = &self.spool.log;
            let (sequence, slot) = (oldest.sequence, oldest.slot);
            let tail = log.segment(slot).tail();
            let read = tail.sealed() && oldest.next >= tail.end() && oldest.out.is_empty();
            if !read || self.late.iter().any(|late| late.sequence == sequence) {
                return;
            }
            let settled = log.store().all_returned(slot);
            let missing = tail.records() - oldest.seen;
            if log.store().is_written() {
                if !settled {
                    return;
                }
                self.lost += u64::from(missing.saturating_sub(log.store().failed(slot)));
                log.retire(u64::from(missing));
                log.free(&mut self.side, slot);
            } else if missing == 0 {
                log.free(&mut self.side, slot);
            } else {
                self.lost += u64::from(missing);
                log.retire(u64::from(missing));
                log.abandon(slot);
            }
            self.freed_through = sequence;
            self.live.pop_front();
        }
    }

    /// Under `DropOldest`, gives up the oldest segment when no other is left to open.
    fn make_room(&mut self) {
        if self.spool.overflow != Overflow::DropOldest || !self.spool.log.exhausted() {
            return;
        }
        if self.live.is_empty() && self.take_up().is_none() {
            return;
        }
        loop {
            let tail = self.spool.log.segment(self.live[0].slot).tail();
            if !tail.sealed() {
                return;
            }
            self.live[0].end = tail.end();
            if self.live[0].next >= tail.end() {
                break;
            }
            match self.walk(0, false) {
                Step::Record { kind, .. } => {
                    self.evicted += 1;
                    *self.evicted_kinds.entry(kind).or_default() += 1;
                    self.spool.log.retire(1);
                }
                Step::Passed => {}
                Step::Wait => return,
            }
        }
        // Handed out: their bytes are with the worker, which goes on with them.
        let out = std::mem::take(&mut self.live[0].out);
        self.spool.log.retire(out.len() as u64);
        self.reclaim();
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
