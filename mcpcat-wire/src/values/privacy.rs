//! What redaction and consent hooks are given, what they may return, and what an explained event shows.

use std::error::Error;
use std::fmt;

use serde_json::Value;

use sealed::Sealed;

/// The verdicts are those that are listed here and no others.
mod sealed {
    /// Cannot be named outside of this file.
    pub trait Sealed {}
}

impl Sealed for Event {}
impl Sealed for Option<Event> {}
impl Sealed for String {}
impl Sealed for bool {}
impl<T, E> Sealed for Result<T, E> {}

/// An event as a hook sees it: the members of the wire's body.
pub type Event = serde_json::Map<String, Value>;

/// What a hook may fail with.
pub type HookError = Box<dyn Error + Send + Sync>;

/// What an event hook may return: an event, an option of one (`None` drops it), or a result of either.
pub trait EventVerdict: Sealed {
    /// As a result of an option.
    ///
    /// # Errors
    /// The hook's own.
    #[doc(hidden)]
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

/// What a text hook may return: a text, or a result of one.
pub trait TextVerdict: Sealed {
    /// As a result.
    ///
    /// # Errors
    /// The hook's own.
    #[doc(hidden)]
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

/// A session, as a consent hook sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The session's id on the wire; `None` while its transport has not named it (during `initialize` over HTTP).
    pub id: Option<String>,
    /// The string that the user named it by, or the transport's own id.
    pub key: Option<String>,
    /// The name of the MCP client, once it has introduced itself.
    pub client_name: Option<String>,
    /// Who is behind the session, as `principal` of the tracked server or an authentication layer says.
    pub principal: Option<String>,
}

/// What a consent hook may return: whether the session may be recorded, or a result of that.
pub trait ConsentVerdict: Sealed {
    /// As a result.
    ///
    /// # Errors
    /// The hook's own.
    #[doc(hidden)]
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

/// One event as it would leave, and what was taken out of it. Prints as both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The body that would be sent, to the byte; `None` when nothing would.
    pub body: Option<String>,
    /// What is missing from it.
    pub removed: Vec<Removed>,
}

/// Something that would not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Where it was: a JSON pointer into the body, empty for the whole event.
    pub place: String,
    /// Which rule took it: `sensitive key`, `pattern: jwt`, `redact_text`, `limit`, …
    pub rule: String,
}

impl Removed {
    /// Made by who took it.
    #[doc(hidden)]
    pub fn new(place: impl Into<String>, rule: impl Into<String>) -> Self {
        Self { place: place.into(), rule: rule.into() }
    }
}

impl Explained {
    /// Nothing of the event would leave.
    #[doc(hidden)]
    pub fn nothing(rule: impl Into<String>) -> Self {
        Self { body: None, removed: vec![Removed::new("", rule)] }
    }

    /// Adds something that is true of the whole event.
    #[doc(hidden)]
    pub fn add(&mut self, rule: impl Into<String>) {
        self.removed.push(Removed::new("", rule));
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.body.as_deref().unwrap_or("(nothing would be sent)"))?;
        for Removed { place, rule } in &self.removed {
            let place = if place.is_empty() { "/" } else { place };
            write!(f, "\nremoved {place} ({rule})")?;
        }
        Ok(())
    }
}
