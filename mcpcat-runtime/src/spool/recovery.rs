//! What earlier runs left: found by name, read without mapping, sent and removed.
//!
//! Nothing here trusts a byte it reads. A run that is locked, of another identity or of a later format is left alone.
//! A run that nobody holds and that has not changed for a week is given to whoever finds it, to be counted and
//! deleted; nothing else of others is ever deleted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpcat_wire::state_dir::StateDir;

use super::run_dir::{self, Run};
use super::scan::{self, Header, Origin, Scan};
use super::sizes::LARGEST;
use super::{Manifest, Position, file, region, store};

/// Where the positions of segments begin whose header does not tell their sequence number.
const UNORDERED: u64 = 1 << 63;

/// Finds the runs that ended without having delivered everything: an iterator that looks at the directory again
/// once it has given all that it knew of, so that it can be asked from time to time. Makes system calls.
///
/// Runs that nobody has touched for [`Options::max_age`](super::Options::max_age) are among them, whoever made them.
#[derive(Debug)]
pub struct Adopter {
    place: Option<Place>,
    found: VecDeque<(PathBuf, bool)>,
    given: HashSet<PathBuf>,
    /// Runs of version 1 that are others'.
    foreign: HashSet<PathBuf>,
}

#[derive(Debug)]
struct Place {
    root: PathBuf,
    former_root: PathBuf,
    own: PathBuf,
    manifest: Manifest,
    max_age: Duration,
}

impl Adopter {
    /// Finds nothing.
    pub(crate) fn none() -> Self {
        Self { place: None, found: VecDeque::new(), given: HashSet::new(), foreign: HashSet::new() }
    }

    pub(super) fn new(state: &StateDir, own: &Path, manifest: Manifest, max_age: Duration) -> Self {
        let (root, former_root) = (run_dir::root_of(state), run_dir::former_root_of(state));
        let place = Place { root, former_root, own: own.to_owned(), manifest, max_age };
        Self { place: Some(place), ..Self::none() }
    }

    /// Lists the runs and queues what can be adopted, oldest first, and what has expired.
    fn look(&mut self) {
        let Some(place) = &self.place else { return };
        let identity = place.manifest.identity();
        let expired = |path: &Path| run_dir::age(path) > place.max_age;
        let mut found = Vec::new();
        for (path, name) in run_dir::names(&place.root) {
            if path == place.own || self.given.contains(&path) {
                continue;
            }
            let expired = run_dir::may_be_older(&path, &name, place.max_age) && expired(&path);
            if expired || name.identity == identity {
                found.push((name.created, path, expired));
            }
        }
        let former: Vec<_> = run_dir::former_runs(&place.former_root, &self.foreign).collect();
        for (path, manifest) in former {
            if self.given.contains(&path) {
                continue;
            }
            let expired = expired(&path);
            if expired || manifest.is_some_and(|of| place.manifest.is_of_former(&of)) {
                found.push((0, path, expired));
            } else {
                self.foreign.insert(path);
            }
        }
        found.sort();
        self.found.extend(found.into_iter().map(|(_, path, expired)| (path, expired)));
    }
}

impl Iterator for Adopter {
    type Item = Orphan;

    fn next(&mut self) -> Option<Orphan> {
        if self.found.is_empty() {
            self.look();
        }
        while let Some((path, expired)) = self.found.pop_front() {
            if let Some(run) = Run::adopt(&path) {
                self.given.insert(path);
                return Some(Orphan::open(run, expired));
            }
        }
        None
    }
}

/// Locks and deletes the runs of `manifest` that no live process holds. How many there were.
pub(super) fn forget(state: &StateDir, manifest: &Manifest) -> usize {
    let identity = manifest.identity();
    let (root, former_root, none) = (run_dir::root_of(state), run_dir::former_root_of(state), HashSet::new());
    // A directory that somebody else could have written to is not ours to act on.
    let is_ours = |root: &Path| file::check_dir(root).is_ok();
    let own = is_ours(&root).then(|| run_dir::names(&root)).into_iter().flatten();
    let own = own.filter(|(_, name)| name.identity == identity).map(|(path, _)| path);
    let former =
        is_ours(&former_root).then(|| run_dir::former_runs(&former_root, &none)).into_iter().flatten();
    let former = former
        .filter(|(_, of)| of.as_ref().is_some_and(|of| manifest.is_of_former(of)))
        .map(|(path, _)| path);
    own.chain(former).filter_map(|path| Run::adopt(&path)).map(Run::remove).count()
}

/// The same for all runs, of whatever program. One of a later version is left alone: its format says whether it is held.
pub(super) fn forget_all(state: &StateDir) -> usize {
    let (root, former_root, none) = (run_dir::root_of(state), run_dir::former_root_of(state), HashSet::new());
    let is_ours = |root: &Path| file::check_dir(root).is_ok();
    let runs = is_ours(&root).then(|| run_dir::names(&root)).into_iter().flatten().map(|(path, _)| path);
    let former = is_ours(&former_root).then(|| run_dir::former_runs(&former_root, &none));
    let former = former.into_iter().flatten().map(|(path, _)| path);
    runs.chain(former).filter_map(|path| Run::adopt(&path)).map(Run::remove).count()
}

/// A run whose process is gone: an iterator over the records that are not complete. While this value lives, no
/// other process adopts the run.
#[derive(Debug)]
pub struct Orphan {
    run: Run,
    expired: bool,
    /// Segments not read yet, in order.
    ahead: VecDeque<(u64, PathBuf)>,
    current: Option<Segment>,
    /// Segments with records handed out and not completed.
    open: HashMap<u64, (File, HashMap<u32, Out>)>,
    /// Records that were moved; what is found at their first place is the same.
    moved: HashSet<Origin>,
    /// Of those: what is still there at their first place.
    twins: HashMap<Origin, (Position, u32)>,
    given: HashSet<Origin>,
    torn: u64,
    damaged: u64,
}

/// A record that was handed out.
#[derive(Clone, Copy, Debug)]
struct Out {
    len: u32,
    origin: Option<Origin>,
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
    fn open(run: Run, expired: bool) -> Self {
        let mut ahead: Vec<(u64, PathBuf)> = Vec::new();
        let (mut unreadable, mut moved) = (0, HashSet::new());
        for found in std::fs::read_dir(run.path()).into_iter().flatten().flatten() {
            let path = found.path();
            if path.extension().is_none_or(|extension| extension != "seg") {
                continue;
            }
            let mut header = [0; 40];
            let read = file::open(&path).and_then(|file| file::read_at(&file, &mut header, 0));
            let sequence = match read.map(|read| scan::read_header(&header[..read])) {
                Ok(Header::Freed) => continue,
                Ok(Header::Sequence(sequence)) if sequence < UNORDERED => sequence,
                Ok(_) => UNORDERED,
                Err(error) => {
                    unreadable += 1;
                    tracing::debug!(path = %path.display(), %error, "a segment of an earlier run is not read");
                    continue;
                }
            };
            if sequence == UNORDERED || scan::may_hold_moved(&header) {
                moved.extend(moved_in(&path, &run));
            }
            ahead.push((sequence, path));
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
        Self {
            run,
            expired,
            ahead: ahead.into(),
            current: None,
            open: HashMap::new(),
            moved,
            twins: HashMap::new(),
            given: HashSet::new(),
            torn: 0,
            damaged: unreadable,
        }
    }

    /// Whether nobody has touched the run for [`Options::max_age`](super::Options::max_age): what is in it is too old
    /// to be sent. Whoever removes it counts what it held.
    pub fn is_expired(&self) -> bool {
        self.expired
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
        let out = self.open.get_mut(&at.segment).and_then(|(_, out)| out.remove(&at.offset));
        let Some(Out { len, origin }) = out else { return };
        // First where it stood at first: what is done in its new place is not known to have been moved.
        if let Some((twin, len)) = origin.and_then(|origin| self.twins.remove(&origin)) {
            self.finish(twin, len);
        }
        self.finish(at, len);
    }

    fn finish(&self, at: Position, len: u32) {
        if let Some((file, _)) = self.open.get(&at.segment) {
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
        match read(&path) {
            Ok((file, bytes)) => {
                give_back_the_rest(&file, &bytes);
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
            let sequence = current.sequence;
            let Some(item) = current.scan.next(&current.bytes) else {
                self.torn += current.scan.torn;
                self.damaged += current.scan.damaged;
                self.current = None;
                continue;
            };
            let at = Position { segment: sequence, offset: item.at };
            let len = item.payload.len() as u32;
            let mut bytes = &current.bytes[item.payload];
            let origin = if item.moved { Origin::decode(bytes) } else { None };
            if origin.is_some() {
                bytes = &bytes[Origin::LEN..];
            } else if self.moved.contains(&Origin { sequence, at: item.at }) {
                self.twins.insert(Origin { sequence, at: item.at }, (at, len));
                continue;
            }
            if origin.is_some_and(|origin| !self.given.insert(origin)) {
                continue;
            }
            let record = OrphanRecord { at, kind: item.kind, bytes: bytes.to_vec() };
            if let Some((_, out)) = self.open.get_mut(&sequence) {
                out.insert(item.at, Out { len, origin });
            }
            return Some(record);
        }
    }
}

fn read(path: &Path) -> std::io::Result<(File, Vec<u8>)> {
    let file = file::open(path)?;
    // More than any segment has; the rest of a longer file is not read.
    let len = file.metadata()?.len().min(LARGEST);
    let mut bytes = vec![0; len as usize];
    let read = file::read_at(&file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok((file, bytes))
}

/// The records of a segment that were moved there.
fn moved_in(path: &Path, run: &Run) -> Vec<Origin> {
    let Ok((_, bytes)) = read(path) else { return Vec::new() };
    let mut scan = Scan::new(run.salt());
    let items = std::iter::from_fn(|| scan.next(&bytes));
    items.filter(|item| item.moved).filter_map(|item| Origin::decode(&bytes[item.payload])).collect()
}

/// A killed process could not give back what it had reserved behind its records.
fn give_back_the_rest(file: &File, bytes: &[u8]) {
    const WORTH_IT: u64 = 64 << 10;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let used = (used as u64).next_multiple_of(4096);
    if used + WORTH_IT <= bytes.len() as u64 {
        region::punch(file, used, bytes.len() as u64 - used);
    }
}
