//! The lock-free append, and the memory and system calls under it. All unsafe code of the libraries is in this
//! file.
//!
//! A segment is a tail word and bytes. A producer claims bytes by moving the tail, which makes them its own
//! until it stores the commit word; from then on they are the reader's, of which there is exactly one
//! ([`ReadSide`]), until the reader clears the segment and opens it again. Those three owners, one after the
//! other, are what every `SAFETY` comment below refers to as *the protocol*.
#![allow(unsafe_code)]

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::frame::{self, Commit, OVERHEAD, SEGMENT_HEADER, Salt};
use super::sync::AtomicU64;

/// The bytes of one segment. Implemented by [`Mapping`], and by a checked model in the loom test.
///
/// # Safety
/// `load` and `store` are atomic (acquire and release), and the whole range `0..len()` stays valid for as long
/// as the value lives.
pub(super) unsafe trait Memory {
    /// Bytes; a multiple of 8.
    fn len(&self) -> usize;
    /// The word at `at`, a multiple of 8 below `len()`.
    fn load(&self, at: usize) -> u64;
    /// Stores the word at `at`, a multiple of 8 below `len()`.
    fn store(&self, at: usize, word: u64);
    /// Copies `bytes` to `at`.
    ///
    /// # Safety
    /// The range lies below `len()`, and nobody else reads or writes it during the call.
    unsafe fn write(&self, at: usize, bytes: &[u8]);
    /// Appends `len` bytes from `at` to `out`.
    ///
    /// # Safety
    /// The range lies below `len()`, and nobody writes it during the call.
    unsafe fn read(&self, at: usize, len: usize, out: &mut Vec<u8>);
    /// Has the processor fetch what is likely to be written next. Changes nothing; any place may be given.
    fn prefetch(&self, _at: usize, _len: usize) {}
    /// Fills a range with zeros.
    ///
    /// # Safety
    /// The range lies below `len()`, and nobody else reads or writes it during the call.
    unsafe fn clear(&self, at: usize, len: usize);
}

/// The right to read, complete and clear; a log makes one, for its only reader.
#[derive(Debug)]
pub(super) struct ReadSide {
    _one: (),
}

const SEALED: u64 = 1 << 63;
const ONE_RECORD: u64 = 1 << 32;

/// The tail of a segment at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tail(u64);

impl Tail {
    /// That of a segment which is not there.
    pub(super) const NONE: Self = Self(SEALED | SEGMENT_HEADER as u64);

    /// Bytes reserved for records.
    pub(super) fn data(self) -> u64 {
        u64::from(self.end()) - SEGMENT_HEADER as u64
    }

    /// Offset behind the last reservation.
    pub(super) fn end(self) -> u32 {
        self.0 as u32
    }

    /// Reservations made.
    pub(super) fn records(self) -> u32 {
        ((self.0 & !SEALED) >> 32) as u32
    }

    /// Whether no reservation can follow.
    pub(super) fn sealed(self) -> bool {
        self.0 & SEALED != 0
    }
}

/// The segment takes no more: it is sealed, or the rest is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Why an append left no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The segment takes no more.
    NoRoom,
    /// The segment was freed and opened again since it was looked at. What was claimed is marked as done.
    Reopened,
}

impl From<NoRoom> for Missed {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// What the reader finds at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Claimed; not even the length is there.
    Unknown,
    /// Claimed, with this payload length; the payload is not complete.
    Reserved { len: u32 },
    /// Delivered, or given up by its producer.
    Done { len: u32 },
    /// A complete record, appended to the buffer.
    Record { len: u32, kind: u8 },
    /// A complete record whose checksum fails.
    Damaged { len: u32 },
}

/// What is to be appended: a payload of `len` bytes, given with its padding.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload<'a> {
    pub(super) kind: u8,
    pub(super) padded: &'a [u8],
    pub(super) len: u32,
    /// It stood in another segment before.
    pub(super) moved: bool,
}

impl Payload<'_> {
    /// Bytes of log that it takes.
    pub(super) fn size(&self) -> u64 {
        (OVERHEAD + self.padded.len()) as u64
    }
}

/// One segment of the log, reused for many sequence numbers. Its length never changes.
#[derive(Debug)]
pub(super) struct Segment<M> {
    tail: CachePadded<AtomicU64>,
    sequence: AtomicU64,
    /// Where appends end for now: less than the length when less data may wait.
    limit: AtomicU64,
    len: u32,
    /// Of no bytes. What the processor has for checksums is looked up when it is made, and not at each append.
    checksum: crc32fast::Hasher,
    /// `None` where records are written to a file.
    memory: Option<M>,
}

/// Alone on its cache lines (two, because processors fetch them in pairs): what one side writes often does not slow
/// down what another reads beside it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct CachePadded<T>(pub(super) T);

impl<M> Segment<M> {
    /// Ends appends. What was claimed before stays claimed.
    pub(super) fn seal(&self) -> Tail {
        Tail(self.tail.0.fetch_or(SEALED, AcqRel))
    }

    /// Its bytes, where it has any.
    pub(super) fn memory(&self) -> Option<&M> {
        self.memory.as_ref()
    }

    /// Bytes, header included.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// The tail now.
    pub(super) fn tail(&self) -> Tail {
        Tail(self.tail.0.load(Acquire))
    }

    /// The sequence number it was last opened with.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Relaxed)
    }

    /// Where appends end for now.
    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Sets where appends end for now; never behind the end of the segment.
    pub(super) fn set_limit(&self, limit: u64) {
        self.limit.store(limit.min(u64::from(self.len)), Relaxed);
    }

    /// Opens a cleared, sealed segment for appends.
    pub(super) fn open(&self, sequence: u64, limit: u64) {
        debug_assert!(self.tail().sealed());
        self.sequence.store(sequence, Relaxed);
        self.set_limit(limit);
        // Release: who claims bytes after this sees them cleared.
        self.tail.0.store(SEGMENT_HEADER as u64, Release);
    }

    /// Claims `size` bytes for `records` records and returns their offset.
    ///
    /// A compare-and-swap and not `fetch_add`: the tail is then always the exact end and the exact count, so
    /// that a refused append leaves nothing to undo and nothing to interpret.
    pub(super) fn claim(&self, size: u64, records: u64) -> Result<u32, NoRoom> {
        let mut tail = self.tail.0.load(Acquire);
        loop {
            let at = tail as u32;
            // The limit of another life of this segment, at worst: it lies within the same bytes.
            if tail & SEALED != 0 || u64::from(at) + size > self.limit.load(Relaxed) {
                return Err(NoRoom);
            }
            let claimed = tail + records * ONE_RECORD + size;
            match self.tail.0.compare_exchange_weak(tail, claimed, AcqRel, Acquire) {
                Ok(_) => return Ok(at),
                Err(now) => tail = now,
            }
        }
    }
}

impl<M: Memory> Segment<M> {
    /// A sealed segment over these bytes.
    ///
    /// # Panics
    /// The memory is longer than an offset can say.
    pub(super) fn new(memory: M) -> Self {
        let len = u32::try_from(memory.len()).expect("a segment of less than 4 GiB");
        Self { memory: Some(memory), ..Self::without_memory(len) }
    }

    /// A sealed segment whose `len` bytes are elsewhere.
    pub(super) fn without_memory(len: u32) -> Self {
        Self {
            tail: CachePadded(AtomicU64::new(SEALED | SEGMENT_HEADER as u64)),
            sequence: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            len,
            checksum: crc32fast::Hasher::new(),
            memory: None,
        }
    }

    /// Appends one record and returns the sequence number of the segment and its place. With `expected`, only to
    /// the life of the segment that has this number.
    ///
    /// Nothing that was written is read again: the segment's lines are cold, often in another core's cache, and
    /// a store to one waits for nobody while a load does.
    pub(super) fn append(
        &self,
        salt: Salt,
        payload: Payload<'_>,
        expected: Option<u64>,
    ) -> Result<(u64, u32), Missed> {
        let memory = self.memory.as_ref().ok_or(Missed::NoRoom)?;
        // Before the claim, which keeps the reader from what comes behind it.
        let mut crc = self.checksum.clone();
        crc.update(payload.padded);
        let crc = crc.finalize();
        let at = self.claim(payload.size(), 1)?;
        // Stable until the commit word is stored: the reader does not clear a segment with an open claim.
        let sequence = self.sequence.load(Relaxed);
        if expected.is_some_and(|expected| expected != sequence) {
            memory.store(at as usize, frame::reserve_word(salt, at, payload.len));
            memory.store(at as usize + 8, frame::done_word());
            return Err(Missed::Reopened);
        }
        // SAFETY: `claim` returned `size` bytes from `at` to this call alone, and by the protocol the reader
        // does not touch them before the commit word.
        unsafe { Self::fill(memory, salt, at, payload, crc) };
        // The next record is likely to be as long.
        memory.prefetch(at as usize + payload.size() as usize, payload.size() as usize);
        Ok((sequence, at))
    }

    /// Appends two records as one claim, the second committed after the first: who finds the second finds the first
    /// too, however the producer ended. `between` is called with the segment's sequence number once the first is
    /// committed.
    pub(super) fn append_pair(
        &self,
        salt: Salt,
        first: Payload<'_>,
        second: Payload<'_>,
        between: impl FnOnce(u64),
    ) -> Result<(u64, u32), NoRoom> {
        let memory = self.memory.as_ref().ok_or(NoRoom)?;
        let crcs = [first, second].map(|payload| crc32fast::hash(payload.padded));
        let at = self.claim(first.size() + second.size(), 2)?;
        let sequence = self.sequence.load(Relaxed);
        let behind = at + first.size() as u32;
        // SAFETY: as in `append`; the two ranges are the two parts of the claim.
        unsafe { Self::fill(memory, salt, at, first, crcs[0]) };
        between(sequence);
        // SAFETY: as before.
        unsafe { Self::fill(memory, salt, behind, second, crcs[1]) };
        Ok((sequence, behind))
    }

    /// Writes a record to its place: length, payload, commit.
    ///
    /// # Safety
    /// The frame's bytes belong to the caller until this returns.
    #[inline]
    unsafe fn fill(memory: &M, salt: Salt, at: u32, payload: Payload<'_>, crc: u32) {
        let (start, commit) = (at as usize, frame::commit_word(salt, at, payload.kind, payload.moved, crc));
        memory.store(start, frame::reserve_word(salt, at, payload.len));
        // The mutant commits before it has written: `scripts/loom-mutant` shows that the loom test finds it.
        #[cfg(mcpcat_mutant_append)]
        memory.store(start + 8, commit);
        // SAFETY: by the caller's promise.
        unsafe { memory.write(start + OVERHEAD, payload.padded) };
        #[cfg(not(mcpcat_mutant_append))]
        memory.store(start + 8, commit);
    }

    /// Writes a record to a place of a segment that takes no appends and is the reader's alone; for what is moved
    /// out of an older one.
    pub(super) fn place(&self, _side: &mut ReadSide, salt: Salt, at: u32, payload: Payload<'_>) -> bool {
        debug_assert!(self.tail().sealed());
        let Some(memory) = self.memory.as_ref() else { return false };
        if u64::from(at) + payload.size() > memory.len() as u64 || !at.is_multiple_of(frame::ALIGN as u32) {
            return false;
        }
        // SAFETY: in range by the check above; the segment is sealed and was cleared, so no producer has a claim
        // in it, and `_side` is the only reader.
        unsafe { Self::fill(memory, salt, at, payload, crc32fast::hash(payload.padded)) };
        true
    }

    /// Claims a frame and does no more, as a producer that was killed or suspended would have. `with_length`
    /// says whether it got as far as the reserve word. The rest of the append is returned.
    #[cfg(test)]
    pub(super) fn begin(&self, salt: Salt, len: u32, with_length: bool) -> impl FnOnce(u8, &[u8]) + '_ {
        let memory = self.memory.as_ref().expect("memory");
        let at = self.claim(frame::size(len), 1).expect("room");
        if with_length {
            memory.store(at as usize, frame::reserve_word(salt, at, len));
        }
        move |kind, bytes| {
            assert_eq!(bytes.len(), len as usize);
            let mut padded = bytes.to_vec();
            padded.resize(frame::padded(bytes.len()), 0);
            let payload = Payload { kind, padded: &padded, len, moved: false };
            // SAFETY: as in `append`.
            unsafe { Self::fill(memory, salt, at, payload, crc32fast::hash(&padded)) };
        }
    }

    /// What is at `at`, an offset below the tail at which a frame starts. A record's payload replaces the
    /// content of `out`; it is checked after the copy, so that nothing can change it in between.
    pub(super) fn look(&self, _side: &ReadSide, salt: Salt, at: u32, limit: u32, out: &mut Vec<u8>) -> Found {
        let Some(memory) = self.memory.as_ref() else { return Found::Unknown };
        let start = at as usize;
        let Some(len) = frame::reserved_len(salt, at, memory.load(start)) else { return Found::Unknown };
        if u64::from(at) + frame::size(len) > u64::from(limit).min(memory.len() as u64) {
            return Found::Unknown;
        }
        match frame::commit(memory.load(start + 8)) {
            Commit::Empty => Found::Reserved { len },
            Commit::Done => Found::Done { len },
            Commit::Written { kind, sum } => {
                out.clear();
                // SAFETY: the range is below `memory.len()` by the check above. The commit word was stored, so
                // the producer is done with it, and the only reader is this call.
                unsafe { memory.read(start + OVERHEAD, frame::padded(len as usize), out) };
                let crc = crc32fast::hash(out);
                out.truncate(len as usize);
                if frame::sum_holds(salt, at, kind, sum, crc).is_some() {
                    Found::Record { len, kind }
                } else {
                    Found::Damaged { len }
                }
            }
        }
    }

    /// Marks a record as done and clears its payload.
    pub(super) fn finish(&self, _side: &mut ReadSide, salt: Salt, at: u32) {
        let Some(memory) = self.memory.as_ref() else { return };
        let start = at as usize;
        let Some(len) = frame::reserved_len(salt, at, memory.load(start)) else { return };
        if u64::from(at) + frame::size(len) > memory.len() as u64 {
            return;
        }
        if matches!(frame::commit(memory.load(start + 8)), Commit::Written { .. }) {
            memory.store(start + 8, frame::done_word());
            // SAFETY: in range by the check above; the record is committed, so it is the reader's, and `_side`
            // is the only reader.
            unsafe { memory.clear(start + OVERHEAD, frame::padded(len as usize)) };
        }
    }

    /// Writes `first` to the first word and fills the rest with zeros up to `end`. The caller has seen every
    /// claim committed, and the segment sealed.
    pub(super) fn wipe(&self, _side: &mut ReadSide, end: u32, first: u64) {
        debug_assert!(self.tail().sealed());
        if let Some(memory) = self.memory.as_ref() {
            let end = (end as usize).min(memory.len());
            memory.store(0, first);
            // SAFETY: sealed, so no new claim; every claim is committed, so no producer is left; `_side` is the
            // only reader.
            unsafe { memory.clear(8, end.saturating_sub(8)) };
        }
    }
}

impl ReadSide {
    /// The one reader of a log. Making a second one for the same log breaks the protocol.
    pub(super) fn new() -> Self {
        Self { _one: () }
    }
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
/// A longer record's end is fetched while its beginning is written.
#[cfg(target_arch = "x86_64")]
const PREFETCHED: usize = 512;

/// Memory of a segment: anonymous, or a file shared with the page cache. Never unmapped before the last user of
/// the log is gone, so that no producer can hold a dangling address.
#[derive(Debug)]
pub(super) struct Mapping {
    base: std::ptr::NonNull<u8>,
    len: usize,
}

// SAFETY: `base` is an allocation that this value owns alone and that lives as long as it; access goes through
// the methods of `Memory`, which are atomic or put exclusivity on their caller.
unsafe impl Send for Mapping {}
// SAFETY: as for `Send`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed anonymous memory of `len` bytes, a multiple of 4096.
    #[cfg(unix)]
    pub(super) fn anonymous(len: usize) -> std::io::Result<Self> {
        Self::map(len, libc::MAP_PRIVATE | libc::MAP_ANON, -1)
    }

    /// The first `len` bytes of a file, shared with whoever reads it. Space for all of them must be reserved.
    ///
    /// The file is this user's alone and locked by this process. Who changes it all the same changes bytes that
    /// are only ever copied, and believed when their checksum holds; who shortens it ends the process.
    #[cfg(unix)]
    pub(super) fn file(file: &std::fs::File, len: usize) -> std::io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        Self::map(len, libc::MAP_SHARED, file.as_raw_fd())
    }

    /// Files are not mapped here.
    #[cfg(not(unix))]
    pub(super) fn file(_file: &std::fs::File, _len: usize) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Has the system make pages writable ahead of the first write. Changes no byte.
    #[cfg(target_os = "linux")]
    pub(super) fn populate(&self, from: usize, to: usize) {
        let (from, to) = (from / 4096 * 4096, to.min(self.len).next_multiple_of(4096));
        if from < to {
            // SAFETY: the range lies in the mapping; this advice reads and changes no memory of the program. A
            // kernel that does not know it (before 5.14) refuses, and the first write pays instead.
            unsafe {
                libc::madvise(self.base.as_ptr().add(from).cast(), to - from, libc::MADV_POPULATE_WRITE)
            };
        }
    }

    /// The system offers nothing of the kind; the first write to a page pays.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn populate(&self, _from: usize, _to: usize) {}

    /// Gives the pages of cleared anonymous memory back; they read as zeros again.
    pub(super) fn discard(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: the range is this mapping, which is private and anonymous when this is called, and holds
        // zeros but for its first word; afterwards all of it is zeros.
        unsafe {
            libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_DONTNEED);
        }
    }

    #[cfg(unix)]
    fn map(len: usize, flags: libc::c_int, fd: libc::c_int) -> std::io::Result<Self> {
        assert!(len > 0 && len.is_multiple_of(4096));
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let base = unsafe {
            libc::mmap(std::ptr::null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, fd, 0)
        };
        if base == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        match std::ptr::NonNull::new(base.cast()) {
            Some(base) => Ok(Self { base, len }),
            None => Err(std::io::Error::other("mapped at address zero")),
        }
    }

    /// Zeroed anonymous memory of `len` bytes, a multiple of 4096.
    #[cfg(not(unix))]
    pub(super) fn anonymous(len: usize) -> std::io::Result<Self> {
        assert!(len > 0 && len.is_multiple_of(4096));
        let layout = std::alloc::Layout::from_size_align(len, 4096).map_err(std::io::Error::other)?;
        // SAFETY: the layout has a size above zero.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        let base = std::ptr::NonNull::new(base).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, len })
    }

    fn word(&self, at: usize) -> &std::sync::atomic::AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.len);
        // SAFETY: in range and aligned by the check above (the base is aligned to a page); the memory lives as
        // long as `self`. Words are accessed as atomics only, except while the protocol gives their bytes to
        // one owner.
        unsafe { std::sync::atomic::AtomicU64::from_ptr(self.base.as_ptr().add(at).cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[cfg(unix)]
        // SAFETY: the mapping is this value's own, and nobody can hold a reference into it any more.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.len);
        }
        #[cfg(not(unix))]
        // SAFETY: allocated in `anonymous` with this very layout.
        unsafe {
            std::alloc::dealloc(
                self.base.as_ptr(),
                std::alloc::Layout::from_size_align_unchecked(self.len, 4096),
            );
        }
    }
}

// SAFETY: words are accessed as atomics, and the memory is unmapped in `drop` only.
unsafe impl Memory for Mapping {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, at: usize) -> u64 {
        u64::from_le(self.word(at).load(Acquire))
    }

    fn store(&self, at: usize, word: u64) {
        self.word(at).store(word.to_le(), Release);
    }

    unsafe fn write(&self, at: usize, bytes: &[u8]) {
        debug_assert!(at + bytes.len() <= self.len);
        // SAFETY: in range and unshared by the caller's promise; `bytes` is a Rust slice and cannot overlap.
        unsafe { self.base.as_ptr().add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
    }

    unsafe fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) {
        debug_assert!(at + len <= self.len);
        out.reserve(len);
        // SAFETY: in range and not written by the caller's promise; `out` has room for `len` more bytes, and its
        // length is raised after they are there.
        unsafe {
            let end = out.len();
            out.as_mut_ptr().add(end).copy_from_nonoverlapping(self.base.as_ptr().add(at), len);
            out.set_len(end + len);
        }
    }

    #[inline]
    #[cfg(target_arch = "x86_64")]
    fn prefetch(&self, at: usize, len: usize) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let end = (at + len.min(PREFETCHED)).min(self.len);
        let mut line = at;
        while line < end {
            // SAFETY: in range by the condition; a prefetch reads nothing that the program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(self.base.as_ptr().add(line).cast_const().cast()) };
            line += LINE;
        }
    }

    unsafe fn clear(&self, at: usize, len: usize) {
        debug_assert!(at + len <= self.len);
        // SAFETY: in range and unshared by the caller's promise.
        unsafe { self.base.as_ptr().add(at).write_bytes(0, len) }
    }
}

/// What a clock said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) seconds: u64,
    pub(super) nanos: u32,
}

/// The time since the Unix epoch; zero before it.
#[cfg(unix)]
#[inline]
pub(super) fn wall_clock() -> Clock {
    clock(libc::CLOCK_REALTIME)
}

/// The time since some moment in the past, which only grows.
#[cfg(unix)]
#[inline]
pub(super) fn monotonic_clock() -> Clock {
    clock(libc::CLOCK_MONOTONIC)
}

#[cfg(unix)]
#[inline]
fn clock(which: libc::clockid_t) -> Clock {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `now` and to nothing else. It cannot fail for a clock that is there.
    unsafe { libc::clock_gettime(which, &mut now) };
    Clock { seconds: u64::try_from(now.tv_sec).unwrap_or(0), nanos: now.tv_nsec as u32 }
}

/// The time since the Unix epoch; zero before it.
#[cfg(not(unix))]
pub(super) fn wall_clock() -> Clock {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Clock { seconds: now.as_secs(), nanos: now.subsec_nanos() }
}

/// The time since the first call, which only grows.
#[cfg(not(unix))]
pub(super) fn monotonic_clock() -> Clock {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let now = FIRST.get_or_init(std::time::Instant::now).elapsed();
    Clock { seconds: now.as_secs(), nanos: now.subsec_nanos() }
}

/// How many times this process image has come out of a `fork` as the child, from the first call on.
#[cfg(unix)]
pub(super) fn fork_generation() -> u64 {
    use std::sync::Once;
    use std::sync::atomic::AtomicU64;

    static GENERATION: AtomicU64 = AtomicU64::new(0);
    static WATCH: Once = Once::new();

    extern "C" fn in_child() {
        GENERATION.fetch_add(1, Relaxed);
    }

    if !WATCH.is_completed() {
        WATCH.call_once(|| {
            // SAFETY: the handler only adds to a static, which is allowed between `fork` and `exec`.
            unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
    }
    GENERATION.load(Relaxed)
}

/// There is no `fork` here.
#[cfg(not(unix))]
pub(super) fn fork_generation() -> u64 {
    0
}

/// Asks for leave to call [`barrier`]. Whether it was given.
#[cfg(target_os = "linux")]
pub(super) fn register_barriers() -> bool {
    membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED)
}

/// Every running thread of this process passes a full memory barrier before this returns. Whether they did.
#[cfg(target_os = "linux")]
pub(super) fn barrier() -> bool {
    membarrier(MEMBARRIER_PRIVATE_EXPEDITED)
}

/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED` of `linux/membarrier.h`, since Linux 4.14.
#[cfg(target_os = "linux")]
const MEMBARRIER_PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED`, as above.
#[cfg(target_os = "linux")]
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

#[cfg(target_os = "linux")]
fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: a system call with two numbers; it touches no memory of the program.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0) == 0 }
}

/// The system has no such call.
#[cfg(not(target_os = "linux"))]
pub(super) fn register_barriers() -> bool {
    false
}

/// Never called: nothing was registered.
#[cfg(not(target_os = "linux"))]
pub(super) fn barrier() -> bool {
    false
}

/// Makes sure that the first `len` bytes of a file have blocks, so that writing them cannot fail for want of
/// space. Never emulated by writing.
#[cfg(target_os = "linux")]
pub(super) fn reserve_space(file: &std::fs::File, len: usize) -> std::io::Result<()> {
    use std::os::fd::AsRawFd as _;
    loop {
        // SAFETY: a system call on an open descriptor; it touches no memory.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, len as libc::off_t) } == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The system makes no such promise.
#[cfg(not(target_os = "linux"))]
pub(super) fn reserve_space(_file: &std::fs::File, _len: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Gives the blocks of a file's range back and keeps its length; they read as zeros until they are reserved again.
#[cfg(target_os = "linux")]
pub(super) fn punch(file: &std::fs::File, from: u64, len: u64) {
    use std::os::fd::AsRawFd as _;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a system call on an open descriptor. A mapping of the range stays valid; nobody reads or writes it
    // before its space is reserved again.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, from as libc::off_t, len as libc::off_t) };
}

/// Nothing is given back where files are not mapped.
#[cfg(not(target_os = "linux"))]
pub(super) fn punch(_file: &std::fs::File, _from: u64, _len: u64) {}

/// The longest file that this process may write, if the system sets a limit (`RLIMIT_FSIZE`).
#[cfg(unix)]
pub(super) fn file_size_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the call writes to `limit` and to nothing else.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &mut limit) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the width differs between targets")]
    (known && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as u64)
}

/// Whether this process may open so few files (`RLIMIT_NOFILE`) that each is needed for the log and its delivery.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn has_few_descriptors() -> bool {
    const FEW: u64 = 64;
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the call writes to `limit` and to nothing else.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "the width differs between targets")]
    let most = limit.rlim_cur as u64;
    known && most < FEW
}

/// No such limit is known here.
#[cfg(not(unix))]
pub(super) fn file_size_limit() -> Option<u64> {
    None
}

/// Keeps SIGXFSZ from this thread for as long as it lives: a write beyond `RLIMIT_FSIZE` is an error, and not the
/// end of the process.
#[cfg(unix)]
pub(super) struct NoFileSizeSignal {
    before: libc::sigset_t,
    /// A value of one thread.
    _here: std::marker::PhantomData<*const ()>,
}

#[cfg(unix)]
impl NoFileSizeSignal {
    pub(super) fn new() -> Self {
        // SAFETY: the set is made by `sigemptyset`; the calls touch these two sets and this thread's mask.
        let before = unsafe {
            let (mut set, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGXFSZ);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, &mut before);
            before
        };
        Self { before, _here: std::marker::PhantomData }
    }

    /// For the rest of this thread's life.
    pub(super) fn forever(self) {
        std::mem::forget(self);
    }
}

#[cfg(unix)]
impl Drop for NoFileSizeSignal {
    fn drop(&mut self) {
        // SAFETY: as in `new`. A signal that came meanwhile is for this thread, and is taken before it is let in
        // again: unless the host had it blocked, in which case it is left as the host would have found it.
        unsafe {
            if libc::sigismember(&self.before, libc::SIGXFSZ) == 0 {
                let mut pending = std::mem::zeroed();
                libc::sigpending(&mut pending);
                if libc::sigismember(&pending, libc::SIGXFSZ) == 1 {
                    let mut set = std::mem::zeroed();
                    libc::sigemptyset(&mut set);
                    libc::sigaddset(&mut set, libc::SIGXFSZ);
                    #[cfg(target_os = "linux")]
                    libc::sigtimedwait(&set, std::ptr::null_mut(), &std::mem::zeroed());
                    #[cfg(not(target_os = "linux"))]
                    libc::sigwait(&set, &mut 0);
                }
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut());
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub(super) struct NoFileSizeSignal;

#[cfg(not(unix))]
impl NoFileSizeSignal {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn forever(self) {}
}

/// The magic number of the file system that a file is on.
#[cfg(target_os = "linux")]
pub(super) fn filesystem(file: &std::fs::File) -> std::io::Result<i64> {
    use std::os::fd::AsRawFd as _;
    let mut answer = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is open and `answer` has room for what the call writes.
    if unsafe { libc::fstatfs(file.as_raw_fd(), answer.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid `statfs`, and the call has filled them.
    #[allow(clippy::unnecessary_cast, reason = "the width differs between targets")]
    Ok(unsafe { answer.assume_init() }.f_type as i64)
}

/// Whether a file has the flag that ext4 gives to files made of extents, and copy-on-write systems do not. Seen
/// through an overlay, too.
#[cfg(target_os = "linux")]
pub(super) fn has_extents(file: &std::fs::File) -> bool {
    use std::os::fd::AsRawFd as _;
    const EXTENTS: libc::c_long = 0x0008_0000;
    let mut flags: libc::c_long = 0;
    // SAFETY: the descriptor is open, and the call writes one `int` or `long` to `flags`.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETFLAGS, &mut flags) };
    answer == 0 && flags & EXTENTS != 0
}

/// The user that files are created as.
#[cfg(unix)]
pub(super) fn effective_user() -> u32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::geteuid() }
}
/// Has the C library call a function when `main` has returned or `exit` is called; `false` if it will not. On Windows
/// that is when `main` returns.
pub(super) fn at_exit(hook: extern "C" fn()) -> bool {
    unsafe extern "C" {
        fn atexit(hook: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: a function of the C library with this signature on all platforms, which keeps the address. The function
    // behind it is code of this library; where that is a shared library, the system calls it before it is unloaded.
    unsafe { atexit(hook) == 0 }
}

/// Whether this code is linked into the program itself and not into a shared library that the program has loaded.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_in_program() -> bool {
    let loaded_at = |address: *const libc::c_void| {
        let mut found = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
        // SAFETY: `dladdr` takes any address and fills the structure when it returns something else than 0.
        unsafe { (libc::dladdr(address, found.as_mut_ptr()) != 0).then(|| found.assume_init().dli_fbase) }
    };
    // SAFETY: reads the auxiliary vector, which the kernel has filled before the program began.
    let entry = unsafe { libc::getauxval(libc::AT_ENTRY) };
    let here: fn() -> bool = is_in_program;
    match (loaded_at(entry as *const libc::c_void), loaded_at(here as *const libc::c_void)) {
        (Some(program), Some(this)) => program == this,
        // A static program has no loader to ask.
        _ => true,
    }
}

/// Not told apart here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_in_program() -> bool {
    true
}

/// Tells of what is made in directories and taken away, without a look at them in between: inotify.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Debug)]
pub(crate) struct DirWatch(std::fs::File);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl DirWatch {
    /// # Errors
    /// There are no more watches, few or no descriptors, or one of the directories is not there.
    pub(super) fn new(dirs: &[std::path::PathBuf]) -> std::io::Result<Self> {
        use std::os::fd::{AsRawFd as _, FromRawFd as _};
        use std::os::unix::ffi::OsStrExt as _;
        const WHAT: u32 = libc::IN_CREATE
            | libc::IN_DELETE
            | libc::IN_MOVED_FROM
            | libc::IN_MOVED_TO
            | libc::IN_DELETE_SELF
            | libc::IN_MOVE_SELF
            | libc::IN_ONLYDIR;
        if has_few_descriptors() {
            return Err(std::io::ErrorKind::QuotaExceeded.into());
        }
        // SAFETY: takes flags and returns a descriptor or -1.
        let descriptor = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
        if descriptor < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was just made and that nobody else knows.
        let watch = Self(unsafe { std::fs::File::from_raw_fd(descriptor) });
        for dir in dirs {
            let path = std::ffi::CString::new(dir.as_os_str().as_bytes())?;
            // SAFETY: an open descriptor of inotify, and a path that ends with a zero and lives as long as the call.
            if unsafe { libc::inotify_add_watch(watch.0.as_raw_fd(), path.as_ptr(), WHAT) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(watch)
    }

    /// Until something has changed. On the delivery thread.
    pub(crate) async fn changed(self) -> std::io::Result<()> {
        // A pipe to tokio: what can be waited for until it is readable, and nothing else is done with it.
        tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(self.0.into())?.readable().await
    }
}

/// Not written for this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
pub(crate) struct DirWatch;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl DirWatch {
    pub(super) fn new(_: &[std::path::PathBuf]) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(crate) async fn changed(self) -> std::io::Result<()> {
        Ok(())
    }
}
