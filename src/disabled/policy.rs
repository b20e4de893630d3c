//! What may be recorded. Nothing is.

use std::fmt;

/// Limits and keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How deep, wide and long a value may be.
    pub limits: Limits,
    /// Which keys hide their value.
    pub keys: KeyPolicy,
}

impl Policy {
    /// The default limits and keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Replaces the key policy.
    #[must_use]
    pub fn keys(mut self, keys: KeyPolicy) -> Self {
        self.keys = keys;
        self
    }
}

/// Which keys would hide their value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    _private: (),
}

impl KeyPolicy {
    /// The built-in list.
    pub const fn new() -> Self {
        Self { _private: () }
    }

    /// Forgets a key.
    #[must_use]
    pub fn also(self, _: &str) -> Self {
        self
    }

    /// Forgets an exception.
    #[must_use]
    pub fn except(self, _: &str) -> Self {
        self
    }

    /// Forgets that it is off.
    #[must_use]
    pub fn off(self) -> Self {
        self
    }

    /// Always true.
    pub const fn is_built_in(&self) -> bool {
        true
    }

    /// Always true: nothing leaves.
    pub fn redacts(&self, _: &str) -> bool {
        true
    }
}

/// Always true: nothing leaves.
pub const fn is_sensitive(_: &str) -> bool {
    true
}

/// Bounds for everything that would be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub struct Limits {
    pub depth: usize,
    pub members: usize,
    pub string_bytes: usize,
    pub event_bytes: usize,
    pub message_bytes: usize,
    pub name_bytes: usize,
}

impl Limits {
    /// The largest depth.
    pub const MAX_DEPTH: usize = 64;
    /// The smallest event.
    pub const MIN_EVENT_BYTES: usize = 1_024;

    /// No room: nothing is recorded.
    pub const fn new() -> Self {
        Self { depth: 0, members: 0, string_bytes: 0, event_bytes: 0, message_bytes: 0, name_bytes: 0 }
    }

    /// Sets the depth.
    #[must_use]
    pub const fn depth(mut self, levels: usize) -> Self {
        self.depth = levels;
        self
    }

    /// Sets the members of an object.
    #[must_use]
    pub const fn members(mut self, count: usize) -> Self {
        self.members = count;
        self
    }

    /// Sets the bytes of a string.
    #[must_use]
    pub const fn string_bytes(mut self, bytes: usize) -> Self {
        self.string_bytes = bytes;
        self
    }

    /// Sets the bytes of an event.
    #[must_use]
    pub const fn event_bytes(mut self, bytes: usize) -> Self {
        self.event_bytes = bytes;
        self
    }

    /// Sets the bytes of a message.
    #[must_use]
    pub const fn message_bytes(mut self, bytes: usize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Sets the bytes of a name.
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

/// Why a tag is not accepted. Every one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum TagProblem {
    EmptyKey,
    LongKey { chars: usize },
    KeyCharacter { character: char },
    LongValue { units: usize },
    ValueNewline,
}

impl fmt::Display for TagProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for TagProblem {}

/// Accepts every tag: none is recorded.
///
/// # Errors
/// Never.
pub fn check_tag(_: &str, _: &str) -> Result<(), TagProblem> {
    Ok(())
}
