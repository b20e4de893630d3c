//! The beginning of a request's event: whose it is, whether it is recorded, and what is known before its handler runs.

use std::future::Future;

use rmcp::model::{Implementation, InputResponses, JsonObject};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{RoleServer, ServerHandler};
use serde::Serialize;

use super::connection::{Asked, Found, Link, peer_of};
use super::ending::Ending;
use super::handle::{Source, Told, session_of};
use super::inject::Sent;
use super::options::Payload;
use super::payload::{Extra, Parameters, json_bytes, tokens};
use super::request::{Method, RequestInfo};
use super::rounds::{Goes, Thread};
use super::shape::Shape;
use super::tracked::Tracked;
use super::watch::{OnTable, Watched};
use super::whose::Whose;
use super::wire::Stage;
use crate::call::Call;
use crate::client::Client;
use crate::event::names_only::{OTHER_METHOD, names_subject};
use crate::session::{InSession as _, Scope, Scoped, Session};

/// What a request is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) arguments: Option<&'a JsonObject>,
    pub(super) sent: Option<&'a Sent>,
    /// Who asks, where the request itself says it.
    pub(super) client: Option<&'a Implementation>,
    /// The call that it goes on with.
    pub(super) goes: Goes<'a>,
}

impl<'a> Subject<'a> {
    pub(super) fn named(name: &'a str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// About a task.
    pub(super) fn task(task: &'a str) -> Self {
        Self { goes: Goes { task: Some(task), ..Goes::default() }, ..Self::default() }
    }

    /// It ends the task.
    pub(super) fn cancels(self) -> Self {
        Self { goes: Goes { cancels: true, ..self.goes }, ..self }
    }

    /// A round of a call, perhaps.
    pub(super) fn goes(self, state: Option<&'a String>, inputs: Option<&'a InputResponses>) -> Self {
        let goes = Goes { state: state.map(String::as_str), inputs, ..Goes::default() };
        Self { goes, ..self }
    }
}

impl<H: ServerHandler> Tracked<H> {
    /// Tells a session who its two ends are.
    fn introduce(&self, found: &Found, asked: &Asked<'_>, named: Option<Implementation>) {
        if let Some(principal) = &asked.whose.principal {
            found.session.behind(principal);
        }
        if found.session.needs_facts() {
            let named = named.or_else(|| {
                let info = asked.peer.peer_info().filter(|_| found.handshake)?;
                Some(info.client_info.clone())
            });
            let server = self.server();
            found.session.update(|facts| {
                facts.server = server.cloned();
                facts.client = named.as_ref().map(peer_of);
            });
        }
    }

    /// Begins the event of a request.
    pub(super) fn begin<P: Serialize + ?Sized>(
        &self,
        method: &Method<'_>,
        subject: Subject<'_>,
        params: &P,
        context: &RequestContext<RoleServer>,
    ) -> Watched {
        let Some(client) = self.recorder() else { return Watched::Untouched };
        let (options, project) = (self.options(), client.project());
        let info = || RequestInfo::new(method.name, subject.name, subject.arguments, context);
        let whose = Whose::of(options, project, &context.meta.0, &context.extensions, info);
        let asked = Asked {
            extensions: &context.extensions,
            version: context.meta.protocol_version(),
            peer: &context.peer,
            opens: method.opens,
            whose: &whose,
        };
        let mut found = self.connection().session(client.core(), &asked);
        let mut source = None;
        let mut told = None;
        if options.has_resolver() {
            if let Some(text) = options.resolve(&info()) {
                found.session = client.session(&text);
                found.link = Link::Named;
                source = Some(Source::Hook);
            }
        } else if let Some(sent) = subject.sent.filter(|_| options.injection.session_handle && found.single)
            && let Some((from, session)) = session_of(client.core(), sent)
        {
            if let Some(session) = session {
                found.session = session;
                found.link = Link::Named;
            }
            source = Some(from);
            told = Some(Told { source: from, session: found.session.id(), agent: sent.agent_id.clone() });
        }
        let behind = (found.link == Link::Nothing).then(|| whose.behind(&context.extensions));
        let thread = Thread::of(&found.session, subject.goes, behind);
        let root = thread.root(client.core());
        if let Some((session, _)) = root.as_ref().filter(|_| found.link == Link::Nothing) {
            // One call is in one session.
            found.session = session.clone();
        }
        self.introduce(&found, &asked, context.meta.client_info().or_else(|| subject.client.cloned()));
        let settles = settles(client, &found.session);
        let table = self.wire(context);
        let owned = found.link == Link::Named && source.is_none();
        let began = |session: &Session, stage| {
            if let Some(table) = &table {
                table.began(&context.id, session, owned, stage, || self.observer());
            }
        };
        if found.replayed || !options.records(method) {
            began(&found.session, Stage::Unrecorded);
            let scope = Scope { session: found.session, parent: None };
            return Watched::Inside { scope, told, settles };
        }
        // Before anybody is asked about the call, and before anything of it is written.
        if !found.session.records() {
            found.session.core().ledger.without_consent();
            began(&found.session, Stage::Unrecorded);
            let scope = Scope { session: found.session, parent: None };
            return Watched::Inside { scope, told, settles: None };
        }
        let named = found.session.knows_client();
        let names_only = client.core().is_names_only();
        let trace = if names_only { None } else { options.trace(context) };
        let hooks = &options.hooks;
        let asks = !names_only && hooks.concern(&found.session);
        if asks || trace.is_some() {
            found.session = found.session.viewed(trace, asks);
        }
        if asks {
            hooks.ask(&found.session, info().into_owned());
        }
        let payload = if names_only { Payload::Nothing } else { options.payload(method.name, subject.name) };
        let mut name = subject.name.filter(|_| !names_only || names_subject(method.name));
        // Its client has made up what the server does not know by this name.
        let made_up = name.filter(|name| names_only && !self.has_tool(name));
        if made_up.is_some() {
            name = None;
        }
        let mut call = Call::request_under(found.session, method.name, root.map(|(_, event)| event));
        if let Some(fields) = call.fields() {
            match method.event_type {
                Some(event_type) => fields.body_member("event_type", &event_type),
                None => {
                    let known = if names_only { OTHER_METHOD } else { method.name };
                    fields.body_member("event_type", &format!("mcp:{known}"));
                }
            }
            if let Some(name) = name {
                fields.name(name);
            }
            if names_only {
                fields.size("mcpcat_request_bytes", params);
            }
            let extra = Extra { id: &context.id, extensions: &context.extensions };
            match payload {
                Payload::All => fields.parameters(&Parameters { method: method.name, params, extra }),
                Payload::Shape => {
                    fields.parameters(&Parameters { method: method.name, params: &Shape(params), extra });
                }
                Payload::Nothing => {}
            }
            match found.link {
                Link::Named => {}
                Link::Conversation => fields.fact("mcpcat_session", "conversation"),
                Link::Nothing => fields.fact("mcpcat_session", "unlinked"),
            }
            thread.note(subject.goes, fields);
            if *method.name == *"tools/call" {
                let bytes = subject.arguments.map_or(Some(2), json_bytes).unwrap_or_default();
                fields.body_member("input_tokens", &tokens(bytes));
                fields.property("mcpcat_argument_bytes", &bytes);
            }
            whose.note(options, project, fields);
            let reported = subject.sent.and_then(|sent| sent.model.as_deref());
            whose.note_agent(fields, reported, named);
            if let Some(source) = source {
                fields.tag("agentcat_session_id_source", source.as_str());
            }
            if let Some(sent) = subject.sent {
                if let Some(intent) = &sent.intent {
                    fields.message(intent);
                }
                if let Some(agent) = &sent.agent_id {
                    fields.tag("agentcat_agent_id", agent);
                    fields.tag("agentcat_agent_id_source", "supplied");
                }
            }
        }
        if let Some((session, event, _)) = call.identity() {
            began(session, Stage::Runs(session.clone(), event));
        }
        let ending = Ending::of(context, found.single, method.lasts);
        let made_up = made_up.map(Into::into);
        let wire = table.map(|table| OnTable { table, id: context.id.clone() });
        Watched::Recorded { call, ending, told, payload, settles, made_up, thread, wire }
    }

    /// The scope of a notification: no event, but the session of what is published while it is handled.
    fn scope(&self, method: &str, context: &NotificationContext<RoleServer>) -> Option<Scope> {
        let client = self.recorder()?;
        let info = || RequestInfo::of_notification(method, context);
        let meta = context.extensions.get().unwrap_or(&context.meta);
        let whose = Whose::of(self.options(), client.project(), &meta.0, &context.extensions, info);
        let asked = Asked {
            extensions: &context.extensions,
            version: None,
            peer: &context.peer,
            opens: false,
            whose: &whose,
        };
        let mut found = self.connection().session(client.core(), &asked);
        if self.options().has_resolver()
            && let Some(text) = self.options().resolve(&info())
        {
            found.session = client.session(&text);
        }
        self.introduce(&found, &asked, None);
        Some(Scope { session: found.session, parent: None })
    }

    /// Forwards a notification in its session.
    pub(super) fn notified<F: Future<Output = ()>>(
        &self,
        method: &str,
        context: &NotificationContext<RoleServer>,
        forward: F,
    ) -> Scoped<F> {
        within(self.scope(method, context), forward)
    }
}

fn within<F: Future>(scope: Option<Scope>, future: F) -> Scoped<F> {
    match scope {
        Some(scope) => scope.wrap(future),
        None => future.in_current_session(),
    }
}

/// Who is waited for before the answer goes out. A session without a name gets it after the answer: waiting for
/// its events would be in vain.
fn settles(client: &Client, session: &Session) -> Option<Client> {
    (client.answers_wait() && session.id().is_some()).then(|| client.clone())
}
