//! The wrapper and what it is asked from outside: its status, a handle that outlives `serve`, and the
//! session that somebody outside a call means by it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rmcp::model::Implementation;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::connection::{Asked, Connection, peer_of};
use super::inject::Injected;
use super::options::Options;
use super::routes::Routes;
use super::whose::Whose;
use super::wire::{OnWire, Recorder, Table};
use crate::client::{Client, for_project_quietly};
use crate::notice;
use crate::session::{Kind, Peer, Session, Target};

/// Wraps a server: every request but `ping` is recorded, none is changed.
///
/// Never fails. The client is the process's one for this project and the environment's endpoint, and becomes
/// the installed default if there is none. When no client can be made (an empty project, an unusable
/// endpoint) the server is served as it is, an error is logged, and [`Tracked::status`] says why.
/// [`Client::track`] is the form that lets you handle the error.
///
/// ```no_run
/// # use mcpcat_runtime as mcpcat;
/// # use rmcp::ServerHandler;
/// # fn serve(handler: impl ServerHandler) {
/// let server = mcpcat::track(handler, "proj_abc123xyz");
/// # }
/// ```
#[must_use = "the wrapper has to be served instead of the handler"]
pub fn track<H: Handler>(handler: H, project: impl AsRef<str>) -> Tracked<H> {
    let client = for_project_quietly(project.as_ref()).map_err(|error| {
        notice::error(format_args!("the server is served untracked: {error}"));
        Arc::from(error.to_string())
    });
    Tracked::new(handler, client)
}

/// What [`track`] wraps: any rmcp `ServerHandler`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a server that can be tracked",
    label = "the server comes first: `track(handler, \"proj_…\")`",
    note = "what is tracked implements `rmcp::ServerHandler`; the routes of a `Router` are given to `with_router`"
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
    pub(super) routes: Routes<H>,
    options: Arc<Options>,
    shared: Arc<Shared>,
}

/// A tracked server without its handler, to be taken before `serve` consumes the server. A target to publish
/// to, as the server itself is.
#[derive(Clone)]
pub struct ServerHandle(Arc<Shared>);

pub(super) struct Shared {
    pub(super) client: Result<Client, Arc<str>>,
    pub(super) connection: Connection,
    /// How the server names itself, asked once.
    server: OnceLock<Option<Peer>>,
    /// The table of the pipe that this instance is served on.
    wire: OnceLock<Arc<Table>>,
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

/// Whether a handler is a tracked server itself, or a shared one. Its requests would be recorded by both.
fn is_tracked<H>() -> bool {
    let name = std::any::type_name::<H>();
    let shared = name.strip_prefix("alloc::sync::Arc<").unwrap_or(name);
    shared.starts_with(concat!(module_path!(), "::Tracked<"))
}

impl<H> Tracked<H> {
    /// Records names of tools, prompts and events, outcomes, types of errors, durations, sizes and versions, and no
    /// payload: see [`ClientBuilder::names_only`](crate::client::ClientBuilder::names_only). It holds for all that this
    /// server's client records from now on, events of the server's code among it.
    ///
    /// The name of a tool is recorded where the server knows it ([`get_tool`](ServerHandler::get_tool), or its listing)
    /// or has answered the call well. Hooks for identities, tags, properties and traces are not asked.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz").names_only();
    /// # }
    /// ```
    #[must_use]
    pub fn names_only(self) -> Self {
        if let Ok(client) = &self.shared.client {
            client.core().leave_payloads_out();
        }
        self
    }

    fn new(handler: H, client: Result<Client, Arc<str>>) -> Self {
        super::version::warn_if_newer();
        let client = client.and_then(|client| match is_tracked::<H>() {
            false => Ok(client),
            true => {
                let why = "the server is tracked already, and its own wrapper records it";
                notice::warn(format_args!("`track` around a tracked server does nothing: {why}"));
                Err(Arc::from(why))
            }
        });
        Self {
            handler,
            routes: Routes::default(),
            options: Arc::default(),
            shared: Arc::new(Shared::new(client)),
        }
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
        Self { client, connection: Connection::default(), server: OnceLock::new(), wire: OnceLock::new() }
    }

    fn status(&self) -> Status {
        match &self.client {
            Ok(client) => match client.off_reason() {
                None => Status::Recording,
                Some(reason) => Status::Off { reason },
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

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// What is known of those that this instance serves.
    pub(super) fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    /// How the server names itself; `None` where it has only rmcp's name to give.
    pub(super) fn server(&self) -> Option<&Peer> {
        let named = || {
            let said = self.handler.get_info().server_info;
            let of_rmcp = Implementation::from_build_env();
            let is_default = said.name == of_rmcp.name && said.version == of_rmcp.version;
            self.options.server.clone().or_else(|| (!is_default).then(|| peer_of(&said)))
        };
        self.shared.server.get_or_init(named).as_ref()
    }

    /// What a seam needs of this server.
    pub(super) fn observer(&self) -> Recorder {
        Recorder { shared: Arc::clone(&self.shared), options: Arc::clone(&self.options) }
    }

    /// The table of a pipe that this server is about to be served on; `None` where nothing is recorded.
    pub(super) fn observe(&self) -> Option<Arc<Table>> {
        self.recorder()?;
        Some(Arc::clone(self.shared.wire.get_or_init(|| Table::new(Some(self.observer())))))
    }

    /// The table of the connection that a request came by.
    pub(super) fn wire(&self, context: &RequestContext<RoleServer>) -> Option<Arc<Table>> {
        let carried = || context.extensions.get::<OnWire>().map(|wire| &wire.0);
        self.shared.wire.get().or_else(carried).cloned()
    }

    /// The client, where anything is recorded.
    pub(super) fn recorder(&self) -> Option<&Client> {
        let client = self.shared.client.as_ref().ok().filter(|client| client.core().records())?;
        // By now it has all of its settings.
        client.core().announce();
        Some(client)
    }

    /// Whether the server has a tool of this name, going by what it says of its tools or has listed.
    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.handler.get_tool(name).is_some() || self.options.injection.tools.knows(name)
    }

    /// The options, where names of tools are to be told from what clients make up.
    pub(super) fn learning(&self) -> Option<&Options> {
        self.recorder().filter(|client| client.core().is_names_only()).map(|_| &*self.options)
    }

    /// The options, where tools shall look different to clients.
    pub(super) fn injecting(&self) -> Option<&Options> {
        self.recorder().map(|_| &*self.options).filter(|options| options.injection.is_asked_for())
    }

    /// What a listing of tools shall ask agents for.
    pub(super) fn wanted(&self, options: &Options, context: &RequestContext<RoleServer>) -> Injected {
        let whose = Whose::default();
        let asked = Asked {
            extensions: &context.extensions,
            version: context.meta.protocol_version(),
            peer: &context.peer,
            opens: false,
            whose: &whose,
        };
        let linked = options.has_resolver() || !asked.is_unlinked();
        options.injection.wanted(linked)
    }

    /// The same without a request at hand.
    pub(super) fn wanted_so_far(&self, options: &Options) -> Injected {
        let linked = options.has_resolver() || !self.shared.connection.is_unlinked_so_far();
        options.injection.wanted(linked)
    }
}

impl<H: Clone> Clone for Tracked<H> {
    fn clone(&self) -> Self {
        Self {
            handler: self.handler.clone(),
            routes: self.routes.clone(),
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
