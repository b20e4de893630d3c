//! What earlier runs left: found by manifest and owner, read without mapping, sent and removed.
//!
//! Nothing here trusts a byte it reads. A run that is locked, another user's, another program's or of another
//! format is left alone; the last two are deleted once they are old, or when all runs together take too much.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::run::{self, Run, Whose};
use super::scan::{self, Header, Scan};
use super::{Manifest, Position, file, store};

/// More than any segment has; the rest of a longer file is not read.
const LONGEST_FILE: u64 = 64 << 20;
/// Where the positions of segments begin whose header does not tell their sequence number.
const UNORDERED: u64 = 1 << 63;

/// Finds the runs that ended without having delivered everything: an iterator that looks at the directory again
/// once it has given all that it knew of, so that it can be asked from time to time. Makes system calls.
#[derive(Debug)]
pub struct Adopter {
    place: Option<Place>,
    found: VecDeque<PathBuf>,
    given: HashSet<PathBuf>,
}

#[derive(Debug)]
struct Place {
    root: PathBuf,
    own: PathBuf,
    manifest: Manifest,
    total_bytes: u64,
    max_age: Duration,
}

impl Adopter {
    /// Finds nothing.
    pub(crate) fn none() -> Self {
        Self { place: None, found: VecDeque::new(), given: HashSet::new() }
    }

    pub(super) fn new(
        root: &Path,
        own: &Path,
        manifest: Manifest,
        total_bytes: u64,
        max_age: Duration,
    ) -> Self {
        let place = Place { root: root.to_owned(), own: own.to_owned(), manifest, total_bytes, max_age };
        Self { place: Some(place), ..Self::none() }
    }

    /// Lists the runs, deletes what has expired or is too much, and queues what can be adopted.
    fn look(&mut self) {
        let Some(place) = &self.place else { return };
        let mut entries = run::list(&place.root, &place.own);
        let ours = |path: &Path| matches!(run::whose(path), Whose::Readable(of) if of == place.manifest);
        entries.retain(|entry| {
            let expired = entry.age() > place.max_age && !ours(&entry.path) && run::expire(&entry.path);
            !expired
        });
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        // What nobody can adopt here goes first, then the oldest of what could be.
        for adoptable in [false, true] {
            entries.retain(|entry| {
                if total <= place.total_bytes || ours(&entry.path) != adoptable || !run::expire(&entry.path) {
                    return true;
                }
                tracing::warn!(
                    path = %entry.path.display(),
                    bytes = entry.bytes,
                    "undelivered events deleted: all spools together are over their limit of {} bytes",
                    place.total_bytes,
                );
                total -= entry.bytes;
                false
            });
        }
        for entry in entries {
            if !self.given.contains(&entry.path) && ours(&entry.path) {
                self.found.push_back(entry.path);
            }
        }
    }
}

impl Iterator for Adopter {
    type Item = Orphan;

    fn next(&mut self) -> Option<Orphan> {
        if self.found.is_empty() {
            self.look();
        }
        while let Some(path) = self.found.pop_front() {
            if let Some(run) = Run::adopt(&path) {
                self.given.insert(path);
                return Some(Orphan::open(run));
            }
        }
        None
    }
}

/// A run whose process is gone: an iterator over the records that are not complete. While this value lives, no
/// other process adopts the run.
#[derive(Debug)]
pub struct Orphan {
    run: Run,
    /// Segments not read yet, in order.
    ahead: VecDeque<(u64, PathBuf)>,
    current: Option<Segment>,
    /// Segments with records handed out and not completed.
    open: HashMap<u64, (File, HashMap<u32, u32>)>,
    torn: u64,
    damaged: u64,
}

#[derive(Debug)]
struct Segment {
    sequence: u64,
    bytes: Vec<u8>,
    scan: Scan,
}

/// One record of an [`Orphan`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrphanRecord {
    /// Its place, for [`Orphan::complete`]. Places of different orphans are not related.
    pub at: Position,
    /// The kind it was appended with.
    pub kind: u8,
    /// Its payload.
    pub bytes: Vec<u8>,
}

impl Orphan {
    fn open(run: Run) -> Self {
        let mut ahead: Vec<(u64, PathBuf)> = Vec::new();
        let mut unreadable = 0;
        for found in std::fs::read_dir(run.path()).into_iter().flatten().flatten() {
            let path = found.path();
            if path.extension().is_none_or(|extension| extension != "seg") {
                continue;
            }
            let mut header = [0; 32];
            let read = file::open(&path).and_then(|file| file::read_at(&file, &mut header, 0));
            match read.map(|read| scan::read_header(&header[..read])) {
                Ok(Header::Freed) => {}
                Ok(Header::Sequence(sequence)) if sequence < UNORDERED => ahead.push((sequence, path)),
                Ok(_) => ahead.push((UNORDERED, path)),
                Err(error) => {
                    unreadable += 1;
                    tracing::debug!(path = %path.display(), %error, "a segment of an earlier run is not read");
                }
            }
        }
        ahead.sort();
        // Two headers with one number: one of them is damaged.
        let mut seen = HashSet::new();
        for (index, (sequence, _)) in ahead.iter_mut().enumerate() {
            if !seen.insert(*sequence) || *sequence == UNORDERED {
                *sequence = UNORDERED + 1 + index as u64;
            }
        }
        ahead.sort();
        Self { run, ahead: ahead.into(), current: None, open: HashMap::new(), torn: 0, damaged: unreadable }
    }

    /// The records that are not complete, in order; the same as the iterator that this value is.
    pub fn records(&mut self) -> impl Iterator<Item = OrphanRecord> + '_ {
        self
    }

    /// Records that were cut off between reservation and commit, among those read so far. Nobody was told that
    /// they were there.
    pub fn torn(&self) -> u64 {
        self.torn + self.current.as_ref().map_or(0, |current| current.scan.torn)
    }

    /// Places where bytes were changed, among those read so far; each cost at least one record.
    pub fn damaged(&self) -> u64 {
        self.damaged + self.current.as_ref().map_or(0, |current| current.scan.damaged)
    }

    /// Says that a record needs no delivery any more. Kept in the run's files, so that a later adopter does not
    /// send it again if this one is killed.
    pub fn complete(&mut self, at: Position) {
        if self.run.is_parents() {
            return;
        }
        let Some((file, out)) = self.open.get_mut(&at.segment) else { return };
        if let Some(len) = out.remove(&at.offset) {
            // Not told on: the worst is that a later adopter sends it again, with the same id.
            let _ = store::finish_in_file(file, at.offset, len);
        }
    }

    /// Deletes the run. Records that were not completed are gone with it.
    pub fn remove(self) {
        let Self { run, open, .. } = self;
        drop(open);
        run.remove();
    }

    /// Loads the next segment that can be read.
    fn load(&mut self) -> Option<()> {
        let (sequence, path) = self.ahead.pop_front()?;
        let read = || {
            let file = file::open(&path)?;
            let len = file.metadata()?.len().min(LONGEST_FILE);
            let mut bytes = vec![0; len as usize];
            let read = file::read_at(&file, &mut bytes, 0)?;
            bytes.truncate(read);
            std::io::Result::Ok((file, bytes))
        };
        match read() {
            Ok((file, bytes)) => {
                self.open.insert(sequence, (file, HashMap::new()));
                self.current = Some(Segment { sequence, bytes, scan: Scan::new(self.run.salt()) });
            }
            Err(error) => {
                self.damaged += 1;
                tracing::debug!(path = %path.display(), %error, "a segment of an earlier run is not read");
            }
        }
        Some(())
    }
}

impl Iterator for Orphan {
    type Item = OrphanRecord;

    fn next(&mut self) -> Option<OrphanRecord> {
        loop {
            let Some(current) = &mut self.current else {
                self.load()?;
                continue;
            };
            let Some(item) = current.scan.next(&current.bytes) else {
                self.torn += current.scan.torn;
                self.damaged += current.scan.damaged;
                self.current = None;
                continue;
            };
            if let Some((_, out)) = self.open.get_mut(&current.sequence) {
                out.insert(item.at, item.payload.len() as u32);
            }
            let at = Position { segment: current.sequence, offset: item.at };
            return Some(OrphanRecord { at, kind: item.kind, bytes: current.bytes[item.payload].to_vec() });
        }
    }
}
