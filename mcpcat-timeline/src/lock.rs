//! One collector per data file.
//!
//! SQLite would allow two, but neither would see what the other takes in. The lock also tells a second start where
//! the first one listens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Held as long as the collector runs; the system lets go when the process dies.
#[derive(Debug)]
pub(crate) struct DataLock(File);

/// Who holds the file.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Where it listens, if it has said so.
    pub(crate) url: Option<String>,
}

fn path_of(data: &Path) -> PathBuf {
    let mut name = data.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

impl DataLock {
    pub(crate) fn take(data: &Path) -> std::io::Result<Result<Self, Taken>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path_of(data))?;
        match file.try_lock() {
            Ok(()) => Ok(Ok(Self(file))),
            Err(TryLockError::WouldBlock) => {
                let mut url = String::new();
                // The name of the holder is a help, not a need.
                let _ = file.read_to_string(&mut url);
                let url = url.trim();
                Ok(Err(Taken { url: url.starts_with("http").then(|| url.to_owned()) }))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Leaves word of where the holder listens.
    pub(crate) fn announce(&mut self, url: &str) {
        let written = self
            .0
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.0.set_len(0))
            .and_then(|()| self.0.write_all(url.as_bytes()));
        if let Err(error) = written {
            tracing::debug!(%error, "the lock file takes no address");
        }
    }
}
