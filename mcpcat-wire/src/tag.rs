//! Which tags the ingest API keeps. Anything else it drops without an error, so the SDK says it first.

use std::fmt;

/// Tags of one event that are kept: the first so many.
pub const MAX_TAGS: usize = 50;
/// Characters of a tag's key.
pub const MAX_TAG_KEY: usize = 32;
/// UTF-16 units of a tag's value, which is how the product counts.
pub const MAX_TAG_VALUE: usize = 200;

/// Why a tag is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagProblem {
    /// The key is empty.
    EmptyKey,
    /// The key has more than [`MAX_TAG_KEY`] characters.
    LongKey {
        /// Its length in characters.
        chars: usize,
    },
    /// The key holds a character that is not allowed.
    KeyCharacter {
        /// The first such character.
        character: char,
    },
    /// The value is longer than [`MAX_TAG_VALUE`].
    LongValue {
        /// Its length in UTF-16 units.
        units: usize,
    },
    /// The value holds a line feed.
    ValueNewline,
}

impl fmt::Display for TagProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyKey => write!(f, "a tag needs a key; this one is empty"),
            Self::LongKey { chars } => {
                write!(f, "a tag's key has at most {MAX_TAG_KEY} characters; this one has {chars}")
            }
            Self::KeyCharacter { character } => write!(
                f,
                "a tag's key is made of ASCII letters, digits, space and `$ _ . : -`; this one holds {character:?}"
            ),
            Self::LongValue { units } => write!(
                f,
                "a tag's value has at most {MAX_TAG_VALUE} UTF-16 units; this one has {units}, use a property"
            ),
            Self::ValueNewline => {
                write!(f, "a tag's value is one line; this one holds a line feed, use a property")
            }
        }
    }
}

impl std::error::Error for TagProblem {}

/// Says whether the product accepts a tag, and if not which rule it breaks.
///
/// # Errors
/// The first rule that is broken: key empty, too long, or with a forbidden character; value too long or with a
/// line feed.
pub fn check_tag(key: &str, value: &str) -> Result<(), TagProblem> {
    if key.is_empty() {
        return Err(TagProblem::EmptyKey);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '.' | ':' | '-' | ' ');
    if let Some(character) = key.chars().find(|&c| !allowed(c)) {
        return Err(TagProblem::KeyCharacter { character });
    }
    if key.len() > MAX_TAG_KEY {
        return Err(TagProblem::LongKey { chars: key.len() });
    }
    if value.contains('\n') {
        return Err(TagProblem::ValueNewline);
    }
    // A string has at least as many bytes as UTF-16 units: most values need no count.
    if value.len() > MAX_TAG_VALUE {
        let units = value.encode_utf16().count();
        if units > MAX_TAG_VALUE {
            return Err(TagProblem::LongValue { units });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_accepted_up_to_the_limits() {
        assert_eq!(check_tag("we ird.k:1", ""), Ok(()));
        assert_eq!(check_tag("$env_a-b", "a\rb"), Ok(()));
        assert_eq!(check_tag(&"k".repeat(32), &"v".repeat(200)), Ok(()));
        assert_eq!(check_tag("k", &"\u{1F600}".repeat(100)), Ok(()));
    }

    #[test]
    fn a_refused_tag_names_its_rule() {
        assert_eq!(check_tag("", "v"), Err(TagProblem::EmptyKey));
        assert_eq!(check_tag(&"k".repeat(33), "v"), Err(TagProblem::LongKey { chars: 33 }));
        assert_eq!(check_tag("bad/key", "v"), Err(TagProblem::KeyCharacter { character: '/' }));
        assert_eq!(check_tag("key\n", "v"), Err(TagProblem::KeyCharacter { character: '\n' }));
        assert_eq!(check_tag("schlüssel", "v"), Err(TagProblem::KeyCharacter { character: 'ü' }));
        assert_eq!(check_tag("k", &"v".repeat(201)), Err(TagProblem::LongValue { units: 201 }));
        assert_eq!(check_tag("k", &"\u{1F600}".repeat(101)), Err(TagProblem::LongValue { units: 202 }));
        assert_eq!(check_tag("k", "a\nb"), Err(TagProblem::ValueNewline));
        assert!(check_tag("bad/key", "v").unwrap_err().to_string().contains("'/'"));
    }
}
