//! Secrets behind escapes: `\u0070assword`, `\"password\": \"x\"` at any level, `p%61ssword%3Dx`, `&lt;password&gt;`. A
//! text with escapes is read once more for each of its levels, decoded by one level each time; what is found is traced
//! back to the text as it stands.

use super::scan;
use super::{Found, Patterns};

/// Levels of escaping that are looked through, which bounds the work to so many times the text. A level that has no
/// escapes ends it.
const LEVELS: usize = 12;
/// Longest word that is looked at beside a blank.
const WORD_BYTES: usize = 24;

/// A text without its outermost escapes, and where its pieces came from.
struct View {
    text: String,
    /// Places of the decoded text and of the one it came from, ascending: between two of them both advance alike.
    steps: Vec<(usize, usize)>,
}

/// Adds what is found in the text's decoded forms.
pub(super) fn find(text: &str, patterns: &Patterns, all: &mut Vec<Found>) {
    if has_only_blanks_between_words(text) {
        return;
    }
    let mut views: Vec<View> = Vec::new();
    while views.len() < LEVELS {
        let Some(view) = View::of(views.last().map_or(text, |view| &view.text)) else {
            return;
        };
        views.push(view);
        let Some(view) = views.last() else { return };
        let mut at = 0;
        while let Some(mut found) = scan::find(&view.text, at, patterns) {
            at = found.end;
            for view in views.iter().rev() {
                found.start = view.origin(found.start);
                found.end = view.origin(found.end);
                found.quote = found.quote.map(|(start, end)| (view.origin(start), view.origin(end)));
            }
            all.push(found);
        }
    }
}

impl View {
    /// `None` if there is nothing to decode.
    fn of(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let mut view = Self { text: String::new(), steps: Vec::new() };
        let (mut at, mut copied) = (0, 0);
        while let Some(mark) = memchr::memchr3(b'\\', b'%', b'&', &bytes[at..]) {
            let start = at + mark;
            let Some((character, len)) = escape(bytes, start) else {
                at = start + if bytes[start] == b'\\' { 2 } else { 1 };
                if at >= bytes.len() {
                    break;
                }
                continue;
            };
            view.text.push_str(&text[copied..start]);
            view.steps.push((view.text.len(), start));
            view.text.push(character);
            at = start + len;
            copied = at;
            view.steps.push((view.text.len(), at));
        }
        if copied == 0 {
            return None;
        }
        view.text.push_str(&text[copied..]);
        Some(view)
    }

    fn origin(&self, at: usize) -> usize {
        let next = self.steps.partition_point(|&(decoded, _)| decoded <= at);
        next.checked_sub(1).map_or(at, |step| self.steps[step].1 + at - self.steps[step].0)
    }
}

/// Whether all its escapes are blanks between words of prose, as `%20` is in most addresses: then decoding shows nothing
/// new, and costs as much as reading the text again.
fn has_only_blanks_between_words(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut at, mut word) = (0, 0);
    while let Some(mark) = memchr::memchr3(b'\\', b'%', b'&', &bytes[at..]) {
        let start = at + mark;
        match escape(bytes, start) {
            Some((' ', len)) if is_between_words(bytes, word, start, start + len) => at = start + len,
            Some(_) => return false,
            // A backslash says something about what follows it.
            None if bytes[start] == b'\\' => return false,
            None => at = start + 1,
        }
        word = at;
    }
    true
}

/// Whether the escape from `start` to `end` stands between two words, neither of which could name a value; the one
/// before it begins at `from` or later.
fn is_between_words(bytes: &[u8], from: usize, start: usize, end: usize) -> bool {
    let letters = |byte: &&u8| byte.is_ascii_alphabetic();
    let before = bytes[from..start].iter().rev().take(WORD_BYTES).take_while(letters).count();
    let after = bytes[end..].iter().take(WORD_BYTES).take_while(letters).count();
    let may_name = |at: usize, len: usize| len == 0 || len == WORD_BYTES || scan::may_be_key(bytes[at], len);
    let ends = matches!(bytes.get(end + after), None | Some(b'%' | b'&' | b'+' | b'/' | b' ' | b'\n'));
    !may_name(start - before, before) && !may_name(end, after) && ends && !bytes[..start].ends_with(b"BEGIN")
}

/// What an escape stands for, and its length.
fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    match bytes[at] {
        b'\\' => {
            let character = match *bytes.get(at + 1)? {
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                quote @ (b'"' | b'\'' | b'\\' | b'/') => char::from(quote),
                b'u' => return Some((char::from_u32(hex(bytes, at + 2, 4)?)?, 6)),
                b'x' => {
                    return Some((char::from_u32(hex(bytes, at + 2, 2)?).filter(char::is_ascii)?, 4));
                }
                _ => return None,
            };
            Some((character, 2))
        }
        b'%' => Some((char::from_u32(hex(bytes, at + 1, 2)?).filter(char::is_ascii)?, 3)),
        _ => {
            const ENTITIES: [(&[u8], char); 9] = [
                (b"&lt;", '<'),
                (b"&gt;", '>'),
                (b"&quot;", '"'),
                (b"&amp;", '&'),
                (b"&apos;", '\''),
                (b"&#39;", '\''),
                (b"&#34;", '"'),
                (b"&#x27;", '\''),
                (b"&#x22;", '"'),
            ];
            let (entity, character) = ENTITIES.iter().find(|(entity, _)| bytes[at..].starts_with(entity))?;
            Some((*character, entity.len()))
        }
    }
}

fn hex(bytes: &[u8], at: usize, len: usize) -> Option<u32> {
    let digits = bytes.get(at..at + len)?;
    digits.iter().try_fold(0, |sum, &digit| Some(sum << 4 | char::from(digit).to_digit(16)?))
}
