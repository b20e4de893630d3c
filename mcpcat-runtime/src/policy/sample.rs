//! Which sessions are recorded when not all are: decided by the session's id alone, so that every process
//! that sees the session decides the same.

/// A share of sessions, from 0 (none) to 1 (all).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample(f64);

impl Sample {
    pub(crate) const ALL: Self = Self(1.0);

    pub(crate) fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share, where it is not all.
    pub(crate) fn rate(self) -> Option<f64> {
        (self.0 < 1.0).then_some(self.0)
    }

    pub(crate) fn keeps(self, session: &str) -> bool {
        self.0 >= 1.0 || place(session) < self.0
    }
}

/// A number in `0.0..1.0` for an id: FNV-1a, then a finaliser, because ids of one second differ only at
/// their ends.
fn place(session: &str) -> f64 {
    let hash = session.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    ((hash ^ (hash >> 33)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_kept_is_the_share_asked_for() {
        for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let sample = Sample::new(share).unwrap();
            let kept = (0..20_000).filter(|n| sample.keeps(&format!("ses_{n:027}"))).count();
            assert!((kept as f64 / 20_000.0 - share).abs() < 0.02, "{share}: {kept}");
        }
    }

    #[test]
    fn a_larger_share_keeps_all_that_a_smaller_one_keeps() {
        let (few, many) = (Sample::new(0.2).unwrap(), Sample::new(0.6).unwrap());
        assert!((0..1_000).map(|n| n.to_string()).all(|id| !few.keeps(&id) || many.keeps(&id)));
    }

    #[test]
    fn a_share_is_between_none_and_all() {
        for broken in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Sample::new(broken), None);
        }
    }
}
