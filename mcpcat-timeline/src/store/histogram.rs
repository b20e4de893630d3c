//! How durations are spread, in a few bytes, so that percentiles of any range are sums of what is stored.
//!
//! Buckets grow by 4 %: a percentile is at most 2 % away from a duration that was there. A bucket is written as two
//! varints (its distance from the one before, its count), which is why no crate of ready-made sketches is used: theirs
//! cannot take events out again.

use std::collections::BTreeMap;

/// Logarithm of the growth from one bucket to the next.
const GROWTH: f64 = 0.04;
/// The lower end of the second bucket, microseconds; the first one holds everything below.
const LEAST: f64 = 1.0;

/// Counts by bucket; negative ones are taken away when two are added.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Histogram(BTreeMap<u32, i64>);

impl Histogram {
    pub(crate) fn count(&mut self, micros: i64, times: i64) {
        *self.0.entry(bucket(micros)).or_default() += times;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            *self.0.entry(*bucket).or_default() += count;
        }
        self.0.retain(|_, count| *count != 0);
    }

    /// The duration in milliseconds that `share` of all are not longer than.
    pub(crate) fn quantile(&self, share: f64) -> Option<f64> {
        let total: i64 = self.0.values().filter(|count| **count > 0).sum();
        let wanted = ((total as f64 * share).ceil() as i64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.0.iter().filter(|(_, count)| **count > 0) {
            seen += count;
            if seen >= wanted {
                return Some(middle(*bucket) / 1000.0);
            }
        }
        None
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (mut out, mut last) = (Vec::with_capacity(self.0.len() * 3), 0);
        for (bucket, count) in self.0.iter().filter(|(_, count)| **count != 0) {
            varint(&mut out, u64::from(bucket - last));
            varint(&mut out, ((count << 1) ^ (count >> 63)) as u64);
            last = *bucket;
        }
        out
    }

    /// Reads what `encode` wrote; what does not read as that ends it.
    pub(crate) fn decode(mut bytes: &[u8]) -> Self {
        let (mut held, mut last) = (Self::default(), 0_u32);
        while let (Some(step), Some(count)) = (read(&mut bytes), read(&mut bytes)) {
            last = last.saturating_add(u32::try_from(step).unwrap_or(u32::MAX));
            held.0.insert(last, (count >> 1) as i64 ^ -((count & 1) as i64));
        }
        held
    }
}

fn bucket(micros: i64) -> u32 {
    if (micros as f64) < LEAST { 0 } else { 1 + ((micros as f64 / LEAST).ln() / GROWTH) as u32 }
}

fn middle(bucket: u32) -> f64 {
    if bucket == 0 { 0.0 } else { LEAST * ((f64::from(bucket) - 0.5) * GROWTH).exp() }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_outlier_does_not_move_the_median() {
        let mut held = Histogram::default();
        for _ in 0..99 {
            held.count(120_000, 1);
        }
        held.count(600_000_000, 1);
        let [p50, p99, most] = [0.5, 0.99, 1.0].map(|share| held.quantile(share).unwrap());
        assert!((117.0..123.0).contains(&p50) && (117.0..123.0).contains(&p99), "{p50} {p99}");
        assert!((585_000.0..615_000.0).contains(&most), "{most}");
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn what_is_added_and_taken_away_is_gone(values in proptest::collection::vec(-5_i64..1_000_000_000_000, 0..60)) {
            let (mut held, mut back) = (Histogram::default(), Histogram::default());
            for micros in &values {
                held.count(*micros, 1);
                back.count(*micros, -1);
            }
            prop_assert_eq!(&Histogram::decode(&held.encode()), &held);
            held.add(&Histogram::decode(&back.encode()));
            prop_assert_eq!(held, Histogram::default());
        }

        #[test]
        fn a_percentile_is_within_two_percent_of_a_duration_that_was_there(micros in 1_i64..1_000_000_000_000) {
            let mut held = Histogram::default();
            held.count(micros, 1);
            let found = held.quantile(0.5).unwrap() * 1000.0;
            prop_assert!((found / micros as f64 - 1.0).abs() < 0.0205, "{found} for {micros}");
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            Histogram::decode(&bytes).quantile(0.9);
        }
    }
}
