//! What the words on a field say together: its role, and the text that is recorded of it. Every contradiction is an
//! error at the word that makes it.

use proc_macro2::Span;

use super::model::Text;
use super::parse::Word;
use crate::callsite::Place;
use crate::errors::Errors;

/// What a field is to its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FieldRole {
    /// A field with a key, as it is or by `tag` and `property`.
    Keyed(Place),
    Skip,
    Flatten,
    Message,
    Response,
    Duration,
    Error,
}

impl FieldRole {
    /// The role that a word stands for; none for the words that say how a field is recorded.
    fn of(word: &Word) -> Option<Self> {
        const WORDS: [(&str, FieldRole); 8] = [
            ("tag", FieldRole::Keyed(Place::Tag)),
            ("property", FieldRole::Keyed(Place::Property)),
            ("skip", FieldRole::Skip),
            ("flatten", FieldRole::Flatten),
            ("message", FieldRole::Message),
            ("response", FieldRole::Response),
            ("duration", FieldRole::Duration),
            ("error", FieldRole::Error),
        ];
        WORDS.iter().find(|(name, _)| word.ident == name).map(|(_, role)| *role)
    }

    /// Whether its value may be recorded by `display` or `debug`.
    fn takes_text(self) -> bool {
        !matches!(self, Self::Flatten | Self::Duration | Self::Error | Self::Skip)
    }
}

/// The words of one field, which agree.
pub(crate) struct FieldWords {
    pub(crate) role: FieldRole,
    /// The word that gave the role.
    pub(crate) word: Option<Span>,
    pub(crate) text: Option<Text>,
    pub(crate) redacted: bool,
}

/// Checks the words of a field at `span`. `None` if they name two roles.
pub(crate) fn field(words: &[Word], span: Span, errors: &mut Errors) -> Option<FieldWords> {
    let roles: Vec<(&Word, FieldRole)> =
        words.iter().filter_map(|word| Some((word, FieldRole::of(word)?))).collect();
    if let [(first, _), (second, _), ..] = roles[..] {
        errors.at(second.span(), format!("a field is either `{}` or `{}`", first.ident, second.ident));
        return None;
    }
    let word = roles.first().map(|(word, _)| *word);
    let role = roles.first().map_or(FieldRole::Keyed(Place::Parameter), |(_, role)| *role);
    let find = |name: &str| words.iter().find(|word| word.ident == name);
    if let (Some(word), false) = (word, matches!(role, FieldRole::Keyed(_))) {
        for without in ["rename", "redact"].into_iter().filter_map(find) {
            let (word, without_word) = (&word.ident, &without.ident);
            errors.at(
                without.span(),
                format!("`{without_word}` has no meaning beside `{word}`, which has no key"),
            );
        }
    }
    let text = match (find("display"), find("debug")) {
        (Some(_), Some(debug)) => {
            errors.at(debug.span(), "a field is recorded either by `display` or by `debug`");
            None
        }
        (Some(_), None) => Some(Text::Display),
        (None, Some(_)) => Some(Text::Debug),
        (None, None) => None,
    };
    if let (Some(role_word), Some(_), false) = (word, text, role.takes_text()) {
        let at = find("display").or_else(|| find("debug")).map_or(span, Word::span);
        errors.at(at, format!("a `{}` field is not recorded as text", role_word.ident));
    }
    Some(FieldWords { role, word: word.map(Word::span), text, redacted: find("redact").is_some() })
}
