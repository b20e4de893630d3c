//! What cannot be true, or may not be what its sender meant. It is shown and never mended.

/// A set of doubts about one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Suspect(i64);

impl Suspect {
    pub(crate) const NONE: Self = Self(0);
    /// A time without an offset, read as UTC.
    pub(crate) const NO_ZONE: Self = Self(1);
    /// A time in a notation that is not RFC 3339: a leap second, a comma, a short offset.
    pub(crate) const ODD_TIME: Self = Self(2);
    /// It says that it begins more than a minute after it arrived.
    pub(crate) const FUTURE: Self = Self(4);
    pub(crate) const NEGATIVE_DURATION: Self = Self(8);
    /// A duration beyond thirty years.
    pub(crate) const ABSURD_DURATION: Self = Self(16);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::NO_ZONE, "no_zone"),
        (Self::ODD_TIME, "odd_time"),
        (Self::FUTURE, "future"),
        (Self::NEGATIVE_DURATION, "negative_duration"),
        (Self::ABSURD_DURATION, "absurd_duration"),
    ];

    pub(crate) fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    pub(crate) fn bits(self) -> i64 {
        self.0
    }

    pub(crate) fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.0 & flag.0 != 0).map(|(_, name)| name)
    }
}
