//! Ids. Those made here are all zeros; those that are parsed keep their text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const ZEROS: &str = "000000000000000000000000000";

/// Whether a text is `prefix` and 27 letters and digits.
fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == ZEROS.len() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The identity of an event that nobody recorded: `evt_` and 27 zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub(super) ());

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{ZEROS}")
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
        if is_id(text, "evt_") { Ok(Self(())) } else { Err(ParseIdError) }
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

/// A session's id: `ses_` and 27 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Option<Arc<str>>);

impl SessionId {
    /// The id of no session: all zeros, whatever the string.
    #[must_use]
    pub fn derive(_: &str, _: &str) -> Self {
        Self(None)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("ses_000000000000000000000000000")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    fn from_str(text: &str) -> Result<Self, ParseSessionIdError> {
        if is_id(text, "ses_") { Ok(Self(Some(text.into()))) } else { Err(ParseSessionIdError) }
    }
}

impl TryFrom<&str> for SessionId {
    type Error = ParseSessionIdError;

    fn try_from(text: &str) -> Result<Self, ParseSessionIdError> {
        text.parse()
    }
}

/// The text is not `ses_` followed by 27 base62 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseSessionIdError;

impl fmt::Display for ParseSessionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session id is `ses_` followed by 27 characters of 0-9, A-Z and a-z")
    }
}

impl std::error::Error for ParseSessionIdError {}
