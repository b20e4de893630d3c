//! Where the bytes of segments are: anonymous memory, mapped files, or files written with one call each.
//!
//! The log above decides which segment; this decides how. The record format is the same in all three. Segments live
//! in slots that are filled when they are first needed and never emptied: a producer may hold on to a slot for as
//! long as it likes. What comes and goes is the room under them.

use std::cell::Cell;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::frame::{self, ALIGN, Commit, OVERHEAD, Salt};
use super::quota::Quota;
use super::region::{
    self, Found, Mapping, Memory as _, Missed, NoFileSizeSignal, Payload, ReadSide, Segment,
};
use super::{Refused, file, scan};

/// How segments are kept. The same as [`Backend`](super::Backend) without `Auto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Memory,
    Mapped,
    Written,
}

/// Whether a cleared segment still has its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Kept,
    Given,
}

/// Segments of one log at most, whatever their sizes.
pub(super) const MOST_SEGMENTS: usize = 512;

/// All segments of a log.
#[derive(Debug)]
pub(super) struct Store {
    how: How,
    salt: Salt,
    slots: Box<[OnceLock<Box<Slot>>]>,
    /// Bytes of the segments that have room.
    blocks: AtomicU64,
    place: Option<Place>,
}

/// A segment, and its file where records are written to one.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) segment: Segment<Mapping>,
    file: Option<SegmentFile>,
}

/// The directory of a store on disk, and what all runs together may hold.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) run: PathBuf,
    pub(super) quota: Quota,
}

#[derive(Debug)]
struct SegmentFile {
    file: File,
    /// Appends that have claimed bytes, or are about to, and have not returned.
    writers: AtomicU32,
    /// Claims whose write failed, so that nobody was told that they are there.
    failed: AtomicU32,
}

thread_local! {
    /// Frames of `Written` are put together here, so that each is one call. Kept by the thread for the next.
    static FRAME: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
/// A larger frame's buffer is not kept.
const KEPT_FRAME: usize = 256 << 10;

impl Store {
    pub(super) fn new(how: How, salt: Salt, place: Option<Place>) -> Self {
        let slots = (0..MOST_SEGMENTS).map(|_| OnceLock::new()).collect();
        Self { how, salt, slots, blocks: AtomicU64::new(0), place }
    }

    #[inline]
    pub(super) fn slot(&self, slot: usize) -> Option<&Slot> {
        self.slots[slot].get().map(|slot| &**slot)
    }

    /// The segment in a slot that has one.
    #[inline]
    pub(super) fn segment(&self, slot: usize) -> Option<&Segment<Mapping>> {
        self.slot(slot).map(|slot| &slot.segment)
    }

    /// Bytes of the segment in a slot; 0 for an empty one.
    pub(super) fn len(&self, slot: usize) -> u64 {
        self.segment(slot).map_or(0, |segment| u64::from(segment.len()))
    }

    #[cfg(test)]
    pub(super) fn salt(&self) -> Salt {
        self.salt
    }

    /// Bytes of the segments that have room.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks.load(Relaxed)
    }

    pub(super) fn quota(&self) -> Option<&Quota> {
        self.place.as_ref().map(|place| &place.quota)
    }

    /// Reserves what a segment needs; a new one is made in an empty slot. All segments together take at most `most`
    /// bytes. Until this has succeeded the segment must not be opened: a mapped page for which the disk has no block
    /// ends the process.
    pub(super) fn give_room(&self, slot: usize, len: u64, most: u64) -> Result<()> {
        let fits = |blocks: u64| (blocks + len <= most).then_some(blocks + len);
        if self.blocks.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return Err(Error::new(ErrorKind::QuotaExceeded, "the segments of this run reached their limit"));
        }
        let given = self.give_bytes(slot, len);
        if given.is_err() {
            self.blocks.fetch_sub(len, Relaxed);
        }
        given
    }

    fn give_bytes(&self, slot: usize, len: u64) -> Result<()> {
        let short = u32::try_from(len).map_err(|_| Error::from(ErrorKind::FileTooLarge))?;
        let Some(place) = &self.place else {
            if self.slot(slot).is_none() {
                let segment = Segment::new(Mapping::anonymous(short as usize)?);
                self.fill_slot(slot, Slot { segment, file: None })?;
            }
            return Ok(());
        };
        // A limit may have come since the classes of segments were chosen; where it cannot be seen, an error tells.
        if region::file_size_limit().is_some_and(|limit| limit < len) {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let _quiet = NoFileSizeSignal::new();
        let path = place.run.join(format!("{slot:03}.seg"));
        if let Some(made) = self.slot(slot) {
            return match &made.file {
                Some(written) => self.reserve(&written.file, len),
                None => self.reserve(&file::open(&path)?, len),
            };
        }
        let new = file::create(&path)?;
        let made = self.reserve(&new, len).and_then(|()| {
            if self.how == How::Mapped {
                // The mapping holds on to the file; a descriptor less for the host.
                Ok(Slot { segment: Segment::new(Mapping::file(&new, short as usize)?), file: None })
            } else {
                let file = SegmentFile { file: new, writers: AtomicU32::new(0), failed: AtomicU32::new(0) };
                Ok(Slot { segment: Segment::without_memory(short), file: Some(file) })
            }
        });
        match made {
            Ok(made) => self.fill_slot(slot, made),
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }

    fn fill_slot(&self, slot: usize, made: Slot) -> Result<()> {
        self.slots[slot].set(Box::new(made)).map_err(|_| Error::other("segment made twice"))
    }

    fn reserve(&self, file: &File, len: u64) -> Result<()> {
        match region::reserve_space(file, len as usize) {
            Err(error) if self.how == How::Written && error.kind() == ErrorKind::Unsupported => Ok(()),
            reserved => reserved,
        }
    }

    fn open_file(&self, slot: usize) -> Option<File> {
        file::open(&self.place.as_ref()?.run.join(format!("{slot:03}.seg"))).ok()
    }

    /// Gives the room of a cleared segment back to the system.
    pub(super) fn give_back(&self, slot: usize) {
        let Some(made) = self.slot(slot) else { return };
        let len = u64::from(made.segment.len());
        match (self.how, &made.file, made.segment.memory()) {
            (How::Mapped, ..) => {
                if let Some(file) = self.open_file(slot) {
                    region::punch(&file, 0, len);
                }
            }
            (How::Written, Some(made), _) => {
                let _ = made.file.set_len(0);
            }
            (How::Memory, _, Some(memory)) => memory.discard(),
            _ => {}
        }
        self.blocks.fetch_sub(len, Relaxed);
    }

    /// Gives back what lies behind the records of a segment that takes no more.
    pub(super) fn trim(&self, slot: usize, end: u32) {
        let (end, len) = (u64::from(end).next_multiple_of(4096), self.len(slot));
        if self.how == How::Mapped
            && end < len
            && let Some(file) = self.open_file(slot)
        {
            region::punch(&file, end, len - end);
        }
    }

    /// Has the system bring in pages, so that a producer need not wait for it.
    pub(super) fn touch(&self, slot: usize, from: usize, to: usize) {
        if let Some(memory) = self.segment(slot).and_then(Segment::memory) {
            memory.populate(from, to);
        }
    }

    /// Writes the header that tells an adopter the segment's place in the order.
    pub(super) fn mark_used(&self, slot: usize, sequence: u64, holds_moved: bool) {
        let Some(made) = self.slot(slot) else { return };
        let words = scan::header(sequence, u64::from(made.segment.len()), holds_moved);
        if let Some(memory) = made.segment.memory() {
            for (index, word) in words.iter().enumerate().rev() {
                memory.store(index * 8, *word);
            }
        } else if let Some(made) = &made.file {
            made.failed.store(0, Relaxed);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            // Without it only the order among segments is lost.
            let _ = file::write_at(&made.file, &bytes, 0);
        }
    }

    /// Appends a record to one segment and returns the segment's sequence number. With `expected`, only to the life
    /// of the segment that has this number.
    #[inline]
    pub(super) fn append(
        &self,
        slot: usize,
        payload: Payload<'_>,
        expected: Option<u64>,
    ) -> std::result::Result<std::result::Result<u64, Missed>, Refused> {
        match self.slot(slot) {
            Some(made) => self.append_to(made, payload, expected),
            None => Ok(Err(Missed::NoRoom)),
        }
    }

    /// The same where the slot was looked up already.
    #[inline]
    pub(super) fn append_to(
        &self,
        made: &Slot,
        payload: Payload<'_>,
        expected: Option<u64>,
    ) -> std::result::Result<std::result::Result<u64, Missed>, Refused> {
        match &made.file {
            None => Ok(made.segment.append(self.salt, payload, expected).map(|(sequence, _)| sequence)),
            Some(file) => self.write(&made.segment, file, &[payload], expected),
        }
    }

    /// Appends two records as one step, the second never without the first. `between` is given the segment's
    /// sequence number once the first is there.
    pub(super) fn append_pair(
        &self,
        slot: usize,
        first: Payload<'_>,
        second: Payload<'_>,
        between: impl FnOnce(u64),
    ) -> std::result::Result<std::result::Result<u64, Missed>, Refused> {
        let Some(made) = self.slot(slot) else { return Ok(Err(Missed::NoRoom)) };
        match &made.file {
            None => {
                let placed = made.segment.append_pair(self.salt, first, second, between);
                Ok(placed.map(|(sequence, _)| sequence).map_err(Missed::from))
            }
            Some(file) => {
                let written = self.write(&made.segment, file, &[first, second], None)?;
                Ok(written.inspect(|sequence| between(*sequence)))
            }
        }
    }

    /// Appends records to a file, in one call: what a kill cuts off is the end.
    fn write(
        &self,
        segment: &Segment<Mapping>,
        made: &SegmentFile,
        payloads: &[Payload<'_>],
        expected: Option<u64>,
    ) -> std::result::Result<std::result::Result<u64, Missed>, Refused> {
        made.writers.fetch_add(1, SeqCst);
        let size = payloads.iter().map(Payload::size).sum();
        let outcome = segment.claim(size, payloads.len() as u64).ok().map(|start| {
            let sequence = segment.sequence();
            let reopened = expected.is_some_and(|expected| expected != sequence);
            let written = with_frame(|buffer| {
                for payload in payloads {
                    let at = start + buffer.len() as u32;
                    buffer.extend_from_slice(&frame::reserve_word(self.salt, at, payload.len).to_le_bytes());
                    if reopened {
                        buffer.extend_from_slice(&frame::done_word().to_le_bytes());
                        buffer.resize(buffer.len() + payload.padded.len(), 0);
                        continue;
                    }
                    let crc = crc32fast::hash(payload.padded);
                    let commit = frame::commit_word(self.salt, at, payload.kind, payload.moved, crc);
                    buffer.extend_from_slice(&commit.to_le_bytes());
                    buffer.extend_from_slice(payload.padded);
                }
                file::write_at(&made.file, buffer, u64::from(start))
            });
            match written {
                Ok(()) if reopened => Ok(Err(Missed::Reopened)),
                Ok(()) => Ok(Ok(sequence)),
                Err(error) => {
                    made.failed.fetch_add(payloads.len() as u32, SeqCst);
                    Err(match error.kind() {
                        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Refused::Full,
                        _ => Refused::Unwritable,
                    })
                }
            }
        });
        made.writers.fetch_sub(1, SeqCst);
        outcome.unwrap_or(Ok(Err(Missed::NoRoom)))
    }

    // What follows is the reader's side.

    /// Whether every append that claimed bytes of this segment so far has returned. Known for `Written` only;
    /// elsewhere the commit words say it.
    pub(super) fn all_returned(&self, slot: usize) -> bool {
        self.slot(slot).and_then(|made| made.file.as_ref()).is_some_and(|made| made.writers.load(SeqCst) == 0)
    }

    /// Claims of this segment that ended in a refusal.
    pub(super) fn failed(&self, slot: usize) -> u32 {
        let file = self.slot(slot).and_then(|made| made.file.as_ref());
        file.map_or(0, |made| made.failed.load(Acquire))
    }

    /// What is at `at`; see [`Segment::look`]. `settled` is what [`all_returned`](Self::all_returned) said
    /// after `limit` was read.
    pub(super) fn look(
        &self,
        side: &ReadSide,
        slot: usize,
        at: u32,
        limit: u32,
        settled: bool,
        out: &mut Vec<u8>,
    ) -> Found {
        let Some(made) = self.slot(slot) else { return Found::Unknown };
        let Some(file) = &made.file else { return made.segment.look(side, self.salt, at, limit, out) };
        match self.look_file(&file.file, at, limit, out).unwrap_or(Found::Unknown) {
            // One call writes all of a frame, but it may be seen in the middle.
            Found::Damaged { len } if !settled => Found::Reserved { len },
            found => found,
        }
    }

    fn look_file(&self, file: &File, at: u32, limit: u32, out: &mut Vec<u8>) -> Option<Found> {
        /// Most records come with their header in one call.
        const FIRST: usize = 2048;
        out.clear();
        out.resize(FIRST.min((limit - at) as usize), 0);
        let read = file::read_at(file, out, u64::from(at)).ok()?;
        out.truncate(read);
        let len = frame::reserved_len(self.salt, at, word(out, 0)?)?;
        if u64::from(at) + frame::size(len) > u64::from(limit) {
            return None;
        }
        // Below the limit, which is an offset in a file that this process has made.
        let end = frame::size(len) as usize;
        let (kind, sum) = match frame::commit(word(out, 8)?) {
            Commit::Empty => return Some(Found::Reserved { len }),
            Commit::Done => return Some(Found::Done { len }),
            Commit::Written { kind, sum } => (kind, sum),
        };
        if read < end {
            out.resize(end, 0);
            let more = file::read_at(file, &mut out[read..], u64::from(at) + read as u64).ok()?;
            out.truncate(read + more);
        }
        out.truncate(end);
        out.drain(..OVERHEAD);
        let whole = out.len() == end - OVERHEAD;
        let holds = whole && frame::sum_holds(self.salt, at, kind, sum, crc32fast::hash(out)).is_some();
        out.truncate(len as usize);
        Some(if holds { Found::Record { len, kind } } else { Found::Damaged { len } })
    }

    /// The first place in `from..to` of a file where a frame starts, once all writes have returned. Memory is never
    /// searched like this: what lies behind a claim without a length may be being written.
    pub(super) fn find_frame(&self, slot: usize, from: u32, to: u32) -> Option<u32> {
        let made = self.slot(slot)?.file.as_ref()?;
        let mut bytes = vec![0; (to - from) as usize];
        let read = file::read_at(&made.file, &mut bytes, u64::from(from)).ok()?;
        bytes[..read]
            .chunks_exact(ALIGN)
            .zip((from..to).step_by(ALIGN))
            .find_map(|(chunk, at)| frame::reserved_len(self.salt, at, word(chunk, 0)?).map(|_| at))
    }

    /// Marks a record as done and clears its payload.
    pub(super) fn finish(&self, side: &mut ReadSide, slot: usize, at: u32, len: u32) {
        let Some(made) = self.slot(slot) else { return };
        match &made.file {
            None => made.segment.finish(side, self.salt, at),
            // Not told on: the worst is that an adopter sends the record again, with the same id.
            Some(file) => drop(finish_in_file(&file.file, at, len)),
        }
    }

    /// Writes a record that is moved here to a place of a segment that only the reader uses.
    pub(super) fn place(&self, side: &mut ReadSide, slot: usize, at: u32, payload: Payload<'_>) -> bool {
        let Some(made) = self.slot(slot) else { return false };
        let Some(file) = &made.file else { return made.segment.place(side, self.salt, at, payload) };
        with_frame(|buffer| {
            buffer.extend_from_slice(&frame::reserve_word(self.salt, at, payload.len).to_le_bytes());
            let crc = crc32fast::hash(payload.padded);
            let commit = frame::commit_word(self.salt, at, payload.kind, payload.moved, crc);
            buffer.extend_from_slice(&commit.to_le_bytes());
            buffer.extend_from_slice(payload.padded);
            file::write_at(&file.file, buffer, u64::from(at)).is_ok()
        })
    }

    /// Clears a segment of which nothing is needed any more.
    pub(super) fn clear(&self, side: &mut ReadSide, slot: usize, end: u32) -> Room {
        if self.how == How::Written {
            self.give_back(slot);
            return Room::Given;
        }
        if let Some(segment) = self.segment(slot) {
            segment.wipe(side, end, scan::FREED);
        }
        Room::Kept
    }
}

/// Marks a record in a file as done and clears its payload, in one call.
pub(super) fn finish_in_file(file: &File, at: u32, len: u32) -> Result<()> {
    with_frame(|buffer| {
        buffer.extend_from_slice(&frame::done_word().to_le_bytes());
        buffer.resize(8 + len as usize, 0);
        file::write_at(file, buffer, u64::from(at) + 8)
    })
}

fn with_frame<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    // A thread that is ending has no thread-locals any more, and may still publish.
    let mut buffer = FRAME.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let done = work(&mut buffer);
    if buffer.capacity() <= KEPT_FRAME {
        let _ = FRAME.try_with(|kept| kept.set(buffer));
    }
    done
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
