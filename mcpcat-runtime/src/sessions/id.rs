//! Session ids: the text a session has on the wire, and how the product derives it from a string.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use mcpcat_wire::session;
use mcpcat_wire::values::ParseSessionIdError;

use crate::event::id::random_ksuid;

/// A session's id: `ses_` and 27 base62 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The stable id of a session known by a string of the author's own, exactly as the official SDKs of the
    /// product's first generation derive it: SHA-256 of `session:project` (of `session` alone when the
    /// project is empty); four bytes of it make the time, sixteen the rest.
    ///
    /// ```
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::SessionId;
    ///
    /// let id = SessionId::derive("customer-abc", "proj_1");
    /// assert_eq!(id.as_str(), "ses_2cOHEO0LYGADMzRvWTXXVbbgxgm");
    /// ```
    #[must_use]
    pub fn derive(session: &str, project: &str) -> Self {
        Self(session::text(&session::derive(session, project)).into())
    }

    /// A fresh random id.
    pub(crate) fn random(unix_micros: u64, generation: u64) -> Self {
        Self(session::text(&random_ksuid(unix_micros, generation)).into())
    }

    /// Text taken as it is: what `session_strings(Verbatim)` asks for.
    pub(crate) fn verbatim(text: &str) -> Self {
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    fn from_str(text: &str) -> Result<Self, ParseSessionIdError> {
        if session::is_id(text) { Ok(Self(text.into())) } else { Err(ParseSessionIdError::new()) }
    }
}

impl TryFrom<&str> for SessionId {
    type Error = ParseSessionIdError;

    fn try_from(text: &str) -> Result<Self, ParseSessionIdError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_parses_and_a_string_of_the_users_own_does_not() {
        let derived = SessionId::derive("customer-abc", "proj_1");
        assert_eq!(derived.as_str().parse(), Ok(derived));
        assert_eq!("customer-abc".parse::<SessionId>(), Err(ParseSessionIdError::new()));
    }
}
