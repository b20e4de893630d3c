//! Errors with the user's own spans, collected so that all of them show at once.

use proc_macro2::{Span, TokenStream};

/// The errors of one expansion.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Notes an error at a place the user wrote.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.add(syn::Error::new(span, message));
    }

    /// Notes an error that a parser made.
    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value, unless there were errors.
    pub(crate) fn into_result<T>(self, value: T) -> syn::Result<T> {
        self.0.map_or(Ok(value), Err)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What each error says.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<String> {
        self.0.iter().flatten().map(|error| error.to_string()).collect()
    }

    /// `compile_error!` calls, valid where items and statements are.
    pub(crate) fn tokens(&self) -> TokenStream {
        self.0.as_ref().map(syn::Error::to_compile_error).unwrap_or_default()
    }
}

/// The word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate))
        .filter(|(far, candidate)| *far <= 2.max(candidate.len() / 3) && *far < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The sentence that goes after "unknown argument": the nearest word, or all of them.
pub(crate) fn suggest(word: &str, words: &[&str]) -> String {
    match nearest(word, words) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {}", list(words)),
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Levenshtein's distance; a word that only starts like another counts as near.
fn distance(a: &str, b: &str) -> usize {
    if a.len() >= 3 && (b.starts_with(a) || a.starts_with(b)) {
        return 1;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let words = ["name", "params", "response", "message", "error_if"];
        assert_eq!(nearest("parms", &words), Some("params"));
        assert_eq!(nearest("param", &words), Some("params"));
        assert_eq!(nearest("err_if", &words), Some("error_if"));
        assert_eq!(nearest("zebra", &words), None);
        assert_eq!(suggest("zebra", &["a", "b"]), "write one of `a`, `b`");
    }
}
