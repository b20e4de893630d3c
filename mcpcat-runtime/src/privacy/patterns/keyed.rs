//! Values that are secret because of the key before them, in text that is not structured for us: query strings,
//! connection strings, settings files, header lines, records of logs, `Debug` output, and JSON inside a string.

use super::Found;
use super::key::{self, Key, Mark, Place};
use super::value::{self, REDACTED};
use crate::policy::KeyPolicy;

/// So much of a header's value is looked at to decide.
const LOOK_BYTES: usize = 256;

/// Whether a word looks like a credential rather than like prose: it holds a digit, changes case inside or is
/// very long.
pub(super) fn looks_secret(word: &[u8]) -> bool {
    let digit = word.iter().any(u8::is_ascii_digit);
    let inner_case =
        word.iter().skip(1).any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase);
    let plain = !word.iter().any(|byte| matches!(byte, b'-' | b'.' | b'_' | b'/'));
    word.len() >= 8 && (digit || inner_case && plain || word.len() >= 24 && plain)
}

/// `…key=value`, `key = value`, `key => value`; this is the equals sign.
pub(super) fn assignment(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let (mark, after) = match bytes.get(at + 1) {
        Some(b'=' | b'~') => return named(text, at, at + 1, keys),
        Some(b'>') => (Mark::Arrow, at + 2),
        _ => (Mark::Equals, at + 1),
    };
    if at > 0 && bytes[at - 1] == b'=' {
        return None;
    }
    match key::before(text, at, mark, keys) {
        Some(key) if is_cookie(key.name) && key.place != Place::Parameter => cookie(bytes, &key, after),
        Some(key) => value::find(text, &key, after, keys),
        None => named(text, at, after, keys),
    }
}

/// `"key": value` in JSON, or `Key: value` in a line; this is the colon.
pub(super) fn member(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let after = at + 1;
    // `::`, `:=` and `://` are no such colons.
    if matches!(bytes.get(after), Some(b':' | b'='))
        || at > 0 && bytes[at - 1] == b':'
        || bytes[after..].starts_with(b"//")
    {
        return None;
    }
    match key::before(text, at, Mark::Colon, keys) {
        Some(key) if key.is_quoted() => value::find(text, &key, after, keys),
        Some(key) => in_line(text, &key, after).or_else(|| match is_cookie(key.name) {
            true => None,
            false => value::find(text, &key, after, keys),
        }),
        None => named(text, at, after, keys),
    }
}

fn is_cookie(name: &str) -> bool {
    name.eq_ignore_ascii_case("cookie") || name.eq_ignore_ascii_case("set-cookie")
}

fn cookie(bytes: &[u8], key: &Key<'_>, after: usize) -> Option<Found> {
    let start = after + value::blanks(bytes, after);
    let seen = &bytes[start..bytes.len().min(start + LOOK_BYTES)];
    let seen = &seen[..seen.iter().position(ends_header).unwrap_or(seen.len())];
    let fits = seen.contains(&b'=') && !seen.starts_with(REDACTED) && key.gap == 0;
    fits.then(|| Found::new(start, header_end(bytes, start), "cookie"))
}

fn header_end(bytes: &[u8], start: usize) -> usize {
    start + bytes[start..].iter().position(ends_header).unwrap_or(bytes.len() - start)
}

/// `Authorization: Bearer x`, `X-Api-Key: x`, `Cookie: a=b`.
fn in_line(text: &str, key: &Key<'_>, after: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let cookie_header = is_cookie(key.name);
    if !(cookie_header || key.name.contains('-') || key.name.eq_ignore_ascii_case("authorization")) {
        return None;
    }
    if cookie_header {
        return cookie(bytes, key, after);
    }
    let start = after + value::blanks(bytes, after);
    // Decided by the beginning; only what is taken is read to its end.
    let seen = &bytes[start..bytes.len().min(start + LOOK_BYTES)];
    let seen = &seen[..seen.iter().position(ends_header).unwrap_or(seen.len())];
    if seen.starts_with(REDACTED) {
        return None;
    }
    let mut words = seen.split(|byte| *byte == b' ');
    let first = words.next()?;
    const SCHEMES: [&[u8]; 9] = [
        b"bearer",
        b"basic",
        b"token",
        b"digest",
        b"apikey",
        b"negotiate",
        b"key",
        b"ntlm",
        b"aws4-hmac-sha256",
    ];
    let scheme = SCHEMES.iter().any(|scheme| first.eq_ignore_ascii_case(scheme));
    let (start, word) = match words.next() {
        Some(word) if scheme => (start + first.len() + 1, word),
        _ => (start, first),
    };
    if scheme
        && (first.eq_ignore_ascii_case(b"digest") || first.eq_ignore_ascii_case(b"aws4-hmac-sha256"))
        && word.contains(&b'=')
    {
        let end = value::line_end(bytes, start);
        return Some(Found::new(start, end, "header"));
    }
    let digit = word.len() >= 6 && word.iter().any(u8::is_ascii_digit);
    let secret = digit || word.len() >= 20 && word.iter().all(u8::is_ascii_graphic);
    let label = if first.eq_ignore_ascii_case(b"bearer") { "bearer token" } else { "header" };
    let ends = |byte: &u8| ends_header(byte) || *byte == b' ';
    let end = || start + bytes[start..].iter().position(ends).unwrap_or(bytes.len() - start);
    let code = word.iter().any(|byte| b"(){}<>$".contains(byte));
    if secret && !code && !word.starts_with(REDACTED) {
        return Some(Found::new(start, end(), label));
    }
    if scheme
        && !code
        && !word.is_empty()
        && key.place == Place::Line
        && words.next().is_none()
        && !word.starts_with(REDACTED)
    {
        return Some(Found::new(start, end(), label));
    }
    None
}

fn ends_header(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b'`')
}

/// The key stands in a value, and its value elsewhere: `"name": "password", "value": "x"`, `name: DB_PASSWORD` and
/// `value: x` on the next line, a form's `name="password"` and its part. This is the mark behind `name`.
fn named(text: &str, at: usize, after: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut end = at;
    while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b' ') && at - end < 3 {
        end -= 1;
    }
    let is_name = |names: &[&[u8]], end: usize| {
        names.iter().any(|name| {
            bytes[..end].len() >= name.len()
                && bytes[end - name.len()..end].eq_ignore_ascii_case(name)
                && (end == name.len() || !bytes[end - name.len() - 1].is_ascii_alphanumeric())
        })
    };
    if !is_name(&[b"name", b"key", b"field", b"header"], end) {
        return None;
    }
    let start = after + value::blanks(bytes, after);
    let quote = bytes.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    let start = start + usize::from(quote.is_some());
    let len = bytes[start.min(bytes.len())..]
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte))
        .count();
    let name = text.get(start..start + len).filter(|name| !name.is_empty())?;
    let mut at = start + len;
    if quote.is_some() {
        if bytes.get(at) != quote.as_ref() {
            return None;
        }
        at += 1;
    }
    if !keys.redacts(name) {
        return None;
    }
    // A part of a form: its value is what follows the empty line.
    for gap in [&b"\r\n\r\n"[..], b"\n\n"] {
        if bytes[at..].starts_with(gap) {
            let start = at + gap.len();
            let end = value::line_end(bytes, start);
            let content = &bytes[start..end];
            return (quote.is_some() && !content.is_empty() && !content.starts_with(REDACTED))
                .then(|| Found::new(start, end, "parameter"));
        }
    }
    let gap = bytes[at..]
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_whitespace() || b",;\"'".contains(byte))
        .count();
    at += gap;
    let len = [&b"value"[..], b"val"]
        .iter()
        .find(|word| bytes.get(at..at + word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word)))?
        .len();
    if gap == 0 {
        return None;
    }
    at += len;
    at += bytes[at..].iter().take(3).take_while(|byte| matches!(byte, b'"' | b'\'' | b' ')).count();
    if !matches!(bytes.get(at), Some(b':' | b'=')) {
        return None;
    }
    let start = at + 1 + value::blanks(bytes, at + 1);
    match *bytes.get(start)? {
        quote @ (b'"' | b'\'') => {
            let end = value::string_end(bytes, start + 1, quote)?;
            let content = &bytes[start + 1..end];
            (!content.is_empty() && !content.starts_with(REDACTED) && !content.starts_with(b"${"))
                .then(|| Found::new(start + 1, end, "key"))
        }
        _ => {
            let end = start
                + bytes[start..]
                    .iter()
                    .position(|byte| byte.is_ascii_whitespace() || b",}<>&\"'\\".contains(byte))
                    .unwrap_or(bytes.len() - start);
            let content = &bytes[start..end];
            (!content.is_empty()
                && !content.starts_with(REDACTED)
                && !matches!(content[0], b'{' | b'[' | b'$'))
            .then(|| Found::new(start, end, "key"))
        }
    }
}

/// `password hunter2`, `IDENTIFIED BY 'x'`, `machine h login ada password x`: nothing but blanks stands between. This is
/// the first letter of a word.
pub(super) fn apart(text: &str, at: usize, end: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let word = &bytes[at..end];
    let is = |words: &[&[u8]]| words.iter().any(|entry| word.eq_ignore_ascii_case(entry));
    let start = end + value::blanks(bytes, end);
    if start == end {
        return None;
    }
    let password =
        is(&[b"password", b"passwd", b"passphrase", b"pwd", b"passcode", b"requirepass", b"masterauth"]);
    let secret = is(&[b"token", b"secret", b"apikey", b"credential"]);
    let before = bytes[at.saturating_sub(LOOK_BYTES)..at].trim_ascii_end();
    let identified =
        is(&[b"by"]) && before.len() >= 10 && before[before.len() - 10..].eq_ignore_ascii_case(b"identified");
    if !(password || secret || identified) {
        return None;
    }
    let mut from = start;
    // `the password is hunter2`
    for glue in [&b"is "[..], b"was "] {
        if bytes[from..].starts_with(glue) {
            from += glue.len();
        }
    }
    if let quote @ (b'"' | b'\'') = *bytes.get(from)? {
        let close = value::string_end(&bytes[..bytes.len().min(from + LOOK_BYTES)], from + 1, quote)?;
        let content = &bytes[from + 1..close];
        let word = !content.iter().any(u8::is_ascii_whitespace)
            && !content.starts_with(REDACTED)
            && content.iter().any(u8::is_ascii_alphanumeric);
        let taken = word
            && (identified
                || password
                    && (!value::is_plain(content)
                        || text[..at].trim_end().ends_with(['=', '('])
                        || speaks_sql(bytes, at))
                || value::is_strong(content) && content.len() >= 12 && password);
        return taken.then(|| Found::new(from + 1, close, "key"));
    }
    let len = bytes[from..]
        .iter()
        .take(LOOK_BYTES)
        .position(|byte| byte.is_ascii_whitespace() || b"\"'`<>".contains(byte))
        .unwrap_or(bytes.len() - from);
    let mut content = &bytes[from..from + len];
    while let [rest @ .., b'.' | b',' | b';' | b')' | b':' | b']' | b'}'] = content {
        content = rest;
    }
    if content.len() < 6
        || content.starts_with(REDACTED)
        || content.contains(&b'(')
        || content.contains(&b'=')
        || content[0] == b'$'
        || content[0] == b'{'
    {
        return None;
    }
    let mixed = content.iter().any(u8::is_ascii_digit) && content.iter().any(u8::is_ascii_alphabetic);
    let path = content.iter().any(|byte| b"/:\\".contains(byte));
    let taken = if password {
        value::is_strong(content) && !path && !value::is_named(content)
    } else {
        // A secret's or a token's name looks like these too.
        secret
            && mixed
            && content.len() >= 16
            && content.iter().all(|byte| byte.is_ascii_alphanumeric())
            && content.iter().any(u8::is_ascii_uppercase)
            && content.iter().any(u8::is_ascii_lowercase)
    };
    taken.then(|| Found::new(from, from + content.len(), "key"))
}

/// `ALTER USER ada WITH PASSWORD 'x'`
fn speaks_sql(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(LOOK_BYTES)..at];
    before.windows(5).any(|word| word.eq_ignore_ascii_case(b"user ") || word.eq_ignore_ascii_case(b"role "))
}
