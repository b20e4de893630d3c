//! What a server asks its client for while it answers a request: sampling, elicitation, roots. Each is an event under the
//! request's, with how it ended and how long that took.

use rmcp::model::{ClientResult, ElicitationAction, ErrorData, RequestId, ServerRequest};
use serde::Serialize;

use crate::call::Call;
use crate::event::{ErrorInfo, EventId, Outcome as _};
use crate::session::Session;
use crate::track::options::Payload;
use crate::track::shape::Shape;

/// A request of the server that its client has not answered yet.
pub(super) struct Asked {
    call: Call,
    payload: Payload,
    /// The client's request that it was made for.
    pub(super) during: Option<RequestId>,
}

/// How it ended, in a word: the property `mcpcat_outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::track) enum Outcome {
    Answered,
    Accepted,
    Declined,
    Dismissed,
    Refused,
    Cancelled,
    Unanswered,
}

impl Outcome {
    pub(in crate::track) const fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Dismissed => "dismissed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }

    /// Of an answer as JSON: an elicitation says it in `action`.
    pub(in crate::track) fn of(answer: &serde_json::Value) -> Self {
        match answer.get("action").and_then(serde_json::Value::as_str) {
            Some("accept") => Self::Accepted,
            Some("decline") => Self::Declined,
            Some("cancel") => Self::Dismissed,
            _ => Self::Answered,
        }
    }
}

/// The method of a request that a server makes.
pub(super) fn method_of(request: &ServerRequest) -> &str {
    match request {
        ServerRequest::PingRequest(_) => "ping",
        ServerRequest::CreateMessageRequest(_) => "sampling/createMessage",
        ServerRequest::ListRootsRequest(_) => "roots/list",
        ServerRequest::ElicitRequest(_) => "elicitation/create",
        ServerRequest::CustomRequest(request) => &request.method,
        _ => "unknown",
    }
}

#[derive(Serialize)]
struct Parameters<'a, R> {
    request: R,
    extra: Extra<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extra<'a> {
    request_id: &'a RequestId,
}

/// Begins the event of what a client is asked for.
pub(in crate::track) fn begin(session: Session, parent: Option<EventId>, method: &str) -> Call {
    let mut call = Call::request_under(session, method, parent);
    if let Some(fields) = call.fields() {
        fields.body_member("event_type", &format!("mcp:{method}"));
        fields.property("mcpcat_direction", "server to client");
    }
    call
}

/// Ends it.
pub(in crate::track) fn end(mut call: Call, outcome: Outcome, error: Option<ErrorInfo>) {
    if let Some(fields) = call.fields() {
        fields.property("mcpcat_outcome", outcome.as_str());
    }
    call.finish(error);
}

impl Asked {
    pub(super) fn new(
        session: Session,
        parent: Option<EventId>,
        during: Option<RequestId>,
        payload: Payload,
        id: &RequestId,
        request: &ServerRequest,
    ) -> Self {
        let mut call = begin(session, parent, method_of(request));
        if let Some(fields) = call.fields() {
            let extra = Extra { request_id: id };
            match payload {
                Payload::All => fields.parameters(&Parameters { request, extra }),
                Payload::Shape => fields.parameters(&Parameters { request: Shape(request), extra }),
                Payload::Nothing => {}
            }
        }
        Self { call, payload, during }
    }

    /// The client answered.
    pub(super) fn answered(mut self, outcome: Result<&ClientResult, &ErrorData>) {
        let (word, error) = match outcome {
            Err(error) => (Outcome::Refused, error.error()),
            Ok(result) => {
                if let Some(fields) = self.call.fields() {
                    match self.payload {
                        Payload::All => fields.response(result),
                        Payload::Shape => fields.response(&Shape(result)),
                        Payload::Nothing => {}
                    }
                }
                let word = match result {
                    ClientResult::ElicitResult(result) => match result.action {
                        ElicitationAction::Accept => Outcome::Accepted,
                        ElicitationAction::Decline => Outcome::Declined,
                        ElicitationAction::Cancel => Outcome::Dismissed,
                        _ => Outcome::Answered,
                    },
                    _ => Outcome::Answered,
                };
                (word, None)
            }
        };
        end(self.call, word, error);
    }

    /// The server waits no longer.
    pub(super) fn cancelled(self, reason: Option<&str>) {
        let why = format!("the server cancelled it: {}", reason.unwrap_or("it gave no reason"));
        end(self.call, Outcome::Cancelled, Some(ErrorInfo::message(why).with_type("cancelled")));
    }

    /// Nobody waits any longer: what it was made for has ended, or the connection has.
    pub(super) fn unanswered(self) {
        end(self.call, Outcome::Unanswered, Some(never_answered()));
    }
}

pub(in crate::track) fn never_answered() -> ErrorInfo {
    ErrorInfo::message("the client never answered it").with_type("unanswered")
}
