//! KSUIDs: the ids of events and sessions, as raw bytes and as text.
//!
//! By hand, because the format is twenty lines and no crate of it formats without allocating. Four big-endian bytes
//! of seconds since [`EPOCH`], sixteen more bytes, base62 (`0-9A-Za-z`), 27 characters.

use std::fmt;

/// Unix seconds at which KSUID time begins (2014-05-13T16:53:20Z).
pub const EPOCH: u64 = 1_400_000_000;
/// Characters of a KSUID in text.
pub const TEXT_LEN: usize = 27;
/// What an event's id begins with.
pub const EVENT_PREFIX: &str = "evt_";
/// What a session's id begins with.
pub const SESSION_PREFIX: &str = "ses_";

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62 to the fifth: the largest such power below 2 to the 32nd.
const FIVE_DIGITS: u64 = 916_132_832;

/// One id, without its prefix. Prints as 27 characters; ids sort by their time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ksuid([u8; 20]);

impl Ksuid {
    /// An id that carries `unix_seconds`, clamped to what four bytes can say, and sixteen bytes of the caller's.
    #[inline]
    #[must_use]
    pub fn new(unix_seconds: u64, payload: [u8; 16]) -> Self {
        let seconds = unix_seconds.saturating_sub(EPOCH) as u32;
        let mut raw = [0; 20];
        raw[..4].copy_from_slice(&seconds.to_be_bytes());
        raw[4..].copy_from_slice(&payload);
        Self(raw)
    }

    /// The id with these bytes.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: [u8; 20]) -> Self {
        Self(raw)
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub const fn raw(&self) -> &[u8; 20] {
        &self.0
    }

    /// The text as bytes of ASCII: base62, most significant first, zero-padded.
    #[must_use]
    pub fn digits(&self) -> [u8; TEXT_LEN] {
        let mut words = [0_u32; 5];
        for (word, bytes) in words.iter_mut().zip(self.0.chunks_exact(4)) {
            *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let mut out = [b'0'; TEXT_LEN];
        // Five digits at a time: a long division for each digit would take a tenth of an event's delivery.
        for digits in out.rchunks_mut(5) {
            let mut remainder = 0_u64;
            for word in &mut words {
                let value = (remainder << 32) | u64::from(*word);
                *word = (value / FIVE_DIGITS) as u32;
                remainder = value % FIVE_DIGITS;
            }
            let mut rest = remainder as u32;
            for digit in digits.iter_mut().rev() {
                *digit = ALPHABET[(rest % 62) as usize];
                rest /= 62;
            }
        }
        out
    }

    /// The reverse of [`digits`](Self::digits); `None` for a foreign character, another length or a number above 160
    /// bits.
    #[must_use]
    pub fn from_digits(digits: &[u8]) -> Option<Self> {
        if digits.len() != TEXT_LEN {
            return None;
        }
        let mut words = [0_u32; 5];
        for &digit in digits {
            let mut carry = match digit {
                b'0'..=b'9' => u64::from(digit - b'0'),
                b'A'..=b'Z' => u64::from(digit - b'A') + 10,
                b'a'..=b'z' => u64::from(digit - b'a') + 36,
                _ => return None,
            };
            for word in words.iter_mut().rev() {
                let value = u64::from(*word) * 62 + carry;
                *word = value as u32;
                carry = value >> 32;
            }
            if carry != 0 {
                return None;
            }
        }
        let mut raw = [0; 20];
        for (bytes, word) in raw.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        Some(Self(raw))
    }

    /// Reads `prefix` followed by 27 characters.
    #[must_use]
    pub fn parse(text: &str, prefix: &str) -> Option<Self> {
        Self::from_digits(text.strip_prefix(prefix)?.as_bytes())
    }
}

impl fmt::Display for Ksuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Ksuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_agrees_with_the_ksuid_pairs_of_the_official_sdks() {
        let file = include_str!("../../tests/fixtures/session_vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let pairs = vectors["ksuid"].as_array().unwrap();
        assert!(pairs.len() >= 3);
        for pair in pairs {
            let hex = pair["raw_hex"].as_str().unwrap();
            let mut raw = [0; 20];
            for (i, byte) in raw.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
            }
            let text = pair["ksuid"].as_str().unwrap();
            assert_eq!(Ksuid::from_raw(raw).to_string(), text);
            assert_eq!(Ksuid::parse(text, ""), Some(Ksuid::from_raw(raw)));
        }
    }

    #[test]
    fn an_id_carries_its_time_within_four_bytes() {
        assert_eq!(Ksuid::new(1_763_800_000, [7; 16]).raw()[..4], 363_800_000_u32.to_be_bytes());
        assert_eq!(Ksuid::new(0, [7; 16]).raw()[..4], [0; 4], "a clock before 2014");
    }

    proptest! {
        #[test]
        fn text_and_raw_are_each_others_reverse(raw: [u8; 20]) {
            let id = Ksuid::from_raw(raw);
            prop_assert_eq!(Ksuid::from_digits(&id.digits()), Some(id));
        }

        #[test]
        fn foreign_text_is_refused(text in "\\PC{0,40}") {
            if let Some(id) = Ksuid::parse(&text, "") {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
