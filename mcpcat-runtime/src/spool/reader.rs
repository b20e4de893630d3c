//! The worker's side: hands out committed records in the order of their reservation, and frees segments.
//!
//! A record whose producer stopped between reservation and commit is stepped over after a bounded wait and
//! handed out late, once it is committed. Nothing that `append` acknowledged is skipped for good.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{ALIGN, OVERHEAD, SEGMENT_HEADER, size};
use super::region::{Found, ReadSide};
use super::{Overflow, Position, Record, Spool};

/// The time since the previous look counts at most this much towards a bound: a process that was stopped as a
/// whole must not find its producers late when it goes on.
const LONGEST_STEP: Duration = Duration::from_millis(10);

/// The one reader of a spool.
#[derive(Debug)]
pub struct Reader {
    spool: Arc<Spool>,
    side: ReadSide,
    /// Segments that are not freed, oldest first; the last one is being read.
    live: VecDeque<Live>,
    late: Vec<Late>,
    buffer: Vec<u8>,
    stuck: Option<Stuck>,
    freed_through: u64,
    evicted: u64,
    lost: u64,
}

#[derive(Debug)]
struct Live {
    sequence: u64,
    slot: usize,
    next: u32,
    out: HashSet<u32>,
    seen: u32,
}

/// A stretch that was stepped over: one record or, where the length was missing, perhaps several.
#[derive(Debug)]
struct Late {
    sequence: u64,
    slot: usize,
    at: u32,
    end: u32,
}

#[derive(Debug)]
struct Stuck {
    at: u32,
    waited: Duration,
    looked: Instant,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, side: ReadSide) -> Self {
        Self {
            spool,
            side,
            live: VecDeque::new(),
            late: Vec::new(),
            buffer: Vec::new(),
            stuck: None,
            freed_through: 0,
            evicted: 0,
            lost: 0,
        }
    }

    /// The next committed record, in the order of reservation; `None` when none is ready.
    ///
    /// A record that is reserved but not committed holds up those behind it for at most
    /// [`Options::stall`](super::Options::stall); it is handed out later, when it is committed.
    #[expect(clippy::should_implement_trait, reason = "the record borrows from the reader")]
    pub fn next(&mut self) -> Option<Record<'_>> {
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
        let Some(live) = self.live.iter_mut().find(|live| live.sequence == at.segment) else { return };
        if !live.out.remove(&at.offset) {
            return;
        }
        let segment = self.spool.log.segment(live.slot);
        let limit = segment.tail().end();
        segment.finish(&mut self.side, self.spool.log.salt, at.offset, limit);
        self.spool.log.retire(1);
        self.reclaim();
    }

    /// Records given up under [`Overflow::DropOldest`] since this was last asked. A record that was handed out
    /// is never among them.
    pub fn evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Records that were appended and could not be read back since this was last asked: somebody else changed
    /// or cut the file.
    pub fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Work for quiet moments that keeps `append` fast: a segment kept ready.
    pub fn prepare(&mut self) {
        self.make_room();
        self.spool.log.keep_spare();
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
            let live = self.live.back_mut()?;
            let segment = self.spool.log.segment(live.slot);
            let tail = segment.tail();
            if live.next >= tail.end() {
                if !tail.sealed() {
                    return None;
                }
                self.take_up()?;
                self.reclaim();
                continue;
            }
            let at = live.next;
            match segment.look(&self.side, self.spool.log.salt, at, tail.end(), &mut self.buffer) {
                Found::Record { len, kind } => {
                    live.next += size(len as usize) as u32;
                    live.out.insert(at);
                    live.seen += 1;
                    return Some((Position { segment: live.sequence, offset: at }, kind));
                }
                Found::Done { len } => {
                    live.next += size(len as usize) as u32;
                    live.seen += 1;
                }
                Found::Damaged { len } => {
                    live.next += size(len as usize) as u32;
                    live.seen += 1;
                    self.lost += 1;
                    self.spool.log.retire(1);
                }
                Found::Reserved { .. } | Found::Unknown if !waited(&mut self.stuck, at, self.spool.stall) => {
                    return None;
                }
                Found::Reserved { len } => {
                    let end = at + size(len as usize) as u32;
                    self.late.push(Late { sequence: live.sequence, slot: live.slot, at, end });
                    live.next = end;
                }
                Found::Unknown => {
                    let first = at as usize + OVERHEAD;
                    let end = (first..tail.end() as usize)
                        .step_by(ALIGN)
                        .find(|&place| segment.has_frame(&self.side, self.spool.log.salt, place as u32))?
                        as u32;
                    self.late.push(Late { sequence: live.sequence, slot: live.slot, at, end });
                    live.next = end;
                }
            }
        }
    }

    fn take_up(&mut self) -> Option<()> {
        let (sequence, slot) = self.spool.log.take_opened()?;
        let next = SEGMENT_HEADER as u32;
        self.live.push_back(Live { sequence, slot, next, out: HashSet::new(), seen: 0 });
        self.stuck = None;
        Some(())
    }

    /// Looks again at what was stepped over.
    fn step_late(&mut self) -> Option<(Position, u8)> {
        let mut index = 0;
        while let Some(late) = self.late.get_mut(index) {
            let segment = self.spool.log.segment(late.slot);
            let at = late.at;
            let found = segment.look(&self.side, self.spool.log.salt, at, late.end, &mut self.buffer);
            let (len, record) = match found {
                Found::Unknown | Found::Reserved { .. } => {
                    index += 1;
                    continue;
                }
                Found::Record { len, kind } => (len, Some(kind)),
                Found::Done { len } => (len, None),
                Found::Damaged { len } => {
                    self.lost += 1;
                    self.spool.log.retire(1);
                    (len, None)
                }
            };
            late.at += size(len as usize) as u32;
            let position = Position { segment: late.sequence, offset: at };
            if late.at >= late.end {
                self.late.swap_remove(index);
            }
            let Some(live) = self.live.iter_mut().find(|live| live.sequence == position.segment) else {
                continue;
            };
            live.seen += 1;
            let Some(kind) = record else { continue };
            live.out.insert(at);
            return Some((position, kind));
        }
        None
    }

    /// Frees what is read, committed and complete, strictly oldest first.
    fn reclaim(&mut self) {
        while let Some(oldest) = self.live.front() {
            let tail = self.spool.log.segment(oldest.slot).tail();
            let read = tail.sealed() && oldest.next >= tail.end() && oldest.seen == tail.records();
            if !read || !oldest.out.is_empty() {
                return;
            }
            self.freed_through = oldest.sequence;
            self.spool.log.free(&mut self.side, oldest.slot);
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
        while let Some(oldest) = self.live.front_mut() {
            let segment = self.spool.log.segment(oldest.slot);
            let tail = segment.tail();
            if !tail.sealed() {
                return;
            }
            if oldest.next >= tail.end() {
                break;
            }
            let at = oldest.next;
            let found = segment.look(&self.side, self.spool.log.salt, at, tail.end(), &mut self.buffer);
            let len = match found {
                Found::Unknown => return,
                Found::Reserved { len } => {
                    let end = at + size(len as usize) as u32;
                    self.late.push(Late { sequence: oldest.sequence, slot: oldest.slot, at, end });
                    oldest.next = end;
                    continue;
                }
                Found::Record { len, .. } => {
                    self.evicted += 1;
                    self.spool.log.retire(1);
                    len
                }
                Found::Damaged { len } => {
                    self.lost += 1;
                    self.spool.log.retire(1);
                    len
                }
                Found::Done { len } => len,
            };
            oldest.seen += 1;
            oldest.next += size(len as usize) as u32;
        }
        if let Some(oldest) = self.live.front_mut() {
            // Handed out: their bytes are with the worker, which goes on with them.
            self.spool.log.retire(oldest.out.len() as u64);
            oldest.out.clear();
        }
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
