//! Session ids: the text a session has on the wire, and how the product derives it from a string.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::event::id::{base62, random_ksuid, unbase62};

/// Unix milliseconds of 2024-01-01, where derived ids begin.
const DERIVED_EPOCH_MS: u64 = 1_704_067_200_000;
/// The range that the official derivation folds its offset into: 365 days in milliseconds.
const DERIVED_RANGE_MS: u64 = 31_536_000_000;
/// Unix milliseconds at which KSUID time begins.
const KSUID_EPOCH_MS: u64 = 1_400_000_000_000;

/// A session's id: `ses_` and 27 base62 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// The stable id of a session known by a string of the author's own, exactly as the official SDKs of the
    /// product's first generation derive it: SHA-256 of `session:project` (of `session` alone when the
    /// project is empty); four bytes of it make the time, sixteen the rest.
    ///
    /// ```
    /// use mcpcat_runtime::session::SessionId;
    ///
    /// let id = SessionId::derive("customer-abc", "proj_1");
    /// assert_eq!(id.as_str(), "ses_2cOHEO0LYGADMzRvWTXXVbbgxgm");
    /// ```
    #[must_use]
    pub fn derive(session: &str, project: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(session.as_bytes());
        if !project.is_empty() {
            hasher.update(b":");
            hasher.update(project.as_bytes());
        }
        let hash = hasher.finalize();
        let offset = u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) % DERIVED_RANGE_MS;
        let seconds = ((DERIVED_EPOCH_MS + offset - KSUID_EPOCH_MS) / 1_000) as u32;
        let mut raw = [0; 20];
        raw[..4].copy_from_slice(&seconds.to_be_bytes());
        raw[4..].copy_from_slice(&hash[4..20]);
        Self::from_raw(&raw)
    }

    /// A fresh random id.
    pub(crate) fn random(unix_micros: u64, generation: u64) -> Self {
        Self::from_raw(&random_ksuid(unix_micros, generation))
    }

    /// Text taken as it is: what `session_strings(Verbatim)` asks for.
    pub(crate) fn verbatim(text: &str) -> Self {
        Self(text.into())
    }

    fn from_raw(raw: &[u8; 20]) -> Self {
        let digits = base62(raw);
        let mut text = String::with_capacity(4 + digits.len());
        text.push_str("ses_");
        text.extend(digits.iter().map(|&digit| char::from(digit)));
        Self(text.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether text has the shape of a session id.
    pub(crate) fn looks_like_one(text: &str) -> bool {
        text.strip_prefix("ses_").is_some_and(|digits| unbase62(digits.as_bytes()).is_some())
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
        if Self::looks_like_one(text) { Ok(Self(text.into())) } else { Err(ParseSessionIdError) }
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
        f.write_str(
            "a session id is `ses_` followed by 27 characters of 0-9, A-Z and a-z; \
             for a string of your own use `SessionId::derive(string, project)`",
        )
    }
}

impl std::error::Error for ParseSessionIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_the_official_sdks_is_derived_bit_for_bit() {
        let file = include_str!("../../../tests/fixtures/session_vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 13, "the fixture holds every vector");
        for vector in vectors {
            let text = |key: &str| vector[key].as_str().unwrap_or_default();
            let derived = SessionId::derive(text("session"), text("project"));
            assert_eq!(derived.as_str(), text("derived"), "{vector}");
            assert_eq!(derived.as_str().parse(), Ok(derived));
        }
    }

    #[test]
    fn other_text_is_not_an_id() {
        for text in
            ["", "ses_", "customer-abc", "ses_2cOHEO0LYGADMzRvWTXXVbbgxg", "ses_2cOHEO0LYGADMzRvWTXXVbbgx-m"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(ParseSessionIdError), "{text}");
        }
        assert!("ses_zzzzzzzzzzzzzzzzzzzzzzzzzzz".parse::<SessionId>().is_err(), "above 160 bits");
    }
}
