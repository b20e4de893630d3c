//! How clients name their conversation. The protocol has no sessions any more (SEP-2567); what a client puts into `_meta`
//! or a header of its own accord is what is left. The table says for each client where it stands and how far it is
//! trusted.
//!
//! | client | conversation | beside it | trust |
//! |---|---|---|---|
//! | VS Code | `_meta` `vscode.conversationId` | | hint |
//! | ChatGPT | `_meta` `openai/session` | subject `openai/subject` | above the transport: it opens a session for every few calls |
//! | OpenCode | `_meta` `sessionID` | | hint |
//! | Codex | `session_id` in `x-codex-turn-metadata`, in `_meta` or as a header | `turn_id`, `model` | hint; it may be withdrawn |

use std::borrow::Cow;

use http::HeaderMap;
use rmcp::model::JsonObject;
use serde_json::Value;

/// A longer value is none: it names nothing, and somebody wants to see what happens.
const LONGEST: usize = 512;

/// How far what a client says of its conversation is believed. In no case is it authentication: whoever sends another's
/// value, and is the same principal or none, writes into the same session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Trust {
    /// It names no session and is only noted on the events.
    Noted,
    /// It names the session where neither the server's author, nor an agent's handle, nor the transport does.
    #[default]
    Hint,
    /// It is taken before the transport's session too: for clients that are known to open one for every few calls.
    AboveTransport,
}

/// Where a request says something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Source {
    place: Place,
    member: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Meta(Cow<'static, str>),
    Header(Cow<'static, str>),
}

impl Source {
    const fn of(place: Place) -> Self {
        Self { place, member: None }
    }

    /// A member of the request's `_meta`.
    pub fn meta(key: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Place::Meta(key.into()))
    }

    /// A header of the HTTP request.
    pub fn header(name: impl Into<Cow<'static, str>>) -> Self {
        Self::of(Place::Header(name.into()))
    }

    /// Of the object that stands there, as JSON or as text that is JSON, this member.
    pub fn member(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.member = Some(name.into());
        self
    }

    /// The text that stands there.
    fn read(&self, said: &Said<'_>) -> Option<String> {
        let text = match (&self.place, &self.member) {
            (Place::Meta(key), None) => text_of(said.meta.get(key.as_ref())?)?.into_owned(),
            (Place::Meta(key), Some(member)) => match said.meta.get(key.as_ref())? {
                Value::Object(object) => text_of(object.get(member.as_ref())?)?.into_owned(),
                Value::String(text) => member_of(text, member)?,
                _ => return None,
            },
            (Place::Header(name), None) => said.header(name)?.to_owned(),
            (Place::Header(name), Some(member)) => member_of(said.header(name)?, member)?,
        };
        let trimmed = text.trim();
        (!trimmed.is_empty() && trimmed.len() <= LONGEST).then(|| trimmed.to_owned())
    }
}

fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// A member of an object that was written as text. What is longer than headers are is not parsed.
fn member_of(text: &str, member: &str) -> Option<String> {
    if text.len() > 16 * LONGEST {
        return None;
    }
    let object: JsonObject = serde_json::from_str(text).ok()?;
    object.get(member).and_then(text_of).map(Cow::into_owned)
}

/// How one client names its conversation: an entry of the table.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::{Convention, Source, Trust};
///
/// let ours = Convention::new("our-chat", Source::meta("our.chat/thread"))
///     .subject(Source::header("x-our-user"))
///     .trust(Trust::Hint);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Convention {
    client: Cow<'static, str>,
    conversation: Vec<Source>,
    subject: Option<Source>,
    turn: Vec<Source>,
    model: Vec<Source>,
    trust: Trust,
}

impl Convention {
    /// A client, by a name of your own for it, and where it names the conversation. A [hint](Trust::Hint), unless
    /// [`trust`](Self::trust) says otherwise.
    pub fn new(client: impl Into<Cow<'static, str>>, conversation: Source) -> Self {
        Self {
            client: client.into(),
            conversation: vec![conversation],
            subject: None,
            turn: Vec::new(),
            model: Vec::new(),
            trust: Trust::default(),
        }
    }

    /// Another place where the conversation may stand, for a client that has more than one.
    pub fn or(mut self, conversation: Source) -> Self {
        self.conversation.push(conversation);
        self
    }

    /// Where the client says on whose behalf it asks. Noted, and no principal: the client says it, nobody has checked it.
    pub fn subject(mut self, source: Source) -> Self {
        self.subject = Some(source);
        self
    }

    /// Where the client names the turn of the conversation.
    pub fn turn(mut self, source: Source) -> Self {
        self.turn.push(source);
        self
    }

    /// Where the client names the model that it runs.
    pub fn model(mut self, source: Source) -> Self {
        self.model.push(source);
        self
    }

    /// How far the client is believed.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// The entries that hold without a word.
    pub(super) fn known() -> Vec<Self> {
        const CODEX: &str = "x-codex-turn-metadata";
        let in_codex =
            |member: &'static str| (Source::meta(CODEX).member(member), Source::header(CODEX).member(member));
        let ((session, in_header), (turn, turn_in_header), (model, model_in_header)) =
            (in_codex("session_id"), in_codex("turn_id"), in_codex("model"));
        vec![
            Self::new("vscode", Source::meta("vscode.conversationId")),
            Self::new("chatgpt", Source::meta("openai/session"))
                .subject(Source::meta("openai/subject"))
                .trust(Trust::AboveTransport),
            Self::new("codex", session)
                .or(in_header)
                .turn(turn)
                .turn(turn_in_header)
                .model(model)
                .model(model_in_header),
            Self::new("opencode", Source::meta("sessionID")),
        ]
    }
}

/// What a request brings along beside its parameters.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) meta: &'a JsonObject,
    pub(super) headers: Option<&'a HeaderMap>,
}

impl<'a> Said<'a> {
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers?.get(name)?.to_str().ok()
    }
}

/// What a client says of its conversation, as it stands in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) client: Cow<'static, str>,
    pub(super) trust: Trust,
    pub(super) conversation: String,
    pub(super) subject: Option<String>,
    pub(super) turn: Option<String>,
    pub(super) model: Option<String>,
}

/// The first entry of the table that the request fits.
pub(super) fn spoken(table: &[Convention], said: &Said<'_>) -> Option<Spoken> {
    if said.meta.is_empty() && said.headers.is_none() {
        return None;
    }
    table.iter().find_map(|entry| {
        let first = |sources: &[Source]| sources.iter().find_map(|source| source.read(said));
        Some(Spoken {
            conversation: first(&entry.conversation)?,
            client: entry.client.clone(),
            trust: entry.trust,
            subject: entry.subject.as_ref().and_then(|source| source.read(said)),
            turn: first(&entry.turn),
            model: first(&entry.model),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(meta: Value, headers: &[(&'static str, &str)]) -> Option<Spoken> {
        let Value::Object(meta) = meta else { panic!("an object") };
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        spoken(&Convention::known(), &Said { meta: &meta, headers: Some(&headers) })
    }

    #[test]
    fn each_client_is_understood_where_it_speaks() {
        let found = read(json!({ "openai/session": "v1/abc", "openai/subject": "v1/user" }), &[]).unwrap();
        assert_eq!((found.client.as_ref(), found.trust), ("chatgpt", Trust::AboveTransport));
        assert_eq!((found.conversation.as_str(), found.subject.as_deref()), ("v1/abc", Some("v1/user")));
        assert_eq!(read(json!({ "vscode.conversationId": "c-1" }), &[]).unwrap().client, "vscode");
        assert_eq!(read(json!({ "sessionID": "ses_1" }), &[]).unwrap().client, "opencode");
        let turn = r#"{"session_id":"s","turn_id":"t","model":"gpt-5-codex"}"#;
        let object: Value = serde_json::from_str(turn).unwrap();
        for found in [
            read(json!({ "x-codex-turn-metadata": object }), &[]),
            read(json!({ "x-codex-turn-metadata": turn }), &[]),
            read(json!({}), &[("x-codex-turn-metadata", turn)]),
        ] {
            let found = found.unwrap();
            assert_eq!((found.client.as_ref(), found.conversation.as_str()), ("codex", "s"));
            assert_eq!((found.turn.as_deref(), found.model.as_deref()), (Some("t"), Some("gpt-5-codex")));
        }
    }

    #[test]
    fn what_names_nothing_is_no_conversation() {
        let long = "x".repeat(LONGEST + 1);
        for meta in [
            json!({}),
            json!({ "traceparent": "00-1-2-01", "baggage": "a=b" }),
            json!({ "openai/session": "  " }),
            json!({ "openai/session": { "id": 1 } }),
            json!({ "openai/session": long }),
            json!({ "x-codex-turn-metadata": "no json" }),
        ] {
            assert_eq!(read(meta.clone(), &[]), None, "{meta}");
        }
    }
}
