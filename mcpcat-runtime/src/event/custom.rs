//! An event put together at run time, for when neither `emit!` nor the derive fits.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::data::EventData;
use super::error::ErrorInfo;
use super::fields::{Fields, PANICKED, Place};
use super::guard::{self, user_code};
use super::json;
use crate::policy::{KeyPolicy, Limits, Policy};
use mcpcat_wire::tag::MAX_TAG_VALUE;

/// A custom event with the fields of the product's `publishCustomEvent`. All are optional; the default is
/// a minimal, nameless event.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::CustomEvent;
/// use std::time::Duration;
///
/// let event = CustomEvent::new("report.exported")
///     .parameter("format", "pdf")
///     .parameter("pages", 12)
///     .duration(Duration::from_millis(340))
///     .tag("region", "eu")
///     .property("trial", true);
/// ```
#[derive(Clone, Default)]
#[must_use = "an event does nothing until it is published"]
pub struct CustomEvent {
    name: Option<String>,
    message: Option<String>,
    members: Vec<(Place, String, Held)>,
    parameters: Option<Held>,
    response: Option<Held>,
    duration: Option<Duration>,
    is_error: Option<bool>,
    error: Option<ErrorInfo>,
}

/// Bytes of a tag that are kept: more than any that the wire takes.
const TAG_BYTES: usize = 4 * MAX_TAG_VALUE;

/// A value as JSON text, or why it has none. The publishing client's limits and keys are applied later.
type Held = Result<String, String>;

/// Generous bounds for what is held: memory must not follow a payload that a client cuts anyway. Keys are
/// scrubbed by the client, whose list is known only when the event is published.
fn bounds() -> &'static Policy {
    static BOUNDS: OnceLock<Policy> = OnceLock::new();
    BOUNDS.get_or_init(|| {
        let limits = Limits::new()
            .depth(Limits::MAX_DEPTH)
            .members(100_000)
            .string_bytes(1 << 20)
            .event_bytes(4 << 20);
        Policy::new().limits(limits).keys(KeyPolicy::new().off())
    })
}

fn hold<T: Serialize + ?Sized>(value: &T) -> Held {
    let mut out = Vec::new();
    user_code(|| json::write_value(&mut out, value, bounds()))
        .ok_or_else(|| PANICKED.to_owned())?
        .map_err(|error| error.to_string())?;
    String::from_utf8(out).map_err(|error| error.to_string())
}

impl CustomEvent {
    /// An event called `name` (the wire's `resource_name`): what the timeline shows as its label.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: Some(guard::owned(name)), ..Self::default() }
    }

    /// Adds one parameter. Anything `Serialize`.
    pub fn parameter(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.members.push((Place::Parameter, guard::owned(key), hold(&value)));
        self
    }

    /// Sets the parameters from one value. The members of an object stand beside those of
    /// [`parameter`](Self::parameter); anything else is sent as it is, or under `value` beside others.
    pub fn parameters(mut self, value: impl Serialize) -> Self {
        self.parameters = Some(hold(&value));
        self
    }

    /// Sets what the operation answered. Anything `Serialize`.
    pub fn response(mut self, value: impl Serialize) -> Self {
        self.response = Some(hold(&value));
        self
    }

    /// Sets the message (the wire's `user_intent`): one sentence for a reader of the timeline.
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = Some(guard::owned(text));
        self
    }

    /// Sets how long the operation took. The wire carries whole milliseconds.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }

    /// Says whether the operation failed. [`error`](Self::error) implies `true` unless this says otherwise.
    pub fn is_error(mut self, failed: bool) -> Self {
        self.is_error = Some(failed);
        self
    }

    /// Attaches a Rust error: message, type and chain of causes.
    pub fn error<E: Error + ?Sized>(mut self, error: &E) -> Self {
        self.error = Some(ErrorInfo::from_error(error));
        self
    }

    /// Attaches an error described by JSON: an object with `message`, `type`, `code` and anything else, or text.
    pub fn error_value(mut self, error: impl Into<Json>) -> Self {
        self.error =
            Some(ErrorInfo::from_value(user_code(|| error.into()).unwrap_or_else(|| guard::PANICKED.into())));
        self
    }

    /// Adds a tag. Keys have at most 32 characters of `a-zA-Z0-9$_.:- `, values at most 200 and no line
    /// break; an event carries at most 50. What breaks a rule is left out and counted.
    pub fn tag(mut self, key: impl Into<String>, value: impl fmt::Display) -> Self {
        self.members.push((Place::Tag, guard::owned(key), hold(&guard::text(&value, TAG_BYTES))));
        self
    }

    /// Adds a property: structured data that belongs to the event but not to the operation's parameters.
    pub fn property(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        self.members.push((Place::Property, guard::owned(key), hold(&value)));
        self
    }
}

impl EventData for CustomEvent {
    fn record(&self, fields: &mut Fields) {
        if let Some(name) = &self.name {
            fields.name(name);
        }
        if let Some(text) = &self.message {
            fields.message(text);
        }
        for (place, key, held) in &self.members {
            fields.held(*place, key, held);
        }
        if let Some(held) = &self.parameters {
            fields.held_parameters(held);
        }
        if let Some(held) = &self.response {
            fields.held_response(held);
        }
        if let Some(duration) = self.duration {
            fields.duration(duration);
        }
        if let Some(error) = &self.error {
            fields.error(error.clone());
        }
        if let Some(failed) = self.is_error {
            fields.is_error(failed);
        }
    }
}

impl fmt::Debug for CustomEvent {
    // Values stay out: a debug line is no place for what scrubbing has not seen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.members.iter().map(|(_, key, _)| key.as_str()).collect();
        f.debug_struct("CustomEvent").field("name", &self.name).field("keys", &keys).finish_non_exhaustive()
    }
}
