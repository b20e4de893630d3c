//! Words in events: the condition that finds them, and the piece of an event to show for them.

use rusqlite::types::Value;

/// Characters shown on either side of a match.
const AROUND: usize = 48;

/// A condition that is true where the words occur in a column of JSON text, and its values.
///
/// A text stands in JSON as it is or, from senders that write ASCII only, as escapes of its UTF-16 units.
pub(super) fn like(column: &str, words: &str) -> (String, Vec<Value>) {
    let plain = crate::event::quoted(words);
    let plain = &plain[1..plain.len() - 1];
    let mut forms = vec![plain.to_owned()];
    if !plain.is_ascii() {
        forms.push(escaped(plain));
    }
    let one = format!("{column} LIKE ? ESCAPE '~'");
    let condition = format!("({})", vec![one; forms.len()].join(" OR "));
    (condition, forms.iter().map(|form| Value::Text(pattern(form))).collect())
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '~') {
            pattern.push('~');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// The words where they first occur in an event, with what stands around them.
pub(crate) fn snippet(body: &str, words: &str) -> Option<[String; 3]> {
    let plain = crate::event::quoted(words);
    let plain = plain[1..plain.len() - 1].to_ascii_lowercase();
    let body_lower = body.to_ascii_lowercase();
    let forms = [plain.clone(), escaped(&plain)];
    let (at, length) =
        forms.iter().find_map(|form| body_lower.find(form.as_str()).map(|at| (at, form.len())))?;
    let from = body[..at].char_indices().rev().nth(AROUND - 1).map_or(0, |(from, _)| from);
    let to = body[at + length..].char_indices().nth(AROUND).map_or(body.len(), |(to, _)| at + length + to);
    Some([&body[from..at], &body[at..at + length], &body[at + length..to]].map(readable))
}

/// A piece of JSON text as words: escapes undone where that is possible in a piece.
fn readable(piece: &str) -> String {
    let quoted = format!("\"{}\"", piece.trim_end_matches('\\').replace("\\\"", "\"").replace('"', "\\\""));
    let text = serde_json::from_str::<String>(&quoted).unwrap_or_else(|_| piece.to_owned());
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_shows_the_words_as_they_stand_in_the_event() {
        let body = r#"{"a":"one \"Two\" three","b":1}"#;
        let [before, found, after] = snippet(body, "tWO").unwrap();
        assert_eq!(found, "Two");
        assert!(before.ends_with("one \"") && after.starts_with("\" three"), "{before:?} {after:?}");
        assert_eq!(snippet(body, "four"), None);
    }

    #[test]
    fn words_are_found_in_texts_that_were_sent_as_escapes() {
        let body = r#"{"a":"Gr\u00fc\u00dfe \ud83d\ude00"}"#;
        assert_eq!(snippet(body, "Grüße").unwrap()[1], "Grüße");
        assert_eq!(like("body", "ü").1.len(), 2);
        assert_eq!(like("body", "plain").1.len(), 1);
    }

    #[test]
    fn a_snippet_of_any_piece_is_cut_between_characters() {
        let body = format!("{{\"a\":\"{}needle{}\"}}", "ü\\n".repeat(60), "\\\"😀".repeat(60));
        let [before, found, after] = snippet(&body, "needle").unwrap();
        assert_eq!(found, "needle");
        assert!(!before.is_empty() && !after.is_empty());
    }
}
