//! Values that are secret because of the key before them, in text that is not structured for us: query strings,
//! connection strings, environment files, flags, header lines, and JSON inside a string at any level of escaping.

use super::Found;
use crate::policy::KeyPolicy;

/// Longest key looked at.
const KEY_BYTES: usize = 64;
/// So much of a header's value is looked at to decide.
const LOOK_BYTES: usize = 256;
const REDACTED: &[u8] = b"[redacted";

/// Whether a word looks like a credential rather than like prose: it holds a digit, changes case inside or is
/// very long.
pub(super) fn looks_secret(word: &[u8]) -> bool {
    let digit = word.iter().any(u8::is_ascii_digit);
    let inner_case =
        word.iter().skip(1).any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    let plain = !word.iter().any(|byte| matches!(byte, b'-' | b'.' | b'_' | b'/'));
    word.len() >= 8 && (digit || inner_case && plain || word.len() >= 24 && plain)
}

/// The key that ends before `end`: its start.
fn key_before(bytes: &[u8], end: usize, also: &[u8]) -> usize {
    let is_key = |byte: &&u8| byte.is_ascii_alphanumeric() || also.contains(byte);
    end - bytes[..end].iter().rev().take(KEY_BYTES).take_while(is_key).count()
}

/// Names of query parameters that sign or authorise a request, beyond the sensitive keys.
fn is_signature(key: &str) -> bool {
    [
        "sig",
        "signature",
        "x-amz-signature",
        "x-amz-credential",
        "x-goog-signature",
        "x-goog-credential",
        "client_assertion",
    ]
    .iter()
    .any(|name| key.eq_ignore_ascii_case(name))
}

/// `…key=value`; this is the equals sign.
pub(super) fn assignment(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let start = key_before(bytes, at, b"_-.%[]$");
    let flag = bytes[start..at].starts_with(b"--");
    let key = text[start..at].trim_start_matches('-');
    if key.is_empty() {
        return None;
    }
    let before = bytes[..start].iter().rposition(|byte| *byte != b' ').map(|before| bytes[before]);
    let touching = start.checked_sub(1).map(|before| bytes[before]);
    let parameter = matches!(touching, Some(b'?' | b'&' | b'#')) || before == Some(b';');
    let shouted = !key.bytes().any(|byte| byte.is_ascii_lowercase());
    let apart = touching.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`'));
    // Under `\n` of JSON in a string the key has the `n` in front of it.
    let whole = start == 0 && !text.contains(' ');
    if !(parameter || flag || whole || shouted && apart || after_escape(bytes, start)) {
        return None;
    }
    let key = if after_escape(bytes, start) { &key[1..] } else { key };
    if !(keys.redacts(key) || parameter && is_signature(key)) {
        return None;
    }
    let value = at + 1;
    let quote = bytes.get(value).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let (value, len) = match quote {
        Some(quote) => {
            let rest = &bytes[value + 1..];
            (
                value + 1,
                rest.iter().take_while(|&&byte| byte != quote && byte != b'\\' && byte != b'\n').count(),
            )
        }
        None => {
            let ends = |byte: &u8| byte.is_ascii_whitespace() || br#"&"'#;<>\)`,"#.contains(byte);
            (value, bytes[value..].iter().take_while(|byte| !ends(byte)).count())
        }
    };
    let content = &bytes[value..value + len];
    let first = *content.first()?;
    // Outside of a URL, code, templates and comparisons are no values.
    let is_code = matches!(first, b'$' | b'{' | b'<' | b'%' | b'*') || content.contains(&b'(');
    let is_value = first != b'=' && !content.starts_with(REDACTED) && (parameter || !is_code);
    is_value.then(|| Found::new(value, value + len, "parameter"))
}

fn after_escape(bytes: &[u8], start: usize) -> bool {
    start > 0 && bytes[start - 1] == b'\\' && bytes.get(start) == Some(&b'n')
}

/// `"key": value` in JSON, or `Key: value` in a line; this is the colon.
pub(super) fn member(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let key_end = bytes[..at].iter().rposition(|byte| *byte != b' ')? + 1;
    match bytes[key_end - 1] {
        quote @ (b'"' | b'\'') => in_json(text, at, key_end - 1, quote, keys),
        _ if key_end == at => in_line(text, at, keys),
        _ => None,
    }
}

fn backslashes(bytes: &[u8], end: usize) -> usize {
    bytes[..end].iter().rev().take_while(|&&byte| byte == b'\\').count()
}

fn in_json(text: &str, colon: usize, quote_at: usize, quote: u8, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let level = backslashes(bytes, quote_at);
    let key_end = quote_at - level;
    let key = key_before(bytes, key_end, b"_-. []$");
    if key == key_end || key == 0 || bytes[key - 1] != quote || !keys.redacts(&text[key..key_end]) {
        return None;
    }
    let value = colon + 1 + bytes[colon + 1..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let opening = bytes[value..].iter().take_while(|&&byte| byte == b'\\').count();
    let first = *bytes.get(value + opening)?;
    match first {
        b'"' | b'\'' if opening == level => {
            let start = value + opening + 1;
            let end = string_end(bytes, start, first, level).unwrap_or(bytes.len());
            let content = &bytes[start..end];
            (!content.is_empty() && !content.starts_with(REDACTED)).then(|| Found::new(start, end, "key"))
        }
        b'0'..=b'9' | b'-' if opening == 0 => {
            let len =
                bytes[value..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
            Some(Found { quotes: Some(level), ..Found::new(value, value + len, "key") })
        }
        b'{' | b'[' if opening == 0 => {
            // One that was cut off reaches to the end.
            let end = container_end(bytes, value, level).unwrap_or(bytes.len());
            Some(Found { quotes: Some(level), ..Found::new(value, end, "key") })
        }
        _ => None,
    }
}

/// Where the string's content ends. At a level of escaping with so many backslashes before each quote, a
/// backslash of the content is twice that and two more, so the closing quote's run is told by its remainder.
fn string_end(bytes: &[u8], start: usize, quote: u8, level: usize) -> Option<usize> {
    let mut from = start;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|&byte| byte == quote)?;
        let run = backslashes(&bytes[start..at], at - start);
        if run % (2 * (level + 1)) == level {
            return Some(at - level);
        }
        from = at + 1;
    }
}

fn container_end(bytes: &[u8], start: usize, level: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => at = string_end(bytes, at + 1, b'"', level)? + level,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// `Authorization: Bearer x`, `X-Api-Key: x`, `Cookie: a=b`, and `password: x` alone on its line.
fn in_line(text: &str, colon: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let key = key_before(bytes, colon, b"_-");
    let name = &text[key..colon];
    let is = |header: &str| name.eq_ignore_ascii_case(header);
    let cookie = is("cookie") || is("set-cookie");
    let header = cookie || name.contains('-') || is("authorization");
    let indent = bytes[..key].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'-')).count();
    let own_line = key == indent || matches!(bytes[key - indent - 1], b'\n' | b'\r');
    if name.is_empty() || !(header || own_line) || !keys.redacts(name) {
        return None;
    }
    let start = colon + 1 + bytes[colon + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    // Decided by the beginning; only what is taken is read to its end.
    let seen = &bytes[start..bytes.len().min(start + LOOK_BYTES)];
    let seen = &seen[..seen.iter().position(ends_line).unwrap_or(seen.len())];
    if seen.starts_with(REDACTED) {
        return None;
    }
    let up_to = |start: usize, ends: fn(&u8) -> bool| {
        start + bytes[start..].iter().position(ends).unwrap_or(bytes.len() - start)
    };
    if cookie {
        return seen.contains(&b'=').then(|| Found::new(start, up_to(start, ends_line), "cookie"));
    }
    let mut words = seen.split(|byte| *byte == b' ');
    let first = words.next()?;
    let digit = |word: &[u8]| word.len() >= 6 && word.iter().any(u8::is_ascii_digit);
    if header {
        const SCHEMES: [&[u8]; 7] =
            [b"bearer", b"basic", b"token", b"digest", b"apikey", b"negotiate", b"key"];
        let scheme = SCHEMES.iter().any(|scheme| first.eq_ignore_ascii_case(scheme));
        let (start, word) = match words.next() {
            Some(word) if scheme => (start + first.len() + 1, word),
            _ => (start, first),
        };
        let secret = digit(word) || word.len() >= 20 && word.iter().all(u8::is_ascii_graphic);
        let label = if first.eq_ignore_ascii_case(b"bearer") { "bearer token" } else { "header" };
        let ends = |byte: &u8| ends_line(byte) || *byte == b' ';
        return (secret && !word.starts_with(REDACTED)).then(|| Found::new(start, up_to(start, ends), label));
    }
    let plain = seen.len() < LOOK_BYTES && !seen.iter().any(|byte| b" <>(){}[],;$&|:".contains(byte));
    (plain && start > colon + 1 && digit(first)).then(|| Found::new(start, start + first.len(), "key"))
}

fn ends_line(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\')
}
