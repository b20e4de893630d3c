//! Room set aside on the disk, so that events can still be removed when it is full.
//!
//! SQLite needs room to make room: what a removal changes is written to the journal first, and the journal can only be
//! emptied into a data file that may grow. A file beside the data file holds a few megabytes for that moment.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::private;

/// The largest reserve, and as much as a journal holds before it is emptied.
const BYTES: u64 = 16 * 1024 * 1024;
/// A smaller reserve is of no use.
const LEAST: u64 = 64 * 1024;

#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

/// Pages of [`PAGE`] bytes that the journal may have before it is emptied: what the reserve has room for. Fewer mean that
/// a page which many events touch is written to the data file more often.
pub(super) fn journal_pages(data: &Path) -> u64 {
    (free(data).map_or(BYTES, |free| BYTES.min(free / 8)) / PAGE).max(100)
}

/// Bytes of a page of the data file.
pub(super) const PAGE: u64 = 4096;

impl Reserve {
    /// Takes the room if the disk has it to spare; without it removal on a full disk may have to be asked for twice.
    pub(super) fn set_aside(data: &Path) -> Self {
        let reserve = Self { path: private::beside(data, ".reserve") };
        reserve.fill();
        reserve
    }

    /// Takes the room again after it was given away.
    pub(super) fn fill(&self) {
        if let Err(error) = self.try_fill() {
            tracing::debug!(%error, "no room was set aside for removal on a full disk");
            self.release();
        }
    }

    fn try_fill(&self) -> std::io::Result<()> {
        let wanted = BYTES.min(free(&self.path)? / 8);
        let mut file = match private::create(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
            other => other?,
        };
        if wanted < LEAST {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        #[cfg(target_os = "linux")]
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, wanted).is_ok() {
            return Ok(());
        }
        // Zeroes, or the same bytes again and again, would take no room on a disk that compresses.
        let mut part = [0; 64 * 1024];
        for _ in 0..wanted / part.len() as u64 {
            getrandom::fill(&mut part).map_err(std::io::Error::other)?;
            file.write_all(&part)?;
        }
        File::sync_data(&file)
    }

    /// Gives the room back.
    pub(super) fn release(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Bytes that this user may still write on the disk of a path.
#[cfg(unix)]
pub(super) fn free(path: &Path) -> std::io::Result<u64> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder)?;
    // Writing beyond a limit on the size of files ends the process.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX);
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize).min(limit))
}

/// Not known without a call that Rust's library does not have.
#[cfg(not(unix))]
pub(super) fn free(_path: &Path) -> std::io::Result<u64> {
    Ok(u64::MAX)
}
