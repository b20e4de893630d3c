//! Whose request it is, beside its session: the principal that is behind it, the conversation that its client names, and
//! what is known of the agent.
//!
//! A conversation becomes a session by a hash of the client, the principal and the value, so that two principals who say
//! the same value never meet. Where no principal is known, the credential of the request takes its place: it is hashed
//! with the rest and kept nowhere.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::header::{AUTHORIZATION, USER_AGENT};
use http::request::Parts;
use rmcp::model::{Extensions, JsonObject};
use serde::Serialize;

use super::convention::{Said, Spoken, Trust, spoken};
use super::keyed::{HashKey, fingerprint};
use super::options::Options;
use super::request::RequestInfo;
use crate::event::Fields;
use crate::session::SessionId;

/// Whom an authentication layer has found behind a request. Put into the extensions of the HTTP request or of the MCP
/// request, it is what [`principal`](super::Tracked::principal) would answer.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::Principal;
///
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Principal::new("user-42"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal(Box<str>);

impl Principal {
    /// By an id that stays the same for them.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into().into())
    }

    /// The id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0
    }
}

/// The key under which a request of the newer revisions names its client.
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// What is known beside the session.
#[derive(Debug, Default)]
pub(super) struct Whose {
    pub(super) principal: Option<Box<str>>,
    pub(super) spoken: Option<Spoken>,
    /// The session that the conversation is, and how far that is believed.
    pub(super) session: Option<(SessionId, Trust)>,
    /// The product that the HTTP client names itself by.
    harness: Option<Box<str>>,
}

impl Whose {
    /// Of a request or a notification. `info` is made where an author's hook has to be asked.
    pub(super) fn of<'a>(
        options: &Options,
        project: &str,
        meta: &JsonObject,
        extensions: &Extensions,
        info: impl FnOnce() -> RequestInfo<'a>,
    ) -> Self {
        let parts = extensions.get::<Parts>();
        let headers = parts.map(|parts| &parts.headers);
        let said = Said { meta, headers };
        let principal = options.ask_principal(info).or_else(|| {
            let found = extensions.get::<Principal>().or_else(|| parts?.extensions.get::<Principal>());
            found.map(|principal| principal.0.clone())
        });
        let harness = headers.and_then(|headers| product(headers.get(USER_AGENT)?.to_str().ok()?));
        let spoken = spoken(&options.conventions, &said);
        let session = spoken.as_ref().filter(|spoken| spoken.trust != Trust::Noted).map(|spoken| {
            let credential = headers.and_then(|headers| headers.get(AUTHORIZATION)?.to_str().ok());
            let [kind, who] = behind(principal.as_deref(), credential);
            // In lower case: some clients change how they write their name.
            let name = meta.get(CLIENT_INFO).and_then(|info| info.get("name")?.as_str());
            let name = name.unwrap_or_default().to_lowercase();
            let digest = options.key(project).digest(&[
                "session",
                &spoken.client,
                &name,
                kind,
                who,
                &spoken.conversation,
            ]);
            (SessionId::derive(&format!("conversation:{digest}"), project), spoken.trust)
        });
        Self { principal, spoken, session, harness }
    }

    /// The session, where the client's word for it is believed that far.
    pub(super) fn session(&self, above_transport: bool) -> Option<&SessionId> {
        self.session
            .as_ref()
            .filter(|(_, trust)| !above_transport || *trust == Trust::AboveTransport)
            .map(|(session, _)| session)
    }

    /// A name for whoever is behind a request that nothing else links, to hold its rounds together.
    pub(super) fn behind(&self, extensions: &Extensions) -> String {
        let headers = extensions.get::<Parts>().map(|parts| &parts.headers);
        let credential = headers.and_then(|headers| headers.get(AUTHORIZATION)?.to_str().ok());
        fingerprint(&behind(self.principal.as_deref(), credential))
    }

    /// Notes on an event what tells its conversation and its people apart.
    pub(super) fn note(&self, options: &Options, project: &str, fields: &mut Fields) {
        let mut key = None;
        let mut note = |name: &str, kind: &str, client: &str, value: &str| {
            if options.plain_values {
                return fields.property(name, value);
            }
            let key: &HashKey = key.get_or_insert_with(|| options.key(project));
            fields.property(name, &key.digest(&[kind, client, value]));
        };
        if let Some(principal) = &self.principal {
            note("mcpcat_principal", "principal", "", principal);
        }
        let Some(spoken) = &self.spoken else { return };
        note("mcpcat_conversation", "conversation", &spoken.client, &spoken.conversation);
        if let Some(subject) = &spoken.subject {
            note("mcpcat_subject", "subject", &spoken.client, subject);
        }
        if let Some(turn) = &spoken.turn {
            note("mcpcat_turn", "turn", &spoken.client, turn);
        }
        fields.property("mcpcat_conversation_from", spoken.client.as_ref());
    }

    /// Notes on an event which agent asks: the model and the program that runs it. `reported` is what a model says of
    /// itself, `named` whether the client has introduced itself.
    pub(super) fn note_agent(&self, fields: &mut Fields, reported: Option<&str>, named: bool) {
        let told = self.spoken.as_ref().and_then(|spoken| spoken.model.as_deref());
        let (model, model_from) = match (told, reported) {
            (Some(model), _) => (Some(model), Some("client")),
            (None, Some(model)) => (Some(model), Some("agent")),
            (None, None) => (None, None),
        };
        let harness = self.harness.as_deref().filter(|_| !named || model.is_some());
        if model.is_some() || harness.is_some() {
            fields.property("mcpcat_agent", &Agent { model, model_from, harness });
        }
    }
}

#[derive(Serialize)]
struct Agent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// Who says it: the `client`, or the `agent` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    harness: Option<&'a str>,
}

/// Who is kept apart from others.
fn behind<'a>(principal: Option<&'a str>, credential: Option<&'a str>) -> [&'a str; 2] {
    match (principal, credential) {
        (Some(principal), _) => ["principal", principal],
        (None, Some(credential)) => ["credential", credential],
        (None, None) => ["nobody", ""],
    }
}

/// The first product of a user agent, with its version: `codex-mcp-client/0.61.0`. Names of browsers and of libraries are
/// no harness, but nobody knows all of them: what is sent is kept as it is.
fn product(user_agent: &str) -> Option<Box<str>> {
    let first = user_agent.split_whitespace().next()?;
    (first.len() <= 200).then(|| first.into())
}

impl Options {
    /// What the author says about the principal. A panic counts as nobody.
    fn ask_principal<'a>(&self, info: impl FnOnce() -> RequestInfo<'a>) -> Option<Box<str>> {
        let ask = self.principal.as_ref()?;
        let said = catch_unwind(AssertUnwindSafe(|| ask(&info())));
        let said =
            said.inspect_err(|_| crate::notice::warn("`principal` panicked: nobody is known")).ok()??;
        let said = said.trim();
        (!said.is_empty()).then(|| said.into())
    }

    pub(super) fn key(&self, project: &str) -> HashKey {
        HashKey::new(self.hash_key.as_deref(), project)
    }
}
