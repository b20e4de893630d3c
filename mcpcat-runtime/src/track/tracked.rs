//! The wrapper and what it is asked from outside: its status, a handle that outlives `serve`, and the
//! session that somebody outside a call means by it.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use rmcp::model::{ErrorData, Implementation};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{RoleServer, ServerHandler};
use serde::Serialize;

use super::connection::{Asked, Connection, Found, peer_of};
use super::payload::{Answer, Extra, Parameters};
use crate::call::Call;
use crate::client::{Client, for_project};
use crate::event::{ErrorInfo, Outcome as _};
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
pub fn track<H: ServerHandler>(handler: H, project: &str) -> Tracked<H> {
    let client = for_project(project).map_err(|error| {
        tracing::error!(target: "mcpcat", "the server is served untracked: {error}");
        Arc::from(error.to_string())
    });
    Tracked::new(handler, client)
}

impl Client {
    /// Wraps a server so that its requests are recorded by this client.
    #[must_use = "the wrapper has to be served instead of the handler"]
    pub fn track<H: ServerHandler>(&self, handler: H) -> Tracked<H> {
        Tracked::new(handler, Ok(self.clone()))
    }
}

/// A server whose requests are recorded. Made by [`track`] or [`Client::track`]; serve it in place of the
/// handler. A clone is a new connection.
pub struct Tracked<H> {
    handler: H,
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
    /// Recording is switched off, by the builder or the environment.
    Off,
    /// No client could be made; the server is served as it is.
    Untracked {
        /// What is wrong with the configuration.
        reason: String,
    },
}

impl<H> Tracked<H> {
    fn new(handler: H, client: Result<Client, Arc<str>>) -> Self {
        Self { handler, shared: Arc::new(Shared::new(client)) }
    }

    /// Whether requests are recorded, and why not.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
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
            Ok(client) if client.is_enabled() => Status::Recording,
            Ok(_) => Status::Off,
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

    /// The session of a request and what is known of its two ends.
    fn find(&self, client: &Client, asked: &Asked<'_>, named: Option<Implementation>) -> Found {
        let found = self.shared.connection.session(client.core(), asked);
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
        found
    }

    /// Begins the event of a request; `None` where nothing is recorded.
    pub(super) fn begin<P: Serialize + ?Sized>(
        &self,
        method: &'static Method,
        name: Option<&str>,
        params: &P,
        context: &RequestContext<RoleServer>,
    ) -> Option<Call> {
        let client = self.shared.client.as_ref().ok().filter(|client| client.core().records())?;
        let asked = Asked {
            extensions: &context.extensions,
            version: context.meta.protocol_version(),
            peer: &context.peer,
            opens: method.opens,
        };
        let found = self.find(client, &asked, context.meta.client_info());
        let mut call = Call::request(found.session, method.event_type);
        if let Some(fields) = call.fields() {
            if let Some(name) = name {
                fields.name(name);
            }
            let extra = Extra { id: &context.id, extensions: &context.extensions };
            fields.parameters(&Parameters { method: method.name, params, extra });
            if found.unlinked {
                fields.property("mcpcat_session", "unlinked");
            }
        }
        Some(call)
    }

    /// The scope of a request that is not recorded, or of a notification.
    pub(super) fn scope(&self, asked: &Asked<'_>) -> Option<Scope> {
        let client = self.shared.client.as_ref().ok().filter(|client| client.core().records())?;
        let session = self.find(client, asked, None).session;
        Some(Scope { session, parent: None })
    }

    /// Forwards a notification in its session.
    pub(super) fn notified<F: Future<Output = ()>>(
        &self,
        context: &NotificationContext<RoleServer>,
        forward: F,
    ) -> Scoped<F> {
        let asked =
            Asked { extensions: &context.extensions, version: None, peer: &context.peer, opens: false };
        within(self.scope(&asked), forward)
    }

    /// Forwards a request that is not recorded, in its session.
    pub(super) fn unrecorded<F: Future>(
        &self,
        context: &RequestContext<RoleServer>,
    ) -> impl FnOnce(F) -> Scoped<F> + use<H, F> {
        let asked = Asked {
            extensions: &context.extensions,
            version: context.meta.protocol_version(),
            peer: &context.peer,
            opens: false,
        };
        let scope = self.scope(&asked);
        move |future| within(scope, future)
    }
}

fn within<F: Future>(scope: Option<Scope>, future: F) -> Scoped<F> {
    match scope {
        Some(scope) => scope.wrap(future),
        None => future.in_current_session(),
    }
}

/// A request as the wire knows it.
pub(super) struct Method {
    pub(super) name: &'static str,
    pub(super) event_type: &'static str,
    /// It opens a session that its transport names later.
    pub(super) opens: bool,
}

/// Runs a request and ends its event with what came of it. A panic is recorded and goes on unchanged; a
/// future that is dropped ends as cancelled.
pub(super) async fn watch<A: Answer, F>(call: Option<Call>, future: F) -> Result<A, ErrorData>
where
    F: Future<Output = Result<A, ErrorData>>,
{
    let Some(mut call) = call else { return future.await };
    let inside = call.scope(future);
    match AssertUnwindSafe(inside).catch_unwind().await {
        Ok(Ok(answer)) => {
            if let Some(fields) = call.fields() {
                answer.record(fields);
            }
            call.finish(answer.failure());
            Ok(answer)
        }
        Ok(Err(error)) => {
            call.finish(error.error());
            Err(error)
        }
        Err(panic) => {
            call.finish(Some(ErrorInfo::message(panic_text(&*panic)).with_type("panic")));
            resume_unwind(panic)
        }
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the handler panicked with a value that is not text".to_owned())
}

impl<H: Clone> Clone for Tracked<H> {
    fn clone(&self) -> Self {
        Self::new(self.handler.clone(), self.shared.client.clone())
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
