//! What is allowed: which keys hide their value, and how large anything may grow. It stands below everything
//! else, so that a callsite can ask for its verdict at compile time and no other floor needs to be loaded for it.

pub mod keys;
pub mod limits;
mod sample;

pub use keys::{KeyPolicy, is_sensitive};
pub use limits::{Limits, TagProblem, check_tag};
pub(crate) use sample::Sample;

/// Everything the serialiser has to know about what may be recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How deep, wide and long a value may be.
    pub limits: Limits,
    /// Which keys hide their value.
    pub keys: KeyPolicy,
}

impl Policy {
    /// The default limits and the built-in list of sensitive keys.
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
