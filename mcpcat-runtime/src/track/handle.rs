//! The explicit session handle: a parameter that links the calls of one conversation where the transport
//! does not, and the words in an answer that tell it to the agent.

use std::sync::Arc;

use rmcp::model::{CallToolResponse, ContentBlock};
use serde_json::{Map, Value};

use super::inject::{SESSION_MEMBER, Sent};
use crate::client::Core;
use crate::session::{Session, SessionId};

/// How a call was linked; the words are those of the product's tag `agentcat_session_id_source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The author's resolver named the session.
    Hook,
    /// The agent asked for a session, or said nothing.
    Minted,
    /// The agent sent a handle.
    Supplied,
    /// The tool has a `session_id` of its own.
    Foreign,
    /// What the agent sent is no handle.
    Invalid,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hook => "hook",
            Self::Minted => "minted",
            Self::Supplied => "supplied",
            Self::Foreign => "foreign",
            Self::Invalid => "invalid",
        }
    }
}

/// How a call is linked, and the session that it names by its handle, where it names one.
pub(super) fn session_of(core: &Arc<Core>, sent: &Sent) -> Option<(Source, Option<Session>)> {
    if !sent.has_handle() {
        return sent.foreign.then_some((Source::Foreign, None));
    }
    let given = sent.session_id.as_deref().map_or("", str::trim);
    if given.is_empty() || given.eq_ignore_ascii_case("start") {
        return Some((Source::Minted, Some(Session::minted(core))));
    }
    Some(match given.parse::<SessionId>() {
        // Stateless: this need not be the process that issued it, so nothing can be checked but the form.
        Ok(id) => (Source::Supplied, Some(Session::of_id(core, id))),
        Err(_) => (Source::Invalid, None),
    })
}

/// What an answer tells the agent.
pub(super) struct Told {
    pub(super) source: Source,
    pub(super) session: Option<SessionId>,
    pub(super) agent: Option<String>,
}

impl Told {
    /// Tells a complete answer; others are told with the answer that completes them.
    pub(super) fn tell(&self, answer: &mut CallToolResponse) {
        let CallToolResponse::Complete(result) = answer else { return };
        let (status, text) = match (self.source, &self.session) {
            (Source::Minted, Some(id)) => (
                "issued",
                Some(format!("[session]\nsession_id: {id}\nSend this value in every later call of this conversation.")),
            ),
            (Source::Supplied, _) => ("active", None),
            (Source::Invalid, _) => (
                "unrecognized",
                Some(
                    "[session]\nThe `session_id` of this call is not one that was issued. Send the one from an \
                     earlier answer, or `start`."
                        .to_owned(),
                ),
            ),
            _ => return,
        };
        if let Some(text) = text {
            result.content.insert(0, ContentBlock::text(text));
        }
        if let Some(Value::Object(members)) = &mut result.structured_content
            && !members.contains_key(SESSION_MEMBER)
        {
            let mut session = Map::new();
            if let Some(id) = &self.session {
                session.insert("session_id".to_owned(), id.as_str().into());
            }
            if let Some(agent) = &self.agent {
                session.insert("agent_id".to_owned(), agent.as_str().into());
            }
            session.insert("status".to_owned(), status.into());
            members.insert(SESSION_MEMBER.to_owned(), session.into());
        }
    }
}
