//! What all runs of a state directory hold together, and this run's part in it.
//!
//! Waiting data is counted, not the blocks that are reserved for it. Each run keeps its own count in a small file;
//! others read it. The count is as old as the last 64 KiB or the last idle moment, and others are summed at most
//! every ten seconds, so the bound is soft: by about a segment for each process.

use std::fs::File;
use std::io::{Read as _, Result};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::region::NoFileSizeSignal;
use super::{file, run_dir};

/// The file's name in a run directory.
pub(super) const COUNT: &str = "waiting";
/// The count is written again when it has changed by this much.
const STEP: u64 = 64 << 10;
/// Others are summed at most this often.
const SUM_EVERY: Duration = Duration::from_secs(10);

/// The bound on all runs, and what is known of the others.
#[derive(Debug)]
pub(super) struct Quota {
    root: PathBuf,
    run: PathBuf,
    most: u64,
    others: AtomicU64,
    summed: Mutex<Option<Instant>>,
    written: AtomicU64,
}

impl Quota {
    pub(super) fn new(root: PathBuf, run: PathBuf, most: u64) -> Self {
        let summed = Mutex::new(None);
        Self { root, run, most, others: AtomicU64::new(0), summed, written: AtomicU64::new(0) }
    }

    /// Whether all runs together hold as much as they may, with `own` bytes waiting in this one.
    pub(super) fn is_reached(&self, own: u64) -> bool {
        self.others.load(Relaxed).saturating_add(own) >= self.most
    }

    /// Sums what the other runs hold, unless that was done a moment ago. Makes system calls.
    pub(super) fn sum_others(&self) {
        {
            let Ok(mut summed) = self.summed.lock() else { return };
            if summed.is_some_and(|summed| summed.elapsed() < SUM_EVERY) {
                return;
            }
            *summed = Some(Instant::now());
        }
        let others = run_dir::names(&self.root)
            .map(|(path, _)| if path == self.run { 0 } else { held(&path) })
            .fold(0, u64::saturating_add);
        self.others.store(others, Relaxed);
    }

    /// Keeps this run's count, if it has changed by much, or `now` at all.
    pub(super) fn keep(&self, waiting: u64, now: bool) {
        let written = self.written.load(Relaxed);
        if waiting == written || (!now && waiting.abs_diff(written) < STEP) {
            return;
        }
        if write(&self.run, waiting).is_ok() {
            self.written.store(waiting, Relaxed);
        }
    }
}

/// Writes the count of a run.
pub(super) fn write(run: &Path, waiting: u64) -> Result<()> {
    let _quiet = NoFileSizeSignal::new();
    let path = run.join(COUNT);
    let file = match file::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => file::create(&path)?,
        opened => opened?,
    };
    // Of one length, so that no reader sees half of an older one.
    file::write_at(&file, format!("{waiting:>20}\n").as_bytes(), 0)
}

/// What a run holds: its count or, without one, the size of its segments.
fn held(run: &Path) -> u64 {
    let count = || -> Option<u64> {
        let mut text = String::new();
        File::open(run.join(COUNT)).ok()?.take(32).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    };
    count().unwrap_or_else(|| {
        let files = std::fs::read_dir(run).into_iter().flatten().flatten();
        let segments = files.filter(|file| file.path().extension().is_some_and(|it| it == "seg"));
        segments.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum()
    })
}
