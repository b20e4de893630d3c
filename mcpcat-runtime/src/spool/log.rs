//! The segments of one run as one log: which takes appends, which comes next, how much is held.
//!
//! Producers read one index and append; the lock is taken to change segments, once in thousands of events.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::frame::{self, SEGMENT_HEADER, Salt};
use super::region::{Mapping, ReadSide, Segment};
use super::{Appended, Refused};

/// What producers and the reader share.
#[derive(Debug)]
pub(super) struct Log {
    current: AtomicUsize,
    full: AtomicBool,
    sealed_bytes: AtomicU64,
    retired: AtomicU64,
    segments: Box<[Segment<Mapping>]>,
    segment_len: usize,
    pub(super) salt: Salt,
    rolling: Mutex<Rolling>,
}

#[derive(Debug)]
struct Rolling {
    /// Cleared segments with memory, ready to be opened.
    spares: Vec<usize>,
    /// Segments without memory.
    bare: Vec<usize>,
    /// Opened segments that the reader has not taken up.
    opened: VecDeque<(u64, usize)>,
    sequence: u64,
    sealed_records: u64,
    closed: bool,
}

impl Log {
    /// A log with its first segment open. If there is no memory for it, every append is refused as `Full`.
    pub(super) fn open(
        segment_len: usize,
        count: usize,
        salt: Salt,
    ) -> (Self, ReadSide, std::io::Result<()>) {
        let log = Self {
            current: AtomicUsize::new(0),
            full: AtomicBool::new(false),
            sealed_bytes: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            segments: (0..count).map(|_| Segment::new()).collect(),
            segment_len,
            salt,
            rolling: Mutex::new(Rolling {
                spares: Vec::with_capacity(count),
                bare: (1..count).rev().collect(),
                opened: VecDeque::with_capacity(count),
                sequence: 0,
                sealed_records: 0,
                closed: false,
            }),
        };
        let memory = log.give_memory(0);
        match memory {
            Ok(()) => log.start(&mut log.rolling(), 0),
            Err(_) => log.rolling().bare.push(0),
        }
        (log, ReadSide::new(), memory)
    }

    fn rolling(&self) -> MutexGuard<'_, Rolling> {
        // Every change under the lock is complete at each point where it could panic.
        self.rolling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_memory(&self, slot: usize) -> std::io::Result<()> {
        if self.segments[slot].memory().is_none() {
            self.segments[slot].set_memory(Mapping::anonymous(self.segment_len)?);
        }
        Ok(())
    }

    fn start(&self, rolling: &mut Rolling, slot: usize) {
        rolling.sequence += 1;
        self.segments[slot].open(rolling.sequence);
        rolling.opened.push_back((rolling.sequence, slot));
        self.current.store(slot, Release);
    }

    /// The largest payload that fits.
    pub(super) fn limit(&self) -> usize {
        self.segment_len - SEGMENT_HEADER - frame::OVERHEAD
    }

    pub(super) fn append(&self, kind: u8, pieces: &[&[u8]]) -> Result<Appended, Refused> {
        let mut len = 0_usize;
        let mut crc = crc32fast::Hasher::new();
        for piece in pieces {
            len = len.saturating_add(piece.len());
        }
        if len > self.limit() {
            return Err(Refused::TooLarge { limit: self.limit() as u64 });
        }
        for piece in pieces {
            crc.update(piece);
        }
        let crc = crc.finalize();
        let size = frame::size(len);
        let mut rolled = false;
        loop {
            let slot = self.current.load(Acquire);
            if let Ok((segment, _)) = self.segments[slot].append(self.salt, kind, pieces, len as u32, crc) {
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
        let tail = self.segments[current].tail();
        // The segment that was seen may have been replaced since, or freed and opened again.
        if current != seen || (!tail.sealed() && tail.end() as usize + size <= self.segment_len) {
            return Ok(false);
        }
        let Some(next) = self.take_spare(&mut rolling) else {
            self.full.store(true, Relaxed);
            return Err(Refused::Full);
        };
        let tail = self.segments[current].seal();
        self.sealed_bytes.fetch_add(u64::from(tail.end()), Relaxed);
        rolling.sealed_records += u64::from(tail.records());
        self.start(&mut rolling, next);
        Ok(true)
    }

    fn take_spare(&self, rolling: &mut Rolling) -> Option<usize> {
        if let Some(slot) = rolling.spares.pop() {
            return Some(slot);
        }
        let slot = rolling.bare.pop()?;
        match self.give_memory(slot) {
            Ok(()) => Some(slot),
            Err(_) => {
                rolling.bare.push(slot);
                None
            }
        }
    }

    /// Ends appends; returns whether this call did.
    pub(super) fn close(&self) -> bool {
        let mut rolling = self.rolling();
        if std::mem::replace(&mut rolling.closed, true) {
            return false;
        }
        let tail = self.segments[self.current.load(Relaxed)].seal();
        rolling.sealed_records += u64::from(tail.records());
        self.full.store(false, Relaxed);
        true
    }

    /// Records that were claimed and are neither completed nor given up.
    pub(super) fn pending(&self) -> u64 {
        let rolling = self.rolling();
        let open = match rolling.closed {
            true => 0,
            false => self.segments[self.current.load(Relaxed)].tail().records(),
        };
        (rolling.sealed_records + u64::from(open)).saturating_sub(self.retired.load(Relaxed))
    }

    pub(super) fn sequence(&self) -> u64 {
        self.segments[self.current.load(Acquire)].sequence()
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let open = self.segments[self.current.load(Acquire)].tail().end();
        self.sealed_bytes.load(Relaxed) + u64::from(open)
    }

    // What follows is the reader's side.

    pub(super) fn segment(&self, slot: usize) -> &Segment<Mapping> {
        &self.segments[slot]
    }

    /// The next opened segment that the reader has not taken up.
    pub(super) fn take_opened(&self) -> Option<(u64, usize)> {
        self.rolling().opened.pop_front()
    }

    /// Counts records as completed or given up.
    pub(super) fn retire(&self, records: u64) {
        self.retired.fetch_add(records, Relaxed);
    }

    /// Whether no segment can be opened without freeing one.
    pub(super) fn exhausted(&self) -> bool {
        let rolling = self.rolling();
        rolling.spares.is_empty() && rolling.bare.is_empty()
    }

    /// Clears a sealed segment whose claims are all committed, and makes it ready to be opened.
    pub(super) fn free(&self, side: &mut ReadSide, slot: usize) {
        let tail = self.segments[slot].tail();
        self.segments[slot].wipe(side, tail.end());
        let mut rolling = self.rolling();
        if !rolling.closed || slot != self.current.load(Relaxed) {
            self.sealed_bytes.fetch_sub(u64::from(tail.end()), Relaxed);
        }
        rolling.spares.push(slot);
        self.full.store(false, Relaxed);
    }

    /// Keeps one segment ready, so that the next roll costs a producer nothing.
    pub(super) fn keep_spare(&self) {
        let mut rolling = self.rolling();
        if rolling.spares.is_empty()
            && !rolling.closed
            && let Some(slot) = self.take_spare(&mut rolling)
        {
            rolling.spares.push(slot);
        }
    }
}
