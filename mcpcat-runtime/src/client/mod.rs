//! The handle: what a program holds of the recording. Knows events, the spool and the worker, and nothing
//! of sessions; those add their own methods above.

mod choice;
mod config;
mod connection;
pub mod consent;
mod core;
mod exit;
mod installed;
#[cfg(all(unix, feature = "signals"))]
mod signals;
mod switch;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use config::ClientBuilder;
pub(crate) use config::{Config, environment};
pub(crate) use core::Core;
pub(crate) use core::recording;
pub(crate) use installed::for_project;
#[cfg(feature = "rmcp")]
pub(crate) use installed::for_project_quietly;
pub use mcpcat_wire::values::{ConfigError, Delivery, OnDisk, PublishError, SessionStrings};

use choice::Choice;

use crate::delivery::Stats;
use crate::delivery::thread;
use crate::delivery::wait;
use crate::spool::Reader;

/// Records events of one project and delivers them in the background.
///
/// Cheap to clone; all clones are one client. Dropping the last one delivers what waits, for at most the time that
/// [`ClientBuilder::drain`] allows. A client made by `track` or [`install`](Self::install) lives as long as the
/// process, whose end waits in the same way: after `main` has returned and in `std::process::exit`.
#[derive(Clone)]
pub struct Client(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
}

impl Client {
    /// A client for `project` (`proj_…`), configured by the builder and the environment.
    pub fn builder(project: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(project.into())
    }

    /// A client configured by the environment alone.
    ///
    /// # Errors
    /// `MCPCAT_PROJECT_ID` is unset, or the base URL of the environment cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::builder("").build()
    }

    pub(crate) fn start(config: Config) -> Result<Self, ConfigError> {
        if config.off.is_none() {
            config.connection.check(&config.base)?;
        }
        Ok(Self(Arc::new(Handle { core: Core::start(config)? })))
    }

    /// A client whose events are read by the caller instead of being delivered.
    pub(crate) fn unattended(mut config: Config) -> (Self, Reader) {
        // Nothing leaves: nobody need be asked.
        config.choice = Choice::default();
        let (core, reader) = Core::unattended(config);
        (Self(Arc::new(Handle { core })), reader)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// The project that this client's events belong to.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.core().config.project
    }

    /// The address that events are sent to, as it may be shown: a token in its path reads `***`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.core().config.base.to_string()
    }

    /// Whether anything is recorded: `false` when the builder, the environment or the user has switched it off.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.core().config.off_now().is_none()
    }

    /// What has switched recording off, the option, the variable or the user's file, in words; `None` where it is on.
    #[must_use]
    pub fn off_reason(&self) -> Option<String> {
        self.core().config.off_now().map(|off| off.why)
    }

    /// What happened to the events so far, in one consistent snapshot.
    pub fn stats(&self) -> Stats {
        self.core().ledger.stats()
    }

    /// Waits until every event that was published before this call has been delivered or dropped, at most
    /// for `timeout`. Events published meanwhile are not waited for. Needs no particular runtime.
    ///
    /// The numbers say how it went: `pending` above zero means that the time was up, or that other events
    /// have come since.
    pub async fn flush(&self, timeout: Duration) -> Stats {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let deadline = deadline(timeout);
        self.core().flush(deadline, Box::new(move |stats| drop(sender.send(stats))));
        wait::answer(receiver, deadline).await.unwrap_or_else(|| self.stats())
    }

    /// Whether answers wait for their events.
    #[cfg(feature = "rmcp")]
    pub(crate) fn answers_wait(&self) -> bool {
        self.core().config.delivery != Delivery::InBackground
    }

    /// Waits as [`ClientBuilder::delivery`] says, before an answer goes out.
    pub(crate) async fn flush_before_response(&self) {
        let Delivery::FlushBeforeResponse(timeout) = self.core().config.delivery else { return };
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let deadline = deadline(timeout);
        self.core().flush_own(deadline, Box::new(move |stats| drop(sender.send(stats))));
        // A worker that has ended delivers nothing more: the answer need not wait for it.
        let _ = wait::answer(receiver, deadline).await;
    }

    /// [`flush`](Self::flush) for callers without a runtime. Blocks the thread, except in a callback on the delivery
    /// thread itself, where it only says the numbers.
    pub fn flush_blocking(&self, timeout: Duration) -> Stats {
        if thread::is_here() {
            return self.stats();
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        let deadline = deadline(timeout);
        self.core().flush(deadline, Box::new(move |stats| drop(sender.send(stats))));
        wait::answer_blocking(&receiver, deadline).unwrap_or_else(|| self.stats())
    }

    /// Sends the events again that the endpoint has refused (400, 413, 422), this process's and those of
    /// earlier ones of the same program, project and endpoint; how many there are. They count as adopted, and
    /// [`flush`](Self::flush) waits for them. What is refused again stays where it is kept: in the state
    /// directory, under `mcpcat/dead-letters`, as lines of JSON.
    ///
    /// None are kept with [`Backend::Memory`](crate::spool::Backend::Memory), and those that are kept are
    /// deleted when a client starts with recording switched off.
    pub async fn resend_dead_letters(&self) -> u64 {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.core().resend(Box::new(move |letters| sender.send(letters).unwrap_or_default()));
        wait::answer(receiver, deadline(RESEND)).await.unwrap_or(0)
    }

    /// [`resend_dead_letters`](Self::resend_dead_letters) for callers without a runtime. Blocks the thread, until
    /// they are on their way.
    pub fn resend_dead_letters_blocking(&self) -> u64 {
        if thread::is_here() {
            return 0;
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        self.core().resend(Box::new(move |letters| sender.send(letters).unwrap_or_default()));
        wait::answer_blocking(&receiver, deadline(RESEND)).unwrap_or(0)
    }

    /// Takes no more events, delivers what waits for at most `timeout`, and ends this client's delivery.
    /// What is published afterwards is dropped and counted as [`DropReason::Closed`](crate::DropReason::Closed).
    pub async fn shutdown(&self, timeout: Duration) -> Stats {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let deadline = deadline(timeout);
        self.core().shutdown(deadline, Box::new(move |stats| drop(sender.send(stats))));
        wait::answer(receiver, deadline).await.unwrap_or_else(|| self.stats())
    }

    /// [`shutdown`](Self::shutdown) for callers without a runtime. Blocks the thread.
    pub fn shutdown_blocking(&self, timeout: Duration) -> Stats {
        self.0.end(deadline(timeout))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("project", &self.project())
            .field("base_url", &self.core().config.base)
            .field("enabled", &self.is_enabled())
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// Ends the worker, and waits for it: at most until the deadline and a grace, whatever the delivery thread is at.
    fn end(&self, deadline: Instant) -> Stats {
        let stats = self.core.shutdown_and_wait(deadline);
        // After its last answer it ends by itself; waiting for it makes that certain, and the end of the thread if it
        // was the last there.
        self.core.join(deadline + wait::GRACE);
        stats
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.end(deadline(self.core.config.drain));
    }
}

/// Reading the dead letters is a look at one small file.
const RESEND: Duration = Duration::from_secs(5);

/// A timeout too long for the clock is a century.
fn deadline(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(3_155_760_000))
}
