//! Decides where a spool lives: the most durable place that keeps its promises here, with a word for people
//! when that is not what was asked for.

#[cfg(target_os = "linux")]
use std::fs::File;
use std::io::{ErrorKind, Result};
use std::path::Path;

use mcpcat_wire::state_dir::StateDir;

use super::frame::Salt;
use super::log::Log;
use super::quota::Quota;
use super::recovery::Adopter;
use super::region::{self, NoFileSizeSignal, ReadSide};
use super::run_dir::{self, Run};
use super::sizes::Sizes;
use super::store::{How, Place, Store};
use super::{Backend, Options};

/// A log in its place.
pub(super) struct Placed {
    pub(super) log: Log,
    pub(super) side: ReadSide,
    pub(super) run: Option<Run>,
    pub(super) adopter: Adopter,
    pub(super) backend: Backend,
}

/// Opens a log where the options allow it and the system can keep it.
pub(super) fn place(options: &Options, warnings: &mut Vec<String>) -> Placed {
    if options.backend == Backend::Memory {
        return in_memory(options, warnings);
    }
    let Some(state) = StateDir::find(options.state_dir.clone()) else {
        warnings.push(
            "events are kept in memory and lost with the process: there is no home directory; \
             set MCPCAT_STATE_DIR to keep them on disk"
                .to_owned(),
        );
        return in_memory(options, warnings);
    };
    let _quiet = NoFileSizeSignal::new();
    match on_disk(options, &state, warnings) {
        Ok(placed) => placed,
        Err(error) => {
            // One warning: what was said of smaller segments is past.
            warnings.clear();
            warnings.push(format!(
                "events are kept in memory and lost with the process: {} cannot be used: {error}; \
                 set MCPCAT_STATE_DIR to a directory that can be written",
                state.base().display()
            ));
            in_memory(options, warnings)
        }
    }
}

fn in_memory(options: &Options, warnings: &mut Vec<String>) -> Placed {
    let salt = Salt(getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id())));
    let mut sizes = options.sizes(None);
    loop {
        let store = Store::new(How::Memory, salt, None);
        let refused = match &sizes {
            Some(sizes) => match Log::open(store, sizes.clone()) {
                Ok((log, side)) => {
                    return Placed {
                        log,
                        side,
                        run: None,
                        adopter: Adopter::none(),
                        backend: Backend::Memory,
                    };
                }
                Err(error) => error,
            },
            None => ErrorKind::OutOfMemory.into(),
        };
        if let Some(smaller) = sizes.as_ref().and_then(Sizes::smaller) {
            sizes = Some(smaller);
            continue;
        }
        warnings.push(format!("there is no memory for the spool, every event is refused: {refused}"));
        let sizes = sizes.unwrap_or_else(Sizes::least);
        let (log, side) = Log::refusing(Store::new(How::Memory, salt, None), sizes);
        return Placed { log, side, run: None, adopter: Adopter::none(), backend: Backend::Memory };
    }
}

fn on_disk(options: &Options, state: &StateDir, warnings: &mut Vec<String>) -> Result<Placed> {
    let root = run_dir::root(state)?;
    let run = Run::create(&root, &options.manifest)?;
    let opened = match options.backend {
        Backend::Mapped => match open_log(options, &root, &run, How::Mapped, warnings) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                warnings.push(format!(
                    "events are written with one call each: the file system of {} does not reserve space, \
                     which mapped files need",
                    root.display()
                ));
                open_log(options, &root, &run, How::Written, warnings)
            }
            opened => opened,
        },
        Backend::Auto if reserves_for_good(run.path()) => {
            match open_log(options, &root, &run, How::Mapped, warnings) {
                Err(error) if error.kind() == ErrorKind::Unsupported => {
                    open_log(options, &root, &run, How::Written, warnings)
                }
                opened => opened,
            }
        }
        _ => open_log(options, &root, &run, How::Written, warnings),
    };
    match opened {
        Ok((log, side, backend)) => {
            let adopter = Adopter::new(state, run.path(), options.manifest.clone(), options.max_age);
            Ok(Placed { log, side, run: Some(run), adopter, backend })
        }
        Err(error) => {
            run.remove();
            Err(error)
        }
    }
}

/// Opens the log in a run; with smaller segments where the usual ones do not fit.
fn open_log(
    options: &Options,
    root: &Path,
    run: &Run,
    how: How,
    warnings: &mut Vec<String>,
) -> Result<(Log, ReadSide, Backend)> {
    let limit = region::file_size_limit();
    let usual = options.sizes(None);
    let mut sizes = options.sizes(limit).ok_or(ErrorKind::FileTooLarge)?;
    loop {
        let quota = Quota::new(root.to_owned(), run.path().to_owned(), options.total_bytes);
        let place = Place { run: run.path().to_owned(), quota };
        match Log::open(Store::new(how, run.salt(), Some(place)), sizes.clone()) {
            Ok((log, side)) => {
                if usual.is_some_and(|usual| usual.largest() > sizes.largest()) {
                    warnings.push(format!(
                        "events wait in files of at most {} bytes each: {}",
                        sizes.largest(),
                        if limit.is_some_and(|limit| limit <= 2 * sizes.largest()) {
                            "the process may not write longer ones (RLIMIT_FSIZE)"
                        } else {
                            "there is little room for the state directory"
                        }
                    ));
                }
                let backend = if how == How::Mapped { Backend::Mapped } else { Backend::Written };
                return Ok((log, side, backend));
            }
            Err(error) if error.kind() == ErrorKind::Unsupported => return Err(error),
            Err(error) => sizes = sizes.smaller().ok_or(error)?,
        }
    }
}

/// Whether reserved space stays reserved on the file system of this directory, so that a mapped page can always
/// be written: ext4, xfs, tmpfs, and an overlay whose upper directory is on one of them. Copy-on-write, network
/// and user-space file systems allocate again at each write, and a mapped write that finds no block ends the
/// process.
#[cfg(target_os = "linux")]
fn reserves_for_good(path: &Path) -> bool {
    const OVERLAY: i64 = 0x794C_7630;
    match filesystem(path) {
        Some(OVERLAY) => match upper_dir(path).and_then(|upper| filesystem(&upper)) {
            Some(kind) => keeps(kind),
            None => File::open(path.join("lock")).is_ok_and(|file| super::region::has_extents(&file)),
        },
        Some(kind) => keeps(kind),
        None => false,
    }
}

#[cfg(target_os = "linux")]
fn keeps(filesystem: i64) -> bool {
    const EXT: i64 = 0xEF53;
    const XFS: i64 = 0x5846_5342;
    const TMPFS: i64 = 0x0102_1994;
    matches!(filesystem, EXT | XFS | TMPFS)
}

#[cfg(target_os = "linux")]
fn filesystem(path: &Path) -> Option<i64> {
    super::region::filesystem(&File::open(path).ok()?).ok()
}

/// The upper directory of the overlay that a path is on, if it can be seen from here. In most containers it
/// cannot; then only ext4 can be told, by a flag of its files that the overlay passes on.
#[cfg(target_os = "linux")]
fn upper_dir(path: &Path) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let device = std::fs::metadata(path).ok()?.dev();
    let wanted = format!("{}:{}", libc::major(device), libc::minor(device));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&wanted))?;
    let (_, options) = line.rsplit_once(' ')?;
    options.split(',').find_map(|option| option.strip_prefix("upperdir=")).map(Into::into)
}

#[cfg(not(target_os = "linux"))]
fn reserves_for_good(_path: &Path) -> bool {
    false
}
