//! Looks at raw bytes before any parser that recurses sees them.
//!
//! Two things must not reach a JSON parser as they are: nesting deep enough to exhaust a stack, and the halves of
//! surrogate pairs that JavaScript senders leave behind when they cut a text at a UTF-16 unit.

use memchr::memchr2;

use super::Refusal;

/// How deep objects and arrays may nest, the event itself included.
pub(crate) const MAX_DEPTH: usize = 128;

/// Checks encoding and depth, and replaces lone surrogate escapes by U+FFFD in place.
pub(crate) fn prepare(body: &mut [u8]) -> Result<&str, Refusal> {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < body.len() {
        match body[at] {
            b'"' => at = end_of_text(body, at + 1),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Refusal::bad(format!(
                        "the body nests deeper than {MAX_DEPTH} levels (byte {at}); flatten it or cut it"
                    )));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    std::str::from_utf8(body)
        .map_err(|error| Refusal::bad(format!("the body is not valid UTF-8 (byte {})", error.valid_up_to())))
}

/// The place of the quotation mark that ends a text, or the end of the body. Most bytes of an event are inside texts.
fn end_of_text(body: &mut [u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if body[at] == b'"' {
            return at;
        }
        at += escape(body, at);
    }
    body.len()
}

/// Steps over one escape and returns its length; a lone surrogate is overwritten.
fn escape(body: &mut [u8], at: usize) -> usize {
    let Some(unit) = unit(body, at) else { return 2 };
    match unit {
        0xD800..=0xDBFF => match self::unit(body, at + 6) {
            Some(0xDC00..=0xDFFF) => 12,
            _ => blank(body, at),
        },
        0xDC00..=0xDFFF => blank(body, at),
        _ => 6,
    }
}

fn blank(body: &mut [u8], at: usize) -> usize {
    body[at..at + 6].copy_from_slice(b"\\ufffd");
    6
}

fn unit(body: &[u8], at: usize) -> Option<u16> {
    let text = body.get(at..at + 6)?;
    if &text[..2] != b"\\u" || !text[2..].iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(&text[2..]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Result<String, Refusal> {
        let mut bytes = text.as_bytes().to_vec();
        prepare(&mut bytes).map(str::to_owned)
    }

    #[test]
    fn depth_counts_brackets_outside_of_texts_only() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(after(&deep(MAX_DEPTH)).is_ok());
        assert!(after(&deep(MAX_DEPTH + 1)).unwrap_err().message.contains("128"));
        assert!(after(&deep(200_000)).is_err());
        assert!(after(&format!("\"{}\"", "[".repeat(500))).is_ok());
        assert!(after(&format!("[\"\\\"{}\"]", "{".repeat(500))).is_ok());
        assert!(after(&"[]".repeat(1000)).is_ok(), "siblings are not depth");
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        assert_eq!(after(r#""cut \ud83d""#).unwrap(), r#""cut \ufffd""#);
        assert_eq!(after(r#""\ude00 x""#).unwrap(), r#""\ufffd x""#);
        assert_eq!(after(r#""\uD83D\uDE00""#).unwrap(), r#""\uD83D\uDE00""#);
        assert_eq!(after(r#""\\ud83d""#).unwrap(), r#""\\ud83d""#, "an escaped backslash is no escape");
        assert_eq!(after(r#""\ud83dx\ud83d\ude00""#).unwrap(), r#""\ufffdx\ud83d\ude00""#);
    }

    #[test]
    fn broken_encoding_and_cut_input_do_not_panic() {
        let mut bytes = b"{\"a\":\"\xff\"}".to_vec();
        assert!(prepare(&mut bytes).unwrap_err().message.contains("UTF-8"));
        for text in ["\"\\", "\"\\u", "\"\\ud8", "\"\\ud83d\\u", "{", ""] {
            assert!(after(text).is_ok(), "{text:?} is for the parser to judge");
        }
    }
}
