//! A client that takes every setting and event, and keeps none.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use mcpcat_wire::values::{
    Backend, ConfigError, Delivery, EventId, Loss, OnDisk, Overflow, PublishError, SessionStrings, Stats,
};

use super::policy::Policy;
use super::privacy::{Asked, ConsentVerdict, Explained, Privacy};
use super::{EventData, Session, Target, Transport};

/// The id of an event that nobody recorded: all zeros.
const NO_EVENT: EventId = EventId::from_raw([0; 20]);

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
    pub fn off_reason(&self) -> Option<String> {
        Some("the feature `enable` of mcpcat is off".to_owned())
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
        Ok(NO_EVENT)
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
    Ok(NO_EVENT)
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
    enabled_in_ci(bool);
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
    /// Changes nothing: nothing is recorded.
    pub fn opt_in(self) -> Self {
        self
    }

    /// Changes nothing: nothing is recorded.
    pub fn names_only(self) -> Self {
        self
    }

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
