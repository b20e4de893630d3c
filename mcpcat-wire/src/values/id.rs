//! An event's id, and what a text is told that is no id.

use std::fmt;
use std::str::FromStr;

use crate::ksuid::{EVENT_PREFIX, Ksuid};

/// The identity of one event. It is fixed before the first attempt to deliver and never changes, so that
/// a collector recognises a repeated delivery. Prints as `evt_` and 27 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Ksuid);

impl EventId {
    /// The id with these bytes.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: [u8; 20]) -> Self {
        Self(Ksuid::from_raw(raw))
    }

    /// Its bytes.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub const fn raw(&self) -> &[u8; 20] {
        self.0.raw()
    }

    /// Appends the text.
    #[doc(hidden)]
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(EVENT_PREFIX.as_bytes());
        out.extend_from_slice(&self.0.digits());
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EVENT_PREFIX)?;
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EventId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Ksuid::parse(text, EVENT_PREFIX).map(Self).ok_or(ParseIdError)
    }
}

/// The text is not `evt_` followed by 27 base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseIdError;

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event id is `evt_` followed by 27 characters of 0-9, A-Z and a-z")
    }
}

impl std::error::Error for ParseIdError {}

/// The text is not `ses_` followed by 27 base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseSessionIdError;

impl ParseSessionIdError {
    /// Made where session ids are parsed.
    #[doc(hidden)]
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl fmt::Display for ParseSessionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a session id is `ses_` followed by 27 characters of 0-9, A-Z and a-z; \
             for a string of your own use `SessionId::derive(string, project)`",
        )
    }
}

impl std::error::Error for ParseSessionIdError {}
