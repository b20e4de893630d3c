//! What went wrong, as the wire wants it: a message, a type, and the chain of causes.
//!
//! The shape is the one the official SDKs send: `{message, type, platform, chained_errors: [{message}]}`;
//! members of the author's own stay beside them.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// Causes kept of one error's `source()` chain. The official SDKs keep as many.
const MAX_CHAIN: usize = 10;

/// An error as an event carries it.
///
/// Made from a Rust error (message, type and `source()` chain), from text, or from a JSON value of the
/// author's own; an object's members `message`, `type` and `code` are the ones a timeline knows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// What happened, in one sentence.
    pub message: String,
    /// The error's type: a Rust type path, a JSON-RPC name, `panic` or `cancelled`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// A code the error carries, as JSON (a number, mostly).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Value>,
    /// The causes, outermost first, at most ten.
    #[serde(rename = "chained_errors", skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Cause>,
    /// Everything else an author's JSON object held.
    #[serde(flatten)]
    pub details: Map<String, Value>,
}

/// One cause in an error's chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cause {
    /// The cause's own message.
    pub message: String,
}

impl ErrorInfo {
    /// An error known only by its message.
    pub fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), type_name: None, code: None, chain: Vec::new(), details: platform() }
    }

    /// A Rust error with its message, the type it was passed as, and its `source()` chain.
    pub fn from_error<E: Error + ?Sized>(error: &E) -> Self {
        let mut info = Self::message(error.to_string()).with_chain(error.source());
        let name = type_name::<E>();
        if !name.starts_with("dyn ") {
            info.type_name = Some(name);
        }
        info
    }

    /// A JSON value: an object keeps all its members, text becomes the message, anything else is the
    /// message's text.
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Object(mut members) => {
                let mut info = Self::message(match members.remove("message") {
                    Some(Value::String(text)) => text,
                    Some(other) => other.to_string(),
                    None => String::from("error without a message"),
                });
                match members.remove("type") {
                    Some(Value::String(name)) => info.type_name = Some(name),
                    Some(other) => info.type_name = Some(other.to_string()),
                    None => {}
                }
                info.code = members.remove("code");
                if let Some(Value::Array(causes)) = members.get("chained_errors") {
                    let texts = causes.iter().map(|cause| match &cause["message"] {
                        Value::String(text) => text.clone(),
                        _ => cause.to_string(),
                    });
                    info.chain = texts.take(MAX_CHAIN).map(|message| Cause { message }).collect();
                    members.remove("chained_errors");
                }
                info.details.append(&mut members);
                info
            }
            Value::String(text) => Self::message(text),
            other => Self::message(other.to_string()),
        }
    }

    /// Sets the error's type.
    #[must_use]
    pub fn with_type(mut self, name: impl Into<String>) -> Self {
        self.type_name = Some(name.into());
        self
    }

    /// Sets the error's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Value>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds the causes that follow from `source`, at most ten.
    #[must_use]
    pub fn with_chain(mut self, source: Option<&(dyn Error + 'static)>) -> Self {
        let mut next = source;
        while let Some(cause) = next {
            if self.chain.len() == MAX_CHAIN {
                break;
            }
            self.chain.push(Cause { message: cause.to_string() });
            next = cause.source();
        }
        self
    }
}

impl fmt::Display for ErrorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.type_name {
            Some(name) => write!(f, "{name}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A type's path without the crates' inner modules being cut: what a reader can search for.
pub(crate) fn type_name<T: ?Sized>() -> String {
    std::any::type_name::<T>().trim_start_matches('&').to_owned()
}

fn platform() -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("platform".to_owned(), Value::from("rust"));
    details
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as _)
        }
    }

    #[test]
    fn a_rust_error_keeps_message_type_and_chain() {
        let error = Layer("outer", Some(Box::new(Layer("middle", Some(Box::new(Layer("root", None)))))));
        let info = ErrorInfo::from_error(&error);
        assert_eq!(
            serde_json::to_value(&info).unwrap(),
            json!({
                "message": "outer",
                "type": type_name::<Layer>(),
                "platform": "rust",
                "chained_errors": [{"message": "middle"}, {"message": "root"}],
            })
        );
    }

    #[test]
    fn a_trait_object_has_no_type_of_its_own() {
        let error: Box<dyn Error> = "plain".into();
        assert_eq!(ErrorInfo::from_error(&*error).type_name, None);
    }

    #[test]
    fn a_chain_without_end_is_cut() {
        #[derive(Debug)]
        struct Ring;
        impl fmt::Display for Ring {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ring")
            }
        }
        impl Error for Ring {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Ring)
            }
        }
        assert_eq!(ErrorInfo::from_error(&Ring).chain.len(), MAX_CHAIN);
    }

    #[test]
    fn a_json_object_keeps_every_member() {
        let given = json!({"message": "declined", "type": "CardError", "code": 402, "issuer": {"id": 7}});
        let sent = serde_json::to_value(ErrorInfo::from_value(given)).unwrap();
        assert_eq!(
            sent,
            json!({"message": "declined", "type": "CardError", "code": 402, "issuer": {"id": 7}, "platform": "rust"})
        );
        assert_eq!(ErrorInfo::from_value(json!("text")).message, "text");
        assert_eq!(ErrorInfo::from_value(json!(17)).message, "17");
    }
}
