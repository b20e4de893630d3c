//! Secrets in XML and HTML: `<password>x</password>`, `<add key="Password" value="x"/>`. Attributes that are named like
//! secrets are assignments and found as such.

use super::Found;
use super::value;
use crate::policy::KeyPolicy;

/// The longest tag that is read.
const TAG_BYTES: usize = 1_024;
/// The longest text of an element that is looked at.
const CONTENT_BYTES: usize = 8_192;

/// This is the `<`.
pub(super) fn find(text: &str, at: usize, keys: &KeyPolicy) -> Option<Found> {
    let bytes = text.as_bytes();
    let start = at + 1;
    if !bytes.get(start)?.is_ascii_alphabetic() {
        return None;
    }
    let len = bytes[start..]
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte))
        .count();
    let name = text.get(start..start + len)?;
    let local = name.rsplit(':').next().unwrap_or(name);
    let tag = &bytes[start + len..bytes.len().min(start + len + TAG_BYTES)];
    let close = memchr::memchr3(b'>', b'<', b'\n', tag).filter(|&close| tag[close] == b'>')?;
    let attributes = &tag[..close];
    let content = start + len + close + 1;
    let sensitive = keys.redacts(local);
    let named = !sensitive
        && attribute(attributes, &[b"name", b"key", b"id", b"field"]).is_some_and(|(from, to)| {
            std::str::from_utf8(&attributes[from..to]).is_ok_and(|it| keys.redacts(it))
        });
    if !(sensitive || named) {
        return None;
    }
    if let Some((from, to)) = attribute(attributes, &[b"value", b"content"]).filter(|_| named || sensitive) {
        let found = &attributes[from..to];
        return (!found.is_empty() && !found.starts_with(value::REDACTED))
            .then(|| Found::new(start + len + from, start + len + to, "key"));
    }
    if attributes.ends_with(b"/") {
        return None;
    }
    inside(bytes, content, name.as_bytes())
}

/// The text of an element; what has elements inside is judged by them.
fn inside(bytes: &[u8], start: usize, name: &[u8]) -> Option<Found> {
    let bytes = &bytes[..bytes.len().min(start + CONTENT_BYTES)];
    let (mut from, mut to) = match bytes[start..].strip_prefix(b"<![CDATA[") {
        Some(rest) => (start + 9, start + 9 + memchr::memmem::find(rest, b"]]>")?),
        None => {
            let close = start + memchr::memchr(b'<', &bytes[start..])?;
            // A word in brackets is no element unless it is closed.
            if bytes.get(close + 1) != Some(&b'/') || !bytes[close + 2..].starts_with(name) {
                return None;
            }
            (start, close)
        }
    };
    while from < to && bytes[from].is_ascii_whitespace() {
        from += 1;
    }
    while to > from && bytes[to - 1].is_ascii_whitespace() {
        to -= 1;
    }
    let content = &bytes[from..to];
    let template = matches!(content.first()?, b'$' | b'{' | b'%');
    (!template && !content.starts_with(value::REDACTED)).then(|| Found::new(from, to, "key"))
}

/// Where the value of one of these attributes stands.
fn attribute(tag: &[u8], names: &[&[u8]]) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(equals) = memchr::memchr(b'=', &tag[at..]) {
        let equals = at + equals;
        let name = tag[..equals]
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-:".contains(byte))
            .count();
        let quote = *tag.get(equals + 1)?;
        let (from, to) = if matches!(quote, b'"' | b'\'') {
            let from = equals + 2;
            (from, from + memchr::memchr(quote, tag.get(from..)?)?)
        } else {
            let from = equals + 1;
            (
                from,
                from + tag[from..]
                    .iter()
                    .position(|byte| byte.is_ascii_whitespace() || *byte == b'/')
                    .unwrap_or(tag.len() - from),
            )
        };
        if names.iter().any(|wanted| tag[equals - name..equals].eq_ignore_ascii_case(wanted)) {
            return Some((from, to));
        }
        at = to;
    }
    None
}
