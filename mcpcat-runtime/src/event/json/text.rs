//! JSON strings that end where they are told to. A cut falls between characters and says how much it took; text
//! may come in pieces (`Display`, decoded escapes) without being gathered first.

use std::fmt;
use std::io::Write as _;

use crate::event::guard::{Budget, Ended};

/// The longest marker: `…[+18446744073709551615 bytes]`.
const MARKER: usize = 32;

/// For each byte: 0 if it stands for itself, `u` if it needs six characters, else the letter after the backslash.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends a quoted string: at most `max_text` bytes of text and `max_out` bytes of output.
pub(super) fn push(out: &mut Vec<u8>, text: &str, max_text: usize, max_out: usize) {
    // Six bytes for one is the worst; eight are quicker to reckon with, and what is close to a bound is counted.
    if text.len() > max_text || text.len() >= max_out / 8 {
        return push_bounded(out, text, max_text, max_out);
    }
    if !is_plain(text.as_bytes()) {
        out.push(b'"');
        push_escaped(out, text);
        return out.push(b'"');
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cold]
fn push_bounded(out: &mut Vec<u8>, text: &str, max_text: usize, max_out: usize) {
    let mut bounded = Bounded::new(out, max_text, max_out);
    bounded.push(text);
    bounded.finish();
}

/// Whether nothing has to be escaped: as nearly always, and a call site pays for each byte. Lanes that overlap look
/// at some bytes twice, which costs less than to look at the last ones alone.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(last), ..) => {
            let mut marks = [0; 16];
            for lanes in bytes.as_chunks().0.iter().chain([last]) {
                marks = std::array::from_fn(|i| marks[i] | u8::from(needs_escape(lanes[i])));
            }
            u128::from_ne_bytes(marks) == 0
        }
        (None, Some(first), Some(last)) => {
            special(u64::from_le_bytes(*first)) | special(u64::from_le_bytes(*last)) == 0
        }
        _ => special(short(bytes)) == 0,
    }
}

#[inline]
fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Appends text as the inside of a JSON string.
#[inline(never)]
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    loop {
        let plain = plain(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(&byte) = rest.get(plain) else { return };
        match ESCAPES[usize::from(byte)] {
            b'u' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            escape => out.extend_from_slice(&[b'\\', escape]),
        }
        rest = &rest[plain + 1..];
    }
}

/// How many bytes stand for themselves before the first that has to be escaped: eight at a time, since most of any
/// text is plain.
fn plain(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    // The last eight once more, of which some were plain already; or all there is, before bytes that are.
    let (from, last) = match bytes.last_chunk() {
        Some(eight) => (bytes.len() - 8, u64::from_le_bytes(*eight)),
        None => (0, short(bytes)),
    };
    match special(last) {
        0 => bytes.len(),
        special => from + special.trailing_zeros() as usize / 8,
    }
}

/// Fewer than eight bytes as a word, filled up with a plain one.
#[inline]
fn short(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(u64::from_le_bytes([b' '; 8]), |word, &byte| word << 8 | u64::from(byte))
}

/// The high bit of each byte that is a control character, a quote or a backslash. A borrow can mark a byte above
/// one that is marked rightly; the lowest mark is always right.
fn special(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |limit: u64, word: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let is = |byte: u8| below(1, eight ^ (ONES * u64::from(byte)));
    below(0x20, eight) | is(b'"') | is(b'\\')
}

/// How much of a text fits into so many bytes of text and of output: a length at a character boundary.
fn fitting(text: &str, max_text: usize, max_out: usize) -> usize {
    if text.len() <= max_text && text.len().saturating_mul(6) <= max_out {
        return text.len();
    }
    let mut width = 0;
    let mut end = 0;
    for &byte in text.as_bytes() {
        width += match ESCAPES[usize::from(byte)] {
            0 => 1,
            b'u' => 6,
            _ => 2,
        };
        if end == max_text || width > max_out {
            break;
        }
        end += 1;
    }
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// A string that is being written. Up to the bounds it is kept as it is; past them it is cut back so far that
/// the marker fits too.
pub(super) struct Bounded<'o> {
    out: &'o mut Vec<u8>,
    /// Where the inside of the string begins in `out`.
    start: usize,
    max_text: usize,
    max_out: usize,
    kept: usize,
    total: usize,
    /// Where to cut if there is too much: length of `out` and of the text so far.
    cut: Option<(usize, usize)>,
    over: bool,
    budget: Budget,
}

impl<'o> Bounded<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>, max_text: usize, max_out: usize) -> Self {
        out.push(b'"');
        let start = out.len();
        Self {
            out,
            start,
            max_text,
            max_out: max_out.saturating_sub(2),
            kept: 0,
            total: 0,
            cut: None,
            over: false,
            budget: Budget::default(),
        }
    }

    fn out_left(&self, bound: usize) -> usize {
        bound.saturating_sub(self.out.len() - self.start)
    }

    fn keep(&mut self, text: &str) {
        push_escaped(self.out, text);
        self.kept += text.len();
    }

    pub(super) fn push(&mut self, text: &str) {
        self.total = self.total.saturating_add(text.len());
        if self.over {
            return;
        }
        let mut text = text;
        if self.cut.is_none() {
            // Without room for a marker the text is cut as late as it can be.
            let marker = if self.has_marker() { MARKER } else { 0 };
            let fits = fitting(
                text,
                (self.max_text - marker).saturating_sub(self.kept),
                self.out_left(self.max_out - marker),
            );
            self.keep(&text[..fits]);
            if fits == text.len() {
                return;
            }
            self.cut = Some((self.out.len(), self.kept));
            text = &text[fits..];
        }
        let fits = fitting(text, self.max_text.saturating_sub(self.kept), self.out_left(self.max_out));
        if fits == text.len() {
            self.keep(text);
        } else {
            self.over = true;
        }
    }

    fn has_marker(&self) -> bool {
        self.max_text >= MARKER && self.max_out >= MARKER
    }

    pub(super) fn finish(self) {
        if let (true, Some((len, kept))) = (self.over, self.cut) {
            self.out.truncate(len);
            if self.has_marker() {
                // Writing into a Vec does not fail.
                let more = if self.budget.is_stopped() { " or more" } else { "" };
                let _ = write!(self.out, "…[+{} bytes{more}]", self.total - kept);
            }
        }
        self.out.push(b'"');
    }
}

impl Bounded<'_> {
    /// Writes what a value displays, which is a user's code. What there was before an error or a panic stays, with a
    /// placeholder behind it.
    pub(super) fn display<T: fmt::Display + ?Sized>(&mut self, value: &T) -> Ended {
        let ended = Ended::of(self, |text| &text.budget, format_args!("{value}"));
        if let Some(placeholder) = ended.placeholder() {
            self.push(placeholder);
        }
        ended
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.budget.piece(text, if self.over { self.total - self.kept } else { 0 })?;
        self.push(text);
        Ok(())
    }
}

/// The size of what a text encodes, if it is nothing but base64 (either alphabet, line breaks allowed).
/// `escaped` text may also hold the backslashes of JSON.
pub(super) fn base64_size(text: &str, escaped: bool) -> Option<usize> {
    let mut digits = 0;
    let mut bytes = text.trim_end_matches('=').bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'-' | b'_' => digits += 1,
            b'\n' | b'\r' => {}
            b'\\' if escaped => match bytes.next() {
                Some(b'n' | b'r') => {}
                Some(b'/') => digits += 1,
                _ => return None,
            },
            _ => return None,
        }
    }
    Some(digits * 3 / 4)
}

/// The media type and the size of a base64 data URL's content.
pub(super) fn data_url(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix("data:")?;
    let (head, content) = rest.as_bytes()[..rest.len().min(128)]
        .windows(8)
        .position(|window| window == b";base64,")
        .and_then(|at| Some((rest.get(..at)?, rest.get(at + 8..)?)))?;
    let kind = head.split(';').next().unwrap_or_default();
    let plain = kind.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'+' | b'.'));
    let kind = if plain && !kind.is_empty() && kind.len() <= 24 { kind } else { "data" };
    Some((kind, content.len() / 4 * 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, max_text: usize, max_out: usize) -> String {
        let mut out = Vec::new();
        push(&mut out, text, max_text, max_out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_is_escaped_like_serde_json_does() {
        for code in 0..=0xffff_u32 {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            let text = c.to_string();
            assert_eq!(written(&text, 100, 100), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn an_escape_is_found_wherever_it_stands() {
        for special in ["\"", "\\", "\n", "\0", "\u{1f}"] {
            for place in 0..20 {
                for tail in 0..20 {
                    let text = format!("{}{special}{}{special}", "é".repeat(place), "x ".repeat(tail));
                    assert_eq!(written(&text, 1000, 9000), serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn a_cut_says_how_much_it_took() {
        let text = "a".repeat(100);
        assert_eq!(written(&text, 100, 1000), format!("\"{text}\""));
        assert_eq!(written(&text, 99, 1000), format!("\"{}…[+33 bytes]\"", "a".repeat(67)));
        assert_eq!(written(&text, 10, 1000), format!("\"{}\"", "a".repeat(10)));
    }

    #[test]
    fn a_cut_falls_between_characters() {
        let text = "\u{1F600}".repeat(50);
        for max in 0..210 {
            let json = written(&text, max, usize::MAX);
            let back: String = serde_json::from_str(&json).unwrap();
            assert!(back.len() <= max, "{max}: {}", back.len());
        }
    }

    #[test]
    fn the_output_is_bounded_whatever_the_escapes() {
        let text = "\u{1}\"é\n".repeat(50);
        for max in 2..1000 {
            let json = written(&text, usize::MAX, max);
            assert!(json.len() <= max, "{max}: {}", json.len());
            serde_json::from_str::<String>(&json).unwrap();
        }
    }

    #[test]
    fn base64_is_told_from_text() {
        assert_eq!(base64_size("aGVsbG8=", false), Some(5));
        assert_eq!(base64_size("aGVs\nbG8=", false), Some(5));
        assert_eq!(base64_size(r"aGVs\nbG8=", true), Some(5));
        assert_eq!(base64_size("hello world", false), None);
        assert_eq!(data_url("data:image/png;base64,AAAA"), Some(("image/png", 3)));
        assert_eq!(data_url("data:text/plain,hello"), None);
    }
}
