//! What a client is told: by the builder, else by the environment, else the product's defaults.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpcat_wire::values::DEFAULT_BASE_URL;

use super::choice::Choice;
use super::connection::{Connection, ConnectionSettings};
use super::switch::{self, Answer, Off};
use super::{Client, ConfigError, Delivery, OnDisk, SessionStrings};
use crate::delivery::Loss;
use crate::delivery::callback::LossHook;
use crate::delivery::endpoint::{BaseUrl, Unparsed, mask};
use crate::event::wire::Dialect;
use crate::notice;
use crate::policy::{Policy, Sample};
use crate::privacy::consent::Consent;
use crate::privacy::{Asked, ConsentVerdict, Privacy};
use crate::spool::{Backend, Overflow};

/// The environment's base URLs, in the official order.
const BASE_URL_VARIABLES: [&str; 2] = ["AGENTCAT_API_URL", "MCPCAT_API_URL"];

/// What may wait in one state directory.
const DEFAULT_SPOOL_DIR_BYTES: u64 = 256 << 20;

/// Builds a [`Client`]. Made by [`Client::builder`].
///
/// What is not set comes from the environment: `MCPCAT_PROJECT_ID`, `AGENTCAT_API_URL` or
/// `MCPCAT_API_URL`, `MCPCAT_TOKEN` or `MCPCAT_TOKEN_FILE`, `MCPCAT_PROXY`, `MCPCAT_ENABLED`, `DO_NOT_TRACK`,
/// `MCPCAT_PAYLOADS`, `MCPCAT_STATE_DIR`, `MCPCAT_SPOOL_DIR_BYTES`, `MCPCAT_SAMPLE`, `MCPCAT_DRY_RUN`, `MCPCAT_DRAIN_MS`.
/// An empty variable counts as unset; one that cannot be used is an error. The three that ask for consent never are:
/// whatever they hold that is not a clear yes to recording switches it off, or payloads out. What the user has chosen for
/// all servers is a file: see [`consent`](crate::consent).
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    project: String,
    base_url: Option<Unparsed>,
    pub(super) connection: ConnectionSettings,
    event_type: Option<String>,
    version_key: Option<String>,
    enabled: Option<bool>,
    in_ci: bool,
    opt_in: bool,
    names_only: bool,
    state_dir: Option<PathBuf>,
    session_strings: SessionStrings,
    request_timeout: Duration,
    drain: Option<Duration>,
    drain_at_exit: Option<bool>,
    capacity_bytes: u64,
    spool_dir_bytes: Option<u64>,
    application: Option<String>,
    backend: Backend,
    overflow: Overflow,
    on_loss: Option<LossHook>,
    policy: Policy,
    privacy: Privacy,
    on_disk: OnDisk,
    consent: Option<Consent>,
    dry_run: bool,
    sample: Option<f64>,
    delivery: Delivery,
}

/// Settings that are known to be good.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) project: Arc<str>,
    pub(crate) base: BaseUrl,
    pub(crate) connection: Connection,
    pub(crate) dialect: Dialect,
    /// What an option or a variable has switched recording off by; `None` where none has.
    pub(crate) off: Option<Off>,
    /// What the user has chosen, which can change.
    pub(crate) choice: Choice,
    /// Payloads are left out.
    pub(crate) names_only: bool,
    /// The variable that silences the notice of where events go.
    pub(crate) quiet: Option<OsString>,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) session_strings: SessionStrings,
    pub(crate) request_timeout: Duration,
    pub(crate) drain: Duration,
    pub(crate) drain_at_exit: Option<bool>,
    pub(crate) capacity_bytes: u64,
    pub(crate) spool_dir_bytes: u64,
    pub(crate) application: Option<String>,
    pub(crate) backend: Backend,
    pub(crate) overflow: Overflow,
    pub(crate) on_loss: Option<LossHook>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) privacy: Privacy,
    pub(crate) on_disk: OnDisk,
    pub(crate) consent: Option<Consent>,
    pub(crate) sample: Sample,
    pub(crate) delivery: Delivery,
}

/// Official MCP clients send SIGTERM 2 s after they have closed a server's stdin.
const DRAIN: Duration = Duration::from_millis(1_500);

impl ClientBuilder {
    pub(crate) fn new(project: String) -> Self {
        Self {
            project,
            base_url: None,
            connection: ConnectionSettings::default(),
            event_type: None,
            version_key: None,
            enabled: None,
            in_ci: true,
            opt_in: false,
            names_only: false,
            state_dir: None,
            session_strings: SessionStrings::default(),
            request_timeout: Duration::from_secs(10),
            drain: None,
            drain_at_exit: None,
            capacity_bytes: 64 * 1024 * 1024,
            spool_dir_bytes: None,
            application: None,
            backend: Backend::Auto,
            overflow: Overflow::default(),
            on_loss: None,
            policy: Policy::default(),
            privacy: Privacy::new(),
            on_disk: OnDisk::default(),
            consent: None,
            dry_run: false,
            sample: None,
            delivery: Delivery::default(),
        }
    }

    /// Where events are sent: an http or https address, to which `/v1/public/events/` is added.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(Unparsed(url.into()));
        self
    }

    /// The type of custom events. Default: `agentcat:custom`, or `mcpcat:custom` for the host `api.mcpcat.io`.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// The key under which an event carries this crate's version. Default: `agentcat_version`, or
    /// `mcpcat_version` for the host `api.mcpcat.io`.
    pub fn version_key(mut self, key: impl Into<String>) -> Self {
        self.version_key = Some(key.into());
        self
    }

    /// Whether anything is recorded. Off means that publishing succeeds and does nothing. The environment
    /// can switch recording off (`MCPCAT_ENABLED=false`, `DO_NOT_TRACK=1`), never on again.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    /// Whether anything is recorded on a machine that builds and tests, which is one where the variable `CI` is set to
    /// anything but a no. Default: yes.
    pub fn enabled_in_ci(mut self, enabled: bool) -> Self {
        self.in_ci = enabled;
        self
    }

    /// Records nothing until the user has said yes: [`consent::set(true)`](crate::consent::set), by this server or by
    /// another one of the same user. A no afterwards counts as ever.
    pub fn opt_in(mut self) -> Self {
        self.opt_in = true;
        self
    }

    /// Records names of tools, prompts and events, outcomes, types of errors, durations, sizes and versions, and no
    /// payload: no argument, answer, message, intent, tag, property or parameter, nobody's name, no URI. The environment's
    /// `MCPCAT_PAYLOADS=none` asks for the same, and neither takes back what the other asks for.
    ///
    /// What earlier processes left on the disk is reduced in the same way before it is sent.
    pub fn names_only(mut self) -> Self {
        self.names_only = true;
        self
    }

    /// Where events wait on disk until they are delivered. Default: `MCPCAT_STATE_DIR`, else the platform's
    /// directory for state.
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// What a plain string means where a session is expected.
    pub fn session_strings(mut self, meaning: SessionStrings) -> Self {
        self.session_strings = meaning;
        self
    }

    /// The time limit of one request. Default 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How long the end of the process, or dropping the last handle, may wait for events to be delivered. Default:
    /// `MCPCAT_DRAIN_MS`, else 1.5 s (official MCP clients send SIGTERM 2 s after closing a server's stdin). Zero waits
    /// for nothing; what is left is delivered by the next start.
    ///
    /// There is no wait where it would be in vain: when nothing is pending, when the endpoint fails, and in a forked
    /// child.
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = Some(limit);
        self
    }

    /// Whether the end of the process waits for events, for as long as [`drain`](Self::drain) allows. Default: yes in
    /// a program, no in a shared library (`cdylib`), whose host decides how it ends.
    pub fn drain_at_exit(mut self, wait: bool) -> Self {
        self.drain_at_exit = Some(wait);
        self
    }

    /// How many bytes of events may wait at once. Default 64 MiB. Beyond it events are dropped and counted:
    /// which, [`overflow`](Self::overflow) says.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// How many bytes of events may wait in the state directory, those of all its processes and of ended ones
    /// together. Default: `MCPCAT_SPOOL_DIR_BYTES`, else 256 MiB. Over it a process refuses its own newest events and
    /// counts them; nothing that waits is deleted. Each process may be over it by about one segment, at most 4 MiB.
    pub fn spool_dir_bytes(mut self, bytes: u64) -> Self {
        self.spool_dir_bytes = Some(bytes);
        self
    }

    /// The name of this program: a process delivers what earlier ones of the same name left, for the same project and
    /// endpoint. Default: the executable's file name, without its folder. Name it where that changes from one
    /// version to the next.
    pub fn application(mut self, name: impl Into<String>) -> Self {
        self.application = Some(name.into()).filter(|name| !name.is_empty());
        self
    }

    /// Which events are dropped when as many wait as may. Default: the new ones.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Called when events begin to be lost: once for each reason, and again when the same reason costs events
    /// after a minute without. [`Stats`](crate::delivery::Stats) has the numbers.
    ///
    /// Runs on a thread of its own: one that blocks holds up nothing but the next call. Its panics are caught.
    pub fn on_loss(mut self, tell: impl Fn(Loss) + Send + Sync + 'static) -> Self {
        self.on_loss = Some(LossHook::new(tell));
        self
    }

    /// The limits and the sensitive keys applied to every value.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Where events wait until they are delivered. Default: files mapped into memory where the file system
    /// can promise them space, files written with one call each elsewhere, memory where there is no disk.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// What is taken out of every event before it leaves: patterns of secrets, and hooks of your own. With a
    /// hook, events rest [scrubbed](Self::on_disk), because nothing that it has not seen may be on a disk.
    pub fn privacy(mut self, privacy: Privacy) -> Self {
        self.privacy = privacy;
        self
    }

    /// Asked whether a session may be recorded, once for each session and before anything of it is serialised. A
    /// session that may not is served as ever and records nothing; its events are counted in
    /// [`Stats::without_consent`](crate::delivery::Stats::without_consent) and nowhere else. An error or a panic
    /// means no, and is counted in [`Stats::hook_failures`](crate::delivery::Stats::hook_failures).
    ///
    /// The hook runs on the thread of the session's first event, so it should look something up in memory. For a
    /// session that its transport names late (over HTTP, after `initialize`) it is asked without an id first, and
    /// again once there is one.
    ///
    /// ```
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::Client;
    /// use mcpcat::privacy::Asked;
    ///
    /// let builder = Client::builder("proj_abc123xyz")
    ///     .consent(|session: &Asked| session.key.as_deref() != Some("customer-without"));
    /// ```
    pub fn consent<V: ConsentVerdict>(mut self, hook: impl Fn(&Asked) -> V + Send + Sync + 'static) -> Self {
        self.consent = Some(Consent::plain(hook));
        self
    }

    /// [`consent`](Self::consent) with a future: for who has to ask a database. It runs on a thread of its own,
    /// with the [deadline](Privacy::deadline) of the other hooks, which means no like an error does. Until it has
    /// answered nothing of the session is recorded, so a session's first events are left out.
    pub fn consent_async<F>(mut self, hook: impl Fn(Asked) -> F + Send + Sync + 'static) -> Self
    where
        F: Future + Send + 'static,
        F::Output: ConsentVerdict,
    {
        self.consent = Some(Consent::future(hook));
        self
    }

    /// Prints each event to stderr as it would leave, one line of JSON each, instead of sending it: after limits,
    /// scrubbing and hooks. Nothing is kept on a disk, and nothing that earlier processes left is touched. Printed
    /// events count as delivered. The environment's `MCPCAT_DRY_RUN=1` asks for the same.
    pub fn dry_run(mut self, dry: bool) -> Self {
        self.dry_run = dry;
        self
    }

    /// What may rest on a disk while it waits. Default: what was recorded. With a hook it is [`OnDisk::ScrubbedOnly`],
    /// whatever is said here.
    pub fn on_disk(mut self, on_disk: OnDisk) -> Self {
        self.on_disk = on_disk;
        self
    }

    /// Whether answers wait for their events: [`Delivery::FlushBeforeResponse`] with the longest wait. Default:
    /// [`Delivery::InBackground`].
    ///
    /// Concerns the requests of tracked servers and those that end in
    /// [`RequestGuard::run`](crate::request::RequestGuard::run) or [`run_with`](crate::request::RequestGuard::run_with). The
    /// wait holds up that one answer and no thread. While the endpoint is known to be down, and nothing would be
    /// tried within the time, answers do not wait. A request whose session has no name yet (`initialize` over HTTP)
    /// does not wait either: its name comes after its answer.
    ///
    /// ```
    /// # use mcpcat_runtime as mcpcat;
    /// use std::time::Duration;
    /// use mcpcat::{Client, Delivery};
    ///
    /// let builder =
    ///     Client::builder("proj_abc123xyz").delivery(Delivery::FlushBeforeResponse(Duration::from_millis(800)));
    /// ```
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// The share of sessions to record, from 0 to 1 (all, the default). A session is recorded whole or not at
    /// all, decided by its id, alike in every process; errors are always recorded. The events of a share
    /// carry it as the property `mcpcat_sample_rate`; what is left out is counted in
    /// [`Stats::sampled_out`](crate::delivery::Stats::sampled_out).
    pub fn sample(mut self, share: f64) -> Self {
        self.sample = Some(share);
        self
    }

    /// Checks the settings and starts the delivery.
    ///
    /// # Errors
    /// An empty project, an unusable base URL, proxy, token, header or variable, an https address in a build without TLS,
    /// no HTTP client at all, or no thread to be had.
    pub fn build(self) -> Result<Client, ConfigError> {
        let client = Client::start(self.check(&environment)?)?;
        client.core().announce();
        Ok(client)
    }

    /// The endpoint that these settings lead to, without building anything.
    pub(crate) fn check(self, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Config, ConfigError> {
        let text = |variable: &'static str| match environment(variable).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value).filter(|value| !value.trim().is_empty())),
            Some(Err(_)) => Err(ConfigError::NotUnicode { variable }),
        };
        let project = match self.project {
            project if project.trim().is_empty() => text("MCPCAT_PROJECT_ID")?,
            project => Some(project),
        }
        .ok_or(ConfigError::EmptyProject)?;
        let (source, given) = match self.base_url {
            Some(Unparsed(url)) => ("base_url", url),
            None => {
                let mut found = None;
                for name in BASE_URL_VARIABLES {
                    // The next one is not asked when this one cannot be read: events would go elsewhere.
                    found = text(name)?.map(|url| (name, url));
                    if found.is_some() {
                        break;
                    }
                }
                found.unwrap_or(("base_url", DEFAULT_BASE_URL.to_owned()))
            }
        };
        let base = match BaseUrl::parse(given.trim()) {
            Ok(base) => base,
            Err(problem) => {
                let given = mask(&given);
                return Err(ConfigError::BaseUrl { source, given, problem: problem.to_string() });
            }
        };
        if self.state_dir.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
            return Err(ConfigError::StateDir { source: "state_dir" });
        }
        let spool_dir_bytes = match self.spool_dir_bytes {
            Some(bytes) => bytes,
            None => match text("MCPCAT_SPOOL_DIR_BYTES")? {
                Some(text) => match text.trim().parse() {
                    Ok(bytes) => bytes,
                    Err(_) => {
                        return Err(ConfigError::SpoolDirBytes {
                            source: "MCPCAT_SPOOL_DIR_BYTES",
                            given: text,
                        });
                    }
                },
                None => DEFAULT_SPOOL_DIR_BYTES,
            },
        };
        let mut dialect = Dialect::of_host(base.host());
        if let Some(event_type) = self.event_type {
            dialect.custom_type = event_type;
        }
        if let Some(key) = self.version_key {
            dialect.version_key = key;
        }
        let sample = match self.sample {
            Some(share) => Sample::new(share)
                .ok_or_else(|| ConfigError::Sample { source: "sample", given: share.to_string() })?,
            None => match text("MCPCAT_SAMPLE")? {
                Some(text) => match text.trim().parse().ok().and_then(Sample::new) {
                    Some(sample) => sample,
                    None => return Err(ConfigError::Sample { source: "MCPCAT_SAMPLE", given: text }),
                },
                None => Sample::ALL,
            },
        };
        let drain = match self.drain {
            Some(limit) => limit,
            None => match text("MCPCAT_DRAIN_MS")? {
                Some(text) => match text.trim().parse() {
                    Ok(millis) => Duration::from_millis(millis),
                    Err(_) => return Err(ConfigError::Drain { given: text }),
                },
                None => DRAIN,
            },
        };
        let off = switch::switched_off(self.enabled, self.in_ci, environment);
        let names_only = self.names_only || switch::asks_for_names_only(environment);
        let choice = Choice::new(self.state_dir.clone(), self.opt_in);
        // What cannot be read asks for it: then nothing is sent.
        let dry_run = self.dry_run
            || environment("MCPCAT_DRY_RUN").is_some_and(|value| switch::answer(&value) != Some(Answer::No));
        let connection = self.connection.resolve(dry_run, &text)?;
        let deadline = self.privacy.hook_deadline();
        Ok(Config {
            project: project.into(),
            base,
            connection,
            dialect,
            off,
            choice,
            names_only,
            quiet: environment(notice::QUIET),
            state_dir: self.state_dir,
            session_strings: self.session_strings,
            request_timeout: self.request_timeout,
            drain,
            drain_at_exit: self.drain_at_exit,
            capacity_bytes: self.capacity_bytes,
            spool_dir_bytes,
            application: self.application,
            // What earlier processes left is not to be shown in place of being sent.
            backend: if dry_run { Backend::Memory } else { self.backend },
            overflow: self.overflow,
            on_loss: self.on_loss,
            // The patterns look at keys too, inside texts that are JSON: with the same list.
            privacy: self.privacy.policy(self.policy.clone()),
            policy: Arc::new(self.policy),
            on_disk: self.on_disk,
            consent: self.consent.map(|consent| consent.deadline(deadline)),
            sample,
            delivery: self.delivery,
        })
    }
}

impl Config {
    /// What has switched recording off, as it stands now; `None` where it is on.
    pub(crate) fn off_now(&self) -> Option<Off> {
        self.off.clone().or_else(|| self.choice.off())
    }
}

/// The environment of this process.
pub(crate) fn environment(variable: &str) -> Option<OsString> {
    std::env::var_os(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(builder: ClientBuilder, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        builder.check(&|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn base(builder: ClientBuilder, environment: &[(&str, &str)]) -> String {
        checked(builder, environment).unwrap().base.text()
    }

    #[test]
    fn the_base_url_comes_from_the_option_then_the_environment_in_the_official_order() {
        let both = [("MCPCAT_API_URL", "http://m"), ("AGENTCAT_API_URL", "http://a")];
        assert_eq!(base(ClientBuilder::new("p".into()).base_url("http://o"), &both), "http://o");
        assert_eq!(base(ClientBuilder::new("p".into()), &both), "http://a");
        assert_eq!(base(ClientBuilder::new("p".into()), &both[..1]), "http://m");
        assert_eq!(base(ClientBuilder::new("p".into()), &[("AGENTCAT_API_URL", "")]), DEFAULT_BASE_URL);
    }

    #[test]
    fn an_empty_project_is_refused_unless_the_environment_has_one() {
        assert!(matches!(checked(ClientBuilder::new(" ".into()), &[]), Err(ConfigError::EmptyProject)));
        let config =
            checked(ClientBuilder::new(String::new()), &[("MCPCAT_PROJECT_ID", "proj_env")]).unwrap();
        assert_eq!(&*config.project, "proj_env");
    }

    #[test]
    fn an_unusable_base_url_names_its_source_and_the_way_out() {
        let error =
            checked(ClientBuilder::new("p".into()), &[("MCPCAT_API_URL", "localhost:1")]).unwrap_err();
        let text = error.to_string();
        for part in ["MCPCAT_API_URL", "localhost:1", "http://127.0.0.1:6228"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn the_environment_switches_off_and_never_on() {
        let on = |builder: ClientBuilder, environment: &[(&str, &str)]| {
            checked(builder, environment).unwrap().off.is_none()
        };
        let builder = || ClientBuilder::new("p".into());
        assert!(on(builder(), &[]));
        assert!(on(builder(), &[("DO_NOT_TRACK", "0")]));
        for off in [("MCPCAT_ENABLED", "false"), ("MCPCAT_ENABLED", "OFF"), ("DO_NOT_TRACK", "1")] {
            assert!(!on(builder().enabled(true), &[off]), "{off:?}");
        }
        assert!(!on(builder().enabled(false), &[("MCPCAT_ENABLED", "true")]));
        let off = checked(builder(), &[("DO_NOT_TRACK", "1")]).unwrap().off.unwrap().why;
        assert!(off.contains("DO_NOT_TRACK"), "{off}");
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for url in ["http://127.0.0.1:65536", "http://127.0.0.1:0", "http://ada:hunter2@h:99999/t/hunter2"] {
            let error = checked(ClientBuilder::new("p".into()), &[("MCPCAT_API_URL", url)]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains("MCPCAT_API_URL") && !text.contains("hunter2"), "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_text_is_refused_by_name() {
        use std::os::unix::ffi::OsStringExt as _;
        for broken in ["MCPCAT_API_URL", "AGENTCAT_API_URL", "MCPCAT_PROJECT_ID", "MCPCAT_SAMPLE"] {
            let environment = |name: &str| match name == broken {
                true => Some(OsString::from_vec(b"http://h\xff".to_vec())),
                false => (name == "MCPCAT_API_URL").then(|| "http://elsewhere".into()),
            };
            let error = ClientBuilder::new(String::new()).check(&environment).unwrap_err().to_string();
            let expected = if broken == "MCPCAT_PROJECT_ID" { broken } else { "MCPCAT_PROJECT_ID" };
            assert!(error.contains(expected), "{error}");
            let error = ClientBuilder::new("p".into()).check(&environment).map_err(|error| error.to_string());
            match broken {
                "MCPCAT_PROJECT_ID" => assert!(error.is_ok()),
                _ => assert!(error.is_err_and(|error| error.contains(broken) && error.contains("UTF-8"))),
            }
        }
        let dry = |name: &str| (name == "MCPCAT_DRY_RUN").then(|| OsString::from_vec(vec![0xff]));
        assert!(ClientBuilder::new("p".into()).check(&dry).unwrap().connection.is_dry_run());
    }

    #[test]
    fn a_share_of_sessions_comes_from_the_option_then_the_environment() {
        let environment = [("MCPCAT_SAMPLE", " 0.25 ")];
        let rate = |builder| checked(builder, &environment).unwrap().sample.rate();
        assert_eq!(rate(ClientBuilder::new("p".into())), Some(0.25));
        assert_eq!(rate(ClientBuilder::new("p".into()).sample(1.0)), None);
        for broken in ["half", "1.5", "-1"] {
            let error = checked(ClientBuilder::new("p".into()), &[("MCPCAT_SAMPLE", broken)])
                .unwrap_err()
                .to_string();
            assert!(error.contains("MCPCAT_SAMPLE") && error.contains(broken), "{error}");
        }
    }

    #[test]
    fn how_long_the_end_waits_comes_from_the_option_then_the_environment() {
        let environment = [("MCPCAT_DRAIN_MS", "250")];
        let drain = |builder, environment: &[_]| checked(builder, environment).unwrap().drain;
        assert_eq!(drain(ClientBuilder::new("p".into()), &[]), Duration::from_millis(1_500));
        assert_eq!(drain(ClientBuilder::new("p".into()), &environment), Duration::from_millis(250));
        assert_eq!(drain(ClientBuilder::new("p".into()).drain(Duration::ZERO), &environment), Duration::ZERO);
        let error = checked(ClientBuilder::new("p".into()), &[("MCPCAT_DRAIN_MS", "1.5s")]).unwrap_err();
        assert!(error.to_string().contains("MCPCAT_DRAIN_MS"), "{error}");
    }

    #[test]
    fn names_follow_the_host_unless_set() {
        let config = checked(ClientBuilder::new("p".into()).base_url("https://api.mcpcat.io"), &[]).unwrap();
        assert_eq!(config.dialect.custom_type, "mcpcat:custom");
        let config = checked(
            ClientBuilder::new("p".into())
                .base_url("https://api.mcpcat.io")
                .event_type("x:y")
                .version_key("v"),
            &[],
        )
        .unwrap();
        assert_eq!((config.dialect.custom_type.as_str(), config.dialect.version_key.as_str()), ("x:y", "v"));
    }
}
