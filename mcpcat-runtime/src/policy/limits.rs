//! How deep, wide and long a recorded value may be, and what a tag may look like. The numbers are those of the
//! product's official SDKs, so that an event looks the same whichever SDK sent it.

use std::fmt;

/// Bounds for everything that is recorded. What exceeds one is cut and marked; the event itself is kept.
///
/// The fields can be read; set them with the methods of the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Objects and arrays inside one another; the outermost is level 1. Default 10, at most [`Limits::MAX_DEPTH`].
    pub depth: usize,
    /// Members of one object, items of one array. Default 100.
    pub members: usize,
    /// Bytes of UTF-8 in one string. Default 32,768.
    pub string_bytes: usize,
    /// Bytes of JSON of one event, and of any one value in it. Default 102,400, at least 1,024.
    pub event_bytes: usize,
    /// Bytes of UTF-8 in an event's message and in an error's message. Default 2,048.
    pub message_bytes: usize,
    /// Bytes of UTF-8 in a name: of the event, the resource, the client, the server, or a key. Default 256.
    pub name_bytes: usize,
}

impl Limits {
    /// The deepest nesting that can be asked for. It keeps the serialiser's recursion far from the end of a
    /// small thread's stack.
    pub const MAX_DEPTH: usize = 64;

    /// The least number of bytes that an event is given, since its fixed part has to fit.
    pub const MIN_EVENT_BYTES: usize = 1_024;

    /// The default limits.
    pub const fn new() -> Self {
        Self {
            depth: 10,
            members: 100,
            string_bytes: 32_768,
            event_bytes: 102_400,
            message_bytes: 2_048,
            name_bytes: 256,
        }
    }

    /// Levels of nesting, from 1 to [`Limits::MAX_DEPTH`]; a value outside is moved to the nearer end.
    #[must_use]
    pub const fn depth(mut self, levels: usize) -> Self {
        self.depth = if levels == 0 {
            1
        } else if levels > Self::MAX_DEPTH {
            Self::MAX_DEPTH
        } else {
            levels
        };
        self
    }

    /// Members of one object and items of one array.
    #[must_use]
    pub const fn members(mut self, count: usize) -> Self {
        self.members = count;
        self
    }

    /// Bytes of UTF-8 in one string.
    #[must_use]
    pub const fn string_bytes(mut self, bytes: usize) -> Self {
        self.string_bytes = bytes;
        self
    }

    /// Bytes of JSON of one event; less than [`Limits::MIN_EVENT_BYTES`] counts as that.
    #[must_use]
    pub const fn event_bytes(mut self, bytes: usize) -> Self {
        self.event_bytes = if bytes < Self::MIN_EVENT_BYTES { Self::MIN_EVENT_BYTES } else { bytes };
        self
    }

    /// Bytes of UTF-8 in a message.
    #[must_use]
    pub const fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Bytes of UTF-8 in a name or a key.
    #[must_use]
    pub const fn name_bytes(mut self, bytes: usize) -> Self {
        self.name_bytes = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

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
    fn the_defaults_are_those_of_the_wire() {
        let limits = Limits::default();
        assert_eq!((limits.depth, limits.members, limits.string_bytes), (10, 100, 32_768));
        assert_eq!((limits.event_bytes, limits.message_bytes, limits.name_bytes), (102_400, 2_048, 256));
    }

    #[test]
    fn depth_and_event_bytes_stay_in_their_range() {
        assert_eq!(Limits::new().depth(0).depth, 1);
        assert_eq!(Limits::new().depth(100_000).depth, Limits::MAX_DEPTH);
        assert_eq!(Limits::new().event_bytes(3).event_bytes, Limits::MIN_EVENT_BYTES);
    }

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
