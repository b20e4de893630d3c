//! Where a definition that records need was last written, and whether it still says what it should.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// The low bits are the segment, plus one, that the newest definition is in; 0 asks for another. Segments of different
/// spools differ, by their eras. The high bits count how often what is defined has changed.
#[derive(Debug, Default)]
pub(crate) struct Mark(AtomicU64);

const SEGMENT: u64 = (1 << 48) - 1;
const CHANGE: u64 = 1 << 48;

/// Of the bits for the segment 16 are the era's: a client that was off and is on again has another spool.
fn place(era: u64, segment: u64) -> u64 {
    ((era << 32 | segment) + 1) & SEGMENT
}

/// What a mark said at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Seen {
    /// Whether the definition is in this segment.
    pub(super) fn is_of(self, era: u64, segment: u64) -> bool {
        self.0 & SEGMENT == place(era, segment)
    }
}

impl Mark {
    /// What is defined has changed: it has to be written again, and what is just being written does not count.
    pub(crate) fn outdate(&self) {
        let next = |seen: u64| Some((seen & !SEGMENT).wrapping_add(CHANGE));
        // Never refused.
        let _ = self.0.fetch_update(AcqRel, Relaxed, next);
    }

    #[inline]
    pub(super) fn load(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }

    /// The definition that was made after `seen` is committed in this segment. Only if nothing has changed since, and
    /// nobody else has written it; else what was written may be older than what stands before it. Release: who sees
    /// the mark and then appends comes after the definition.
    #[must_use]
    pub(super) fn set(&self, seen: Seen, era: u64, segment: u64) -> bool {
        let new = seen.0 & !SEGMENT | place(era, segment);
        self.0.compare_exchange(seen.0, new, AcqRel, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_has_changed_meanwhile_does_not_count() {
        let mark = Mark::default();
        let seen = mark.load();
        assert!(!seen.is_of(0, 0) && !seen.is_of(0, 1));
        mark.outdate();
        assert!(!mark.set(seen, 0, 1));
        assert!(!mark.load().is_of(0, 1));
        assert!(mark.set(mark.load(), 0, 1));
        assert!(mark.load().is_of(0, 1) && !mark.load().is_of(1, 1) && !mark.load().is_of(0, 2));
        mark.outdate();
        assert!(!mark.load().is_of(0, 1));
    }
}
