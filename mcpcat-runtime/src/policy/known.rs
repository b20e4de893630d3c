//! Verdicts on keys, remembered: the same few keys come with every request, and a judgement costs as much as the
//! rest of a small value.
//!
//! Per thread, of a fixed size, and exact: a key is compared whole, and one that is longer than a line of the table
//! is judged each time.

use std::cell::Cell;

use super::keys::is_sensitive;

/// Lines of the table; a key has a pair of them that it can be in.
const LINES: usize = 128;
/// The longest key that is remembered, in bytes.
const LONGEST: usize = 23;
/// In the last byte of a line, beside the key's length.
const SENSITIVE: u8 = 0x80;

/// A key, filled up with zeros, and in the last byte its length and the verdict. All zeros remembers nothing: the
/// empty key has length 0 and is harmless.
type Line = [u64; 3];

thread_local! {
    static TABLE: [Cell<Line>; LINES] = const { [const { Cell::new([0; 3]) }; LINES] };
}

/// [`is_sensitive`], from memory where that is possible.
#[inline]
pub(super) fn is_known_sensitive(key: &str) -> bool {
    if key.len() > LONGEST {
        return is_sensitive(key);
    }
    let line = line_of(key.as_bytes());
    // A thread that is ending has no table any more.
    let place = place_of(line);
    TABLE
        .try_with(|table| look(&table[place], &table[place ^ 1], line, key))
        .unwrap_or_else(|_| is_sensitive(key))
}

#[inline]
fn look(newer: &Cell<Line>, older: &Cell<Line>, line: Line, key: &str) -> bool {
    let known = [newer.get(), older.get()];
    if known.contains(&line) {
        return false;
    }
    known.contains(&with_verdict(line, true)) || judge(newer, older, line, key)
}

/// What was in the newer line of the pair stays in the older one, so that two keys that share it do not displace
/// each other for ever.
#[cold]
fn judge(newer: &Cell<Line>, older: &Cell<Line>, line: Line, key: &str) -> bool {
    let verdict = is_sensitive(key);
    older.set(newer.replace(with_verdict(line, verdict)));
    verdict
}

#[inline]
fn line_of(key: &[u8]) -> Line {
    let mut bytes = [0; 24];
    bytes[..key.len()].copy_from_slice(key);
    bytes[LONGEST] = key.len() as u8;
    let word = |from: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[from..from + 8]);
        u64::from_le_bytes(word)
    };
    [word(0), word(8), word(16)]
}

#[inline]
fn with_verdict([a, b, c]: Line, sensitive: bool) -> Line {
    [a, b, if sensitive { c | u64::from(SENSITIVE) << 56 } else { c }]
}

/// The first line of the pair. The multiplier is the golden ratio's, as in Fibonacci hashing.
#[inline]
fn place_of([a, b, c]: Line) -> usize {
    let mixed = (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (64 - LINES.trailing_zeros())) as usize & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_second_answer_is_the_first() {
        let keys =
            ["", "password", "plan", "\0", "\0\0", "pass\0word", "a key of more than 23 bytes' secret"];
        for key in keys.into_iter().chain(keys) {
            assert_eq!(is_known_sensitive(key), is_sensitive(key), "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn memory_never_changes_a_verdict(keys in prop::collection::vec(
            prop_oneof!["[a-zA-Z_]{0,30}", "(user|db)?_?(password|token|plan|key|pin)[s0-9]?", ".{0,12}"], 1..100,
        )) {
            for key in keys.iter().chain(&keys) {
                prop_assert_eq!(is_known_sensitive(key), is_sensitive(key), "{:?}", key);
            }
        }

        #[test]
        fn keys_of_one_line_displace_each_other(seed: u64) {
            // Many more keys than lines.
            for n in 0..4 * LINES as u64 {
                let key = format!("{:x}{}", seed.wrapping_add(n), if n % 3 == 0 { "_token" } else { "" });
                prop_assert_eq!(is_known_sensitive(&key), is_sensitive(&key), "{}", key);
            }
        }
    }
}
