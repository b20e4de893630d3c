//! What may leave. Nothing does, so no pattern is looked for and no hook is asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::policy::{KeyPolicy, Policy};

/// An event's body, as a hook would get it.
pub type Event = serde_json::Map<String, serde_json::Value>;

/// Why a hook failed.
pub type HookError = Box<dyn Error + Send + Sync>;

/// How long a hook may take. None runs.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// Hooks that run at once. None runs.
pub const SLOTS: usize = 8;
/// Members of an event's body that no hook changes.
pub const PROTECTED: [&str; 8] =
    ["id", "session_id", "project_id", "event_type", "timestamp", "parent_id", "sdk_instance", "sequence"];

/// What an event hook may return.
pub trait EventVerdict {
    /// As a result of an option.
    ///
    /// # Errors
    /// The hook's own.
    fn into_verdict(self) -> Result<Option<Event>, HookError>;
}

impl EventVerdict for Event {
    fn into_verdict(self) -> Result<Option<Event>, HookError> {
        Ok(Some(self))
    }
}

impl EventVerdict for Option<Event> {
    fn into_verdict(self) -> Result<Option<Event>, HookError> {
        Ok(self)
    }
}

impl<V: EventVerdict, E: Into<HookError>> EventVerdict for Result<V, E> {
    fn into_verdict(self) -> Result<Option<Event>, HookError> {
        self.map_err(Into::into).and_then(V::into_verdict)
    }
}

/// What a text hook may return.
pub trait TextVerdict {
    /// As a result.
    ///
    /// # Errors
    /// The hook's own.
    fn into_verdict(self) -> Result<String, HookError>;
}

impl TextVerdict for String {
    fn into_verdict(self) -> Result<String, HookError> {
        Ok(self)
    }
}

impl<V: TextVerdict, E: Into<HookError>> TextVerdict for Result<V, E> {
    fn into_verdict(self) -> Result<String, HookError> {
        self.map_err(Into::into).and_then(V::into_verdict)
    }
}

/// What a consent hook may return.
pub trait ConsentVerdict {
    /// As a result.
    ///
    /// # Errors
    /// The hook's own.
    fn into_verdict(self) -> Result<bool, HookError>;
}

impl ConsentVerdict for bool {
    fn into_verdict(self) -> Result<bool, HookError> {
        Ok(self)
    }
}

impl<E: Into<HookError>> ConsentVerdict for Result<bool, E> {
    fn into_verdict(self) -> Result<bool, HookError> {
        self.map_err(Into::into)
    }
}

/// The session that consent would be asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub struct Asked {
    pub id: Option<String>,
    pub key: Option<String>,
    pub client_name: Option<String>,
}

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

    /// The body as it is: use the recording build to scrub.
    pub fn scrub_body<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        Cow::Borrowed(body)
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

    /// Drops the policy.
    #[must_use]
    pub fn policy(self, _: Policy) -> Self {
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

    /// Always false.
    pub fn has_hooks(&self) -> bool {
        false
    }

    /// Withholds the body: nothing leaves.
    ///
    /// # Errors
    /// Always.
    pub async fn apply(&self, _: Vec<u8>) -> Result<Vec<u8>, Withheld> {
        Err(Withheld::Dropped)
    }

    /// Nothing would leave.
    pub async fn explain(&self, _: Vec<u8>) -> Explained {
        Explained::default()
    }
}

/// One event as it would leave: not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// Always `None`.
    pub body: Option<String>,
    /// Always empty.
    pub removed: Vec<Removed>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("recording is compiled out")
    }
}

/// Something that would not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Where it was.
    pub place: String,
    /// Which rule took it.
    pub rule: String,
}

/// One of the two hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Hook {
    Event,
    Text,
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Why an event may not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Withheld {
    Dropped,
    Failed { hook: Hook, message: String },
    Panicked { hook: Hook },
    TimedOut { hook: Hook },
    Stalled { hook: Hook },
    Unreadable(String),
}

impl Withheld {
    /// The reason in a word.
    pub const fn reason(&self) -> &'static str {
        "disabled"
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("recording is compiled out")
    }
}

impl Error for Withheld {}
