//! What a spool is opened with: bounds, policy, place, and whose events it holds.

use std::path::PathBuf;
use std::time::Duration;

/// What happens to an event that finds the spool full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The new event is refused.
    #[default]
    DropNewest,
    /// The oldest segment gives way. The worker does this, ahead of time: one segment of the cap is kept free
    /// for it. A burst that outruns the worker by a whole segment is refused like under `DropNewest`.
    DropOldest,
}

/// Where segments live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// `Mapped` where the file system reserves space for good (ext4, xfs, tmpfs, overlay on these), else
    /// `Written`, else `Memory`.
    #[default]
    Auto,
    /// Files mapped into memory. Survives SIGKILL.
    Mapped,
    /// Files written with one call for each event. Survives SIGKILL; nothing that happens to the file can
    /// harm the process.
    Written,
    /// Anonymous memory. Lost with the process.
    Memory,
}

/// Whose events a run directory holds. A later start adopts only runs whose manifest equals its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Manifest {
    /// Name of the program.
    pub application: String,
    /// Project that the events are for.
    pub project: String,
    /// Where they are to be sent.
    pub base_url: String,
}

impl Manifest {
    /// A manifest from its three parts.
    pub fn new(
        application: impl Into<String>,
        project: impl Into<String>,
        base_url: impl Into<String>,
    ) -> Self {
        Self { application: application.into(), project: project.into(), base_url: base_url.into() }
    }
}

/// How to open a spool. Every setting has a default; values out of range are moved to the nearest that works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Bytes that all segments together may take. 64 MiB.
    pub cap_bytes: u64,
    /// Bytes of one segment, between 4 KiB and 64 MiB. 4 MiB. A record cannot be larger than a segment.
    pub segment_bytes: u64,
    /// What happens when the cap is reached.
    pub overflow: Overflow,
    /// Where segments live.
    pub backend: Backend,
    /// Where `mcpcat/spool` is made. `None`: `MCPCAT_STATE_DIR`, else the platform's state directory.
    pub state_dir: Option<PathBuf>,
    /// Whose events these are.
    pub manifest: Manifest,
    /// Bytes that all run directories of this user together may take. 256 MiB.
    pub total_bytes: u64,
    /// Age at which a run that nobody adopts is deleted. 7 days.
    pub max_age: Duration,
    /// How long a record that was reserved but not committed holds up those behind it. 50 ms. It is not lost:
    /// it is handed out late, once its producer commits it. After 600 times this bound it is given up as lost.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cap_bytes: 64 << 20,
            segment_bytes: 4 << 20,
            overflow: Overflow::default(),
            backend: Backend::default(),
            state_dir: None,
            manifest: Manifest::default(),
            total_bytes: 256 << 20,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            stall: Duration::from_millis(50),
        }
    }
}

impl Options {
    /// The defaults, for events of `manifest`.
    pub fn new(manifest: Manifest) -> Self {
        Self { manifest, ..Self::default() }
    }

    /// Sets [`cap_bytes`](Self::cap_bytes).
    #[must_use]
    pub fn cap_bytes(mut self, bytes: u64) -> Self {
        self.cap_bytes = bytes;
        self
    }

    /// Sets [`segment_bytes`](Self::segment_bytes).
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets [`overflow`](Self::overflow).
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets [`backend`](Self::backend).
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets [`state_dir`](Self::state_dir).
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// Sets [`manifest`](Self::manifest).
    #[must_use]
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = manifest;
        self
    }

    /// Sets [`total_bytes`](Self::total_bytes).
    #[must_use]
    pub fn total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }

    /// Sets [`max_age`](Self::max_age).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets [`stall`](Self::stall).
    #[must_use]
    pub fn stall(mut self, bound: Duration) -> Self {
        self.stall = bound;
        self
    }

    /// Segment length and number of segments that the two sizes amount to; always at least two segments, and
    /// more than the cap only if the cap is below two of the smallest.
    pub(super) fn layout(&self) -> (usize, usize) {
        const PAGE: u64 = 4096;
        /// One file each, open for as long as the spool is.
        const MOST: u64 = 256;
        let wanted = self.segment_bytes.max(self.cap_bytes / MOST).clamp(PAGE, 64 << 20);
        let segment = wanted.min((self.cap_bytes / 2).max(PAGE)) / PAGE * PAGE;
        let count = (self.cap_bytes / segment).clamp(2, MOST);
        (segment as usize, count as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_never_exceeds_the_cap_that_can_be_met() {
        for cap in [8192_u64, 10_000, 1 << 20, 3 << 20, 5 << 20, 64 << 20] {
            for segment in [0_u64, 4096, 5000, 1 << 20, 4 << 20, 1 << 40] {
                let (len, count) = Options::default().cap_bytes(cap).segment_bytes(segment).layout();
                assert!(count >= 2 && len % 4096 == 0 && len >= 4096);
                assert!((len * count) as u64 <= cap, "{cap} {segment} -> {len} x {count}");
            }
        }
        assert_eq!(Options::default().layout(), (4 << 20, 16));
        assert_eq!(Options::default().cap_bytes(0).layout(), (4096, 2));
    }
}
