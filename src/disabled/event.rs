//! Events that nobody records, and the traits that users implement.

use std::error::Error;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_core::Serialize;
use serde_json::Value as Json;

use super::ErrorInfo;

/// A value that can be recorded: anything that serialises.
pub trait Value {}

impl<T: Serialize + ?Sized> Value for T {}

/// A type that would be an event. Nothing asks it.
pub trait EventData {
    /// Never called.
    fn record(&self, fields: &mut Fields);
}

impl EventData for () {
    fn record(&self, _: &mut Fields) {}
}

impl<T: EventData + ?Sized> EventData for &T {
    fn record(&self, fields: &mut Fields) {
        (**self).record(fields);
    }
}

/// The fields of an event that nobody records: there is no value of this type.
#[derive(Debug)]
pub struct Fields {
    _never: Never,
}

#[derive(Debug)]
enum Never {}

impl Fields {
    /// Never called.
    pub fn name(&mut self, _: &str) {}

    /// Never called.
    pub fn parameter<T: Serialize + ?Sized>(&mut self, _: &str, _: &T) {}

    /// Never called.
    pub fn parameters<T: Serialize + ?Sized>(&mut self, _: &T) {}

    /// Never called.
    pub fn tag<T: Serialize + ?Sized>(&mut self, _: &str, _: &T) {}

    /// Never called.
    pub fn property<T: Serialize + ?Sized>(&mut self, _: &str, _: &T) {}

    /// Never called.
    pub fn message<T: fmt::Display + ?Sized>(&mut self, _: &T) {}

    /// Never called.
    pub fn response(&mut self, _: &dyn Value) {}

    /// Never called.
    pub fn duration(&mut self, _: Duration) {}

    /// Never called.
    pub fn is_error(&mut self, _: bool) {}

    /// Never called.
    pub fn error(&mut self, _: ErrorInfo) {}

    /// Never called.
    pub fn data<T: EventData + ?Sized>(&mut self, _: &T) {}
}

/// What a function's value says of its outcome.
pub trait Outcome {
    /// The failure this value stands for, or `None` if it is a success.
    fn error(&self) -> Option<ErrorInfo>;
}

impl<T: Outcome + ?Sized> Outcome for &T {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Box<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Rc<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome + ?Sized> Outcome for Arc<T> {
    fn error(&self) -> Option<ErrorInfo> {
        (**self).error()
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn error(&self) -> Option<ErrorInfo> {
        self.as_ref().and_then(Outcome::error)
    }
}

impl<T: Outcome, E: Outcome> Outcome for Result<T, E> {
    fn error(&self) -> Option<ErrorInfo> {
        match self {
            Ok(value) => value.error(),
            Err(error) => error.error(),
        }
    }
}

impl Outcome for ErrorInfo {
    fn error(&self) -> Option<ErrorInfo> {
        Some(self.clone())
    }
}

/// An event put together at run time. It keeps nothing.
#[derive(Debug, Clone, Default)]
#[must_use = "an event does nothing until it is published"]
pub struct CustomEvent {
    _private: (),
}

impl CustomEvent {
    /// An event of this name.
    pub fn new(_: impl Into<String>) -> Self {
        Self::default()
    }

    /// Forgets a parameter.
    pub fn parameter(self, _: impl Into<String>, _: impl Serialize) -> Self {
        self
    }

    /// Forgets the parameters.
    pub fn parameters(self, _: impl Serialize) -> Self {
        self
    }

    /// Forgets the response.
    pub fn response(self, _: impl Serialize) -> Self {
        self
    }

    /// Forgets the message.
    pub fn message(self, _: impl Into<String>) -> Self {
        self
    }

    /// Forgets the duration.
    pub fn duration(self, _: Duration) -> Self {
        self
    }

    /// Forgets whether it failed.
    pub fn is_error(self, _: bool) -> Self {
        self
    }

    /// Forgets the error.
    pub fn error<E: Error + ?Sized>(self, _: &E) -> Self {
        self
    }

    /// Forgets the error.
    pub fn error_value(self, _: impl Into<Json>) -> Self {
        self
    }

    /// Forgets a tag.
    pub fn tag(self, _: impl Into<String>, _: impl fmt::Display) -> Self {
        self
    }

    /// Forgets a property.
    pub fn property(self, _: impl Into<String>, _: impl Serialize) -> Self {
        self
    }
}

impl EventData for CustomEvent {
    fn record(&self, _: &mut Fields) {}
}
