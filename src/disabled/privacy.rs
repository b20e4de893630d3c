//! What may leave. Nothing does, so no pattern is looked for and no hook is asked.

use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;

use super::policy::KeyPolicy;

pub use mcpcat_wire::values::privacy::{
    Asked, ConsentVerdict, Event, EventVerdict, Explained, HookError, Removed, TextVerdict,
};

/// Patterns that would be looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    _private: (),
}

impl Patterns {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { _private: () }
    }

    /// Still none.
    #[must_use]
    pub const fn email(self) -> Self {
        self
    }

    /// Still none.
    #[must_use]
    pub const fn phone(self) -> Self {
        self
    }

    /// Still none.
    #[must_use]
    pub const fn ip(self) -> Self {
        self
    }

    /// Still none.
    #[must_use]
    pub fn keys(self, _: KeyPolicy) -> Self {
        self
    }

    /// Still none.
    #[must_use]
    pub const fn off(self) -> Self {
        self
    }

    /// The text as it is: use the recording build to scrub.
    pub fn scrub_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }
}

/// Patterns and hooks of a client. They are dropped.
#[derive(Clone, Debug, Default)]
pub struct Privacy {
    _private: (),
}

impl Privacy {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops the patterns.
    #[must_use]
    pub fn patterns(self, _: Patterns) -> Self {
        self
    }

    /// Drops the hook.
    #[must_use]
    pub fn redact_event<F, V>(self, _: F) -> Self
    where
        F: Fn(Event) -> V + Send + Sync + 'static,
        V: EventVerdict,
    {
        self
    }

    /// Drops the hook.
    #[must_use]
    pub fn redact_event_async<F, Fut>(self, _: F) -> Self
    where
        F: Fn(Event) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: EventVerdict,
    {
        self
    }

    /// Drops the hook.
    #[must_use]
    pub fn redact_text<F, V>(self, _: F) -> Self
    where
        F: Fn(&str) -> V + Send + Sync + 'static,
        V: TextVerdict,
    {
        self
    }

    /// Drops the hook.
    #[must_use]
    pub fn redact_text_async<F, Fut>(self, _: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future + Send + 'static,
        Fut::Output: TextVerdict,
    {
        self
    }

    /// Drops the deadline.
    #[must_use]
    pub fn deadline(self, _: Duration) -> Self {
        self
    }

    /// Drops the number of hooks.
    #[must_use]
    pub fn slots(self, _: usize) -> Self {
        self
    }
}
