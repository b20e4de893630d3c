//! The library's front door: build a timeline, start it or take its router, stop it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::budget::{self, Budget};
use crate::error::Error;
use crate::http::guard::{Access, Right, Token, name_of};
use crate::http::{self, App};
use crate::ingest::{GroupCommit, Queue};
use crate::lock::DataLock;
use crate::metrics::Metrics;
use crate::private;
use crate::store::sqlite::{Durability, Sqlite, Stage, Upgrade, identify};
#[cfg(feature = "cli")]
use crate::store::sqlite::{Identity, backup, doctor};
use crate::store::{Retention, Store, StoreError};

/// Where events are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// In this process; gone when it ends.
    Memory,
    /// In this SQLite file, created with mode 0600 when it is not there.
    File(PathBuf),
}

impl<P: Into<PathBuf>> From<P> for Data {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

/// Settings of a [`Timeline`]. The defaults keep events in memory and listen on a free port of 127.0.0.1.
#[derive(Debug, Clone)]
#[must_use]
pub struct TimelineBuilder {
    data: Data,
    listen: SocketAddr,
    durability: Durability,
    keep: Retention,
    access: Access,
    memory: u64,
    connections: usize,
    base: String,
    trace_url: Option<String>,
    keep_old: bool,
    remember_forgotten: Option<Duration>,
}

impl Default for TimelineBuilder {
    fn default() -> Self {
        Self {
            data: Data::Memory,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            durability: Durability::default(),
            keep: Retention::default(),
            access: Access::default(),
            memory: budget::DEFAULT_BYTES,
            connections: crate::server::CONNECTIONS,
            base: String::new(),
            trace_url: None,
            keep_old: true,
            remember_forgotten: None,
        }
    }
}

impl TimelineBuilder {
    /// Keeps events in a file, or in memory with [`Data::Memory`].
    pub fn data(mut self, data: impl Into<Data>) -> Self {
        self.data = data.into();
        self
    }

    /// Keeps events in memory; the default.
    pub fn in_memory(mut self) -> Self {
        self.data = Data::Memory;
        self
    }

    /// The address to listen on; port 0 takes a free one. Anything but loopback needs a token.
    pub fn listen(mut self, addr: SocketAddr) -> Self {
        self.listen = addr;
        self
    }

    /// How hard a commit tries to survive.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Removes events this long after they arrived.
    pub fn keep_for(mut self, age: Duration) -> Self {
        self.keep.age = Some(age);
        self
    }

    /// Removes the oldest events when the data file has more bytes in use than this.
    pub fn keep_bytes(mut self, bytes: u64) -> Self {
        self.keep.bytes = Some(bytes);
        self
    }

    /// Removes events of one project this long after they arrived, whatever [`keep_for`](Self::keep_for) says.
    pub fn keep_project_for(mut self, project: impl Into<String>, age: Duration) -> Self {
        self.keep.projects.entry(project.into()).or_default().age = Some(age);
        self
    }

    /// Removes the oldest events of one project when its part of the bytes in use is larger than this. The bound of
    /// [`keep_bytes`](Self::keep_bytes) holds for all projects together: there, of the projects with more than an equal part,
    /// the one that grows gives way first.
    pub fn keep_project_bytes(mut self, project: impl Into<String>, bytes: u64) -> Self {
        self.keep.projects.entry(project.into()).or_default().bytes = Some(bytes);
        self
    }

    #[cfg(feature = "cli")]
    pub(crate) fn retention(mut self, keep: Retention) -> Self {
        self.keep = keep;
        self
    }

    /// How long keyed hashes of what was forgotten are kept, so that late deliveries of it are dropped; a year unless said
    /// otherwise. With zero nothing is remembered.
    pub fn remember_forgotten_for(mut self, time: Duration) -> Self {
        self.remember_forgotten = Some(time);
        self
    }

    /// Most bytes that request bodies, answers and streams hold together; 256 MiB unless said otherwise. Over it requests
    /// are answered with 503 and `retry-after`.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Most connections open at one time; 4096 unless said otherwise. At the bound, the one that has been without a request
    /// for longest is closed for a new one.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// Asks for a token on every request; this one may do everything. Can be called again for further ones.
    pub fn token(mut self, secret: &str) -> Self {
        self.access.tokens.push(Token::new(Right::Manage, secret));
        self
    }

    /// Adds a token with fewer rights, or for one project.
    pub fn add_token(mut self, token: Token) -> Self {
        self.access.tokens.push(token);
        self
    }

    /// A name under which this timeline is reached, such as `timeline.example.org`; loopback names always work.
    pub fn allowed_host(mut self, host: impl Into<String>) -> Self {
        let host = host.into();
        self.access.hosts.push(name_of(&host).to_owned());
        self
    }

    /// Another website, as `https://app.example.org`, whose pages may talk to this timeline.
    pub fn allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.access.origins.push(origin.into().trim_end_matches('/').to_owned());
        self
    }

    /// Shows what is there; takes nothing in and removes nothing. The file may be open in another timeline, whose new
    /// events are shown when the page is loaded again.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.access.read_only = read_only;
        self
    }

    /// The path behind a proxy under which everything lives, such as `/timeline`.
    pub fn base_path(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Where a trace id leads, with `{trace_id}` in the place of the id.
    pub fn trace_url(mut self, template: impl Into<String>) -> Self {
        self.trace_url = Some(template.into());
        self
    }

    /// Whether a data file of a former format is kept beside the one that it is brought up to, under a name that ends in
    /// `.format-N`; true unless said otherwise. The work takes room for both files all the same.
    pub fn keep_old_format(mut self, keep: bool) -> Self {
        self.keep_old = keep;
        self
    }

    /// Opens the store and starts its writer thread. Blocks while the file is opened, and brought up to date if it has a former
    /// format.
    ///
    /// # Errors
    /// When an option makes no sense, or the data file cannot be used.
    pub fn build(self) -> Result<Timeline, Error> {
        let base = base_path(&self.base)?;
        if let Some(template) = &self.trace_url {
            let http = template.starts_with("https://") || template.starts_with("http://");
            if !http || !template.contains("{trace_id}") {
                return Err(Error::Option {
                    name: "trace_url",
                    reason: format!("{template:?} must be an http address with {{trace_id}} in it"),
                });
            }
        }
        if self.memory < budget::MIN_BYTES {
            return Err(Error::Option {
                name: "memory",
                reason: format!("{} bytes are too few; give at least {}", self.memory, budget::MIN_BYTES),
            });
        }
        if self.connections == 0 {
            return Err(Error::Option {
                name: "connections",
                reason: "none would be served; give at least 1".into(),
            });
        }
        let (store, lock) = match &self.data {
            Data::Memory => {
                (Sqlite::in_memory().map_err(|error| data_error(PathBuf::from(":memory:"), &error))?, None)
            }
            Data::File(path) if self.access.read_only => {
                let place = private::place(path).map_err(|error| io_error(path, &error))?;
                (Sqlite::open_to_read(&place).map_err(|error| data_error(path.clone(), &error))?, None)
            }
            Data::File(path) => {
                let mut upgrade = Upgrade { keep_old: self.keep_old, told: &mut say };
                let (store, lock) = open(path, self.durability, &mut upgrade)?;
                (store, Some(lock))
            }
        };
        if let Some(time) = self.remember_forgotten {
            store.remember_forgotten_for(time);
        }
        let store: Arc<dyn Store> = Arc::new(store);
        let metrics = Arc::new(Metrics::default());
        let keep = if self.access.read_only { Retention::default() } else { self.keep };
        let queue =
            GroupCommit::start(Arc::clone(&store), Arc::clone(&metrics), keep).map_err(Error::Thread)?;
        let issued = http::issued::Issued::of(&*store);
        let app = Arc::new(App {
            store,
            queue: Arc::new(queue),
            metrics,
            health: http::Health::default(),
            access: self.access,
            issued,
            budget: Budget::new(self.memory),
            streams: Arc::new(Semaphore::new(http::STREAMS)),
            batch_offer: http::batch_offer(&base),
            base,
            trace_url: self.trace_url,
            closing: watch::channel(false).0,
        });
        Ok(Timeline { app, lock, listen: self.listen, connections: self.connections })
    }

    /// Builds and starts. See [`TimelineBuilder::build`] and [`Timeline::start`].
    ///
    /// # Errors
    /// Those of both.
    pub async fn start(self) -> Result<Running, Error> {
        let built = tokio::task::spawn_blocking(move || self.build()).await;
        let timeline = built.map_err(|error| Error::Thread(std::io::Error::other(error)))??;
        timeline.start().await
    }
}

/// Opens a data file as its only writer. Nothing is changed, and nothing made beside it, before it is known to be ours.
pub(crate) fn open(
    path: &Path,
    durability: Durability,
    upgrade: &mut Upgrade<'_>,
) -> Result<(Sqlite, DataLock), Error> {
    let refused = |error: StoreError| data_error(path.to_owned(), &error);
    let place = private::place(path).map_err(|error| io_error(path, &error))?;
    identify(&place).map_err(refused)?;
    let lock = lock(path, &place)?;
    let store = Sqlite::open(&place, durability, upgrade).map_err(refused)?;
    Ok((store, lock))
}

/// Brings a data file of a former format up to this version's, as its only user.
#[cfg(feature = "cli")]
pub(crate) fn bring_up(path: &Path, upgrade: &mut Upgrade<'_>) -> Result<(), Error> {
    let refused = |error: StoreError| data_error(path.to_owned(), &error);
    let place = private::place(path).map_err(|error| io_error(path, &error))?;
    if identify(&place).map_err(refused)? == Identity::New {
        return Ok(());
    }
    let _lock = lock(path, &place)?;
    crate::store::sqlite::bring_up(&place, upgrade).map_err(refused)
}

/// Puts a copy in the place of a data file, as its only user.
#[cfg(feature = "cli")]
pub(crate) fn restore(from: &Path, path: &Path, force: bool) -> Result<backup::Restored, Error> {
    let place = private::place(path).map_err(|error| io_error(path, &error))?;
    identify(&place).map_err(|error| data_error(path.to_owned(), &error))?;
    let _lock = lock(path, &place)?;
    backup::restore(from, &place, force).map_err(|error| data_error(from.to_owned(), &error))
}

/// Where a data file of ours is, of any format.
#[cfg(feature = "cli")]
pub(crate) fn ours(path: &Path) -> Result<PathBuf, Error> {
    let place = private::place(path).map_err(|error| io_error(path, &error))?;
    match identify(&place).map_err(|error| data_error(path.to_owned(), &error))? {
        Identity::Ours => Ok(place),
        Identity::New => Err(Error::Data { path: path.to_owned(), reason: "it is empty".into() }),
    }
}

/// Makes indexes and sums anew, as the only user. Returns how many.
#[cfg(feature = "cli")]
pub(crate) fn mend(path: &Path) -> Result<(usize, usize), Error> {
    let place = ours(path)?;
    let _lock = lock(path, &place)?;
    let refused = |error: StoreError| data_error(path.to_owned(), &error);
    let indexes = doctor::mend_indexes(&place).map_err(refused)?;
    Ok((indexes, doctor::mend(&place, &mut |_, _| {}).map_err(refused)?))
}

fn lock(path: &Path, place: &Path) -> Result<DataLock, Error> {
    DataLock::take(place)
        .map_err(|error| io_error(path, &error))?
        .map_err(|taken| Error::InUse { path: path.to_owned(), url: taken.url })
}

/// For who has no terminal to show a bar on.
fn say(stage: Stage) {
    match stage {
        Stage::Events { done, total } => tracing::debug!(done, total, "the data file is brought up to date"),
        Stage::Done { from, kept, unread } => {
            tracing::info!(from, ?kept, unread, "the data file was of a former format and is up to date");
        }
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> Error {
    Error::Data { path: path.to_owned(), reason: error.to_string() }
}

fn data_error(path: PathBuf, error: &StoreError) -> Error {
    Error::Data { path, reason: error.to_string() }
}

fn base_path(given: &str) -> Result<String, Error> {
    let base = given.trim_end_matches('/');
    let plain = base.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    if base.is_empty() || (base.starts_with('/') && plain && !base.contains("//")) {
        Ok(base.to_owned())
    } else {
        Err(Error::Option { name: "base_path", reason: format!("{given:?} must look like /timeline") })
    }
}

/// A collector with its store open, not listening yet.
pub struct Timeline {
    app: Arc<App>,
    lock: Option<DataLock>,
    listen: SocketAddr,
    connections: usize,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Timeline").field("listen", &self.listen).finish_non_exhaustive()
    }
}

impl Timeline {
    /// Settings to start from.
    pub fn builder() -> TimelineBuilder {
        TimelineBuilder::default()
    }

    /// All routes, to be served by a server of your own. Keep the `Timeline` as long as the router is used.
    pub fn router(&self) -> Router {
        http::router(Arc::clone(&self.app))
    }

    /// Listens and serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// When the address cannot be listened on, or is open to other machines and no token is set.
    pub async fn start(mut self) -> Result<Running, Error> {
        if !self.listen.ip().is_loopback() && self.app.access.tokens.is_empty() {
            return Err(Error::TokenNeeded { addr: self.listen });
        }
        let listener = TcpListener::bind(self.listen)
            .await
            .map_err(|source| Error::Listen { addr: self.listen, source })?;
        let addr = listener.local_addr().map_err(|source| Error::Listen { addr: self.listen, source })?;
        let root = format!("http://{addr}{}", self.app.base);
        if let Some(lock) = &mut self.lock {
            lock.announce(&root);
        }
        let closing = self.app.closing.subscribe();
        let (router, budget) = (self.router(), self.app.budget.clone());
        let server = tokio::spawn(crate::server::serve(listener, router, budget, self.connections, closing));
        Ok(Running { addr, root, server, timeline: self })
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.app.closing.send_replace(true);
    }
}

/// A timeline that is listening. Dropping it stops it without waiting; [`Running::shutdown`] waits.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    root: String,
    server: JoinHandle<()>,
    timeline: Timeline,
}

impl Running {
    /// The address it listens on, with the port that was taken.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The page, as `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.root
    }

    /// What `MCPCAT_API_URL` has to be for an SDK to send here. The SDK adds `/v1/public/events/`.
    #[must_use]
    pub fn ingest_url(&self) -> &str {
        &self.root
    }

    /// Stops listening, lets open requests end and commits what was taken in.
    pub async fn shutdown(self) {
        self.timeline.app.closing.send_replace(true);
        if let Err(error) = self.server.await {
            tracing::error!(%error, "the server ended badly");
        }
        let queue: Arc<dyn Queue> = Arc::clone(&self.timeline.app.queue);
        if let Err(error) = tokio::task::spawn_blocking(move || queue.close()).await {
            tracing::error!(%error, "the writer ended badly");
        }
    }
}
