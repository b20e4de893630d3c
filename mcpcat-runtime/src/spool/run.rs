//! A run directory: one process's segments, the lock that says it lives, the manifest that says whose they are.
//!
//! ```text
//! <state>/mcpcat/spool/            0700
//!   3f9c…/                         one run; its name is also the salt of its frames
//!     lock                         held for as long as the process (or an adopter) lives
//!     manifest                     JSON: format version, application, project, base URL
//!     000.seg 001.seg …            segments
//!   3f9c….new/                     being made: holds nothing yet
//!   3f9c….gone/                    being deleted: holds nothing any more
//! ```

use std::ffi::OsString;
use std::fs::File;
use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use mcpcat_wire::state_dir::StateDir;

use super::file;
use super::frame::Salt;
use super::options::Manifest;

/// Version of everything in a run directory. Other versions are left alone until they expire.
const FORMAT: u32 = 1;
const MANIFEST_LIMIT: u64 = 64 << 10;
/// A directory that is still being made after this time never will be.
const MAKING: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    application: String,
    project: String,
    base_url: String,
}

/// Where the runs are.
pub(super) fn root_of(state: &StateDir) -> PathBuf {
    state.ours().join("spool")
}

/// Makes the directory that the runs are in and returns its path.
pub(super) fn root(state: &StateDir) -> Result<PathBuf> {
    std::fs::create_dir_all(state.base())?;
    file::private_dir(&state.ours())?;
    let root = root_of(state);
    file::private_dir(&root)?;
    Ok(root)
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
        let stored = Stored {
            format: FORMAT,
            application: manifest.application.clone(),
            project: manifest.project.clone(),
            base_url: manifest.base_url.clone(),
        };
        let text = serde_json::to_vec(&stored).map_err(Error::other)?;
        if text.len() as u64 > MANIFEST_LIMIT {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "application, project and base URL are too long",
            ));
        }
        let salt = Salt(getrandom::u64().map_err(|error| Error::other(error.to_string()))?);
        let name = format!("{:016x}", salt.0);
        let making = root.join(format!("{name}.new"));
        file::new_dir(&making)?;
        let made = (|| {
            let lock = file::create(&making.join("lock"))?;
            lock.try_lock()?;
            file::create(&making.join("manifest"))?.write_all(&text)?;
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
        let salt = Salt(u64::from_str_radix(path.file_name()?.to_str()?, 16).ok()?);
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

/// Whose a run is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of this manifest, in this format.
    Readable(Manifest),
    /// Of a format that this version does not know, or not readable.
    Unknown,
}

/// Reads the manifest of a run.
pub(super) fn whose(path: &Path) -> Whose {
    let read = || -> Result<Stored> {
        file::check_dir(path)?;
        let mut text = Vec::new();
        file::open(&path.join("manifest"))?.take(MANIFEST_LIMIT).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    };
    match read() {
        Ok(stored) if stored.format == FORMAT => Whose::Readable(Manifest {
            application: stored.application,
            project: stored.project,
            base_url: stored.base_url,
        }),
        _ => Whose::Unknown,
    }
}

/// One run directory, as a listing sees it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) changed: SystemTime,
}

impl Entry {
    /// Time since anything in it changed.
    pub(super) fn age(&self) -> Duration {
        self.changed.elapsed().unwrap_or_default()
    }
}

/// The runs under `root` except `own`, oldest first. Deletes what a killed process left half made or half
/// deleted.
pub(super) fn list(root: &Path, own: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let Ok(listing) = std::fs::read_dir(root) else { return entries };
    for found in listing.flatten() {
        let path = found.path();
        // A link or a file is not ours to follow or to delete.
        if path == own || !found.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let entry = measure(path);
        let extension = entry.path.extension().map(OsString::from).unwrap_or_default();
        if extension == "gone" || (extension == "new" && entry.age() > MAKING) {
            let _ = std::fs::remove_dir_all(&entry.path);
        } else if extension.is_empty() {
            entries.push(entry);
        }
    }
    entries.sort_by_key(|entry| entry.changed);
    entries
}

fn measure(path: PathBuf) -> Entry {
    let (mut bytes, mut changed) = (0, SystemTime::UNIX_EPOCH);
    for file in std::fs::read_dir(&path).into_iter().flatten().flatten() {
        if let Ok(meta) = file.metadata() {
            bytes += file::disk_bytes(&meta);
            changed = changed.max(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
    if changed == SystemTime::UNIX_EPOCH {
        changed = std::fs::symlink_metadata(&path)
            .and_then(|meta| meta.modified())
            .unwrap_or_else(|_| SystemTime::now());
    }
    Entry { path, bytes, changed }
}

/// Deletes a run that nobody holds; `false` if somebody does.
pub(super) fn expire(path: &Path) -> bool {
    match Run::adopt(path) {
        Some(run) => {
            run.remove();
            true
        }
        // Without a lock file nobody can hold it.
        None if file::check_dir(path).is_ok() && !path.join("lock").exists() => {
            std::fs::remove_dir_all(path).is_ok()
        }
        None => false,
    }
}
