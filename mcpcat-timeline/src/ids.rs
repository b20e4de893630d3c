//! Identifiers in the wire's own shapes, made here when a sender left one out.
//!
//! The command line needs the same session derivation as the SDKs, so that a shell script and a server that use
//! one session string land in one session.

#[cfg(any(test, feature = "cli"))]
use sha2::{Digest, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// KSUID seconds count from here (2014-05-13T16:53:20Z).
const KSUID_EPOCH: u64 = 1_400_000_000;
/// Derived sessions carry a time counted from 2024-01-01, as every official SDK does.
#[cfg(any(test, feature = "cli"))]
const DERIVED_EPOCH_MS: u64 = 1_704_067_200_000;
/// A year in milliseconds; part of the derivation although a 32-bit offset never reaches it.
#[cfg(any(test, feature = "cli"))]
const DERIVED_SPAN_MS: u64 = 31_536_000_000;

/// A fresh `evt_…` identifier for an event that came without one.
pub(crate) fn event_id() -> String {
    let mut raw = [0_u8; 20];
    let seconds = (jiff::Timestamp::now().as_second().max(0) as u64).saturating_sub(KSUID_EPOCH) as u32;
    raw[..4].copy_from_slice(&seconds.to_be_bytes());
    if getrandom::fill(&mut raw[4..]).is_err() {
        // Without an entropy source the clock still keeps ids of one process apart.
        let nanos = jiff::Timestamp::now().as_nanosecond();
        raw[4..].copy_from_slice(&nanos.to_be_bytes());
    }
    format!("evt_{}", base62(&raw))
}

/// The stable `ses_…` identifier of a session string within a project.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn derive_session(session: &str, project: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(session.as_bytes());
    if !project.is_empty() {
        hash.update(b":");
        hash.update(project.as_bytes());
    }
    let digest = hash.finalize();
    let offset =
        u64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])) % DERIVED_SPAN_MS;
    let seconds = (DERIVED_EPOCH_MS + offset - KSUID_EPOCH * 1000) / 1000;
    let mut raw = [0_u8; 20];
    raw[..4].copy_from_slice(&(seconds as u32).to_be_bytes());
    raw[4..].copy_from_slice(&digest[4..20]);
    format!("ses_{}", base62(&raw))
}

/// Whether a text is a session identifier rather than a string to derive one from.
#[cfg(any(test, feature = "cli"))]
pub(crate) fn is_session_id(text: &str) -> bool {
    text.strip_prefix("ses_")
        .is_some_and(|rest| rest.len() == 27 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn base62(raw: &[u8; 20]) -> String {
    let mut digits = [0_u8; 27];
    let mut number = *raw;
    for slot in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut number {
            let value = remainder * 256 + u32::from(*byte);
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        *slot = ALPHABET[remainder as usize];
    }
    digits.iter().map(|&b| char::from(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_every_published_vector() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/session_vectors.json")).unwrap();
        let list = vectors["vectors"].as_array().unwrap();
        assert!(list.len() >= 10, "only {} vectors", list.len());
        for vector in list {
            let text = |key: &str| vector[key].as_str().unwrap_or_default();
            assert_eq!(derive_session(text("session"), text("project")), text("derived"), "for {vector}");
        }
    }

    #[test]
    fn base62_agrees_with_the_published_pairs() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/session_vectors.json")).unwrap();
        for pair in vectors["ksuid"].as_array().unwrap() {
            let hex = pair["raw_hex"].as_str().unwrap();
            let mut raw = [0_u8; 20];
            for (slot, digits) in raw.iter_mut().zip(hex.as_bytes().chunks(2)) {
                *slot = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            }
            assert_eq!(base62(&raw), pair["ksuid"].as_str().unwrap());
        }
    }

    #[test]
    fn fresh_ids_have_the_wire_shape_and_differ() {
        let (a, b) = (event_id(), event_id());
        assert_eq!((a.len(), &a[..4]), (31, "evt_"));
        assert_ne!(a, b);
    }

    #[test]
    fn only_whole_session_ids_count_as_such() {
        assert!(is_session_id("ses_2c3jYabGvMwXurJVax5sY4SKIIK"));
        assert!(!is_session_id("ses_short"));
        assert!(!is_session_id("user-42"));
    }
}
