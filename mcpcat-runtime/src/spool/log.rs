//! The segments of one run as one log: which takes appends, which comes next, how much is held.
//!
//! Producers read one index and append; the lock is taken to change segments, once in thousands of events. No
//! system call is made under it while the worker keeps a segment ready.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::frame::{self, SEGMENT_HEADER};
#[cfg(test)]
use super::region::Mapping;
use super::region::{CachePadded, Missed, Payload, ReadSide, Segment, Tail};
use super::sizes::Sizes;
use super::store::{MOST_SEGMENTS, Room, Store};
use super::{Appended, Mark, Refused};

/// What producers and the reader share.
#[derive(Debug)]
pub(super) struct Log {
    current: AtomicUsize,
    /// Why appends are refused without asking, if they are.
    full: AtomicU8,
    /// Data of sealed segments, since the log was opened.
    sealed_bytes: AtomicU64,
    sizes: Sizes,
    /// The largest payload that fits, of [`Sizes::limit`].
    limit: usize,
    store: Store,
    /// The reader writes this at each record; what producers read at each append is not on its cache lines.
    retired: CachePadded<Retired>,
    rolling: CachePadded<Mutex<Rolling>>,
}

/// [`Log::full`]: there is room.
const OPEN: u8 = 0;
/// As much data waits as may; over when some of it is complete.
const DATA: u8 = 1;
/// No segment is to be had; over when one is freed or made.
const SEGMENTS: u8 = 2;

/// What was completed or given up, since the log was opened.
#[derive(Debug, Default)]
struct Retired {
    records: AtomicU64,
    bytes: AtomicU64,
}

#[derive(Debug)]
struct Rolling {
    /// Cleared segments with room reserved, ready to be opened.
    spares: Vec<usize>,
    /// Segments without room.
    bare: Vec<usize>,
    /// Slots without a segment.
    empty: Vec<usize>,
    /// Opened segments that the reader has not taken up.
    opened: VecDeque<(u64, usize)>,
    sequence: u64,
    sealed_records: u64,
    closed: bool,
    /// The size of segment that is wanted next, and when the current one was opened.
    class: usize,
    opened_at: Instant,
}

/// What the worker's preparations remember from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Bytes ever appended, when it last looked.
    appended: u64,
    /// How far each segment's pages were touched since it got its room.
    touched: Vec<u32>,
    /// When there was no room for another segment.
    refused: Option<Instant>,
    /// Since when nothing has been appended.
    quiet_since: Option<Instant>,
}

impl Log {
    /// A log with its first segment open: a small one.
    ///
    /// # Errors
    /// There is no room for even one segment.
    pub(super) fn open(store: Store, sizes: Sizes) -> std::io::Result<(Self, ReadSide)> {
        let (log, side) = Self::refusing(store, sizes);
        log.store.give_room(0, log.sizes.smallest(), log.sizes.blocks())?;
        log.store.touch(0, 0, FIRST_TOUCH);
        let mut rolling = log.rolling();
        rolling.empty.retain(|slot| *slot != 0);
        log.start(&mut rolling, 0);
        drop(rolling);
        Ok((log, side))
    }

    /// A log without a segment. An append refuses while there is no room for one.
    pub(super) fn refusing(store: Store, sizes: Sizes) -> (Self, ReadSide) {
        let log = Self {
            current: AtomicUsize::new(0),
            full: AtomicU8::new(OPEN),
            sealed_bytes: AtomicU64::new(0),
            limit: sizes.limit(),
            sizes,
            store,
            retired: CachePadded::default(),
            rolling: CachePadded(Mutex::new(Rolling {
                spares: Vec::new(),
                bare: Vec::new(),
                empty: (0..MOST_SEGMENTS).rev().collect(),
                opened: VecDeque::new(),
                sequence: 0,
                sealed_records: 0,
                closed: false,
                class: 0,
                opened_at: Instant::now(),
            })),
        };
        (log, ReadSide::new())
    }

    fn rolling(&self) -> MutexGuard<'_, Rolling> {
        // Every change under the lock is complete at each point where it could panic.
        self.rolling.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a segment for appends, with as much of it as may be filled now.
    fn start(&self, rolling: &mut Rolling, slot: usize) {
        let Some(segment) = self.store.segment(slot) else { return };
        rolling.sequence += 1;
        self.store.mark_used(slot, rolling.sequence, false);
        let room = self.sizes.capacity.saturating_sub(self.waiting());
        segment.open(rolling.sequence, SEGMENT_HEADER as u64 + room);
        rolling.opened.push_back((rolling.sequence, slot));
        // What filled at once is followed by a larger one, what took long by a smaller one.
        let lasted = rolling.opened_at.elapsed();
        if rolling.sequence > 1 && lasted < SHORT {
            rolling.class = (rolling.class + 1).min(2);
        } else if lasted > LONG {
            rolling.class = rolling.class.saturating_sub(1);
        }
        rolling.opened_at = Instant::now();
        self.current.store(slot, Release);
    }

    /// The largest payload that fits.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Appends a record of at most [`limit`](Self::limit) bytes.
    pub(super) fn append(&self, payload: Payload<'_>) -> Result<Appended, Refused> {
        let mut rolled = false;
        loop {
            let slot = self.current.load(Acquire);
            if let Ok(segment) = self.store.append(slot, payload, None)? {
                return Ok(Appended { segment, bytes: payload.size(), rolled });
            }
            rolled |= self.roll(slot, payload.size())?;
        }
    }

    /// Appends a record to a segment that holds the definition that `mark` stands for. Where it does not yet, `define`
    /// gives one, and both are appended as one step. `overtaken` is its kind if a newer one may stand before it.
    #[inline]
    pub(super) fn append_defined(
        &self,
        payload: Payload<'_>,
        mark: &Mark,
        era: u64,
        define: &mut dyn FnMut() -> (u8, Vec<u8>),
        overtaken: &mut Option<u8>,
    ) -> Result<Appended, Refused> {
        let mut rolled = false;
        loop {
            let slot = self.current.load(Acquire);
            let made = self.store.slot(slot);
            let sequence = made.map_or(0, |made| made.segment.sequence());
            let Some(made) = made.filter(|_| mark.load().is_of(era, sequence)) else {
                return self.append_with_definition(payload, mark, era, define, overtaken, rolled);
            };
            // Only where the definition is: the segment may have been freed and opened again since.
            match self.store.append_to(made, payload, Some(sequence))? {
                Ok(segment) => return Ok(Appended { segment, bytes: payload.size(), rolled }),
                Err(Missed::NoRoom) => rolled |= self.roll(slot, payload.size())?,
                Err(Missed::Reopened) => {}
            }
        }
    }

    /// Once for each session and segment, as a rule.
    #[cold]
    fn append_with_definition(
        &self,
        payload: Payload<'_>,
        mark: &Mark,
        era: u64,
        define: &mut dyn FnMut() -> (u8, Vec<u8>),
        overtaken: &mut Option<u8>,
        mut rolled: bool,
    ) -> Result<Appended, Refused> {
        let seen = mark.load();
        let (kind, mut padded) = define();
        let len = padded.len();
        if len > self.limit() || len as u64 + payload.size() > self.limit() as u64 {
            return Err(Refused::TooLarge { limit: self.limit().saturating_sub(len) as u64 });
        }
        padded.resize(frame::padded(len), 0);
        let definition = Payload { kind, padded: &padded, len: len as u32, moved: false };
        let bytes = definition.size() + payload.size();
        loop {
            let slot = self.current.load(Acquire);
            let marked = |sequence| {
                if !mark.set(seen, era, sequence) {
                    *overtaken = Some(kind);
                }
            };
            match self.store.append_pair(slot, definition, payload, marked)? {
                Ok(segment) => return Ok(Appended { segment, bytes, rolled }),
                Err(_) => rolled |= self.roll(slot, bytes)?,
            }
        }
    }

    /// Makes another segment current, unless someone else has.
    #[cold]
    fn roll(&self, seen: usize, size: u64) -> Result<bool, Refused> {
        if self.full.load(Relaxed) != OPEN {
            return Err(Refused::Full);
        }
        let mut rolling = self.rolling();
        if rolling.closed {
            return Err(Refused::Closed);
        }
        let current = self.current.load(Relaxed);
        let segment = self.store.segment(current);
        let tail = segment.map_or(Tail::NONE, Segment::tail);
        // The segment that was seen may have been replaced since, or freed and opened again.
        let fits = |limit: u64| !tail.sealed() && u64::from(tail.end()) + size <= limit;
        if current != seen || segment.is_some_and(|segment| fits(segment.limit())) {
            return Ok(false);
        }
        let room = self.sizes.capacity.saturating_sub(self.waiting());
        if room < size.max(self.sizes.quantum()) {
            self.full.store(DATA, Relaxed);
            return Err(Refused::Full);
        }
        if let Some(segment) = segment
            && fits(u64::from(segment.len()))
        {
            segment.set_limit(u64::from(tail.end()) + room);
            return Ok(false);
        }
        let next = if self.store.quota().is_some_and(|quota| quota.is_reached(self.waiting())) {
            None
        } else {
            self.take_spare(&mut rolling, size).or_else(|| self.make_now(&mut rolling, size))
        };
        // Also when there is no other: once it is read, it is its own successor.
        self.seal_current(&mut rolling);
        let Some(next) = next else {
            self.full.store(SEGMENTS, Relaxed);
            return Err(Refused::Full);
        };
        self.start(&mut rolling, next);
        Ok(true)
    }

    /// The spare that fits best: of the wanted size, else the largest.
    fn take_spare(&self, rolling: &mut Rolling, size: u64) -> Option<usize> {
        let (least, wanted) = (SEGMENT_HEADER as u64 + size, self.sizes.class(rolling.class));
        let fitting = rolling.spares.iter().enumerate().filter(|(_, slot)| self.store.len(**slot) >= least);
        let (index, _) = fitting.min_by_key(|(_, slot)| {
            let len = self.store.len(**slot);
            (len != wanted, std::cmp::Reverse(len))
        })?;
        Some(rolling.spares.remove(index))
    }

    /// A segment made by the producer that needs it: the worker had no time to.
    fn make_now(&self, rolling: &mut Rolling, size: u64) -> Option<usize> {
        let wanted = self.sizes.class(rolling.class);
        loop {
            for len in self.sizes.candidates(wanted, size) {
                let Some(slot) = self.take_slot(rolling, len) else { continue };
                if self.store.give_room(slot, len, self.sizes.blocks()).is_ok() {
                    return Some(slot);
                }
                self.put_slot(rolling, slot);
            }
            // Spares that are too small are in the way.
            let spare = rolling.spares.pop()?;
            self.store.give_back(spare);
            rolling.bare.push(spare);
        }
    }

    /// A slot whose segment has this size and no room, or an empty one.
    fn take_slot(&self, rolling: &mut Rolling, len: u64) -> Option<usize> {
        match rolling.bare.iter().position(|slot| self.store.len(*slot) == len) {
            Some(index) => Some(rolling.bare.swap_remove(index)),
            None => rolling.empty.pop(),
        }
    }

    fn put_slot(&self, rolling: &mut Rolling, slot: usize) {
        if self.store.segment(slot).is_some() {
            rolling.bare.push(slot);
        } else {
            rolling.empty.push(slot);
        }
    }

    fn seal_current(&self, rolling: &mut Rolling) {
        let Some(current) = self.store.segment(self.current.load(Relaxed)) else { return };
        if !current.tail().sealed() {
            let tail = current.seal();
            self.sealed_bytes.fetch_add(tail.data(), Relaxed);
            rolling.sealed_records += u64::from(tail.records());
        }
    }

    /// Ends appends, and gives back what lies behind them.
    pub(super) fn close(&self) {
        let mut rolling = self.rolling();
        if std::mem::replace(&mut rolling.closed, true) {
            return;
        }
        self.seal_current(&mut rolling);
        // So that the next append asks, and is told that the log is closed.
        self.full.store(OPEN, Relaxed);
        for slot in std::mem::take(&mut rolling.spares) {
            self.store.give_back(slot);
            rolling.bare.push(slot);
        }
        let current = self.current.load(Relaxed);
        if let Some(segment) = self.store.segment(current) {
            self.store.trim(current, segment.tail().end());
        }
        if let Some(quota) = self.store.quota() {
            quota.keep(self.waiting(), true);
        }
    }

    /// Records that were claimed and are neither completed nor given up.
    pub(super) fn pending(&self) -> u64 {
        let rolling = self.rolling();
        let open = self.current_tail().map_or(0, Tail::records);
        (rolling.sealed_records + u64::from(open)).saturating_sub(self.retired.0.records.load(Relaxed))
    }

    /// The tail of the current segment, if it is open.
    fn current_tail(&self) -> Option<Tail> {
        self.store.segment(self.current.load(Acquire)).map(Segment::tail).filter(|tail| !tail.sealed())
    }

    pub(super) fn sequence(&self) -> u64 {
        self.store.segment(self.current.load(Acquire)).map_or(0, Segment::sequence)
    }

    /// Bytes of the records that wait, with their headers.
    pub(super) fn waiting(&self) -> u64 {
        let retired = self.retired.0.bytes.load(Relaxed);
        let open = self.current_tail().map_or(0, Tail::data);
        (self.sealed_bytes.load(Relaxed) + open).saturating_sub(retired)
    }

    // What follows is the reader's side.

    /// Bytes of the segments that have room.
    pub(super) fn blocks(&self) -> u64 {
        self.store.blocks()
    }

    pub(super) fn tail(&self, slot: usize) -> Tail {
        self.store.segment(slot).map_or(Tail::NONE, Segment::tail)
    }

    #[cfg(test)]
    pub(super) fn segment(&self, slot: usize) -> &Segment<Mapping> {
        self.store.segment(slot).expect("a segment")
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// The next opened segment that the reader has not taken up.
    pub(super) fn take_opened(&self) -> Option<(u64, usize)> {
        self.rolling().opened.pop_front()
    }

    /// Counts records as completed or given up.
    pub(super) fn retire(&self, records: u64, bytes: u64) {
        self.retired.0.records.fetch_add(records, Relaxed);
        self.retired.0.bytes.fetch_add(bytes, Relaxed);
        if self.full.load(Relaxed) == DATA {
            self.full.store(OPEN, Relaxed);
        }
    }

    /// Bytes ever completed, given up or moved.
    pub(super) fn retired_bytes(&self) -> u64 {
        self.retired.0.bytes.load(Relaxed)
    }

    /// A record takes `to` bytes where it has been moved, in place of `from`.
    pub(super) fn moved(&self, from: u64, to: u64) {
        self.sealed_bytes.fetch_add(to, Relaxed);
        self.retired.0.bytes.fetch_add(from, Relaxed);
    }

    /// Seals a segment in which a claim stands open, so that producers go on in another.
    pub(super) fn pass_over(&self, slot: usize) {
        let mut rolling = self.rolling();
        if self.current.load(Relaxed) == slot {
            self.seal_current(&mut rolling);
        }
    }

    /// Whether [`shortage`](Self::shortage) is worth asking: looks at nothing that producers fight for.
    pub(super) fn may_be_short(&self) -> bool {
        let sealed = self.sealed_bytes.load(Relaxed).saturating_sub(self.retired.0.bytes.load(Relaxed));
        self.full.load(Relaxed) != OPEN
            || sealed + 2 * self.sizes.largest() > self.sizes.capacity
            || self.store.blocks() + self.sizes.smallest() > self.sizes.blocks()
    }

    /// Whether producers will soon find no segment, and why.
    pub(super) fn shortage(&self) -> Option<Shortage> {
        let full = self.full.load(Relaxed);
        let rolling = self.rolling();
        let tail = self.tail(self.current.load(Relaxed));
        let rest = if tail.sealed() {
            0
        } else {
            self.store.len(self.current.load(Relaxed)) - u64::from(tail.end())
        };
        if full == DATA || self.waiting() + rest + self.sizes.quantum() > self.sizes.capacity {
            return Some(Shortage::Data);
        }
        let room = self.store.blocks() + self.sizes.smallest() <= self.sizes.blocks();
        (full == SEGMENTS || (rolling.spares.is_empty() && !room)).then_some(Shortage::Segments)
    }

    /// A sealed segment that no producer sees, for records that are moved.
    pub(super) fn open_moved(&self, len: u64) -> Option<(u64, usize)> {
        let slot = self.take_slot(&mut self.rolling(), len)?;
        if self.store.give_room(slot, len, self.sizes.blocks_with_moved()).is_err() {
            self.put_slot(&mut self.rolling(), slot);
            return None;
        }
        let mut rolling = self.rolling();
        rolling.sequence += 1;
        self.store.mark_used(slot, rolling.sequence, true);
        Some((rolling.sequence, slot))
    }

    /// Clears a sealed segment up to `end`, of which nothing is needed any more, and makes it ready to be opened.
    pub(super) fn free(&self, side: &mut ReadSide, slot: usize, end: u32) {
        let room = self.store.clear(side, slot, end);
        let mut rolling = self.rolling();
        // What producers may not have together is not kept for them.
        if room == Room::Kept && (rolling.closed || self.store.blocks() > self.sizes.blocks()) {
            self.store.give_back(slot);
            rolling.bare.push(slot);
        } else if room == Room::Kept {
            rolling.spares.push(slot);
        } else {
            rolling.bare.push(slot);
        }
        self.full.store(OPEN, Relaxed);
    }

    /// Keeps ready what producers will need before this is called again, going by what they took since it was
    /// last called: segments with room, pages touched. Gives back what an earlier burst needed.
    pub(super) fn prepare(&self, ahead: &mut Ahead) {
        let current = self.current.load(Acquire);
        let appended = self.sealed_bytes.load(Relaxed) + self.current_tail().map_or(0, Tail::data);
        let recent = appended.saturating_sub(std::mem::replace(&mut ahead.appended, appended));
        let quiet = recent == 0 && ahead.quiet_since.get_or_insert_with(Instant::now).elapsed() >= QUIET;
        if recent > 0 {
            ahead.quiet_since = None;
        }
        if let Some(quota) = self.store.quota() {
            quota.keep(self.waiting(), quiet);
        }
        let starved = self.full.load(Relaxed) == SEGMENTS;
        if quiet && !starved {
            return self.shrink(ahead);
        }
        // While nothing comes and nothing is missing, the current segment is enough.
        if recent == 0 && !starved {
            return;
        }
        if starved {
            self.ask_again();
        }
        let len = self.sizes.holding(recent * FULL_AFTER);
        let window = (2 * recent).clamp(LEAST_TOUCH.min(len), MOST_SPARES * len);
        let tail = self.tail(current);
        let end = (u64::from(tail.end()) + window).min(self.store.len(current));
        self.touch(ahead, current, tail.end(), end as u32);
        self.make_spares(ahead, 1 + (window / len) as usize, len);
        let next = {
            let rolling = self.rolling();
            rolling.spares.iter().copied().max_by_key(|slot| self.store.len(*slot))
        };
        if let Some(next) = next {
            let rest = (u64::from(tail.end()) + window).saturating_sub(self.store.len(current));
            self.touch(ahead, next, 0, rest.min(self.store.len(next)) as u32);
        }
    }

    /// Lets producers go on with the spares that there are, if only the bound on all runs was in the way.
    fn ask_again(&self) {
        let reached = self.store.quota().is_some_and(|quota| {
            quota.sum_others();
            quota.is_reached(self.waiting())
        });
        if !reached && !self.rolling().spares.is_empty() {
            self.full.store(OPEN, Relaxed);
        }
    }

    fn touch(&self, ahead: &mut Ahead, slot: usize, from: u32, to: u32) {
        ahead.touched.resize(MOST_SEGMENTS, 0);
        let from = from.max(ahead.touched[slot]);
        if to > from {
            self.store.touch(slot, from as usize, to as usize);
            ahead.touched[slot] = to;
        }
    }

    fn make_spares(&self, ahead: &mut Ahead, wanted: usize, len: u64) {
        loop {
            let mut rolling = self.rolling();
            let asked = ahead.refused.is_some_and(|refused| refused.elapsed() <= ASK_AGAIN);
            if rolling.closed || asked || rolling.spares.len() >= wanted {
                return;
            }
            let Some(slot) = self.take_slot(&mut rolling, len) else { return };
            // Room is made without the lock: a producer that needs a segment meanwhile makes its own.
            drop(rolling);
            let refused = self.store.quota().is_some_and(|quota| {
                quota.sum_others();
                quota.is_reached(self.waiting())
            });
            let fits = [len, self.sizes.smallest()].into_iter().find(|len| {
                !refused
                    && (self.store.len(slot) == 0 || self.store.len(slot) == *len)
                    && self.store.give_room(slot, *len, self.sizes.blocks()).is_ok()
            });
            let mut rolling = self.rolling();
            if fits.is_none() {
                self.put_slot(&mut rolling, slot);
                ahead.refused = Some(Instant::now());
                return;
            }
            ahead.refused = None;
            rolling.spares.push(slot);
            if self.full.load(Relaxed) == SEGMENTS {
                self.full.store(OPEN, Relaxed);
            }
        }
    }

    /// Gives back what an idle process does not need: its spares, and a large segment that little is in.
    fn shrink(&self, ahead: &mut Ahead) {
        let smallest = self.sizes.smallest();
        let mut rolling = self.rolling();
        if rolling.closed {
            return;
        }
        let current = self.current.load(Relaxed);
        let large = self.store.len(current) > smallest && self.waiting() <= smallest / 2;
        let small = if large {
            rolling.spares.iter().position(|slot| self.store.len(*slot) == smallest)
        } else {
            None
        };
        let mut next = small.map(|index| rolling.spares.remove(index));
        for slot in std::mem::take(&mut rolling.spares) {
            self.store.give_back(slot);
            if let Some(touched) = ahead.touched.get_mut(slot) {
                *touched = 0;
            }
            rolling.bare.push(slot);
        }
        if large && next.is_none() {
            next = self.take_slot(&mut rolling, smallest);
            if let Some(slot) = next
                && self.store.give_room(slot, smallest, self.sizes.blocks()).is_err()
            {
                self.put_slot(&mut rolling, slot);
                next = None;
            }
        }
        if let Some(next) = next {
            self.seal_current(&mut rolling);
            rolling.class = 0;
            self.start(&mut rolling, next);
            rolling.class = 0;
        }
        ahead.refused = None;
    }
}

/// Why producers will soon find no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    /// As much data waits as may.
    Data,
    /// Little waits in each of many segments, or the disk is full.
    Segments,
}

/// A segment that was filled in less time is followed by a larger one.
const SHORT: Duration = Duration::from_secs(1);
/// A segment that lasted for longer is followed by a smaller one.
const LONG: Duration = Duration::from_secs(30);
/// Without an append for this long a process is idle.
const QUIET: Duration = Duration::from_millis(500);
/// A spare lasts for about as many preparations, at the rate of late.
const FULL_AFTER: u64 = 64;
/// Touched before the first append.
const FIRST_TOUCH: usize = 64 << 10;
/// Touched ahead even if little was appended lately.
const LEAST_TOUCH: u64 = 1 << 20;
/// A disk that was full is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Segments kept ready at most.
const MOST_SPARES: u64 = 4;
