//! What a request and its answer look like in an event: the layout that the product's TypeScript and Rust
//! SDKs send, `{"request": {"method", "params"}, "extra": {…}}`.
//!
//! Of an HTTP request only the headers named here are recorded: never a query, a cookie or a credential.

use http::request::Parts;
use rmcp::model::{
    CallToolResponse, CompleteResult, CustomResult, DiscoverResult, Extensions, GetPromptResponse,
    GetSkillResult, GetTaskResult, InitializeResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListSkillsResult, ListToolsResult, ReadResourceResponse, RequestId,
    SubscriptionFilter,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::options::Payload;
use super::shape::Shape;
use crate::event::{ErrorInfo, Fields, Outcome as _};

/// Request headers that may be recorded.
const HEADERS: [&str; 6] =
    ["user-agent", "content-type", "accept", "accept-language", "mcp-protocol-version", "mcp-session-id"];

/// An event's `parameters`.
pub(super) struct Parameters<'a, P: ?Sized> {
    pub(super) method: &'a str,
    pub(super) params: &'a P,
    pub(super) extra: Extra<'a>,
}

/// What surrounds a request.
pub(super) struct Extra<'a> {
    pub(super) id: &'a RequestId,
    pub(super) extensions: &'a Extensions,
}

impl<P: Serialize + ?Sized> Serialize for Parameters<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("request", &Request { method: self.method, params: self.params })?;
        map.serialize_entry("extra", &self.extra)?;
        map.end()
    }
}

struct Request<'a, P: ?Sized> {
    method: &'a str,
    params: &'a P,
}

impl<P: Serialize + ?Sized> Serialize for Request<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("method", self.method)?;
        map.serialize_entry("params", self.params)?;
        map.end()
    }
}

impl Serialize for Extra<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("requestId", self.id)?;
        if let Some(parts) = self.extensions.get::<Parts>() {
            map.serialize_entry("requestInfo", &RequestInfo(parts))?;
        }
        map.end()
    }
}

struct RequestInfo<'a>(&'a Parts);

impl Serialize for RequestInfo<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("headers", &Headers(self.0))?;
        map.end()
    }
}

struct Headers<'a>(&'a Parts);

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in HEADERS {
            if let Some(value) = self.0.headers.get(name).and_then(|value| value.to_str().ok()) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// What a tracker asks of an answer: its fields, and whether it is a failure.
pub(super) trait Answer {
    /// Writes the response, as much of it as is wanted.
    fn record(&self, fields: &mut Fields, payload: Payload);
    /// The failure that a successful answer describes.
    fn failure(&self) -> Option<ErrorInfo> {
        None
    }
}

fn respond<T: Serialize>(fields: &mut Fields, answer: &T, payload: Payload) {
    if fields.is_names_only() {
        return fields.size("mcpcat_response_bytes", answer);
    }
    match payload {
        Payload::All => fields.response(answer),
        Payload::Shape => fields.response(&Shape(answer)),
        Payload::Nothing => {}
    }
}

/// An empty answer says nothing that its absence would not.
impl Answer for () {
    fn record(&self, _: &mut Fields, _: Payload) {}
}

macro_rules! serialised {
    ($($answer:ty),* $(,)?) => {
        $(impl Answer for $answer {
            fn record(&self, fields: &mut Fields, payload: Payload) {
                respond(fields, self, payload);
            }
        })*
    };
}

serialised!(
    InitializeResult,
    CompleteResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    GetTaskResult,
    CustomResult,
    DiscoverResult,
    ListSkillsResult,
    GetSkillResult,
);

/// What is listened for, as a request asks for it and as it was acknowledged.
pub(super) struct Notifications<F>(pub(super) F);

impl<F: std::borrow::Borrow<SubscriptionFilter>> Serialize for Notifications<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("notifications", self.0.borrow())?;
        map.end()
    }
}

impl Answer for Notifications<SubscriptionFilter> {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
    }
}

impl Answer for CallToolResponse {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        match self {
            Self::Complete(result) => respond(fields, result, payload),
            Self::InputRequired(result) => respond(fields, result, payload),
            Self::Task(result) => respond(fields, result, payload),
            _ => {}
        }
    }

    fn failure(&self) -> Option<ErrorInfo> {
        self.error().map(|error| match error.type_name {
            None => error.with_type("ToolError"),
            Some(_) => error,
        })
    }
}

impl Answer for GetPromptResponse {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        match self {
            Self::Complete(result) => respond(fields, result, payload),
            Self::InputRequired(result) => respond(fields, result, payload),
            _ => {}
        }
    }
}

impl Answer for ReadResourceResponse {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        match self {
            Self::Complete(result) => respond(fields, result, payload),
            Self::InputRequired(result) => respond(fields, result, payload),
            _ => {}
        }
    }
}
