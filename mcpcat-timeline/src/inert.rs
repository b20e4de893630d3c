//! Characters that make a reader see something else than what is there.
//!
//! Clients and models write what is kept here. A terminal obeys control characters, C1 ones too; bidirectional marks
//! turn a line around; invisible ones hide text in plain sight. Whatever leaves as text for people has them replaced,
//! whatever leaves as JSON has them escaped, which is the same value.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character acts on the text around it, or cannot be seen, instead of being shown.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
            // Line and paragraph separator, embeddings and overrides.
            | '\u{2028}'..='\u{202E}'
            // Invisible operators, isolates, deprecated format characters.
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            // Tags: a copy of ASCII that nothing shows.
            | '\u{E0000}'..='\u{E007F}')
}

/// The text with a space for each such character.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if acts(c) { ' ' } else { c }).collect())
}

/// The text with an escape as JSON has it for each such character. Of JSON on one line, the same JSON.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if acts(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a text cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\u{2066}\u{200f}\u{7f}\u{e0041}\u{2028}\r\n\tc";

    #[test]
    fn nothing_that_acts_is_left_and_what_is_shown_stays() {
        assert!(!plain(HOSTILE).contains(acts));
        assert!(!escaped(HOSTILE).contains(acts));
        for text in ["plain", "ünï ⚡ 漢字", "family: 👨\u{200d}👩\u{200d}👧", "עברית العربية"]
        {
            assert_eq!((plain(text), escaped(text)), (text.into(), text.into()));
        }
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({ "k\u{202e}": HOSTILE });
        let text = value.to_string();
        let safe = escaped(&text);
        assert!(!safe.contains(acts) && text.contains('\u{202e}'));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
