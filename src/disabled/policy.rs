//! What may be recorded. Nothing is.

pub use mcpcat_wire::values::Limits;

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

    /// Always true: nothing leaves.
    pub fn redacts(&self, _: &str) -> bool {
        true
    }
}
