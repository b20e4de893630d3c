//! What a request and its answer look like in an event: the layout that the product's TypeScript and Rust
//! SDKs send, `{"request": {"method", "params"}, "extra": {…}}`.
//!
//! Of an HTTP request only the headers named here are recorded: never a query, a cookie or a credential.

use std::io;

use http::request::Parts;
use rmcp::model::{
    CallToolResponse, CallToolResult, CompleteResult, CreateTaskResult, CustomResult, DiscoverResult,
    EmptyResult, Extensions, GetPromptResponse, GetPromptResult, GetSkillResult, GetTaskResult,
    InitializeResult, InputRequiredResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListSkillsResult, ListToolsResult, ReadResourceResponse, ReadResourceResult,
    RequestId, ServerResult, SubscriptionFilter, SubscriptionsListenResult, TaskAckResult, Tool,
};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::form::{Form, Kind, Structured};
use super::keyed::fingerprint;
use super::options::Payload;
use super::rounds::Waits;
use super::shape::Shape;
use crate::event::json;
use crate::event::{ErrorInfo, Fields, Outcome as _};
use crate::policy::Policy;

/// Request headers that may be recorded.
const HEADERS: [&str; 6] =
    ["user-agent", "content-type", "accept", "accept-language", "mcp-protocol-version", "mcp-session-id"];

/// As the official SDKs estimate them, of bytes.
pub(super) fn tokens(bytes: usize) -> u32 {
    let tokens = (bytes as u64 * 2).div_ceil(7);
    u32::try_from(tokens.min(i32::MAX as u64)).unwrap_or(u32::MAX)
}

/// How many bytes a value is as compact JSON.
pub(super) fn json_bytes<T: Serialize + ?Sized>(value: &T) -> Option<usize> {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be serialised is sent nowhere either.
    serde_json::to_writer(&mut count, value).ok()?;
    Some(count.0)
}

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
    /// What rmcp may change about it.
    fn form(&self) -> Form {
        Form::default()
    }
    /// The answer as JSON, where rmcp may keep it from the client.
    fn kept(&self, _: Payload, _: &Policy) -> Option<String> {
        None
    }
    /// What it leaves open.
    fn waits(&self) -> Option<Waits<'_>> {
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
    if let Some(bytes) = json_bytes(answer) {
        fields.property("mcpcat_result_bytes", &bytes);
    }
}

fn keep<T: Serialize>(answer: &T, payload: Payload, policy: &Policy) -> Option<String> {
    let mut out = Vec::new();
    match payload {
        Payload::All => json::write_value(&mut out, answer, policy).ok()?,
        Payload::Shape => json::write_value(&mut out, &Shape(answer), policy).ok()?,
        Payload::Nothing => return None,
    }
    String::from_utf8(out).ok()
}

/// An empty answer says nothing that its absence would not.
impl Answer for () {
    fn record(&self, _: &mut Fields, _: Payload) {}
}

macro_rules! serialised {
    ($($answer:ty $(: $form:expr)?),* $(,)?) => {
        $(impl Answer for $answer {
            fn record(&self, fields: &mut Fields, payload: Payload) {
                respond(fields, self, payload);
            }
            $(fn form(&self) -> Form {
                let form: fn(&Self) -> Form = $form;
                form(self)
            })?
        })*
    };
}

serialised!(
    CompleteResult: |it| Form::of(it.result_type.is_some()),
    ListPromptsResult: |it| Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some()),
    ListResourcesResult: |it| Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some()),
    ListResourceTemplatesResult: |it| {
        Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some())
    },
    InitializeResult: |it| Form::of(false).version(it.protocol_version.as_str()),
    CustomResult,
    DiscoverResult,
    ListSkillsResult: |it| Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some()),
    GetSkillResult: |it| Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some()),
    GetPromptResult: |it| Form::of(it.result_type.is_some()),
    ReadResourceResult: |it| Form::of(it.result_type.is_some()).hints(it.ttl_ms.is_some(), it.cache_scope.is_some()),
    SubscriptionsListenResult,
);

/// Empty answers, as rmcp sends them.
impl Answer for EmptyResult {
    fn record(&self, _: &mut Fields, _: Payload) {}
}

impl Answer for TaskAckResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
    }
}

/// The tools that are advertised, in parts that an event's limits leave whole.
impl Answer for ListToolsResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
        for (part, tools) in self.tools.chunks(ADVERTISED).enumerate() {
            let name = match part {
                0 => "mcpcat_tools".to_owned(),
                part => format!("mcpcat_tools_{}", part + 1),
            };
            fields.property(&name, &Advertised(tools));
        }
    }

    fn form(&self) -> Form {
        let outputs = self.tools.iter().filter(|tool| tool.output_schema.is_some()).count();
        let form =
            Form::of(self.result_type.is_some()).hints(self.ttl_ms.is_some(), self.cache_scope.is_some());
        Form { outputs, ..form }
    }

    fn kept(&self, payload: Payload, policy: &Policy) -> Option<String> {
        let not_object = |tool: &Tool| {
            tool.output_schema
                .as_ref()
                .is_some_and(|schema| schema.get("type").is_none_or(|it| it != "object"))
        };
        self.tools.iter().any(not_object).then(|| keep(self, payload, policy)).flatten()
    }
}

/// Members that one property keeps.
const ADVERTISED: usize = 100;

/// The names of tools, each with a hash of its schema.
struct Advertised<'a>(&'a [Tool]);

impl Serialize for Advertised<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for tool in self.0 {
            let schema = serde_json::to_string(&*tool.input_schema).unwrap_or_default();
            map.serialize_entry(&tool.name, &fingerprint(&[&schema])[..16])?;
        }
        map.end()
    }
}

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

impl Answer for GetTaskResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
    }

    fn waits(&self) -> Option<Waits<'_>> {
        Some(Waits::TaskIs(&self.task))
    }
}

impl Answer for CallToolResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
        let texts = self.content.iter().filter_map(|block| Some(block.as_text()?.text.len()));
        fields.body_member("output_tokens", &tokens(texts.sum()));
    }

    fn failure(&self) -> Option<ErrorInfo> {
        self.error().map(|error| match error.type_name {
            None => error.with_type("ToolError"),
            Some(_) => error,
        })
    }

    fn form(&self) -> Form {
        let structured = match &self.structured_content {
            None => Structured::None,
            Some(serde_json::Value::Object(_)) => Structured::Object,
            Some(_) => Structured::Other,
        };
        Form { structured, ..Form::of(self.result_type.is_some()) }
    }

    fn kept(&self, payload: Payload, policy: &Policy) -> Option<String> {
        (self.form().structured == Structured::Other).then(|| keep(self, payload, policy)).flatten()
    }
}

impl Answer for CreateTaskResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
    }

    fn form(&self) -> Form {
        Form { kind: Kind::Task, ..Form::default() }
    }

    fn kept(&self, payload: Payload, policy: &Policy) -> Option<String> {
        keep(self, payload, policy)
    }

    fn waits(&self) -> Option<Waits<'_>> {
        Some(Waits::Task(&self.task.task_id))
    }
}

impl Answer for InputRequiredResult {
    fn record(&self, fields: &mut Fields, payload: Payload) {
        respond(fields, self, payload);
    }

    fn form(&self) -> Form {
        Form { kind: Kind::Input, ..Form::default() }
    }

    fn kept(&self, payload: Payload, policy: &Policy) -> Option<String> {
        keep(self, payload, policy)
    }

    fn waits(&self) -> Option<Waits<'_>> {
        Some(Waits::Input { state: self.request_state.as_deref(), requests: self.input_requests.as_ref() })
    }
}

/// An answer that is one of several.
trait Kinds {
    /// Which; `None` for one that a newer rmcp has.
    fn inside(&self) -> Option<&dyn Answer>;
}

/// Answers of more than one kind are what they are inside.
macro_rules! impl_by_kind {
    ($($answer:ident: $($variant:ident)*;)*) => {
        $(impl Kinds for $answer {
            fn inside(&self) -> Option<&dyn Answer> {
                match self {
                    $(Self::$variant(answer) => Some(answer),)*
                    _ => None,
                }
            }
        }

        impl Answer for $answer {
            fn record(&self, fields: &mut Fields, payload: Payload) {
                if let Some(inside) = self.inside() {
                    inside.record(fields, payload);
                }
            }

            fn failure(&self) -> Option<ErrorInfo> {
                self.inside()?.failure()
            }

            fn form(&self) -> Form {
                self.inside().map(Answer::form).unwrap_or_default()
            }

            fn kept(&self, payload: Payload, policy: &Policy) -> Option<String> {
                self.inside()?.kept(payload, policy)
            }

            fn waits(&self) -> Option<Waits<'_>> {
                self.inside()?.waits()
            }
        })*
    };
}
impl_by_kind! {
    CallToolResponse: Complete InputRequired Task;
    GetPromptResponse: Complete InputRequired;
    ReadResourceResponse: Complete InputRequired;
    ServerResult: DiscoverResult InitializeResult CompleteResult GetPromptResult ListPromptsResult ListResourcesResult
        ListResourceTemplatesResult ReadResourceResult SubscriptionsListenResult ListToolsResult ListSkillsResult
        GetSkillResult CreateTaskResult GetTaskResult CallToolResult InputRequiredResult TaskAckResult EmptyResult
        CustomResult;
}
