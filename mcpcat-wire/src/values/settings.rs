//! Settings of a client that are a choice of a few.

use std::time::Duration;

/// What a plain string means where a session is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SessionStrings {
    /// It is derived into a stable `ses_…` id, as the TypeScript and Go SDKs do.
    #[default]
    Derive,
    /// It is the session's id as it stands, as the official Rust and Python SDKs do.
    Verbatim,
}

/// What may rest on a disk while it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDisk {
    /// What the call site wrote: bounded, and without the values of sensitive keys. It is kept whenever the
    /// process ends. Secrets that only a pattern knows can be in it until it is delivered.
    #[default]
    AsRecorded,
    /// Only what may leave: patterns and hooks have seen it. Until then an event is in memory, for some ten
    /// milliseconds; those of that moment are lost when the process is killed, and those that find the worker
    /// busy with slow hooks.
    ScrubbedOnly,
}

/// When an answer and its events leave, in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Delivery {
    /// Answers wait for nothing: events leave in the background.
    #[default]
    InBackground,
    /// A recorded request is answered when its events, and those that this process published before them, have
    /// been delivered or dropped, at the latest after this time. What was not delivered by then stays where it
    /// waits, counted in [`Stats::pending`](super::Stats::pending). For processes that may be frozen, or
    /// taken away, as soon as they have answered.
    FlushBeforeResponse(Duration),
}

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
