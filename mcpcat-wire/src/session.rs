//! How a session's id follows from a string of the user's own, so that a server, a script and another SDK that name
//! the same session mean the same id.

use sha2::{Digest, Sha256};

use crate::ksuid::{EPOCH, Ksuid, SESSION_PREFIX};

/// Unix milliseconds of 2024-01-01, where derived ids begin.
const DERIVED_EPOCH_MS: u64 = 1_704_067_200_000;
/// The official derivation folds its offset into a year of milliseconds; a 32-bit offset never reaches it.
const DERIVED_RANGE_MS: u64 = 31_536_000_000;

/// The id of a session known by a string, exactly as the official SDKs derive it: SHA-256 of `session:project` (of
/// `session` alone when the project is empty); four bytes of it make the time, sixteen the rest.
#[must_use]
pub fn derive(session: &str, project: &str) -> Ksuid {
    let mut hasher = Sha256::new();
    hasher.update(session.as_bytes());
    if !project.is_empty() {
        hasher.update(b":");
        hasher.update(project.as_bytes());
    }
    let hash = hasher.finalize();
    let offset = u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])) % DERIVED_RANGE_MS;
    let seconds = (DERIVED_EPOCH_MS + offset - EPOCH * 1_000) / 1_000;
    let mut payload = [0; 16];
    payload.copy_from_slice(&hash[4..20]);
    Ksuid::new(seconds + EPOCH, payload)
}

/// A session's id as text: `ses_` and 27 characters.
#[must_use]
pub fn text(id: &Ksuid) -> String {
    let digits = id.digits();
    let mut text = String::with_capacity(SESSION_PREFIX.len() + digits.len());
    text.push_str(SESSION_PREFIX);
    text.extend(digits.iter().map(|&digit| char::from(digit)));
    text
}

/// Whether a text is a session's id, rather than a string to derive one from.
#[must_use]
pub fn is_id(text: &str) -> bool {
    Ksuid::parse(text, SESSION_PREFIX).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_of_the_official_sdks_is_derived_bit_for_bit() {
        let file = include_str!("../../tests/fixtures/session_vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert!(vectors.len() >= 13, "the fixture holds every vector");
        for vector in vectors {
            let field = |key: &str| vector[key].as_str().unwrap_or_default();
            let derived = text(&derive(field("session"), field("project")));
            assert_eq!(derived, field("derived"), "{vector}");
            assert!(is_id(&derived));
        }
    }

    #[test]
    fn other_text_is_not_an_id() {
        for text in [
            "",
            "ses_",
            "customer-abc",
            "ses_2cOHEO0LYGADMzRvWTXXVbbgxg",
            "ses_2cOHEO0LYGADMzRvWTXXVbbgx-m",
            "ses_zzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }
}
