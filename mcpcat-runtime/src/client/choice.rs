//! What a user has chosen for every server: two files in the state directory, `telemetry-off` and `telemetry-on`. They
//! count by being there. They outlive every configuration, so the platform's directory is looked at whatever directory a
//! client keeps its events in.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use mcpcat_wire::state_dir::StateDir;

use super::consent::Decision;
use super::switch::Off;
use crate::delivery::dead_letters;
use crate::spool;

const OFF: &str = "telemetry-off";
const ON: &str = "telemetry-on";

/// A no that could not be written down holds for this process.
static UNWRITTEN_NO: AtomicBool = AtomicBool::new(false);

/// Where a choice is looked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choice {
    /// The platform's state directory, then the client's own.
    dirs: Vec<StateDir>,
    /// Nothing is recorded without a yes.
    opt_in: bool,
}

impl Choice {
    pub(crate) fn new(own: Option<PathBuf>, opt_in: bool) -> Self {
        let mut dirs: Vec<StateDir> = StateDir::of_platform().into_iter().collect();
        dirs.extend(StateDir::find(own).filter(|own| dirs.first() != Some(own)));
        Self { dirs, opt_in }
    }

    /// Why nothing is recorded, going by the files; `None` where it is. A look at them, each time.
    pub(crate) fn off(&self) -> Option<Off> {
        if let Some(path) = self.find(OFF) {
            let why = format!(
                "the file `{}` is there, which is the user's no; `mcpcat::consent::set(true)` takes it away",
                path.display()
            );
            return Some(Off { by: Decision::File(path), why });
        }
        if UNWRITTEN_NO.load(Ordering::Acquire) && !self.dirs.is_empty() {
            let why = "`mcpcat::consent::set(false)` was called, and could not be written down".to_owned();
            return Some(Off { by: Decision::Call, why });
        }
        if self.opt_in && self.yes().is_none() {
            let why = "the option `opt_in` is set, and the user has not said yes: \
                       `mcpcat::consent::set(true)` does"
                .to_owned();
            return Some(Off { by: Decision::Option("opt_in"), why });
        }
        None
    }

    /// What a recording client records by.
    pub(crate) fn decided_by(&self) -> Decision {
        self.yes().filter(|_| self.opt_in).map_or(Decision::Default, Decision::File)
    }

    fn yes(&self) -> Option<PathBuf> {
        self.find(ON)
    }

    fn find(&self, name: &str) -> Option<PathBuf> {
        self.dirs.iter().map(|dir| dir.ours().join(name)).find(|path| is_there(path))
    }

    /// The file whose presence is a no, where [`store`](Self::store) would make it.
    pub(crate) fn off_file(&self) -> Option<PathBuf> {
        self.dirs.first().map(|dir| dir.ours().join(OFF))
    }

    /// The folders that the files are in.
    pub(crate) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.dirs.iter().map(StateDir::ours)
    }

    /// Looks into the directories of another one too.
    pub(crate) fn join(&mut self, other: &Self) {
        for dir in &other.dirs {
            if !self.dirs.contains(dir) {
                self.dirs.push(dir.clone());
            }
        }
    }

    /// Writes down what the user has said, in the platform's directory.
    ///
    /// # Errors
    /// There is no such directory, or it cannot be written. A no holds for this process all the same.
    pub(crate) fn store(&self, on: bool) -> io::Result<()> {
        let stored = self.try_store(on);
        match (on, stored.is_ok()) {
            (false, false) => UNWRITTEN_NO.store(true, Ordering::Release),
            (true, true) | (false, true) => UNWRITTEN_NO.store(false, Ordering::Release),
            (true, false) => {}
        }
        stored
    }

    fn try_store(&self, on: bool) -> io::Result<()> {
        let dir = self.dirs.first().ok_or_else(|| {
            io::Error::new(ErrorKind::NotFound, "there is no home directory; set MCPCAT_STATE_DIR")
        })?;
        let folder = spool::private_state_dir(dir)?;
        // A yes is not taken for given before the no is gone, and a no is there before the yes goes.
        let (made, removed) = if on { (ON, OFF) } else { (OFF, ON) };
        let path = folder.join(made);
        if !is_there(&path) {
            spool::open_private(&path, true)?;
        }
        for folder in self.folders() {
            match std::fs::remove_file(folder.join(removed)) {
                Err(error) if !is_absent(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes what waits in the directories, of every program: runs that no live process holds, and dead letters. Live
    /// ones clear their own.
    pub(crate) fn forget_all(&self) -> usize {
        let mut runs = 0;
        for dir in &self.dirs {
            let base = dir.base().to_owned();
            runs += spool::forget_all(Some(base.clone()));
            dead_letters::forget_all(Some(base));
        }
        runs
    }
}

/// Whether a file is there. One that cannot be looked at for another reason than that counts as there.
fn is_there(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or_else(|error| !is_absent(&error), |_| true)
}

/// What this user cannot reach this user has not made.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(dirs: &[&Path], opt_in: bool) -> Choice {
        let dirs = dirs.iter().filter_map(|dir| StateDir::find(Some((*dir).to_owned()))).collect();
        Choice { dirs, opt_in }
    }

    #[test]
    fn a_no_in_either_directory_holds_and_a_yes_takes_both_away() {
        let (platform, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let choice = choice(&[platform.path(), own.path()], false);
        assert_eq!((choice.off(), choice.decided_by()), (None, Decision::Default));
        std::fs::create_dir(own.path().join("mcpcat")).unwrap();
        std::fs::write(own.path().join("mcpcat").join(OFF), "").unwrap();
        assert!(matches!(choice.off().unwrap().by, Decision::File(path) if path.starts_with(own.path())));
        choice.store(false).unwrap();
        assert!(
            matches!(choice.off().unwrap().by, Decision::File(path) if path.starts_with(platform.path()))
        );
        choice.store(true).unwrap();
        assert_eq!(choice.off(), None);
    }

    #[test]
    fn whoever_has_to_be_asked_records_after_a_yes_alone() {
        let dir = tempfile::tempdir().unwrap();
        let choice = choice(&[dir.path()], true);
        assert_eq!(choice.off().unwrap().by, Decision::Option("opt_in"));
        choice.store(true).unwrap();
        assert_eq!(choice.off(), None);
        assert!(matches!(choice.decided_by(), Decision::File(path) if path.ends_with(ON)));
        choice.store(false).unwrap();
        assert!(matches!(choice.off().unwrap().by, Decision::File(path) if path.ends_with(OFF)));
    }

    #[test]
    fn a_no_of_any_kind_of_file_is_one_and_what_cannot_be_reached_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let choice = choice(&[dir.path()], false);
        std::fs::write(dir.path().join("mcpcat"), "a file where the folder should be").unwrap();
        assert_eq!(choice.off(), None);
        std::fs::remove_file(dir.path().join("mcpcat")).unwrap();
        std::fs::create_dir_all(dir.path().join("mcpcat").join(OFF)).unwrap();
        assert!(choice.off().is_some());
        assert!(Choice::default().off().is_none(), "a client without directories is not asked about");
    }
}
