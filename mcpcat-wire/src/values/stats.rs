//! What became of events, in numbers, and why some will not arrive.

use std::fmt;

/// Why an event will not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// The spool had reached its bound.
    SpoolFull,
    /// One event was larger than a segment of the spool.
    TooLarge,
    /// The endpoint refused this event (400, 413, 422 and their kind).
    Rejected,
    /// The endpoint kept failing on this event while it took others.
    Exhausted,
    /// A redaction hook withheld the event, failed or took too long.
    Withheld,
    /// A value panicked while it was being serialised.
    Panicked,
    /// The record was damaged in the log.
    Damaged,
    /// Published after the client was shut down.
    Closed,
    /// Published by a forked child that could not open a log of its own, or by a child of a child.
    Forked,
    /// The spool's file could not be written.
    SpoolFailed,
    /// It gave way to newer events, as [`Overflow::DropOldest`](super::Overflow::DropOldest) asks.
    Evicted,
    /// It had waited on disk for a week without a process that could deliver it. Also events of other programs, which
    /// the process counts that deletes them.
    Expired,
    /// Its user said no to recording while it waited: see `consent`.
    OptedOut,
}

impl DropReason {
    /// Every reason, in the order of the ledger.
    pub const ALL: [Self; 13] = [
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
        Self::OptedOut,
    ];

    /// The reason in a word, as logs and metrics write it.
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
            Self::OptedOut => "opted_out",
        }
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Events began to be lost: what `ClientBuilder::on_loss` is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Why.
    pub reason: DropReason,
    /// Events lost for this reason so far, earlier episodes included.
    pub dropped: u64,
}

/// What happened to a client's events so far: `published + adopted = delivered + dropped + pending`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use]
pub struct Stats {
    /// Events this process handed to the client, those it had to drop at once among them.
    pub published: u64,
    /// Events found in the logs of processes that ended before delivering them.
    pub adopted: u64,
    /// Events the endpoint took (any 2xx).
    pub delivered: u64,
    /// Events that will not arrive. [`dropped_for`](Self::dropped_for) tells why.
    pub dropped: u64,
    /// Events that wait, or are being sent.
    pub pending: u64,
    /// Events without a session of their own, recorded under the process's session.
    pub unattributed: u64,
    /// Values and tags that were replaced or left out because they broke a rule or failed to serialise;
    /// their events went out.
    pub problems: u64,
    /// HTTP requests sent, repeated ones among them.
    pub requests: u64,
    /// Refused events that this process kept aside, to be sent again by
    /// `Client::resend_dead_letters`. They count as dropped.
    pub dead_letters: u64,
    /// The newest reason why something was not delivered, in words.
    pub last_failure: Option<String>,
    /// Events that the share of sessions to record left out. None of the other numbers counts them.
    pub sampled_out: u64,
    /// Events of sessions whose consent hook said no, failed, or has not answered. None of the other numbers
    /// counts them.
    pub without_consent: u64,
    /// Requests that were not sent because the product has no event type for them (a method of the server's own,
    /// `skills/*`, `server/discover`) and the endpoint did not offer to take any. `mcpcat-timeline` offers it. None of
    /// the other numbers counts them.
    pub not_offered: u64,
    /// Answers that the author's hooks (`identify`, `event_tags`, `event_properties`) failed to give in time;
    /// their events went out without. Those of `consent` too; nothing of their sessions is recorded.
    pub hook_failures: u64,
    /// The newest of them, in words.
    pub last_hook_failure: Option<String>,
    /// What [`dropped_for`](Self::dropped_for) reads.
    #[doc(hidden)]
    pub by_reason: [u64; DropReason::ALL.len()],
}

impl Loss {
    /// Made by the ledger.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(reason: DropReason, dropped: u64) -> Self {
        Self { reason, dropped }
    }
}

impl Stats {
    /// How many events were dropped for `reason`.
    #[must_use]
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.by_reason[reason as usize]
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "published {} + adopted {} = delivered {} + dropped {} + pending {}",
            self.published, self.adopted, self.delivered, self.dropped, self.pending
        )?;
        for reason in DropReason::ALL {
            if self.dropped_for(reason) > 0 {
                write!(f, "; {reason} {}", self.dropped_for(reason))?;
            }
        }
        if self.not_offered > 0 {
            write!(f, "; {} of types that the endpoint does not offer to take", self.not_offered)?;
        }
        match &self.last_failure {
            Some(failure) => write!(f, "; last failure: {failure}"),
            None => Ok(()),
        }
    }
}
