//! When segments run out before data does: moves the few records that wait in a large segment to another one, and
//! frees the large one.
//!
//! A moved record says where it stood at first. It is committed in its new place before it is marked as done in the
//! old one; a later start that finds both takes them for one record. So a kill at any step loses nothing and
//! doubles nothing.

use std::time::{Duration, Instant};

use super::frame::{self, SEGMENT_HEADER, size};
use super::log::{Log, Shortage};
use super::reader::Reader;
use super::region::{Found, Payload};
use super::scan::Origin;

/// Where a record that was handed out stands now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) slot: usize,
    pub(super) at: u32,
    /// Of its payload there, with the origin if it was moved.
    pub(super) len: u32,
}

/// A segment that holds moved records.
#[derive(Debug)]
pub(super) struct Moved {
    slot: usize,
    end: u32,
    /// Records in it that are not complete.
    left: usize,
    /// It takes more.
    open: bool,
}

/// There was nothing to move, or no room for it; asked again when more is complete, or after some time.
#[derive(Clone, Copy, Debug)]
pub(super) struct InVain {
    at: Instant,
    /// What will have been retired when it is worth asking again.
    until: u64,
}

impl InVain {
    fn now(log: &Log) -> Self {
        Self { at: Instant::now(), until: log.retired_bytes() + log.sizes().quantum() }
    }

    fn holds(self, retired: u64) -> bool {
        retired < self.until && self.at.elapsed() < Duration::from_millis(100)
    }
}

/// A segment of which more than this part waits is not worth moving: parts of four.
const MOST_WAITING: u64 = 3;

/// A segment's records that wait, by the segment and the offset that they had at first.
type Waiting = Vec<(u64, u32)>;

impl Reader {
    /// Moves what waits in segments that are mostly complete. Whether that freed one.
    pub(super) fn move_waiting(&mut self) -> bool {
        if self.in_vain.is_some_and(|vain| vain.holds(self.spool.log.retired_bytes())) {
            return false;
        }
        let mut freed = false;
        while self.spool.log.shortage() == Some(Shortage::Segments) {
            let moved = self.mostly_complete().is_some_and(|(slot, waiting)| self.move_out(slot, &waiting));
            if !moved {
                self.in_vain = Some(InVain::now(&self.spool.log));
                break;
            }
            freed = true;
        }
        freed
    }

    /// The oldest segment that is read and of which little waits.
    fn mostly_complete(&self) -> Option<(usize, Waiting)> {
        let log = &self.spool.log;
        let own = self.live.iter().filter_map(|live| {
            let slot = live.slot?;
            live.is_read(log.tail(slot)).then_some(slot)
        });
        let moved = self.moved.iter().filter(|moved| !moved.open).map(|moved| moved.slot);
        own.chain(moved).find_map(|slot| {
            let (waiting, bytes) = self.waiting_in(slot);
            (bytes * 4 <= log.store().len(slot) * MOST_WAITING).then_some((slot, waiting))
        })
    }

    fn waiting_in(&self, slot: usize) -> (Waiting, u64) {
        let (mut waiting, mut bytes) = (Waiting::new(), 0);
        for live in &self.live {
            for (offset, held) in live.out.iter().filter(|(_, held)| held.slot == slot) {
                waiting.push((live.sequence, *offset));
                bytes += size(held.len) + Origin::LEN as u64;
            }
        }
        waiting.sort_unstable();
        (waiting, bytes)
    }

    /// Moves all of a segment's records and frees it; `false` if there is no room for them.
    fn move_out(&mut self, slot: usize, waiting: &Waiting) -> bool {
        for (sequence, offset) in waiting {
            if !self.move_one(slot, *sequence, *offset) {
                return false;
            }
        }
        if let Some(index) = self.moved.iter().position(|moved| moved.slot == slot) {
            let Moved { end, .. } = self.moved.swap_remove(index);
            self.spool.log.free(&mut self.side, slot, end);
        } else if let Some(sequence) =
            self.live.iter().find(|live| live.slot == Some(slot)).map(|live| live.sequence)
        {
            self.reclaim(sequence);
        }
        self.step_done();
        true
    }

    fn move_one(&mut self, from: usize, sequence: u64, offset: u32) -> bool {
        let Some(live) = self.live.iter().position(|live| live.sequence == sequence) else { return true };
        let Some(held) = self.live[live].out.get(&offset).copied() else { return true };
        let end = held.at + size(held.len) as u32;
        let store = self.spool.log.store();
        let found = store.look(&self.side, from, held.at, end, true, &mut self.buffer);
        let Found::Record { len, kind } = found else { return false };
        let mut record = std::mem::take(&mut self.buffer);
        record.truncate(len as usize);
        let was_moved = self.moved.iter().any(|moved| moved.slot == from);
        if !was_moved {
            record.splice(0..0, Origin { sequence, at: offset }.encode());
        }
        let len = record.len() as u32;
        record.resize(frame::padded(record.len()), 0);
        let done = self.place_moved(Payload { kind, padded: &record, len, moved: true });
        self.buffer = record;
        let Some((slot, at)) = done else { return false };
        self.step_done();
        self.spool.log.store().finish(&mut self.side, from, held.at, held.len);
        self.step_done();
        self.spool.log.moved(size(held.len), size(len));
        if let Some(moved) = self.moved.iter_mut().find(|moved| moved.slot == from) {
            moved.left -= 1;
        }
        self.live[live].out.insert(offset, Held { slot, at, len });
        true
    }

    /// Writes a record to the segment for moved ones; opens another if it is full.
    fn place_moved(&mut self, payload: Payload<'_>) -> Option<(usize, u32)> {
        let log = &self.spool.log;
        let fits = |moved: &Moved| u64::from(moved.end) + payload.size() <= log.store().len(moved.slot);
        if !self.moved.iter().any(|moved| moved.open && fits(moved)) {
            self.moved.iter_mut().for_each(|moved| moved.open = false);
            let least = SEGMENT_HEADER as u64 + payload.size();
            let len = log.sizes().candidates(log.sizes().largest(), payload.size()).find(|len| *len >= least);
            let (_, slot) = len.and_then(|len| log.open_moved(len))?;
            self.moved.push(Moved { slot, end: SEGMENT_HEADER as u32, left: 0, open: true });
            self.step_done();
        }
        let moved = self.moved.iter_mut().find(|moved| moved.open)?;
        let at = moved.end;
        if !self.spool.log.store().place(&mut self.side, moved.slot, at, payload) {
            return None;
        }
        moved.end += payload.size() as u32;
        moved.left += 1;
        Some((moved.slot, at))
    }

    /// One record less waits in a segment for moved ones, if it is one.
    pub(super) fn left_moved(&mut self, slot: usize) {
        let Some(index) = self.moved.iter().position(|moved| moved.slot == slot) else { return };
        self.moved[index].left -= 1;
        if self.moved[index].left == 0 {
            let Moved { slot, end, .. } = self.moved.swap_remove(index);
            self.spool.log.free(&mut self.side, slot, end);
        }
    }

    /// A moment at which a kill would leave files as they are now.
    fn step_done(&self) {
        #[cfg(test)]
        if let Some(AtEachStep(look)) = &self.at_each_step {
            look();
        }
    }
}

/// What a test does at each of those moments.
#[cfg(test)]
pub(super) struct AtEachStep(pub(super) Box<dyn Fn() + Send>);

#[cfg(test)]
impl std::fmt::Debug for AtEachStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AtEachStep")
    }
}
