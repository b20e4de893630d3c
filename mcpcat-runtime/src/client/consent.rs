//! What a user may know and decide about recording: how it stands and what decided, a choice that holds for all servers
//! of the user, and a text that says what is recorded and where it goes.
//!
//! A choice is a file in the platform's state directory, so it outlives every configuration. `mcpcat/telemetry-off` there
//! stops every server of the user before anything is serialised, also those that run: what waits in them and on the disk
//! is deleted, and counted as [`DropReason::OptedOut`](crate::DropReason::OptedOut). [`set`] makes the file and takes it
//! away.
//!
//! ```no_run
//! # use mcpcat_runtime as mcpcat;
//! # use mcpcat::consent;
//! // `my-server --telemetry on|off|status`
//! let asked = std::env::args().skip_while(|argument| argument != "--telemetry").nth(1);
//! match asked.as_deref() {
//!     Some("on") => println!("{}", consent::set(true)?),
//!     Some("off") => println!("{}", consent::set(false)?),
//!     Some(_) => println!("{}", consent::notice()),
//!     None => {}
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Where a client is built with options that matter here (`opt_in`, `base_url`, `names_only`), build it first: these
//! functions speak of the installed client, else of the first one that lives, else of what the environment says.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::choice::Choice;
use super::config::{Config, environment};
use super::core::Core;
use super::switch::Off;
use super::{Client, ClientBuilder};
use crate::spool;

/// What decided whether anything is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing was said: it is.
    Default,
    /// An option of the builder.
    Option(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
    /// A file of the user's.
    File(PathBuf),
    /// A call of [`set`] in this process that could not be written down.
    Call,
}

/// How it stands with recording. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether anything is recorded.
    pub records: bool,
    /// What decided.
    pub decided_by: Decision,
    /// The same in words.
    pub reason: String,
    /// Whether names, outcomes, durations, sizes and versions are all that is recorded.
    pub names_only: bool,
    /// The address that events are sent to, without what could be a credential.
    pub destination: String,
    /// The way there: the proxy in use without its password, or that there is none and which settings were asked.
    pub way: String,
    /// The file whose presence stops every server of the user; `None` where there is no home directory.
    pub off_file: Option<PathBuf>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, destination, way, .. } = self;
        match self.records {
            true => write!(f, "telemetry is on: {reason}; events go to {destination} {way}"),
            false => write!(f, "telemetry is off: {reason}"),
        }
    }
}

/// How it stands with recording, and what decided. Looks at the files each time.
#[must_use]
pub fn status() -> Status {
    match here() {
        Some(core) => of_config(&core.config, core.is_names_only()),
        None => match from_environment() {
            Ok(config) => of_config(&config, config.names_only),
            Err(reason) => Status {
                records: false,
                decided_by: Decision::Default,
                reason,
                names_only: false,
                destination: "nowhere".to_owned(),
                way: String::new(),
                off_file: Choice::new(None, false).off_file(),
            },
        },
    }
}

/// Says no (`false`) or yes for every server of this user, until it is said otherwise.
///
/// A no makes the file `mcpcat/telemetry-off` in the platform's state directory, switches recording off in this process
/// before it returns, and deletes what waits on the disk; other processes do the same within a moment. A yes takes the
/// file away and makes `mcpcat/telemetry-on`, which servers that are built with `opt_in` wait for. What the environment or
/// the builder has switched off stays off: see what is returned.
///
/// # Errors
/// The directory cannot be written. A no holds for this process all the same.
pub fn set(on: bool) -> io::Result<Status> {
    let mut choice = Choice::new(None, false);
    let cores = cores();
    cores.iter().for_each(|core| choice.join(&core.config.choice));
    let stored = choice.store(on);
    cores.iter().for_each(|core| core.reconsider());
    if !on {
        cores.iter().for_each(|core| core.await_cleared());
        choice.forget_all();
    }
    stored.map(|()| status())
}

/// A text for the user: what is recorded, where it goes, what decided, and how to stop it. A few lines.
#[must_use]
pub fn notice() -> String {
    let status = status();
    let Status { destination, way, reason, .. } = &status;
    let state = if status.records { "on" } else { "off" };
    let recorded = if status.names_only { NAMES_ONLY } else { EVERYTHING };
    let off = match &status.off_file {
        Some(path) => format!("the file {}", path.display()),
        None => "a file `mcpcat/telemetry-off` in the state directory (there is no home directory here)"
            .to_owned(),
    };
    format!(
        "Telemetry is {state}: {reason}.\n\
         Recorded while it is on: {recorded}.\n\
         Sent to: {destination} {way}.\n\
         To stop it in every server of this user: {off}.\n\
         To stop it in one: DO_NOT_TRACK=1 or MCPCAT_ENABLED=false in its environment.\n"
    )
}

/// What is recorded by default, in words.
const EVERYTHING: &str = "requests with their arguments and answers, errors, durations, and the events of the server's \
                          code, bounded and without known secrets";
/// What is recorded where names alone are.
const NAMES_ONLY: &str = "names of tools, prompts and events, outcomes, types of errors, durations, sizes and versions; \
                          no argument, answer, message or intent";

/// The line that is said before anything is sent.
pub(super) fn first_line(config: &Config, names_only: bool) -> String {
    let recorded = if names_only { NAMES_ONLY } else { EVERYTHING };
    let (project, base, way) = (&config.project, &config.base, config.connection.way_to(&config.base));
    let mut line = format!("events of project `{project}` go to {base} {way}: {recorded}");
    if !config.base.is_loopback() {
        line.push_str("; to this machine only: MCPCAT_API_URL=http://127.0.0.1:6228");
    }
    if !names_only {
        line.push_str("; names only: MCPCAT_PAYLOADS=none");
    }
    line.push_str("; nothing: DO_NOT_TRACK=1");
    line
}

fn of_config(config: &Config, names_only: bool) -> Status {
    let off = config.off_now();
    let records = off.is_none();
    let (decided_by, reason) = match off {
        Some(Off { by, why }) => (by, why),
        None => match config.choice.decided_by() {
            Decision::File(path) => {
                let why = format!("the file `{}` is there, which is the user's yes", path.display());
                (Decision::File(path), why)
            }
            by => (by, "nothing has switched it off".to_owned()),
        },
    };
    Status {
        records,
        decided_by,
        reason,
        names_only,
        destination: config.base.to_string(),
        way: config.connection.way_to(&config.base),
        off_file: config.choice.off_file(),
    }
}

fn from_environment() -> Result<Config, String> {
    let named = ClientBuilder::new(String::new()).check(&environment);
    let config = named.or_else(|_| ClientBuilder::new("proj_unnamed".to_owned()).check(&environment));
    config.map_err(|error| error.to_string())
}

/// The clients of this process image: those of a parent are its own.
static CORES: [Mutex<Vec<Weak<Core>>>; 4] = [const { Mutex::new(Vec::new()) }; 4];

fn registered() -> MutexGuard<'static, Vec<Weak<Core>>> {
    let slot = &CORES[spool::fork_generation() as usize % CORES.len()];
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has [`set`] reach a client, and [`status`] speak of it.
pub(super) fn register(core: &Weak<Core>) {
    let mut cores = registered();
    cores.retain(|core| core.strong_count() > 0);
    cores.push(Weak::clone(core));
}

fn cores() -> Vec<Arc<Core>> {
    registered().iter().filter_map(Weak::upgrade).collect()
}

fn here() -> Option<Arc<Core>> {
    match Client::installed() {
        Some(client) => Some(Arc::clone(client.core())),
        None => cores().into_iter().next(),
    }
}
