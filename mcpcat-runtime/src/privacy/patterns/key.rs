//! The key before a mark (`:`, `=`, `=>`), and what its surroundings say about the value behind the mark.

use crate::policy::KeyPolicy;
use crate::policy::keys::hides_texts;

/// Longest key looked at.
const KEY_BYTES: usize = 64;
/// Blanks between a key and its mark.
const GAP_BYTES: usize = 16;

/// What stands between a key and its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Colon,
    Equals,
    /// `=>`
    Arrow,
}

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In quotes: JSON, dictionaries, objects.
    Quoted,
    /// In a URL, a form or a connection string: after `?`, `&`, `;`.
    Parameter,
    /// `--key`
    Flag,
    /// The text is this pair and nothing else.
    Alone,
    /// First on its line.
    Line,
    /// Among words.
    Loose,
}

pub(super) struct Key<'t> {
    pub(super) name: &'t str,
    pub(super) start: usize,
    pub(super) mark: Mark,
    pub(super) place: Place,
    /// Blanks before the mark.
    pub(super) gap: usize,
    /// Where the quote behind it is, in the text.
    pub(super) quote: Option<(usize, usize)>,
    /// It holds texts that are secrets, and its numbers are counts: `tokens`.
    texts_only: bool,
}

/// Names of query parameters that sign or authorise a request, beyond the sensitive keys.
fn is_signature(key: &str) -> bool {
    ["sig", "x-amz-credential", "x-goog-credential"].iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The sensitive key that ends at the mark.
pub(super) fn before<'t>(text: &'t str, at: usize, mark: Mark, keys: &KeyPolicy) -> Option<Key<'t>> {
    let bytes = text.as_bytes();
    let mut end = at;
    let back = |end: usize| {
        bytes[..end].iter().rev().take(GAP_BYTES).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    };
    let mut gap = back(end);
    end -= gap;
    // The quote of a key may be lines away.
    if matches!(bytes[..end].last()?, b'\n' | b'\r') {
        let wide =
            bytes[..end].iter().rev().take(GAP_BYTES).take_while(|byte| byte.is_ascii_whitespace()).count();
        if bytes[..end - wide].last() != Some(&b'"') {
            return None;
        }
        end -= wide;
    }
    match *bytes[..end].last()? {
        // `:=`
        b':' if mark == Mark::Equals => {
            end -= 1;
            gap += back(end) + 1;
            end -= back(end);
        }
        // `password?: string`, `**Password**: x`
        b'?' if mark == Mark::Colon => end -= 1,
        b'*' if mark == Mark::Colon && bytes[..end].ends_with(b"**") => end -= 2,
        // `config["password"] = "x"`
        b']' if bytes[..end].ends_with(b"\"]") || bytes[..end].ends_with(b"']") => end -= 1,
        _ => {}
    }
    match *bytes[..end].last()? {
        quote @ (b'"' | b'\'' | b'`') => in_quotes(text, end - 1, quote, mark, gap, keys),
        _ => bare(text, end, mark, gap, keys),
    }
}

fn in_quotes<'t>(
    text: &'t str,
    quote_at: usize,
    quote: u8,
    mark: Mark,
    gap: usize,
    keys: &KeyPolicy,
) -> Option<Key<'t>> {
    let bytes = text.as_bytes();
    let is_key = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-. []$:@/".contains(byte) || **byte >= 0x80;
    let len = bytes[..quote_at].iter().rev().take(KEY_BYTES).take_while(is_key).count();
    let start = quote_at - len;
    if len == 0 || start == 0 || bytes[start - 1] != quote {
        return None;
    }
    let name = text.get(start..quote_at)?;
    let texts_only = hides_texts(name) && keys.has_built_in();
    let sensitive = keys.redacts(name) || texts_only;
    let quote = Some((quote_at, quote_at + 1));
    sensitive.then_some(Key { name, start, mark, place: Place::Quoted, gap, quote, texts_only })
}

fn bare<'t>(text: &'t str, end: usize, mark: Mark, gap: usize, keys: &KeyPolicy) -> Option<Key<'t>> {
    let bytes = text.as_bytes();
    let is_key = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.%[]$@".contains(byte);
    let len = bytes[..end].iter().rev().take(KEY_BYTES).take_while(is_key).count();
    let mut start = end - len;
    // Under `\n` of JSON in a string the key has the `n` in front of it.
    if len > 1 && start > 0 && bytes[start - 1] == b'\\' && matches!(bytes[start], b'n' | b't' | b'r') {
        start += 1;
    }
    let flag =
        bytes[start..end].starts_with(b"-") && bytes[start..end].len() > 1 && touches_blank(bytes, start);
    let name = text.get(start..end)?.trim_start_matches(['-', '@', '.']);
    // The end of a label that stands for a secret is no key.
    let label = name.contains("[redacted") || name.ends_with(']') && !name.contains('[');
    if name.is_empty() || label {
        return None;
    }
    let touching = start.checked_sub(1).map(|before| bytes[before]);
    let before = bytes[..start].iter().rev().take(GAP_BYTES).find(|byte| **byte != b' ').copied();
    let parameter = mark == Mark::Equals
        && gap == 0
        && (matches!(touching, Some(b'?' | b'&' | b'#')) || before == Some(b';'));
    let mut sensitive = keys.redacts(name) || parameter && is_signature(name);
    let mut texts_only = false;
    if !sensitive {
        texts_only = hides_texts(name) && keys.has_built_in();
        sensitive = texts_only;
    }
    let mut name = name;
    if !sensitive && touching == Some(b' ') && is_last_word(name) {
        // `API key`, `Account Key`: the words before belong to it.
        let longer = phrase(text, start, end)?;
        sensitive = keys.redacts(longer);
        start = end - longer.len();
        name = longer;
    }
    if !sensitive {
        return None;
    }
    let place = if parameter {
        Place::Parameter
    } else if flag && mark == Mark::Equals {
        Place::Flag
    } else if mark == Mark::Equals && start == 0 && gap == 0 && !text.contains(' ') {
        Place::Alone
    } else if opens_line(bytes, start) {
        Place::Line
    } else {
        Place::Loose
    };
    Some(Key { name, start, mark, place, gap, quote: None, texts_only })
}

fn touches_blank(bytes: &[u8], start: usize) -> bool {
    start.checked_sub(1).is_none_or(|before| !bytes[before].is_ascii_alphanumeric())
}

/// Words that say little alone and end the name of a secret.
fn is_last_word(word: &str) -> bool {
    ["key", "keys", "code", "number", "phrase", "string", "pass", "pin", "no", "id", "word", "card"]
        .iter()
        .any(|entry| word.eq_ignore_ascii_case(entry))
}

/// The last word with up to two before it.
fn phrase(text: &str, start: usize, end: usize) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut from = start;
    for _ in 0..2 {
        if from == 0 || bytes[from - 1] != b' ' {
            break;
        }
        let word =
            bytes[..from - 1].iter().rev().take(20).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        if word == 0 {
            break;
        }
        from -= word + 1;
    }
    text.get(from..end)
}

/// Whether it is the first of a line or of a quoted text: only blanks, a list's dash or a keyword of a shell stands before it on its line.
fn opens_line(bytes: &[u8], start: usize) -> bool {
    let mut at = start;
    let skip = |at: usize, also: &[u8]| {
        bytes[..at]
            .iter()
            .rev()
            .take(80)
            .take_while(|byte| matches!(byte, b' ' | b'\t') || also.contains(byte))
            .count()
    };
    at -= skip(at, b"-*>|");
    for word in [&b"export"[..], b"set", b"ENV", b"declare", b"local", b"SET"] {
        if bytes[..at].ends_with(word) {
            at -= word.len();
            at -= skip(at, b"-*>|");
            break;
        }
    }
    at == 0
        || matches!(bytes[at - 1], b'\n' | b'\r' | b'"' | b'\'' | b'`')
        || at >= 2 && bytes[at - 2] == b'\\' && matches!(bytes[at - 1], b'n' | b'r')
}

impl Key<'_> {
    pub(super) fn is_quoted(&self) -> bool {
        self.place == Place::Quoted
    }

    pub(super) fn label(&self) -> &'static str {
        match (self.place, self.mark) {
            (Place::Quoted, _) | (_, Mark::Colon | Mark::Arrow) => "key",
            _ => "parameter",
        }
    }

    /// Numbers under it are counts.
    pub(super) fn counts_texts_only(&self) -> bool {
        self.texts_only
    }

    pub(super) fn is_plural(&self) -> bool {
        self.texts_only
            || self.name.ends_with(['s', 'S']) && !self.name.ends_with("ss") && !self.name.ends_with("SS")
    }

    pub(super) fn is_long(&self) -> bool {
        self.name.len() >= 5
    }

    pub(super) fn is_password(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        ["password", "passwd", "passphrase", "pwd"].iter().any(|word| name.contains(word)) || name == "pw"
    }

    /// Whether so many digits can be its value, where keys and values stand among words: `pin=17` is a line of a chip.
    pub(super) fn may_be_number(&self, digits: usize) -> bool {
        let name = self.name.to_ascii_lowercase();
        let short = ["pin", "otp", "cvv", "cvc", "cvn", "csc", "code", "ssn", "card"]
            .iter()
            .any(|word| name.contains(word));
        if short {
            (3..=16).contains(&digits)
        } else if self.is_password() {
            digits >= 3
        } else {
            digits >= 8
        }
    }

    /// `unexpected token`, `invalid password`: words of a parser or a form.
    pub(super) fn is_complained_of(&self, bytes: &[u8]) -> bool {
        if !self.name.eq_ignore_ascii_case("token") && !self.name.eq_ignore_ascii_case("tokens") {
            return false;
        }
        let before = &bytes[..self.start];
        let word = before.trim_ascii_end();
        let len = word.iter().rev().take(20).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &word[word.len() - len..];
        [
            &b"unexpected"[..],
            b"expected",
            b"invalid",
            b"unknown",
            b"bad",
            b"next",
            b"illegal",
            b"stray",
            b"this",
            b"found",
            b"last",
            b"first",
            b"previous",
            b"end",
        ]
        .iter()
        .any(|entry| word.eq_ignore_ascii_case(entry))
    }

    /// Behind `(` or `,`: an argument of a call, or a member of a record.
    pub(super) fn is_argument(&self, bytes: &[u8]) -> bool {
        let before =
            bytes[..self.start].iter().rev().take(GAP_BYTES).find(|byte| !byte.is_ascii_whitespace());
        matches!(before, Some(b'(' | b','))
    }

    /// Whether it names the directory that a shell is in.
    pub(super) fn is_directory(&self, content: &[u8]) -> bool {
        let path = matches!(content.first(), Some(b'/' | b'~' | b'.')) || content.get(1) == Some(&b':');
        path && (self.name.eq_ignore_ascii_case("pwd") || self.name.eq_ignore_ascii_case("oldpwd"))
    }

    /// Behind `{`, `(`, `[`, `,` or at the beginning.
    pub(super) fn in_record(&self, bytes: &[u8]) -> bool {
        let before =
            bytes[..self.start].iter().rev().take(GAP_BYTES).find(|byte| !byte.is_ascii_whitespace());
        matches!(before, None | Some(b'(' | b',' | b'{' | b'['))
    }

    /// How far its line is indented.
    pub(super) fn indent(&self, bytes: &[u8]) -> usize {
        bytes[..self.start].iter().rev().take(80).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }
}
