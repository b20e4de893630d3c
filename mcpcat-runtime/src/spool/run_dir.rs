//! A run directory: one process's segments, the lock that says it lives, the name that says whose it is.
//!
//! # On-disk format, version 2
//! All numbers in files are little-endian, whatever the machine.
//! ```text
//! <state>/mcpcat/runs/                        0700
//!   2-<identity>-<created>-<salt>/            one run; hexadecimal: 16, 8 and 16 digits
//!     lock                                    held for as long as the process (or an adopter) lives
//!     manifest                                JSON for people: format, application, project, endpoint
//!     waiting                                 bytes of records that wait, as text, from time to time
//!     000.seg 001.seg …                       segments
//!   ….new/                                    being made: holds nothing yet
//!   ….gone/                                   being deleted: holds nothing any more
//! ```
//! The name begins with the version. `identity` is a hash of application, project and endpoint, so that a run of
//! another program costs no look into it; `created` is in seconds of Unix time; `salt` is part of every record.
//!
//! A segment has a header of 64 bytes (magic, sequence number, length, check; see `scan`), and records one behind the
//! other (see `frame`). A record that was moved there by the reader has its first place in front (see `moving`).
//!
//! Version 1 (`<state>/mcpcat/spool/<salt>/`) has the same segments and records; who they belong to stands in its
//! manifest, with the base URL. Its runs are adopted and never made. Programs of that version do not look into
//! `runs/`, so that they delete nothing there. A run of a later version is left alone, however old it is.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mcpcat_wire::state_dir::StateDir;
use serde::{Deserialize, Serialize};

use super::frame::Salt;
use super::options::Manifest;
use super::{file, quota};

/// Version of everything in a run directory.
const FORMAT: u32 = 2;
/// The version before, read by [`former_runs`].
const FORMER_FORMAT: u32 = 1;
const MANIFEST_LIMIT: u64 = 64 << 10;
/// A directory that is still being made after this time never will be.
const MAKING: Duration = Duration::from_secs(600);

#[derive(Serialize)]
struct Stored<'a> {
    format: u32,
    application: &'a str,
    project: &'a str,
    endpoint: &'a str,
}

/// The manifest of version 1.
#[derive(Deserialize)]
struct FormerStored {
    format: u32,
    application: String,
    project: String,
    base_url: String,
}

/// Where the runs are.
pub(super) fn root_of(state: &StateDir) -> PathBuf {
    state.ours().join("runs")
}

/// Where the runs of version 1 are.
pub(super) fn former_root_of(state: &StateDir) -> PathBuf {
    state.ours().join("spool")
}

/// Makes `<state>/mcpcat/runs` and returns its path.
pub(super) fn root(state: &StateDir) -> Result<PathBuf> {
    file::private_path(state.base())?;
    file::private_dir(&state.ours())?;
    let root = root_of(state);
    file::private_dir(&root)?;
    Ok(root)
}

/// What the name of a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) identity: u64,
    /// Seconds of Unix time.
    pub(super) created: u64,
    salt: Salt,
}

impl Name {
    /// `None` for what is no run of this version.
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let version: u32 = parts.next()?.parse().ok()?;
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            u64::from_str_radix(part, 16).ok()
        };
        let name = Self { identity: number(16)?, created: number(8)?, salt: Salt(number(16)?) };
        (version == FORMAT && parts.next().is_none()).then_some(name)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{FORMAT}-{:016x}-{:08x}-{:016x}", self.identity, self.created as u32, self.salt.0)
    }
}

/// A run that this process holds the lock of.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    salt: Salt,
    generation: u64,
    _lock: File,
}

impl Run {
    /// Makes a new run under `root` and locks it.
    pub(super) fn create(root: &Path, manifest: &Manifest) -> Result<Self> {
        let Manifest { application, project, endpoint, .. } = manifest;
        let text = serde_json::to_vec(&Stored { format: FORMAT, application, project, endpoint })?;
        if text.len() as u64 > MANIFEST_LIMIT {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "application, project and base URL are too long",
            ));
        }
        let salt = Salt(getrandom::u64().map_err(|error| Error::other(error.to_string()))?);
        let created = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let name = Name { identity: manifest.identity(), created, salt }.to_string();
        let making = root.join(format!("{name}.new"));
        file::new_dir(&making)?;
        let made = (|| {
            let lock = file::create(&making.join("lock"))?;
            lock.try_lock()?;
            file::create(&making.join("manifest"))?.write_all(&text)?;
            quota::write(&making, 0)?;
            let path = root.join(&name);
            std::fs::rename(&making, &path)?;
            Ok(Self { path, salt, generation: super::fork_generation(), _lock: lock })
        })();
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&making);
        }
        made
    }

    /// Locks a run that exists, if nobody holds it. `None`: it lives, or is just being removed.
    pub(super) fn adopt(path: &Path) -> Option<Self> {
        file::check_dir(path).ok()?;
        let name = path.file_name()?.to_str()?;
        let salt = match Name::parse(name) {
            Some(name) => name.salt,
            None => Salt(u64::from_str_radix(name, 16).ok()?),
        };
        let lock_path = path.join("lock");
        let lock = file::open(&lock_path).ok()?;
        lock.try_lock().ok()?;
        // Another adopter may have finished and removed it between the two lines above.
        if !file::still_named(&lock, &lock_path) {
            return None;
        }
        Some(Self { path: path.to_owned(), salt, generation: super::fork_generation(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn salt(&self) -> Salt {
        self.salt
    }

    /// Whether this process was forked from the one that holds the lock.
    pub(super) fn is_parents(&self) -> bool {
        self.generation != super::fork_generation()
    }

    /// Deletes the run. Renamed first, so that a process killed in the middle leaves nothing to adopt.
    pub(super) fn remove(self) {
        if self.is_parents() {
            return;
        }
        let gone = self.path.with_extension("gone");
        let path = match std::fs::rename(&self.path, &gone) {
            Ok(()) => gone,
            Err(_) => self.path,
        };
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::debug!(path = %path.display(), %error, "a finished spool directory could not be deleted");
        }
    }
}

/// The runs of this version under `root`, without a look into them. Deletes what a killed process left half made or
/// half deleted.
pub(super) fn names(root: &Path) -> impl Iterator<Item = (PathBuf, Name)> {
    directories(root).filter_map(|path| {
        let name = Name::parse(path.file_name()?.to_str()?)?;
        Some((path, name))
    })
}

/// The runs of version 1 under `root`, each with the manifest that it would have now; `None` in place of one that
/// cannot be read. Those of another version are none of ours, and those in `known` are left out.
pub(super) fn former_runs(
    root: &Path,
    known: &HashSet<PathBuf>,
) -> impl Iterator<Item = (PathBuf, Option<Manifest>)> {
    directories(root).filter(|path| !known.contains(path)).filter_map(|path| {
        u64::from_str_radix(path.file_name()?.to_str()?, 16).ok()?;
        match former_manifest(&path) {
            Ok(stored) if stored.format == FORMER_FORMAT => {
                let manifest = Manifest::new(stored.application, stored.project, stored.base_url);
                Some((path, Some(manifest)))
            }
            Ok(_) => None,
            Err(_) => Some((path, None)),
        }
    })
}

fn former_manifest(path: &Path) -> Result<FormerStored> {
    file::check_dir(path)?;
    let mut text = Vec::new();
    file::open(&path.join("manifest"))?.take(MANIFEST_LIMIT).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn directories(root: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(root).into_iter().flatten().flatten().filter_map(|found| {
        // A link or a file is not ours to follow or to delete.
        if !found.file_type().is_ok_and(|kind| kind.is_dir()) {
            return None;
        }
        let path = found.path();
        match path.extension().map(|extension| extension.to_os_string()) {
            None => Some(path),
            Some(extension) => {
                if extension == "gone" || (extension == "new" && age(&path) > MAKING) {
                    let _ = std::fs::remove_dir_all(&path);
                }
                None
            }
        }
    })
}

/// Whether a run may have been left alone for so long; costs no look into it.
pub(super) fn may_be_older(path: &Path, name: &Name, than: Duration) -> bool {
    let old = |since: SystemTime| since.elapsed().is_ok_and(|age| age > than);
    let made = || std::fs::symlink_metadata(path.join("lock")).ok()?.modified().ok();
    old(SystemTime::UNIX_EPOCH + Duration::from_secs(name.created)) || made().is_none_or(old)
}

/// Time since anything in a run changed.
pub(super) fn age(path: &Path) -> Duration {
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    let changed = files.filter_map(|file| file.metadata().ok()?.modified().ok()).max();
    let changed = changed.or_else(|| std::fs::symlink_metadata(path).ok()?.modified().ok());
    changed.and_then(|changed| changed.elapsed().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_version_identity_time_and_salt() {
        let name = Name { identity: 0xab, created: 1_790_000_000, salt: Salt(u64::MAX) };
        assert_eq!(name.to_string(), format!("2-00000000000000ab-{:x}-ffffffffffffffff", 1_790_000_000));
        assert_eq!(Name::parse(&name.to_string()), Some(name));
        for other in [
            "",
            "2",
            "3-00000000000000ab-6ab14380-ffffffffffffffff",
            "2-00000000000000ab-6ab14380-fffffffffffffff",
            "2-00000000000000ab-6ab14380-ffffffffffffffff-1",
            "2-00000000000000ab-6ab14380-ffffffffffffffff.new",
            "6a8eef9d8f29fdfc",
        ] {
            assert_eq!(Name::parse(other), None, "{other}");
        }
    }
}
