//! That an endpoint did not answer, remembered in the state directory: an empty file whose age counts.
//!
//! A process that ends waits for an answer that is on its way. Where the endpoint is a black hole each short-lived
//! process would wait in vain for all of its limit; with this, the first one does.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::beside::{Beside, hash_name};
use crate::spool;

/// How long it is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
const DIRECTORY: &str = "unanswered";

/// What is remembered of one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Unanswered(Option<Beside>);

impl Unanswered {
    /// Of a client that keeps nothing on a disk.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    pub(crate) fn of(state_dir: Option<PathBuf>, endpoint: &str) -> Self {
        Self(Some(Beside::new(state_dir, DIRECTORY, hash_name(endpoint.as_bytes()))))
    }

    fn path(&self) -> Option<PathBuf> {
        self.0.as_ref().filter(|file| file.has_folder())?.path().ok()
    }

    /// Whether an earlier process has had no answer within the last ten minutes.
    pub(crate) fn is_remembered(&self) -> bool {
        let written = self.path().and_then(|path| std::fs::symlink_metadata(path).ok()?.modified().ok());
        // A time in the future is a clock that was set back: not believed.
        written.is_some_and(|written| {
            SystemTime::now().duration_since(written).is_ok_and(|age| age < REMEMBERED)
        })
    }

    /// Remembers it from now on. Failing to costs the next process a wait.
    pub(crate) fn remember(&self) {
        let Some(file) = &self.0 else { return };
        let remember = || -> std::io::Result<()> {
            spool::open_private(&file.path()?, true)?.set_modified(SystemTime::now())
        };
        if let Err(error) = remember() {
            tracing::debug!(target: "mcpcat", "an endpoint that does not answer is not remembered: {error}");
        }
    }

    /// The endpoint answers again.
    pub(crate) fn forget(&self) {
        if let Some(path) = self.path() {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_remembered_by_itself_and_for_ten_minutes() {
        let state = tempfile::tempdir().unwrap();
        let of = |endpoint| Unanswered::of(Some(state.path().to_owned()), endpoint);
        let (one, other) = (of("http://one"), of("http://other"));
        assert!(!one.is_remembered());
        one.remember();
        assert!(one.is_remembered() && !other.is_remembered());
        let set =
            |time| spool::open_private(&one.path().unwrap(), false).unwrap().set_modified(time).unwrap();
        set(SystemTime::now() - REMEMBERED);
        assert!(!one.is_remembered(), "too long ago");
        set(SystemTime::now() + REMEMBERED);
        assert!(!one.is_remembered(), "in the future");
        one.remember();
        assert!(one.is_remembered());
        one.forget();
        assert!(!one.is_remembered());
        assert!(!Unanswered::nowhere().is_remembered());
    }
}
