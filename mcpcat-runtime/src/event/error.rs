//! What went wrong, as the wire wants it: a message, a type, and the chain of causes.
//!
//! The shape is the one the official SDKs send: `{message, type, platform, chained_errors: [{message}]}`;
//! members of the author's own stay beside them.

use std::error::Error;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::guard::{self, HELD_BYTES, user_code};
use super::names_only;

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
        Self {
            message: guard::owned(message),
            type_name: None,
            code: None,
            chain: Vec::new(),
            details: platform(),
        }
    }

    /// A Rust error with its message, the type it was passed as, and its `source()` chain.
    pub fn from_error<E: Error + ?Sized>(error: &E) -> Self {
        let mut info = Self::described(guard::text(error, HELD_BYTES), useful_type::<E>());
        info.add_chain(source_of(error));
        info
    }

    /// A JSON value: an object keeps all its members, text becomes the message, anything else is the
    /// message's text.
    pub fn from_value(value: Value) -> Self {
        match value {
            Value::Object(mut members) => {
                let mut info = Self::message(match members.remove("message") {
                    Some(Value::String(text)) => text,
                    Some(other) => guard::text(&other, HELD_BYTES),
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
                        _ => guard::text(cause, HELD_BYTES),
                    });
                    info.chain = texts.take(MAX_CHAIN).map(|message| Cause { message }).collect();
                    members.remove("chained_errors");
                }
                info.details.append(&mut members);
                info
            }
            Value::String(text) => Self::message(text),
            other => Self::message(guard::text(&other, HELD_BYTES)),
        }
    }

    /// Sets the error's type.
    #[must_use]
    pub fn with_type(mut self, name: impl Into<String>) -> Self {
        self.type_name = Some(guard::owned(name));
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
        self.add_chain(source);
        self
    }

    /// What is left of it where no payload is recorded: its type, and a code that is a number.
    pub(crate) fn without_payload(self) -> Self {
        Self {
            message: names_only::NO_MESSAGE.to_owned(),
            type_name: self.type_name.filter(|name| names_only::is_type_name(name)),
            code: self.code.filter(Value::is_number),
            chain: Vec::new(),
            details: platform(),
        }
    }

    fn add_chain(&mut self, source: Option<&(dyn Error + 'static)>) {
        let mut next = source;
        while let Some(cause) = next.filter(|_| self.chain.len() < MAX_CHAIN) {
            self.chain.push(Cause { message: guard::text(cause, HELD_BYTES) });
            next = source_of(cause);
        }
    }

    /// An error of which the message and, where it says something, the type are known.
    pub(crate) fn described(message: String, type_name: Option<String>) -> Self {
        Self { message, type_name, code: None, chain: Vec::new(), details: platform() }
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

/// An error's cause. `source` is a user's code.
fn source_of<E: Error + ?Sized>(error: &E) -> Option<&(dyn Error + 'static)> {
    user_code(|| error.source()).flatten()
}

/// The path of an error's type, which a reader can search for: of what a reference or a box holds. `None` for a trait
/// object, whose own type nobody can name, and for text, whose type says nothing about the error.
pub(crate) fn useful_type<T: ?Sized>() -> Option<String> {
    const HOLDERS: [&str; 5] = [
        "alloc::boxed::Box<",
        "alloc::sync::Arc<",
        "alloc::rc::Rc<",
        "alloc::borrow::Cow<",
        "core::pin::Pin<",
    ];
    const TEXTS: [&str; 3] = ["str", "alloc::string::String", "serde_json::value::Value"];
    let mut name = std::any::type_name::<T>();
    loop {
        let rest = without_lifetime(name.trim_start_matches('&')).trim_start_matches("mut ");
        let held = HOLDERS.iter().find_map(|holder| rest.strip_prefix(holder)?.strip_suffix('>'));
        let next = held.map_or(rest, without_lifetime);
        if next.len() == name.len() {
            break;
        }
        name = next;
    }
    (!name.trim_start_matches('(').starts_with("dyn ") && !TEXTS.contains(&name)).then(|| name.to_owned())
}

/// A type's name behind the lifetime that it may begin with: some compilers write `&'_ T` and `Cow<'_, T>`, others leave
/// the lifetime out.
fn without_lifetime(name: &str) -> &str {
    match name.strip_prefix('\'') {
        Some(rest) => {
            rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').trim_start_matches([',', ' '])
        }
        None => name,
    }
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

    #[derive(Clone, Debug)]
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
                "type": useful_type::<Layer>(),
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
    fn the_type_of_text_and_of_boxes_is_what_they_hold_or_none() {
        assert_eq!(useful_type::<String>(), None);
        assert_eq!(useful_type::<&&str>(), None);
        assert_eq!(useful_type::<Box<str>>(), None);
        assert_eq!(useful_type::<std::borrow::Cow<'static, str>>(), None);
        assert_eq!(useful_type::<&std::borrow::Cow<'_, Box<str>>>(), None);
        assert_eq!(
            useful_type::<std::borrow::Cow<'_, Layer>>().as_deref(),
            Some(std::any::type_name::<Layer>())
        );
        assert_eq!(useful_type::<Box<dyn Error + Send + Sync>>(), None);
        assert_eq!(useful_type::<&(dyn Error + Send + '_)>(), None);
        assert_eq!(useful_type::<std::sync::Arc<Box<fmt::Error>>>().as_deref(), Some("core::fmt::Error"));
        assert_eq!(useful_type::<&mut &fmt::Error>().as_deref(), Some("core::fmt::Error"));
    }

    #[test]
    fn a_lifetime_in_front_of_a_type_is_looked_past_in_every_form() {
        for (name, rest) in
            [("'_ str", "str"), ("'_, str", "str"), ("'static, a::B", "a::B"), ("a::B", "a::B")]
        {
            assert_eq!(without_lifetime(name), rest);
        }
    }

    #[test]
    fn an_error_that_fails_in_every_method_is_described_all_the_same() {
        struct Broken;
        impl fmt::Debug for Broken {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("debug")
            }
        }
        impl fmt::Display for Broken {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                Err(fmt::Error)
            }
        }
        impl Error for Broken {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                panic!("source")
            }
        }
        let info = ErrorInfo::from_error(&Broken);
        assert_eq!((&*info.message, info.chain.len()), (guard::FAILED, 0));
        let held = ErrorInfo::message("outer").with_chain(Some(&Broken));
        assert_eq!(held.chain, [Cause { message: guard::FAILED.to_owned() }]);
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
