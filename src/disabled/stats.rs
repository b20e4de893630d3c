//! Numbers of a client that records nothing: all zero.

use std::fmt;

/// Why an event will not arrive. None is lost here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum DropReason {
    SpoolFull,
    TooLarge,
    Rejected,
    Exhausted,
    Withheld,
    Panicked,
    Damaged,
    Closed,
    Forked,
    SpoolFailed,
    Evicted,
    Expired,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::SpoolFull,
        Self::TooLarge,
        Self::Rejected,
        Self::Exhausted,
        Self::Withheld,
        Self::Panicked,
        Self::Damaged,
        Self::Closed,
        Self::Forked,
        Self::SpoolFailed,
        Self::Evicted,
        Self::Expired,
    ];

    /// The reason in a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "spool_full",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::Exhausted => "exhausted",
            Self::Withheld => "withheld",
            Self::Panicked => "panicked",
            Self::Damaged => "damaged",
            Self::Closed => "closed",
            Self::Forked => "forked",
            Self::SpoolFailed => "spool_failed",
            Self::Evicted => "evicted",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Events began to be lost. Never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Why.
    pub reason: DropReason,
    /// Events lost for this reason so far.
    pub dropped: u64,
}

/// What happened to a client's events so far: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub struct Stats {
    pub published: u64,
    pub adopted: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub pending: u64,
    pub unattributed: u64,
    pub problems: u64,
    pub requests: u64,
    pub dead_letters: u64,
    pub last_failure: Option<String>,
    pub sampled_out: u64,
    pub without_consent: u64,
    pub not_offered: u64,
    pub hook_failures: u64,
    pub last_hook_failure: Option<String>,
}

impl Stats {
    /// Always 0.
    #[must_use]
    pub fn dropped_for(&self, _: DropReason) -> u64 {
        0
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("recording is compiled out")
    }
}
