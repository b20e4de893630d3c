//! Where the bytes of segments are: anonymous memory, mapped files, or files written with one call each.
//!
//! The log above decides which segment; this decides how. The record format is the same in all three.

use std::cell::Cell;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::frame::{self, ALIGN, Commit, OVERHEAD, Salt};
use super::region::{self, Found, Mapping, Memory as _, ReadSide, Segment};
use super::{Refused, file, run, scan};

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

/// All segments of a log.
#[derive(Debug)]
pub(super) struct Store {
    how: How,
    salt: Salt,
    segment_len: usize,
    segments: Box<[Segment<Mapping>]>,
    files: Box<[OnceLock<SegmentFile>]>,
    place: Option<Place>,
}

/// The directory of a store on disk, and what the user's runs may take together.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) run: PathBuf,
    pub(super) total_bytes: u64,
    others: AtomicU64,
    own: AtomicU64,
}

impl Place {
    pub(super) fn new(root: PathBuf, run: PathBuf, total_bytes: u64) -> Self {
        Self { root, run, total_bytes, others: AtomicU64::new(0), own: AtomicU64::new(0) }
    }
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
    pub(super) fn new(how: How, segment_len: usize, count: usize, salt: Salt, place: Option<Place>) -> Self {
        Self {
            how,
            salt,
            segment_len,
            segments: (0..count).map(|_| Segment::new()).collect(),
            files: (0..count).map(|_| OnceLock::new()).collect(),
            place,
        }
    }

    pub(super) fn segments(&self) -> &[Segment<Mapping>] {
        &self.segments
    }

    pub(super) fn segment_len(&self) -> usize {
        self.segment_len
    }

    #[cfg(test)]
    pub(super) fn salt(&self) -> Salt {
        self.salt
    }

    /// Reserves what a segment needs. Until this has succeeded the segment must not be opened: a mapped page
    /// for which the disk has no block ends the process.
    pub(super) fn give_room(&self, slot: usize) -> Result<()> {
        let Some(place) = &self.place else {
            if self.segments[slot].memory().is_none() {
                self.segments[slot].set_memory(Mapping::anonymous(self.segment_len)?);
            }
            return Ok(());
        };
        let len = self.segment_len as u64;
        let taken = place.own.fetch_add(len, Relaxed) + len + place.others.load(Relaxed);
        let given = if taken > place.total_bytes && place.own.load(Relaxed) > len {
            Err(Error::new(ErrorKind::QuotaExceeded, "all runs together reached their limit"))
        } else {
            self.give_file(slot, place)
        };
        if given.is_err() {
            place.own.fetch_sub(len, Relaxed);
        }
        given
    }

    fn give_file(&self, slot: usize, place: &Place) -> Result<()> {
        if self.files[slot].get().is_none() {
            let file = create_segment(&place.run, slot)?;
            let made = SegmentFile { file, writers: AtomicU32::new(0), failed: AtomicU32::new(0) };
            if self.files[slot].set(made).is_err() {
                return Err(Error::other("segment made twice"));
            }
        }
        let Some(made) = self.files[slot].get() else { return Err(Error::other("segment without file")) };
        match region::reserve_space(&made.file, self.segment_len) {
            Err(error) if self.how == How::Written && error.kind() == ErrorKind::Unsupported => {}
            reserved => reserved?,
        }
        if self.how == How::Mapped && self.segments[slot].memory().is_none() {
            self.segments[slot].set_memory(Mapping::file(&made.file, self.segment_len)?);
        }
        Ok(())
    }

    /// Gives the room of a cleared segment back to the system.
    pub(super) fn give_back(&self, slot: usize) {
        match (self.how, self.files[slot].get(), self.segments[slot].memory()) {
            (How::Mapped, Some(made), _) => region::punch(&made.file, self.segment_len),
            (How::Written, Some(made), _) => {
                let _ = made.file.set_len(0);
            }
            (How::Memory, _, Some(memory)) => memory.discard(),
            _ => {}
        }
        if let Some(place) = &self.place {
            place.own.fetch_sub(self.segment_len as u64, Relaxed);
        }
    }

    /// Looks at what the other runs of this user take.
    pub(super) fn measure_others(&self) {
        if let Some(place) = &self.place {
            let others = run::list(&place.root, &place.run).iter().map(|entry| entry.bytes).sum();
            place.others.store(others, Relaxed);
        }
    }

    /// Has the system bring in pages, so that a producer need not wait for it.
    pub(super) fn touch(&self, slot: usize, from: usize, to: usize) {
        if let Some(memory) = self.segments[slot].memory() {
            memory.populate(from, to);
        }
    }

    /// Writes the header that tells an adopter the segment's place in the order.
    pub(super) fn mark_used(&self, slot: usize, sequence: u64) {
        let words = scan::header(sequence, self.segment_len as u64);
        if let Some(memory) = self.segments[slot].memory() {
            for (index, word) in words.iter().enumerate().rev() {
                memory.store(index * 8, *word);
            }
        } else if let Some(made) = self.files[slot].get() {
            made.failed.store(0, Relaxed);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            // Without it only the order among segments is lost.
            let _ = file::write_at(&made.file, &bytes, 0);
        }
    }

    /// Appends a record of `len` bytes, given with its padding, to one segment; `None` if it has no room. Returns
    /// the segment's sequence number.
    #[inline]
    pub(super) fn append(
        &self,
        slot: usize,
        kind: u8,
        padded: &[u8],
        len: u32,
    ) -> std::result::Result<Option<u64>, Refused> {
        let segment = &self.segments[slot];
        if self.how != How::Written {
            let placed = segment.append(self.salt, kind, padded, len);
            return Ok(placed.ok().map(|(sequence, _)| sequence));
        }
        let Some(made) = self.files[slot].get() else { return Ok(None) };
        made.writers.fetch_add(1, SeqCst);
        let claimed = segment.claim(self.segment_len, OVERHEAD + padded.len());
        let outcome = claimed.ok().map(|at| {
            let sequence = segment.sequence();
            let written = with_frame(|buffer| {
                buffer.extend_from_slice(&frame::reserve_word(self.salt, at, len).to_ne_bytes());
                let crc = crc32fast::hash(padded);
                buffer.extend_from_slice(&frame::commit_word(self.salt, at, kind, crc).to_ne_bytes());
                buffer.extend_from_slice(padded);
                file::write_at(&made.file, buffer, u64::from(at))
            });
            match written {
                Ok(()) => Ok(sequence),
                Err(error) => {
                    made.failed.fetch_add(1, SeqCst);
                    Err(match error.kind() {
                        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Refused::Full,
                        _ => Refused::Unwritable,
                    })
                }
            }
        });
        made.writers.fetch_sub(1, SeqCst);
        outcome.transpose()
    }

    // What follows is the reader's side.

    /// Whether every append that claimed bytes of this segment so far has returned. Known for `Written` only;
    /// elsewhere the commit words say it.
    pub(super) fn all_returned(&self, slot: usize) -> bool {
        self.how == How::Written && self.files[slot].get().is_some_and(|made| made.writers.load(SeqCst) == 0)
    }

    /// Claims of this segment that ended in a refusal.
    pub(super) fn failed(&self, slot: usize) -> u32 {
        self.files[slot].get().map_or(0, |made| made.failed.load(Acquire))
    }

    /// Whether records are written to files and not to memory.
    pub(super) fn is_written(&self) -> bool {
        self.how == How::Written
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
        if self.how != How::Written {
            return self.segments[slot].look(side, self.salt, at, limit, out);
        }
        match self.look_file(slot, at, limit, out).unwrap_or(Found::Unknown) {
            // One call writes all of a frame, but it may be seen in the middle.
            Found::Damaged { len } if !settled => Found::Reserved { len },
            found => found,
        }
    }

    fn look_file(&self, slot: usize, at: u32, limit: u32, out: &mut Vec<u8>) -> Option<Found> {
        /// Most records come with their header in one call.
        const FIRST: usize = 2048;
        let file = &self.files[slot].get()?.file;
        out.clear();
        out.resize(FIRST.min((limit - at) as usize), 0);
        let read = file::read_at(file, out, u64::from(at)).ok()?;
        out.truncate(read);
        let len = frame::reserved_len(self.salt, at, word(out, 0)?)?;
        let end = frame::size(len as usize);
        if at as usize + end > limit as usize {
            return None;
        }
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
        let holds = whole && frame::sum_holds(self.salt, at, kind, sum, crc32fast::hash(out));
        out.truncate(len as usize);
        Some(if holds { Found::Record { len, kind } } else { Found::Damaged { len } })
    }

    /// The first place in `from..to` where a frame starts.
    pub(super) fn find_frame(&self, side: &ReadSide, slot: usize, from: u32, to: u32) -> Option<u32> {
        if self.how != How::Written {
            let segment = &self.segments[slot];
            return (from..to).step_by(ALIGN).find(|at| segment.has_frame(side, self.salt, *at));
        }
        let mut bytes = vec![0; (to - from) as usize];
        let read = file::read_at(&self.files[slot].get()?.file, &mut bytes, u64::from(from)).ok()?;
        bytes[..read]
            .chunks_exact(ALIGN)
            .zip((from..to).step_by(ALIGN))
            .find_map(|(chunk, at)| frame::reserved_len(self.salt, at, word(chunk, 0)?).map(|_| at))
    }

    /// Marks a record as done and clears its payload.
    pub(super) fn finish(&self, side: &mut ReadSide, slot: usize, at: u32, len: u32) {
        if self.how != How::Written {
            self.segments[slot].finish(side, self.salt, at);
        } else if let Some(made) = self.files[slot].get() {
            // Not told on: the worst is that an adopter sends the record again, with the same id.
            let _ = finish_in_file(&made.file, at, len);
        }
    }

    /// Clears a segment of which nothing is needed any more.
    pub(super) fn clear(&self, side: &mut ReadSide, slot: usize, end: u32) -> Room {
        if self.how != How::Written {
            self.segments[slot].wipe(side, end, scan::FREED);
            return Room::Kept;
        }
        self.give_back(slot);
        Room::Given
    }
}

/// Marks a record in a file as done and clears its payload, in one call.
pub(super) fn finish_in_file(file: &File, at: u32, len: u32) -> Result<()> {
    with_frame(|buffer| {
        buffer.extend_from_slice(&frame::done_word().to_ne_bytes());
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
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn create_segment(run: &Path, slot: usize) -> Result<File> {
    file::create(&run.join(format!("{slot:03}.seg")))
}
