//! Session ids. Those made here are all zeros; those that are parsed keep their text.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use mcpcat_wire::ksuid::{Ksuid, SESSION_PREFIX};
use mcpcat_wire::values::ParseSessionIdError;

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
        match Ksuid::parse(text, SESSION_PREFIX) {
            Some(_) => Ok(Self(Some(text.into()))),
            None => Err(ParseSessionIdError::new()),
        }
    }
}

impl TryFrom<&str> for SessionId {
    type Error = ParseSessionIdError;

    fn try_from(text: &str) -> Result<Self, ParseSessionIdError> {
        text.parse()
    }
}
