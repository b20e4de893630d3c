//! Where events wait: a bounded log of segments that is queue, bound and durability in one.
//!
//! Bytes in, bytes out: nothing here knows of events, sessions or HTTP. Producers [append](Spool::append_record), one
//! [`Reader`] takes the records in order and says which are done, and an [`Adopter`] finds what earlier runs
//! left behind.
//!
//! What is kept once an append has returned `Ok`:
//!
//! | | `Mapped` | `Written` | `Memory` |
//! |---|---|---|---|
//! | SIGKILL, abort, `exit`, panic, out of memory | kept | kept | lost |
//! | power cut, kernel crash | what the system had written back | the same | lost |
//! | another process cuts the file | SIGBUS ends the process | those records are lost and counted | - |
//! | the disk fills up | space is reserved before use: [`Refused::Full`] | the same where the file system reserves, else at the write | - |
//! | an append costs | a copy | a system call | a copy |
//! | chosen by `Auto` on | ext4, xfs, tmpfs, overlay on these (Linux) | everything else | no home, read-only, no room |
//!
//! A segment is freed when all its records are complete; the bytes of a complete record are cleared at once. There is
//! no ledger beside the segments: a record says itself that it is done. The data that waits is bounded, and so is the
//! room that segments take for it: where little waits in each of many, the reader moves it together.

mod backend;
pub(crate) mod clock;
pub(crate) mod fence;
mod file;
mod frame;
mod log;
mod mark;
mod moving;
mod options;
mod quota;
mod reader;
mod recovery;
mod region;
mod run_dir;
mod scan;
mod sizes;
mod store;
mod sync;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcpcat_wire::state_dir::StateDir;

pub(crate) use mark::Mark;
pub use mcpcat_wire::values::{Backend, Overflow};
pub use options::{Manifest, Options};
pub use reader::Reader;
pub(crate) use recovery::Adopter;
pub use recovery::{Orphan, OrphanRecord};

/// What [`open`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// For producers.
    pub spool: Arc<Spool>,
    /// For the worker.
    pub reader: Reader,
    /// What earlier runs left.
    pub adopter: Adopter,
    /// Where the segments live; never `Auto`.
    pub backend: Backend,
    /// What could not be done as asked, for people to read.
    pub warnings: Vec<String>,
}

/// Spools that this process image has opened.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// Opens a spool. Never fails: what cannot be on disk is kept in memory, and a warning says why.
pub fn open(options: Options) -> Opened {
    fence::register();
    let generation = fork_generation();
    let mut warnings = Vec::new();
    let backend::Placed { log, side, run, adopter, backend } = backend::place(&options, &mut warnings);
    let spool = Arc::new(Spool {
        log,
        run: Mutex::new(run),
        generation,
        era: OPENED.fetch_add(1, Relaxed) & 0xffff,
        left: AtomicBool::new(false),
        overflow: options.overflow,
        stall: options.stall,
    });
    let reader = Reader::new(Arc::clone(&spool), side);
    Opened { spool, reader, adopter, backend, warnings }
}

/// The producers' side. Shared by reference or `Arc`.
#[derive(Debug)]
pub struct Spool {
    log: log::Log,
    /// Behind the log: files are closed before the run is deleted.
    run: Mutex<Option<run_dir::Run>>,
    generation: u64,
    /// Tells its segments from those of this process's other spools in a [`Mark`].
    era: u64,
    /// Whether this is a forked child that has let go of its parent's run.
    left: AtomicBool,
    overflow: Overflow,
    stall: Duration,
}

impl Spool {
    /// Appends one record. When this returns `Ok`, the record is in the log. The buffer gets the record's padding
    /// for as long as this takes, and is given back as it was.
    ///
    /// Takes no lock, makes no system call and allocates nothing while the segment has room (`Mapped` and
    /// `Memory`; `Written` makes one call) and the buffer 16 bytes to spare.
    ///
    /// # Errors
    /// [`Refused`], and then nothing was appended.
    pub fn append_record(&self, kind: u8, record: &mut Vec<u8>) -> Result<Appended, Refused> {
        self.append_padded(kind, record, fork_generation(), |payload| self.log.append(payload))
    }

    /// [`append_record`](Self::append_record) into a segment that holds the definition that `mark` stands for. Where
    /// the current one does not, `define` gives the definition's kind and bytes, and both are appended as one step:
    /// whoever finds the record finds the definition with it, however this process ends. `generation` is that of this
    /// process, [`fork_generation`].
    #[inline]
    pub(crate) fn append_defined(
        &self,
        kind: u8,
        record: &mut Vec<u8>,
        mark: &Mark,
        generation: u64,
        mut define: impl FnMut() -> (u8, Vec<u8>),
    ) -> Result<Appended, Refused> {
        let mut overtaken = None;
        let appended = self.append_padded(kind, record, generation, |payload| {
            self.log.append_defined(payload, mark, self.era, &mut define, &mut overtaken)
        });
        if let Some(kind) = overtaken {
            // Nothing is lost without it: the record has a definition, if an older one.
            let _ = self.define(mark, kind, || define().1);
        }
        appended
    }

    /// Appends a definition by itself, which `mark` stands for from now on.
    pub(crate) fn define(
        &self,
        mark: &Mark,
        kind: u8,
        mut make: impl FnMut() -> Vec<u8>,
    ) -> Result<Appended, Refused> {
        /// The newest definition stands last. Who keeps being overtaken leaves it to the others.
        const ATTEMPTS: u32 = 8;
        let mut attempt = 1;
        loop {
            let seen = mark.load();
            let appended = self.append_record(kind, &mut make())?;
            if mark.set(seen, self.era, appended.segment) || attempt == ATTEMPTS {
                return Ok(appended);
            }
            attempt += 1;
        }
    }

    #[inline]
    fn append_padded(
        &self,
        kind: u8,
        record: &mut Vec<u8>,
        generation: u64,
        append: impl FnOnce(region::Payload<'_>) -> Result<Appended, Refused>,
    ) -> Result<Appended, Refused> {
        if self.generation != generation {
            self.leave_to_parent();
            return Err(Refused::Forked);
        }
        let (len, limit) = (record.len(), self.log.limit());
        if len > limit {
            return Err(Refused::TooLarge { limit: limit as u64 });
        }
        // A whole block and then cut: its length is known, so this is one store.
        record.extend_from_slice(&[0; frame::ALIGN]);
        record.truncate(frame::padded(len));
        let appended = append(region::Payload { kind, padded: record, len: len as u32, moved: false });
        record.truncate(len);
        appended
    }

    /// [`append_record`](Self::append_record) for one that is in pieces. Allocates.
    ///
    /// # Errors
    /// As there.
    pub fn append(&self, kind: u8, pieces: &[&[u8]]) -> Result<Appended, Refused> {
        let len = pieces.iter().fold(0, |len: usize, piece| len.saturating_add(piece.len()));
        if len > self.log.limit() {
            return Err(Refused::TooLarge { limit: self.log.limit() as u64 });
        }
        let mut record = Vec::with_capacity(len + frame::ALIGN);
        pieces.iter().for_each(|piece| record.extend_from_slice(piece));
        self.append_record(kind, &mut record)
    }

    /// Whether this process was forked from the one that opened the spool.
    fn is_parents(&self) -> bool {
        self.generation != fork_generation()
    }

    /// In a forked child: closes the inherited lock file, so that the run can be adopted when the parent dies.
    #[cold]
    pub(crate) fn leave_to_parent(&self) {
        // Not waited for: the thread that held the mutex at the fork does not exist here.
        if !self.left.swap(true, Relaxed)
            && let Ok(mut run) = self.run.try_lock()
        {
            drop(run.take());
        }
    }

    /// Deletes the run if it holds nothing that needs delivery.
    fn remove_if_done(&self) {
        if !self.is_parents() && self.log.pending() == 0 {
            let run = self.run.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(run) = run {
                run.remove();
            }
        }
    }

    /// Sequence number of the segment now being written; the first is 1.
    pub fn segment(&self) -> u64 {
        self.log.sequence()
    }

    /// Bytes of the records that wait, with their headers: what the cap bounds.
    pub fn used_bytes(&self) -> u64 {
        self.log.waiting()
    }

    /// Bytes that are reserved for segments: at most the cap and one segment.
    pub fn reserved_bytes(&self) -> u64 {
        self.log.blocks()
    }

    /// Records appended and not yet completed or given up.
    pub fn pending(&self) -> u64 {
        self.log.pending()
    }

    /// Refuses every append from now on. What was appended can still be read and completed. If nothing is
    /// pending, the run directory is deleted, at once or when the last handle is dropped; if something is, it
    /// stays, and the next start adopts it.
    pub fn close(&self) {
        if !self.is_parents() {
            self.log.close();
            self.remove_if_done();
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where a record landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// Sequence number of its segment.
    pub segment: u64,
    /// Bytes of the log that it takes, header and padding included.
    pub bytes: u64,
    /// Whether this append was the one that opened the segment: a good moment to wake the worker, so that it
    /// makes the next one ready.
    pub rolled: bool,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// The cap is reached, or the disk has no room for another segment.
    Full,
    /// The record can never fit.
    TooLarge {
        /// The largest payload in bytes.
        limit: u64,
    },
    /// The file could not be written (`Written` only): an I/O error, or the file system is gone.
    Unwritable,
    /// The spool was closed.
    Closed,
    /// This is a forked child; the spool is its parent's. Open another one.
    Forked,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full => {
                f.write_str("the spool is full: raise its cap, or find out why nothing is delivered")
            }
            Self::TooLarge { limit } => {
                write!(f, "the record is larger than {limit} bytes: shorten it, or raise the cap")
            }
            Self::Unwritable => f.write_str(
                "the spool's file cannot be written: check the file system of the state directory",
            ),
            Self::Closed => f.write_str("the spool is closed: append before the shutdown"),
            Self::Forked => f.write_str("the spool belongs to the parent process: open one in the child"),
        }
    }
}

impl std::error::Error for Refused {}

/// Where a record is: segment first, so that positions sort in the order of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(test, derive(Default))]
pub struct Position {
    segment: u64,
    offset: u32,
}

impl Position {
    /// Sequence number of the segment.
    pub fn segment(self) -> u64 {
        self.segment
    }
}

/// A record to deliver. The bytes are the reader's copy; they last until it is asked again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// Its place, for [`Reader::complete`].
    pub at: Position,
    /// The kind it was appended with.
    pub kind: u8,
    /// Its payload.
    pub bytes: &'a [u8],
}

/// How many times this process image has come out of a `fork` as the child. A change says that ids must be
/// reseeded and the spool opened anew. Costs one load; always 0 where there is no `fork`.
pub fn fork_generation() -> u64 {
    region::fork_generation()
}

/// Has the C library call a function at the end of the process; see [`region`] for what is promised.
pub(crate) fn at_exit(hook: extern "C" fn()) -> bool {
    region::at_exit(hook)
}

/// Whether this code is part of the program and not of a library that it has loaded.
pub(crate) fn is_in_program() -> bool {
    region::is_in_program()
}

/// Deletes the runs of `manifest` that no live process holds, undelivered events and all: their user has opted
/// out. Makes no directory. How many there were.
pub(crate) fn forget(state_dir: Option<PathBuf>, manifest: &Manifest) -> usize {
    StateDir::find(state_dir).map_or(0, |state| recovery::forget(&state, manifest))
}

/// Deletes every run in the state directory that no live process holds, whoever made it: its user has said no to all
/// servers. How many there were.
pub(crate) fn forget_all(state_dir: Option<PathBuf>) -> usize {
    StateDir::find(state_dir).map_or(0, |state| recovery::forget_all(&state))
}

/// From now on a write that is longer than this process may make a file is an error for this thread, and no signal.
pub(crate) fn no_file_size_signal() {
    region::NoFileSizeSignal::new().forever();
}

/// A directory of this user's own beside the spools, made if it is missing, for what else is kept there.
pub(crate) fn private_dir_beside(state_dir: Option<PathBuf>, name: &str) -> io::Result<PathBuf> {
    let state = StateDir::find(state_dir).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "there is no home directory; set MCPCAT_STATE_DIR")
    })?;
    let dir = run_dir::root(&state)?.with_file_name(name);
    file::private_dir(&dir)?;
    Ok(dir)
}

/// Makes `<state>/mcpcat` where it is missing, for this user alone.
pub(crate) fn private_state_dir(state: &StateDir) -> io::Result<PathBuf> {
    file::private_path(state.base())?;
    let ours = state.ours();
    file::private_dir(&ours)?;
    Ok(ours)
}

/// Tells that something in one of some directories was made or taken away. `None` where the system cannot.
pub(crate) fn watch_dirs(dirs: &[PathBuf]) -> Option<region::DirWatch> {
    region::DirWatch::new(dirs).ok()
}

/// Whether that directory is there; nothing is made.
pub(crate) fn exists_beside(state_dir: Option<PathBuf>, name: &str) -> bool {
    StateDir::find(state_dir).is_some_and(|state| state.ours().join(name).exists())
}

/// That directory, if it is there and nobody else can write to it; nothing is made.
pub(crate) fn own_dir_beside(state_dir: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let dir = StateDir::find(state_dir)?.ours().join(name);
    file::check_dir(&dir).is_ok().then_some(dir)
}

/// Opens a regular file of this user alone.
pub(crate) fn open_private(path: &Path, create: bool) -> io::Result<File> {
    match file::open(path) {
        Err(error) if create && error.kind() == io::ErrorKind::NotFound => match file::create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => file::open(path),
            created => created,
        },
        opened => opened,
    }
}

/// Whether a path still names an open file.
pub(crate) fn is_still_named(file: &File, path: &Path) -> bool {
    file::still_named(file, path)
}

#[cfg(test)]
mod tests;
