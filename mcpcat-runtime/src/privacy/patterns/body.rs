//! A finished body, string by string: a cursor over the JSON text that knows how deep it is and whether it looks
//! at a key, and no more. Only what changes is written again.

use std::borrow::Cow;

use super::{PROTECTED, Patterns, card};
use crate::event::json;
use crate::policy::keys;

/// The text is not JSON as far as this file has to know.
struct Broken;

pub(super) fn scrub<'a>(patterns: &Patterns, body: &'a [u8]) -> Cow<'a, [u8]> {
    let Ok(text) = std::str::from_utf8(body) else {
        let text = String::from_utf8_lossy(body);
        return Cow::Owned(patterns.scrub_text(&text).into_owned().into_bytes());
    };
    let mut pass = Pass { patterns, text, out: Vec::new(), copied: 0, scratch: String::new() };
    match pass.run() {
        Ok(()) if pass.copied == 0 => Cow::Borrowed(body),
        Ok(()) => {
            pass.out.extend_from_slice(&body[pass.copied..]);
            Cow::Owned(pass.out)
        }
        Err(Broken) => match patterns.scrub_text(text) {
            Cow::Borrowed(_) => Cow::Borrowed(body),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
    }
}

struct Pass<'p, 'a> {
    patterns: &'p Patterns,
    text: &'a str,
    out: Vec<u8>,
    /// So much of the text is in `out` already; 0 while nothing has changed.
    copied: usize,
    scratch: String,
}

impl Pass<'_, '_> {
    fn run(&mut self) -> Result<(), Broken> {
        let bytes = self.text.as_bytes();
        let mut at = 0;
        let mut depth = 0_usize;
        let mut protected = false;
        // Under a key like `tokens` numbers are counts and texts are secrets, at any depth.
        let mut hidden_from = None;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    let (end, escaped) = string_end(bytes, at).ok_or(Broken)?;
                    let after =
                        end + bytes[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                    let inside = self.text.get(at + 1..end - 1).ok_or(Broken)?;
                    let is_key = bytes.get(after) == Some(&b':');
                    if is_key && hidden_from.is_none_or(|level| depth <= level) {
                        let hides = self.patterns.built_in
                            && self.patterns.keys.has_built_in()
                            && keys::hides_texts(inside);
                        hidden_from = hides.then_some(depth);
                    }
                    if is_key && depth == 1 {
                        protected = PROTECTED.contains(&inside);
                    }
                    if hidden_from.is_some_and(|level| depth >= level) && !is_key && !inside.is_empty() {
                        if !inside.starts_with("[redacted") {
                            self.replace(at, end, "[redacted: key]");
                        }
                    } else if depth != 1 || !protected {
                        self.string(at, end, inside, escaped)?;
                    }
                    at = after;
                }
                b'{' | b'[' => {
                    depth += 1;
                    at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(Broken)?;
                    hidden_from = hidden_from.filter(|level| depth >= *level);
                    at += 1;
                }
                b'0'..=b'9' => {
                    let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let follows = bytes.get(end).copied().unwrap_or(b',');
                    let before = at.checked_sub(1).map_or(b',', |before| bytes[before]);
                    let whole = !matches!(follows, b'.' | b'e' | b'E')
                        && !matches!(before, b'-' | b'.' | b'+' | b'e' | b'E');
                    let may = self.patterns.built_in && (depth != 1 || !protected);
                    if may && whole && (12..=19).contains(&(end - at)) && card::is_card(&bytes[at..end]) {
                        self.replace(at, end, "[redacted: card]");
                    }
                    at = end;
                }
                _ => at += 1,
            }
        }
        if depth == 0 { Ok(()) } else { Err(Broken) }
    }

    fn string(&mut self, start: usize, end: usize, inside: &str, escaped: bool) -> Result<(), Broken> {
        if !escaped {
            if let Cow::Owned(text) = self.patterns.scrub_text(inside) {
                self.replace(start, end, &text);
            }
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        if !json::unescape(inside, &mut scratch) {
            return Err(Broken);
        }
        if let Cow::Owned(text) = self.patterns.scrub_text(&scratch) {
            self.replace(start, end, &text);
        }
        self.scratch = scratch;
        Ok(())
    }

    fn replace(&mut self, start: usize, end: usize, text: &str) {
        self.out.extend_from_slice(&self.text.as_bytes()[self.copied..start]);
        json::write_str(&mut self.out, text, usize::MAX);
        self.copied = end;
    }
}

/// Past the closing quote of the string that begins here, and whether it holds a backslash.
fn string_end(bytes: &[u8], start: usize) -> Option<(usize, bool)> {
    let mut at = start + 1;
    let mut escaped = false;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some((at + 1, escaped));
        }
        escaped = true;
        at += 2;
    }
}
