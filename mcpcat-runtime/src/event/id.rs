//! Event ids: made raw where the event happens, because text costs more than the event; written as text
//! where nobody waits.
//!
//! The format is a KSUID: four big-endian bytes of seconds since 1,400,000,000 (Unix), sixteen random
//! bytes, base62 (`0-9A-Za-z`), 27 characters, behind the prefix `evt_`.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

/// Unix seconds at which KSUID time begins.
const KSUID_EPOCH: u64 = 1_400_000_000;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of a KSUID in text.
pub(crate) const KSUID_LEN: usize = 27;

/// The identity of one event. It is fixed before the first attempt to deliver and never changes, so that
/// a collector recognises a repeated delivery. Prints as `evt_` and 27 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId([u8; 20]);

impl EventId {
    /// An id for an event at `unix_micros`. `generation` changes when the process forks, so that parent
    /// and child do not go on with the same random sequence.
    pub(crate) fn generate(unix_micros: u64, generation: u64) -> Self {
        let seconds = (unix_micros / 1_000_000).saturating_sub(KSUID_EPOCH) as u32;
        let (high, low) = random(generation);
        let mut raw = [0; 20];
        raw[..4].copy_from_slice(&seconds.to_be_bytes());
        raw[4..12].copy_from_slice(&high.to_be_bytes());
        raw[12..].copy_from_slice(&low.to_be_bytes());
        Self(raw)
    }

    pub(crate) const fn from_raw(raw: [u8; 20]) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(&self) -> &[u8; 20] {
        &self.0
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"evt_");
        out.extend_from_slice(&base62(&self.0));
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("evt_")?;
        f.write_str(str::from_utf8(&base62(&self.0)).map_err(|_| fmt::Error)?)
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
        let digits = text.strip_prefix("evt_").ok_or(ParseIdError)?;
        unbase62(digits.as_bytes()).map(Self).ok_or(ParseIdError)
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

/// A random KSUID that carries `unix_micros`, as raw bytes.
pub(crate) fn random_ksuid(unix_micros: u64, generation: u64) -> [u8; 20] {
    EventId::generate(unix_micros, generation).0
}

/// Twenty bytes as 27 base62 digits, most significant first, zero-padded.
pub(crate) fn base62(raw: &[u8; 20]) -> [u8; KSUID_LEN] {
    let mut words = [0_u32; 5];
    for (word, bytes) in words.iter_mut().zip(raw.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let mut out = [b'0'; KSUID_LEN];
    // Five digits at a time: a long division for each digit would cost the worker a tenth of the event.
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

/// 62 to the fifth: the largest such power below 2 to the 32nd.
const FIVE_DIGITS: u64 = 916_132_832;

/// The reverse of [`base62`]; `None` for a foreign character, another length or a number above 160 bits.
pub(crate) fn unbase62(digits: &[u8]) -> Option<[u8; 20]> {
    if digits.len() != KSUID_LEN {
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
    Some(raw)
}

/// xoshiro256++ by Blackman and Vigna: 256 bits of state, so that ids of many threads and processes do not
/// meet. Not for secrets.
#[derive(Clone, Copy)]
struct Generator {
    state: [u64; 4],
    generation: u64,
}

impl Generator {
    fn seeded(generation: u64) -> Self {
        let mut bytes = [0_u8; 32];
        if getrandom::fill(&mut bytes).is_err() {
            // Without a random source: hash what differs between threads, processes and starts.
            use std::hash::{BuildHasher, RandomState};
            for (i, chunk) in bytes.chunks_exact_mut(8).enumerate() {
                let word = RandomState::new().hash_one((i, generation, std::process::id()));
                chunk.copy_from_slice(&word.to_le_bytes());
            }
        }
        let mut state = [1_u64; 4];
        for (word, chunk) in state.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut word_bytes = [0; 8];
            word_bytes.copy_from_slice(chunk);
            *word = u64::from_le_bytes(word_bytes) | 1;
        }
        Self { state, generation }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }
}

thread_local! {
    static GENERATOR: Cell<Option<Generator>> = const { Cell::new(None) };
}

/// 128 random bits from the thread's generator, or from a fresh one while the thread is being torn down.
pub(crate) fn random(generation: u64) -> (u64, u64) {
    let draw = |kept: Option<Generator>| {
        let mut generator = match kept {
            Some(generator) if generator.generation == generation => generator,
            _ => Generator::seeded(generation),
        };
        let drawn = (generator.next(), generator.next());
        (drawn, generator)
    };
    GENERATOR
        .try_with(|cell| {
            let (drawn, generator) = draw(cell.get());
            cell.set(Some(generator));
            drawn
        })
        .unwrap_or_else(|_| draw(None).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_agrees_with_the_ksuid_pairs_of_the_official_sdks() {
        let file = include_str!("../../../tests/fixtures/session_vectors.json");
        let vectors: serde_json::Value = serde_json::from_str(file).unwrap();
        let pairs = vectors["ksuid"].as_array().unwrap();
        assert!(pairs.len() >= 3);
        for pair in pairs {
            let hex = pair["raw_hex"].as_str().unwrap();
            let mut raw = [0; 20];
            for (i, byte) in raw.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap();
            }
            assert_eq!(str::from_utf8(&base62(&raw)).unwrap(), pair["ksuid"].as_str().unwrap());
        }
    }

    #[test]
    fn ids_carry_their_time_and_differ() {
        let micros = 1_763_800_000_123_456;
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| EventId::generate(micros, 0)).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(u32::from_be_bytes(id.raw()[..4].try_into().unwrap()), 363_800_000);
        }
    }

    #[test]
    fn a_fork_does_not_repeat_the_parents_ids() {
        let before = GENERATOR.get();
        let parent = random(0);
        GENERATOR.set(before);
        assert_ne!(parent, random(1));
    }

    proptest! {
        #[test]
        fn text_and_raw_are_each_others_reverse(raw: [u8; 20]) {
            let id = EventId::from_raw(raw);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
        }

        #[test]
        fn foreign_text_is_refused(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
