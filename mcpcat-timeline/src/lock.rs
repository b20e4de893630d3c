//! One collector per data file.
//!
//! SQLite would allow two, but neither would see what the other takes in. The lock also tells a second start where
//! the first one listens.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::private;

/// More than any address takes.
const MAX_ADDRESS: u64 = 1024;

/// Held as long as the collector runs; the system lets go when the process dies.
#[derive(Debug)]
pub(crate) struct DataLock(File);

/// Who holds the file.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Where it listens, if it has said so.
    pub(crate) url: Option<String>,
}

impl DataLock {
    pub(crate) fn take(data: &Path) -> std::io::Result<Result<Self, Taken>> {
        let path = private::beside(data, ".lock");
        let named =
            |error: Error| Error::new(error.kind(), format!("its lock file {}: {error}", path.display()));
        let file = private::open_or_create(&path).map_err(named)?;
        let mut said = String::new();
        let read = (&file).take(MAX_ADDRESS).read_to_string(&mut said);
        let url = said.trim();
        match file.try_lock() {
            // What was not written by a timeline is not written over.
            Ok(()) if read.is_err() || !(url.is_empty() || url.starts_with("http")) => {
                Err(named(Error::new(ErrorKind::PermissionDenied, "it holds something else than an address")))
            }
            Ok(()) => {
                private::close_to_others(&file).map_err(named)?;
                Ok(Ok(Self(file)))
            }
            // The name of the holder is a help, not a need.
            Err(TryLockError::WouldBlock) => {
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
