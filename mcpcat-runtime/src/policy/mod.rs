//! What is allowed: which keys hide their value, and how large anything may grow. It stands below everything
//! else, so that whoever records, scrubs or delivers can ask.

mod key_policy;
pub(crate) mod keys;
mod known;
mod sample;

pub use key_policy::KeyPolicy;
#[doc(hidden)]
pub use keys::is_sensitive;
pub(crate) use mcpcat_wire::tag::check_tag;
pub use mcpcat_wire::values::Limits;
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
