//! The lock-free append, and the memory and system calls under it. All unsafe code of the libraries is in this
//! file.
//!
//! A segment is a tail word and bytes. A producer claims bytes by moving the tail, which makes them its own
//! until it stores the commit word; from then on they are the reader's, of which there is exactly one
//! ([`ReadSide`]), until the reader clears the segment and opens it again. Those three owners, one after the
//! other, are what every `SAFETY` comment below refers to as *the protocol*.
#![allow(unsafe_code)]

use std::sync::OnceLock;
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

/// What the reader finds at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Claimed; not even the length is there.
    Unknown,
    /// Claimed, with this payload length; the payload is not complete.
    Reserved { len: u32 },
    /// Delivered or given up.
    Done { len: u32 },
    /// A complete record, appended to the buffer.
    Record { len: u32, kind: u8 },
    /// A complete record whose checksum fails.
    Damaged { len: u32 },
}

/// One segment of the log, reused for many sequence numbers.
#[derive(Debug)]
pub(super) struct Segment<M> {
    tail: Contended,
    sequence: AtomicU64,
    memory: OnceLock<M>,
}

/// Alone on its cache lines: producers fight for it, and the reader looks at its neighbours for each record.
#[derive(Debug)]
#[repr(align(128))]
struct Contended(AtomicU64);

impl<M> Segment<M> {
    /// A segment without memory, sealed.
    pub(super) fn new() -> Self {
        Self { tail: Contended(AtomicU64::new(SEALED)), sequence: AtomicU64::new(0), memory: OnceLock::new() }
    }

    /// Its bytes, once it has some.
    pub(super) fn memory(&self) -> Option<&M> {
        self.memory.get()
    }

    /// Gives it its bytes, once.
    pub(super) fn set_memory(&self, memory: M) -> bool {
        self.memory.set(memory).is_ok()
    }

    /// The tail now.
    pub(super) fn tail(&self) -> Tail {
        Tail(self.tail.0.load(Acquire))
    }

    /// The sequence number it was last opened with.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence.load(Relaxed)
    }

    /// Opens a cleared, sealed segment for appends.
    pub(super) fn open(&self, sequence: u64) {
        debug_assert!(self.tail().sealed());
        self.sequence.store(sequence, Relaxed);
        // Release: who claims bytes after this sees them cleared.
        self.tail.0.store(SEGMENT_HEADER as u64, Release);
    }

    /// Ends appends. What was claimed before stays claimed.
    pub(super) fn seal(&self) -> Tail {
        Tail(self.tail.0.fetch_or(SEALED, AcqRel))
    }

    /// Claims `size` bytes of a segment of `len` bytes and returns their offset.
    ///
    /// A compare-and-swap and not `fetch_add`: the tail is then always the exact end and the exact count, so
    /// that a refused append leaves nothing to undo and nothing to interpret.
    pub(super) fn claim(&self, len: usize, size: usize) -> Result<u32, NoRoom> {
        let mut tail = self.tail.0.load(Acquire);
        loop {
            let at = tail as u32;
            if tail & SEALED != 0 || at as usize + size > len {
                return Err(NoRoom);
            }
            match self.tail.0.compare_exchange_weak(tail, tail + ONE_RECORD + size as u64, AcqRel, Acquire) {
                Ok(_) => return Ok(at),
                Err(now) => tail = now,
            }
        }
    }
}

impl<M: Memory> Segment<M> {
    /// Appends one record of `len` bytes, given with its padding, and returns the sequence number of the segment
    /// and its place.
    ///
    /// Nothing that was written is read again: the segment's lines are cold, often in another core's cache, and
    /// a store to one waits for nobody while a load does.
    pub(super) fn append(&self, salt: Salt, kind: u8, padded: &[u8], len: u32) -> Result<(u64, u32), NoRoom> {
        let memory = self.memory.get().ok_or(NoRoom)?;
        // Before the claim, which keeps the reader from what comes behind it.
        let crc = crc32fast::hash(padded);
        let size = OVERHEAD + padded.len();
        let at = self.claim(memory.len(), size)?;
        // Stable until the commit word is stored: the reader does not clear a segment with an open claim.
        let sequence = self.sequence.load(Relaxed);
        let start = at as usize;
        memory.store(start, frame::reserve_word(salt, at, len));
        // SAFETY: `claim` returned `size` bytes from `start` to this call alone, and by the protocol the reader
        // does not touch them before the commit word.
        unsafe { memory.write(start + OVERHEAD, padded) };
        memory.store(start + 8, frame::commit_word(salt, at, kind, crc));
        // The next record is likely to be as long.
        memory.prefetch(start + size, size);
        Ok((sequence, at))
    }

    /// Claims a frame and does no more, as a producer that was killed or suspended would have. `with_length`
    /// says whether it got as far as the reserve word. The rest of the append is returned.
    #[cfg(test)]
    pub(super) fn begin(&self, salt: Salt, len: u32, with_length: bool) -> impl FnOnce(u8, &[u8]) + '_ {
        let memory = self.memory.get().expect("memory");
        let at = self.claim(memory.len(), frame::size(len as usize)).expect("room");
        if with_length {
            memory.store(at as usize, frame::reserve_word(salt, at, len));
        }
        move |kind, bytes| {
            assert_eq!(bytes.len(), len as usize);
            memory.store(at as usize, frame::reserve_word(salt, at, len));
            let mut padded = bytes.to_vec();
            padded.resize(frame::padded(bytes.len()), 0);
            // SAFETY: as in `append`.
            unsafe { memory.write(at as usize + OVERHEAD, &padded) };
            memory.store(at as usize + 8, frame::commit_word(salt, at, kind, crc32fast::hash(&padded)));
        }
    }

    /// What is at `at`, an offset below the tail at which a frame starts. A record's payload replaces the
    /// content of `out`; it is checked after the copy, so that nothing can change it in between.
    pub(super) fn look(&self, _side: &ReadSide, salt: Salt, at: u32, limit: u32, out: &mut Vec<u8>) -> Found {
        let Some(memory) = self.memory.get() else { return Found::Unknown };
        let start = at as usize;
        let Some(len) = frame::reserved_len(salt, at, memory.load(start)) else { return Found::Unknown };
        if start + frame::size(len as usize) > (limit as usize).min(memory.len()) {
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
                if frame::sum_holds(salt, at, kind, sum, crc) {
                    Found::Record { len, kind }
                } else {
                    Found::Damaged { len }
                }
            }
        }
    }

    /// Whether a reserve word made for this place is at `at`; for finding the next frame behind one whose
    /// length is missing.
    pub(super) fn has_frame(&self, _side: &ReadSide, salt: Salt, at: u32) -> bool {
        self.memory
            .get()
            .is_some_and(|memory| frame::reserved_len(salt, at, memory.load(at as usize)).is_some())
    }

    /// Marks a record as done and clears its payload.
    pub(super) fn finish(&self, _side: &mut ReadSide, salt: Salt, at: u32) {
        let Some(memory) = self.memory.get() else { return };
        let start = at as usize;
        let Some(len) = frame::reserved_len(salt, at, memory.load(start)) else { return };
        if start + frame::size(len as usize) > memory.len() {
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
        if let Some(memory) = self.memory.get() {
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
        self.word(at).load(Acquire)
    }

    fn store(&self, at: usize, word: u64) {
        self.word(at).store(word, Release);
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

/// Gives the blocks of a file back and keeps its length; they read as zeros until they are reserved again.
#[cfg(target_os = "linux")]
pub(super) fn punch(file: &std::fs::File, len: usize) {
    use std::os::fd::AsRawFd as _;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: a system call on an open descriptor. A mapping of the range stays valid; nobody reads or writes it
    // before its space is reserved again.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, 0, len as libc::off_t) };
}

/// Nothing is given back where files are not mapped.
#[cfg(not(target_os = "linux"))]
pub(super) fn punch(_file: &std::fs::File, _len: usize) {}

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
