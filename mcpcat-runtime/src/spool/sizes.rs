//! How large segments are, and how much of them there may be.

use super::frame::{self, SEGMENT_HEADER};

/// No segment is smaller.
const PAGE: u64 = 4096;
/// No segment is larger, and so no record: an offset has 32 bits, and an adopter reads a segment whole.
pub(super) const LARGEST: u64 = 256 << 20;

/// The sizes of segments of one log, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Ascending; at least one.
    classes: Vec<u64>,
    /// The longest file that this process may write.
    most_file: u64,
    /// Bytes of data that may wait.
    pub(super) capacity: u64,
}

impl Sizes {
    /// A sixteenth, a quarter and all of `largest`, or of half of `capacity` if that is less: a small log has small
    /// segments too, so that what gives way to newer records is a small part of it. None is longer than a file may be.
    /// `None` if a file may not even be a page long.
    pub(super) fn new(largest: u64, capacity: u64, most_file: Option<u64>) -> Option<Self> {
        let most_file = most_file.unwrap_or(u64::MAX).min(LARGEST);
        if most_file < PAGE {
            return None;
        }
        let most = (capacity / 2).clamp(PAGE, LARGEST).min(most_file);
        let largest = largest.min(capacity / 2);
        let mut classes: Vec<u64> =
            [16, 4, 1].iter().map(|part| (largest / part).clamp(PAGE, most) / PAGE * PAGE).collect();
        classes.dedup();
        Some(Self { classes, most_file, capacity: capacity.max(2 * PAGE) })
    }

    /// The same with smaller segments, because there is no room for the smallest; `None` if they are as small as they
    /// can be.
    pub(super) fn smaller(&self) -> Option<Self> {
        let smallest = self.smallest();
        let classes = vec![(smallest / 4).max(PAGE) / PAGE * PAGE];
        (smallest > PAGE).then(|| Self { classes, ..self.clone() })
    }

    /// Two pages.
    pub(super) fn least() -> Self {
        Self { classes: vec![PAGE], most_file: PAGE, capacity: 2 * PAGE }
    }

    pub(super) fn smallest(&self) -> u64 {
        self.classes[0]
    }

    pub(super) fn largest(&self) -> u64 {
        self.classes[self.classes.len() - 1]
    }

    /// The size of a class; of the last if there are not as many.
    pub(super) fn class(&self, class: usize) -> u64 {
        self.classes[class.min(self.classes.len() - 1)]
    }

    /// The smallest size that holds so many bytes.
    pub(super) fn holding(&self, bytes: u64) -> u64 {
        self.classes.iter().copied().find(|class| *class >= bytes).unwrap_or(self.largest())
    }

    /// The sizes to try for a segment with room for `size` bytes of records, `wanted` first.
    pub(super) fn candidates(&self, wanted: u64, size: u64) -> impl Iterator<Item = u64> + '_ {
        let least = SEGMENT_HEADER as u64 + size;
        let fitting =
            self.classes.iter().rev().copied().filter(move |class| *class <= wanted && *class >= least);
        let larger = self.classes.iter().copied().find(move |class| *class >= least);
        let special = (least > self.largest()).then_some(least.next_multiple_of(PAGE));
        fitting.chain(larger.filter(move |larger| *larger > wanted)).chain(special)
    }

    /// Bytes that producers' segments may take together.
    pub(super) fn blocks(&self) -> u64 {
        self.capacity.max(2 * self.smallest())
    }

    /// The same with the one that the reader moves records to.
    pub(super) fn blocks_with_moved(&self) -> u64 {
        self.blocks() + self.largest()
    }

    /// The least room that is worth going on with.
    pub(super) fn quantum(&self) -> u64 {
        self.smallest() / 4
    }

    /// The largest payload that fits.
    pub(super) fn limit(&self) -> usize {
        // Beside a small segment that is in use.
        let beside = (self.blocks() - self.smallest()).min(self.most_file) / PAGE * PAGE;
        let most = beside.max(self.largest());
        (most - SEGMENT_HEADER as u64 - frame::OVERHEAD as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_of_three_sizes_that_the_bounds_allow() {
        let sizes = |largest, capacity, file| Sizes::new(largest, capacity, file).map(|it| it.classes);
        assert_eq!(sizes(4 << 20, 64 << 20, None).unwrap(), [256 << 10, 1 << 20, 4 << 20]);
        assert_eq!(sizes(4 << 20, 64 << 20, Some(1_024_000)).unwrap(), [256 << 10, 250 * 4096]);
        assert_eq!(sizes(4 << 20, 64 << 20, Some(10_000)).unwrap(), [8192]);
        assert_eq!(sizes(4 << 20, 64 << 20, Some(4095)), None);
        assert_eq!(sizes(4096, 8192, None).unwrap(), [4096]);
        assert_eq!(sizes(4 << 20, 0, None).unwrap(), [4096]);
        for capacity in [8192_u64, 10_000, 1 << 20, 3 << 20, 5 << 20, 64 << 20, 1 << 40] {
            for largest in [0_u64, 4096, 5000, 1 << 20, 4 << 20, 1 << 40] {
                let sizes = Sizes::new(largest, capacity, None).unwrap();
                assert!(
                    sizes.classes.is_sorted() && sizes.classes.iter().all(|it| it % PAGE == 0 && *it > 0)
                );
                assert!(2 * sizes.largest() <= capacity, "{capacity} {largest} {sizes:?}");
            }
        }
    }

    #[test]
    fn a_record_finds_the_wanted_size_then_smaller_ones_then_one_that_holds_it() {
        let sizes = Sizes::new(4 << 20, 64 << 20, None).unwrap();
        let tried = |wanted, size| sizes.candidates(wanted, size).collect::<Vec<_>>();
        assert_eq!(tried(1 << 20, 300), [1 << 20, 256 << 10]);
        assert_eq!(tried(256 << 10, 300_000), [1 << 20]);
        assert_eq!(tried(4 << 20, 300_000), [4 << 20, 1 << 20]);
        assert_eq!(tried(256 << 10, 5 << 20), [(5 << 20) + 4096]);
        assert_eq!(sizes.limit(), (64 << 20) - (256 << 10) - 80);
    }
}
