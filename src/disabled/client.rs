//! A client that takes every setting and event, and keeps none.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use super::policy::Policy;
use super::privacy::{Asked, ConsentVerdict, Explained, Privacy};
use super::{DropReason, EventData, EventId, Loss, Session, Stats, Target, Transport};

/// The handle of a project that nothing is recorded for.
#[derive(Clone)]
pub struct Client(());

impl Client {
    /// A builder whose settings are forgotten.
    pub fn builder(_: impl Into<String>) -> ClientBuilder {
        ClientBuilder { _private: () }
    }

    /// A client that records nothing; the environment is not read.
    ///
    /// # Errors
    /// Never.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self(()))
    }

    /// Always empty.
    #[must_use]
    pub fn project(&self) -> &str {
        ""
    }

    /// Always empty.
    #[must_use]
    pub fn base_url(&self) -> String {
        String::new()
    }

    /// Always false.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        false
    }

    /// That the feature `enable` is off.
    #[must_use]
    pub fn off_reason(&self) -> Option<&str> {
        Some("the feature `enable` of mcpcat is off")
    }

    /// All zero.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Returns at once.
    pub async fn flush(&self, _: Duration) -> Stats {
        Stats::default()
    }

    /// Returns at once.
    pub fn flush_blocking(&self, _: Duration) -> Stats {
        Stats::default()
    }

    /// Always 0.
    pub async fn resend_dead_letters(&self) -> u64 {
        0
    }

    /// Always 0.
    pub fn resend_dead_letters_blocking(&self) -> u64 {
        0
    }

    /// Returns at once.
    pub async fn shutdown(&self, _: Duration) -> Stats {
        Stats::default()
    }

    /// Returns at once.
    pub fn shutdown_blocking(&self, _: Duration) -> Stats {
        Stats::default()
    }

    /// Installs nothing.
    pub fn install(&self) -> Option<Client> {
        None
    }

    /// Always `None`.
    #[must_use]
    pub fn installed() -> Option<Client> {
        None
    }

    /// Records nothing and answers with the id of no event.
    ///
    /// # Errors
    /// Never.
    pub fn publish<'a>(&self, _: impl Into<Target<'a>>, _: impl EventData) -> Result<EventId, PublishError> {
        Ok(EventId(()))
    }

    /// A session of nothing.
    #[must_use]
    pub fn session(&self, _: &str) -> Session {
        Session::new()
    }

    /// Nothing would leave.
    pub fn explain(&self, _: impl EventData) -> Explained {
        Explained::default()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Records nothing and answers with the id of no event.
///
/// # Errors
/// Never.
pub fn publish_custom_event<'a>(
    _: impl Into<Target<'a>>,
    _: &str,
    _: impl EventData,
) -> Result<EventId, PublishError> {
    Ok(EventId(()))
}

/// Nothing would leave.
pub fn explain(_: impl EventData) -> Explained {
    Explained::default()
}

/// Takes every setting of a client and keeps none.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    _private: (),
}

/// Setters that forget what they are given.
macro_rules! forget {
    ($($name:ident($given:ty);)+) => {
        impl ClientBuilder {
            $(
                /// Forgets the setting.
                pub fn $name(self, _: $given) -> Self {
                    self
                }
            )+
        }
    };
}

forget! {
    base_url(impl Into<String>);
    event_type(impl Into<String>);
    version_key(impl Into<String>);
    enabled(bool);
    state_dir(impl Into<PathBuf>);
    session_strings(SessionStrings);
    request_timeout(Duration);
    drain(Duration);
    drain_at_exit(bool);
    capacity_bytes(u64);
    spool_dir_bytes(u64);
    application(impl Into<String>);
    token(impl AsRef<str>);
    token_file(impl Into<PathBuf>);
    proxy(impl AsRef<str>);
    transport(impl Transport);
    overflow(Overflow);
    on_loss(impl Fn(Loss) + Send + Sync + 'static);
    policy(Policy);
    backend(Backend);
    privacy(Privacy);
    dry_run(bool);
    on_disk(OnDisk);
    delivery(Delivery);
    sample(f64);
}

impl ClientBuilder {
    /// Forgets the header.
    pub fn header(self, _: impl Into<String>, _: impl AsRef<str>) -> Self {
        self
    }

    /// Forgets the hook.
    pub fn consent<V: ConsentVerdict>(self, _: impl Fn(&Asked) -> V + Send + Sync + 'static) -> Self {
        self
    }

    /// Forgets the hook.
    pub fn consent_async<F>(self, _: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future + Send + 'static,
        F::Output: ConsentVerdict,
    {
        self
    }

    /// A client that records nothing. No thread is started and no file is opened.
    ///
    /// # Errors
    /// Never: the settings are not looked at.
    pub fn build(self) -> Result<Client, ConfigError> {
        Ok(Client(()))
    }
}

/// What a client cannot be built from. Here it always can.
#[derive(Debug)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum ConfigError {
    EmptyProject,
    BaseUrl { source: &'static str, given: String, problem: String },
    NotUnicode { variable: &'static str },
    Token { source: &'static str, problem: String },
    Header { name: String, problem: String },
    Proxy { source: &'static str, given: String, problem: String },
    NoTransport,
    Sample { source: &'static str, given: String },
    Drain { given: String },
    StateDir { source: &'static str },
    SpoolDirBytes { source: &'static str, given: String },
    Thread(std::io::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// Why an event was not recorded. Never returned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum PublishError {
    EmptyProject,
    WrongProject { given: String, tracked: String },
    Untracked { reason: String },
    NoClient { reason: String },
    Dropped(DropReason),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Error for PublishError {}

/// What a plain string means where a session is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum SessionStrings {
    #[default]
    Derive,
    Verbatim,
}

/// What is on disk before it is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum OnDisk {
    #[default]
    AsRecorded,
    ScrubbedOnly,
}

/// Whether answers wait for their events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Delivery {
    #[default]
    InBackground,
    FlushBeforeResponse(Duration),
}

/// Where events would wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Backend {
    #[default]
    Auto,
    Mapped,
    Written,
    Memory,
}

/// What would happen at the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Overflow {
    #[default]
    DropNewest,
    DropOldest,
}
