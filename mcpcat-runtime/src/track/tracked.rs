//! The wrapper and what it is asked from outside: its status, a handle that outlives `serve`, and the
//! session that somebody outside a call means by it.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use rmcp::model::{Implementation, JsonObject};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{RoleServer, ServerHandler};
use serde::Serialize;

use super::connection::{Asked, Connection, Found, peer_of};
use super::ending::Ending;
use super::handle::{Source, Told, session_of};
use super::inject::{Injected, Sent};
use super::options::{Options, Payload};
use super::payload::{Extra, Parameters};
use super::request::{Method, RequestInfo};
use super::shape::Shape;
use super::watch::Watched;
use crate::call::Call;
use crate::client::{Client, for_project};
use crate::notice;
use crate::session::{InSession as _, Kind, Peer, Scope, Scoped, Session, Target};

/// Wraps a server: every request is recorded, none is changed.
///
/// Never fails. The client is the process's one for this project and the environment's endpoint, and becomes
/// the installed default if there is none. When no client can be made (an empty project, an unusable
/// endpoint) the server is served as it is, an error is logged, and [`Tracked::status`] says why.
/// [`Client::track`] is the form that lets you handle the error.
///
/// ```no_run
/// # use rmcp::ServerHandler;
/// # fn serve(handler: impl ServerHandler) {
/// let server = mcpcat_runtime::track::track(handler, "proj_abc123xyz");
/// # }
/// ```
#[must_use = "the wrapper has to be served instead of the handler"]
pub fn track<H: Handler>(handler: H, project: impl AsRef<str>) -> Tracked<H> {
    let client = for_project(project.as_ref()).map_err(|error| {
        notice::error(format_args!("the server is served untracked: {error}"));
        Arc::from(error.to_string())
    });
    Tracked::new(handler, client)
}

/// What [`track`] wraps: any rmcp `ServerHandler`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a server that can be tracked",
    label = "the server comes first: `track(handler, \"proj_…\")`",
    note = "what is tracked implements `rmcp::ServerHandler`; a `Router` is made around what `track` returns"
)]
pub trait Handler: ServerHandler {}

impl<H: ServerHandler> Handler for H {}

impl Client {
    /// Wraps a server so that its requests are recorded by this client.
    #[must_use = "the wrapper has to be served instead of the handler"]
    pub fn track<H: Handler>(&self, handler: H) -> Tracked<H> {
        Tracked::new(handler, Ok(self.clone()))
    }
}

/// A server whose requests are recorded. Made by [`track`] or [`Client::track`]; serve it in place of the
/// handler. A clone is a new connection.
pub struct Tracked<H> {
    handler: H,
    options: Arc<Options>,
    shared: Arc<Shared>,
}

/// A tracked server without its handler, to be taken before `serve` consumes the server. A target to publish
/// to, as the server itself is.
#[derive(Clone)]
pub struct ServerHandle(Arc<Shared>);

struct Shared {
    client: Result<Client, Arc<str>>,
    connection: Connection,
    /// How the server names itself, asked once.
    server: OnceLock<Peer>,
}

/// Whether a server's requests are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// They are.
    Recording,
    /// Recording is switched off.
    Off {
        /// Which option or variable decided.
        reason: String,
    },
    /// No client could be made; the server is served as it is.
    Untracked {
        /// What is wrong with the configuration.
        reason: String,
    },
}

impl<H> Tracked<H> {
    fn new(handler: H, client: Result<Client, Arc<str>>) -> Self {
        super::version::warn_if_newer();
        Self { handler, options: Arc::default(), shared: Arc::new(Shared::new(client)) }
    }

    pub(super) fn configure(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Whether requests are recorded, and why not.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The session that an event published to this server from here would belong to: inside a call the
    /// call's. `None` where it would be the process's own, or nowhere.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.shared.session()
    }

    /// The handle under which the server is known after `serve` has consumed it.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(Arc::clone(&self.shared))
    }

    /// The handler inside.
    #[must_use]
    pub fn inner(&self) -> &H {
        &self.handler
    }
}

impl ServerHandle {
    /// Whether requests are recorded, and why not.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// The client that records; `None` for a server that is not tracked.
    #[must_use]
    pub fn client(&self) -> Option<&Client> {
        self.0.client.as_ref().ok()
    }

    /// The session that an event published to this server from here would belong to; `None` where it would
    /// be the process's own, or nowhere.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        self.0.session()
    }
}

impl Shared {
    fn new(client: Result<Client, Arc<str>>) -> Self {
        Self { client, connection: Connection::default(), server: OnceLock::new() }
    }

    fn status(&self) -> Status {
        match &self.client {
            Ok(client) => match client.off_reason() {
                None => Status::Recording,
                Some(reason) => Status::Off { reason: reason.to_owned() },
            },
            Err(reason) => Status::Untracked { reason: reason.to_string() },
        }
    }

    /// Inside a call of this client the call's session, else the one session that the server has; never one
    /// of several.
    fn session(&self) -> Option<Session> {
        let client = self.client.as_ref().ok()?;
        Session::current()
            .filter(|session| Arc::ptr_eq(session.core(), client.core()))
            .or_else(|| self.connection.only_session())
    }

    fn target(&self) -> Target<'static> {
        Target(match (&self.client, self.session()) {
            (Err(reason), _) => Kind::Untracked(reason.to_string()),
            (Ok(_), Some(session)) => Kind::Session(session),
            (Ok(client), None) => Kind::Process(client.clone()),
        })
    }
}

impl<H: ServerHandler> Tracked<H> {
    pub(super) fn handler(&self) -> &H {
        &self.handler
    }

    /// The client, where anything is recorded.
    fn recorder(&self) -> Option<&Client> {
        self.shared.client.as_ref().ok().filter(|client| client.core().records())
    }

    /// The options, where tools shall look different to clients.
    pub(super) fn injecting(&self) -> Option<&Options> {
        self.recorder().map(|_| &*self.options).filter(|options| options.injection.is_asked_for())
    }

    /// What a listing of tools shall ask agents for.
    pub(super) fn wanted(&self, options: &Options, context: &RequestContext<RoleServer>) -> Injected {
        let linked = options.has_resolver() || !asked(context, false).is_unlinked();
        options.injection.wanted(linked)
    }

    /// The same without a request at hand.
    pub(super) fn wanted_so_far(&self, options: &Options) -> Injected {
        let linked = options.has_resolver() || !self.shared.connection.is_unlinked_so_far();
        options.injection.wanted(linked)
    }

    /// Tells a session who its two ends are.
    fn introduce(&self, found: &Found, asked: &Asked<'_>, named: Option<Implementation>) {
        if found.session.needs_facts() {
            let named = named.or_else(|| {
                let info = asked.peer.peer_info().filter(|_| found.handshake)?;
                Some(info.client_info.clone())
            });
            let server = self.shared.server.get_or_init(|| peer_of(&self.handler.get_info().server_info));
            found.session.update(|facts| {
                facts.server = Some(server.clone());
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
        let asked = asked(context, method.opens);
        let mut found = self.shared.connection.session(client.core(), &asked);
        let single = found.unlinked;
        let mut source = None;
        let mut told = None;
        if self.options.has_resolver() {
            let info = RequestInfo::new(method.name, subject.name, subject.arguments, context);
            if let Some(text) = self.options.resolve(&info) {
                found.session = client.session(&text);
                found.unlinked = false;
                source = Some(Source::Hook);
            }
        } else if let Some(sent) = subject.sent.filter(|_| self.options.injection.session_handle && single)
            && let Some((from, session)) = session_of(client.core(), sent)
        {
            if let Some(session) = session {
                found.session = session;
                found.unlinked = false;
            }
            source = Some(from);
            told = Some(Told { source: from, session: found.session.id(), agent: sent.agent_id.clone() });
        }
        self.introduce(&found, &asked, context.meta.client_info().or_else(|| subject.client.cloned()));
        let settles = settles(client, &found.session);
        if found.replayed || !self.options.records(method) {
            let scope = Scope { session: found.session, parent: None };
            return Watched::Inside { scope, told, settles };
        }
        // Before anybody is asked about the call, and before anything of it is written.
        if !found.session.records() {
            found.session.core().ledger.without_consent();
            let scope = Scope { session: found.session, parent: None };
            return Watched::Inside { scope, told, settles: None };
        }
        let trace = self.options.trace(context);
        let hooks = &self.options.hooks;
        let asks = hooks.concern(&found.session);
        if asks || trace.is_some() {
            found.session = found.session.viewed(trace, asks);
        }
        if asks {
            let info = RequestInfo::new(method.name, subject.name, subject.arguments, context);
            hooks.ask(&found.session, info.into_owned());
        }
        let payload = self.options.payload(method.name, subject.name);
        let mut call = Call::request(found.session, method.name);
        if let Some(fields) = call.fields() {
            match method.event_type {
                Some(event_type) => fields.body_member("event_type", &event_type),
                None => fields.body_member("event_type", &format!("mcp:{}", method.name)),
            }
            if let Some(name) = subject.name {
                fields.name(name);
            }
            let extra = Extra { id: &context.id, extensions: &context.extensions };
            match payload {
                Payload::All => fields.parameters(&Parameters { method: method.name, params, extra }),
                Payload::Shape => {
                    fields.parameters(&Parameters { method: method.name, params: &Shape(params), extra });
                }
                Payload::Nothing => {}
            }
            if found.unlinked {
                fields.property("mcpcat_session", "unlinked");
            }
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
        let ending = Ending::of(context, single, method.lasts);
        Watched::Recorded { call, ending, told, payload, settles }
    }

    /// The scope of a notification: no event, but the session of what is published while it is handled.
    fn scope(&self, method: &str, context: &NotificationContext<RoleServer>) -> Option<Scope> {
        let client = self.recorder()?;
        let asked =
            Asked { extensions: &context.extensions, version: None, peer: &context.peer, opens: false };
        let mut found = self.shared.connection.session(client.core(), &asked);
        if self.options.has_resolver()
            && let Some(text) = self.options.resolve(&RequestInfo::of_notification(method, context))
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

fn asked(context: &RequestContext<RoleServer>, opens: bool) -> Asked<'_> {
    Asked {
        extensions: &context.extensions,
        version: context.meta.protocol_version(),
        peer: &context.peer,
        opens,
    }
}

fn within<F: Future>(scope: Option<Scope>, future: F) -> Scoped<F> {
    match scope {
        Some(scope) => scope.wrap(future),
        None => future.in_current_session(),
    }
}

/// What a request is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) arguments: Option<&'a JsonObject>,
    pub(super) sent: Option<&'a Sent>,
    /// Who asks, where the request itself says it.
    pub(super) client: Option<&'a Implementation>,
}

impl<'a> Subject<'a> {
    pub(super) fn named(name: &'a str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }
}

/// Who is waited for before the answer goes out. A session without a name gets it after the answer: waiting for
/// its events would be in vain.
fn settles(client: &Client, session: &Session) -> Option<Client> {
    (client.answers_wait() && session.id().is_some()).then(|| client.clone())
}

impl<H: Clone> Clone for Tracked<H> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            options: Arc::clone(&self.options),
            shared: Arc::new(Shared::new(self.shared.client.clone())),
        }
    }
}

impl<H> fmt::Debug for Tracked<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl<H> From<&Tracked<H>> for Target<'_> {
    fn from(server: &Tracked<H>) -> Self {
        server.shared.target()
    }
}

impl<H> From<&Arc<Tracked<H>>> for Target<'_> {
    fn from(server: &Arc<Tracked<H>>) -> Self {
        server.shared.target()
    }
}

impl From<&ServerHandle> for Target<'_> {
    fn from(handle: &ServerHandle) -> Self {
        handle.0.target()
    }
}

impl From<ServerHandle> for Target<'_> {
    fn from(handle: ServerHandle) -> Self {
        handle.0.target()
    }
}
