//! The segments of one run as one log: which takes appends, which comes next, how much is held.
//!
//! Producers read one index and append; the lock is taken to change segments, once in thousands of events. No
//! system call is made under it while the worker keeps a segment ready.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::frame::{self, SEGMENT_HEADER};
use super::region::{Mapping, ReadSide, Segment};
use super::store::{Room, Store};
use super::{Appended, Refused};

/// What producers and the reader share.
#[derive(Debug)]
pub(super) struct Log {
    current: AtomicUsize,
    full: AtomicBool,
    sealed_bytes: AtomicU64,
    store: Store,
    /// The reader writes this at each record; what producers read at each append is not on its cache line.
    retired: Apart<AtomicU64>,
    rolling: Apart<Mutex<Rolling>>,
}

/// Alone on its cache lines (two, because processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Debug)]
struct Rolling {
    /// Cleared segments with room reserved, ready to be opened; the last is opened next.
    spares: Vec<usize>,
    /// Segments without room.
    bare: Vec<usize>,
    /// Opened segments that the reader has not taken up.
    opened: VecDeque<(u64, usize)>,
    sequence: u64,
    sealed_records: u64,
    closed: bool,
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
}

impl Log {
    /// A log with its first segment open.
    ///
    /// # Errors
    /// There is no room for even one segment.
    pub(super) fn open(store: Store) -> std::io::Result<(Self, ReadSide)> {
        let (log, side) = Self::refusing(store);
        log.store.give_room(0)?;
        log.store.touch(0, 0, FIRST_TOUCH);
        log.rolling().bare.retain(|slot| *slot != 0);
        log.start(&mut log.rolling(), 0);
        Ok((log, side))
    }

    /// A log without a segment. An append refuses while there is no room for one.
    pub(super) fn refusing(store: Store) -> (Self, ReadSide) {
        let count = store.segments().len();
        let log = Self {
            current: AtomicUsize::new(0),
            full: AtomicBool::new(false),
            sealed_bytes: AtomicU64::new(0),
            store,
            retired: Apart::default(),
            rolling: Apart(Mutex::new(Rolling {
                spares: Vec::with_capacity(count),
                bare: (0..count).rev().collect(),
                opened: VecDeque::with_capacity(count),
                sequence: 0,
                sealed_records: 0,
                closed: false,
            })),
        };
        (log, ReadSide::new())
    }

    fn rolling(&self) -> MutexGuard<'_, Rolling> {
        // Every change under the lock is complete at each point where it could panic.
        self.rolling.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, slot: usize) -> &Segment<Mapping> {
        &self.store.segments()[slot]
    }

    fn start(&self, rolling: &mut Rolling, slot: usize) {
        rolling.sequence += 1;
        self.store.mark_used(slot, rolling.sequence);
        self.slot(slot).open(rolling.sequence);
        rolling.opened.push_back((rolling.sequence, slot));
        self.current.store(slot, Release);
    }

    /// The largest payload that fits.
    pub(super) fn limit(&self) -> usize {
        self.store.segment_len() - SEGMENT_HEADER - frame::OVERHEAD
    }

    /// Appends a record of `len` bytes, at most [`limit`](Self::limit), given with its padding.
    pub(super) fn append(&self, kind: u8, padded: &[u8], len: usize) -> Result<Appended, Refused> {
        let size = frame::OVERHEAD + padded.len();
        let mut rolled = false;
        loop {
            let slot = self.current.load(Acquire);
            if let Some(segment) = self.store.append(slot, kind, padded, len as u32)? {
                return Ok(Appended { segment, bytes: size as u64, rolled });
            }
            rolled |= self.roll(slot, size)?;
        }
    }

    /// Makes another segment current, unless someone else has.
    #[cold]
    fn roll(&self, seen: usize, size: usize) -> Result<bool, Refused> {
        if self.full.load(Relaxed) {
            return Err(Refused::Full);
        }
        let mut rolling = self.rolling();
        if rolling.closed {
            return Err(Refused::Closed);
        }
        let current = self.current.load(Relaxed);
        let tail = self.slot(current).tail();
        // The segment that was seen may have been replaced since, or freed and opened again.
        if current != seen || (!tail.sealed() && tail.end() as usize + size <= self.store.segment_len()) {
            return Ok(false);
        }
        let spare = rolling.spares.pop().or_else(|| {
            let slot = rolling.bare.pop()?;
            let room = self.store.give_room(slot);
            if room.is_err() {
                rolling.bare.push(slot);
            }
            room.ok().map(|()| slot)
        });
        // Also when there is no other: once it is read, it is its own successor.
        self.seal_current(&mut rolling);
        let Some(next) = spare else {
            self.full.store(true, Relaxed);
            return Err(Refused::Full);
        };
        self.start(&mut rolling, next);
        Ok(true)
    }

    fn seal_current(&self, rolling: &mut Rolling) {
        let current = self.slot(self.current.load(Relaxed));
        if !current.tail().sealed() {
            let tail = current.seal();
            self.sealed_bytes.fetch_add(u64::from(tail.end()), Relaxed);
            rolling.sealed_records += u64::from(tail.records());
        }
    }

    /// Ends appends.
    pub(super) fn close(&self) {
        let mut rolling = self.rolling();
        if !std::mem::replace(&mut rolling.closed, true) {
            self.seal_current(&mut rolling);
            // So that the next append asks, and is told that the log is closed.
            self.full.store(false, Relaxed);
        }
    }

    /// Records that were claimed and are neither completed nor given up.
    pub(super) fn pending(&self) -> u64 {
        let rolling = self.rolling();
        let tail = self.slot(self.current.load(Relaxed)).tail();
        let open = if tail.sealed() { 0 } else { tail.records() };
        (rolling.sealed_records + u64::from(open)).saturating_sub(self.retired.0.load(Relaxed))
    }

    pub(super) fn sequence(&self) -> u64 {
        self.slot(self.current.load(Acquire)).sequence()
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let tail = self.slot(self.current.load(Acquire)).tail();
        let open = if tail.sealed() { 0 } else { tail.end() };
        self.sealed_bytes.load(Relaxed) + u64::from(open)
    }

    // What follows is the reader's side.

    pub(super) fn segment(&self, slot: usize) -> &Segment<Mapping> {
        self.slot(slot)
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// The next opened segment that the reader has not taken up.
    pub(super) fn take_opened(&self) -> Option<(u64, usize)> {
        self.rolling().opened.pop_front()
    }

    /// Counts records as completed or given up.
    pub(super) fn retire(&self, records: u64) {
        self.retired.0.fetch_add(records, Relaxed);
    }

    /// Whether no segment can be opened without freeing one.
    pub(super) fn exhausted(&self) -> bool {
        let rolling = self.rolling();
        rolling.spares.is_empty() && (rolling.bare.is_empty() || self.full.load(Relaxed))
    }

    /// Clears a sealed segment whose claims are all committed, and makes it ready to be opened.
    pub(super) fn free(&self, side: &mut ReadSide, slot: usize) {
        let end = self.slot(slot).tail().end();
        let room = self.store.clear(side, slot, end);
        let mut rolling = self.rolling();
        self.sealed_bytes.fetch_sub(u64::from(end), Relaxed);
        match room {
            Room::Kept => rolling.spares.insert(0, slot),
            Room::Given => rolling.bare.push(slot),
        }
        self.full.store(false, Relaxed);
    }

    /// Leaves a segment alone for good, because a producer may still write to it.
    pub(super) fn abandon(&self, slot: usize) {
        let end = self.slot(slot).tail().end();
        self.sealed_bytes.fetch_sub(u64::from(end), Relaxed);
    }

    /// Keeps ready what producers will need before this is called again, going by what they took since it was
    /// last called: segments with room, pages touched. Gives back what an earlier burst needed.
    pub(super) fn prepare(&self, ahead: &mut Ahead) {
        let len = self.store.segment_len() as u64;
        let current = self.current.load(Acquire);
        let (sequence, tail) = (self.slot(current).sequence(), self.slot(current).tail());
        let appended = sequence * len + u64::from(tail.end());
        let recent = appended.saturating_sub(std::mem::replace(&mut ahead.appended, appended));
        let window = (2 * recent).clamp(LEAST_TOUCH.min(len), MOST_SPARES * len);
        let wanted = 1 + (window / len) as usize;

        ahead.touched.resize(self.store.segments().len(), 0);
        let end = (u64::from(tail.end()) + window).min(len);
        self.touch(ahead, current, tail.end(), end as u32);
        self.keep_spares(ahead, wanted, recent == 0);
        let next = self.rolling().spares.last().copied();
        if let Some(next) = next {
            let rest = (u64::from(tail.end()) + window).saturating_sub(len).min(len);
            self.touch(ahead, next, 0, rest as u32);
        }
    }

    fn touch(&self, ahead: &mut Ahead, slot: usize, from: u32, to: u32) {
        let from = from.max(ahead.touched[slot]);
        if to > from {
            self.store.touch(slot, from as usize, to as usize);
            ahead.touched[slot] = to;
        }
    }

    fn keep_spares(&self, ahead: &mut Ahead, wanted: usize, quiet: bool) {
        loop {
            let mut rolling = self.rolling();
            if rolling.closed {
                return;
            }
            if rolling.spares.len() < wanted
                && ahead.refused.is_none_or(|refused| refused.elapsed() > ASK_AGAIN)
                && let Some(slot) = rolling.bare.pop()
            {
                // Room is made without the lock: a producer that needs a segment meanwhile makes its own.
                drop(rolling);
                self.store.measure_others();
                let room = self.store.give_room(slot);
                let mut rolling = self.rolling();
                if room.is_err() {
                    rolling.bare.push(slot);
                    ahead.refused = Some(Instant::now());
                    return;
                }
                rolling.spares.insert(0, slot);
                self.full.store(false, Relaxed);
                continue;
            }
            if quiet && rolling.spares.len() > wanted + 1 {
                let slot = rolling.spares.remove(0);
                drop(rolling);
                self.store.give_back(slot);
                if let Some(touched) = ahead.touched.get_mut(slot) {
                    *touched = 0;
                }
                self.rolling().bare.push(slot);
                continue;
            }
            return;
        }
    }
}

/// Touched before the first append.
const FIRST_TOUCH: usize = 64 << 10;
/// Touched ahead even if nothing was appended lately.
const LEAST_TOUCH: u64 = 1 << 20;
/// A disk that was full is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Segments kept ready at most.
const MOST_SPARES: u64 = 4;
