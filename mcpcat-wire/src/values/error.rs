//! What a client cannot be built from, and why an event is not recorded: each names the setting and the way out.

use std::fmt;

use super::DropReason;

/// Where events go when nothing else is said.
#[doc(hidden)]
pub const DEFAULT_BASE_URL: &str = "https://api.agentcat.com";

/// Why a build sends nothing.
#[doc(hidden)]
pub const NO_TRANSPORT: &str = "this build has no HTTP client: enable the feature `rustls`, `native-tls` or \
                                `reqwest`, or pass one of your own to `transport`";

/// What a client cannot be built from.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The project id is empty and `MCPCAT_PROJECT_ID` is not set.
    EmptyProject,
    /// The base URL cannot be used.
    BaseUrl {
        /// Which setting it came from: `base_url`, `AGENTCAT_API_URL` or `MCPCAT_API_URL`.
        source: &'static str,
        /// The text that was given, without what could be a credential.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The token cannot be sent.
    Token {
        /// Which setting it came from: `token` or `MCPCAT_TOKEN`.
        source: &'static str,
        /// What is wrong with it. The token itself is not repeated.
        problem: String,
    },
    /// A header cannot be sent.
    Header {
        /// Its name.
        name: String,
        /// What is wrong with it. The value is not repeated.
        problem: String,
    },
    /// The proxy cannot be used.
    Proxy {
        /// Which setting it came from: `proxy` or `MCPCAT_PROXY`.
        source: &'static str,
        /// The address that was given, without user and password.
        given: String,
        /// What is wrong with it.
        problem: String,
    },
    /// This build has no HTTP client, and none was given.
    NoTransport,
    /// A variable of the environment holds bytes that are no text.
    NotUnicode {
        /// The variable.
        variable: &'static str,
    },
    /// The share of sessions to record is not a number from 0 to 1.
    Sample {
        /// Which setting it came from: `sample` or `MCPCAT_SAMPLE`.
        source: &'static str,
        /// What was given.
        given: String,
    },
    /// `MCPCAT_DRAIN_MS` is not a number of milliseconds.
    Drain {
        /// What was given.
        given: String,
    },
    /// The state directory is an empty path.
    StateDir {
        /// Which setting it came from: `state_dir`.
        source: &'static str,
    },
    /// The bound on all that waits in a state directory is not a number of bytes.
    SpoolDirBytes {
        /// Which setting it came from: `MCPCAT_SPOOL_DIR_BYTES`.
        source: &'static str,
        /// What was given.
        given: String,
    },
    /// The delivery thread could not be started.
    Thread(std::io::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyProject => f.write_str(
                "the project id is empty: pass the `proj_…` id of your project, or set MCPCAT_PROJECT_ID",
            ),
            Self::BaseUrl { source, given, problem } => write!(
                f,
                "`{source}` is `{given}`, which cannot be used: {problem}; \
                 write something like http://127.0.0.1:6228 or {DEFAULT_BASE_URL}"
            ),
            Self::Token { source, problem } => {
                write!(
                    f,
                    "the token of `{source}` cannot be sent: {problem}; write it as the endpoint issued it"
                )
            }
            Self::Header { name, problem } => write!(f, "the header `{name}` cannot be sent: {problem}"),
            Self::Proxy { source, given, problem } => write!(
                f,
                "`{source}` is `{given}`, which cannot be used: {problem}; write something like http://proxy:3128"
            ),
            Self::NoTransport => f.write_str(NO_TRANSPORT),
            Self::NotUnicode { variable } => write!(
                f,
                "the variable `{variable}` is not UTF-8, so it cannot be read: write it as plain text, or unset it"
            ),
            Self::Sample { source, given } => write!(
                f,
                "`{source}` is `{given}`: write the share of sessions to record, from 0 (none) to 1 (all)"
            ),
            Self::Drain { given } => write!(
                f,
                "`MCPCAT_DRAIN_MS` is `{given}`: write how many milliseconds the end of the process may wait, as in 1500"
            ),
            Self::StateDir { source } => write!(
                f,
                "`{source}` is empty: name a directory, or leave it out for MCPCAT_STATE_DIR or the platform's own"
            ),
            Self::SpoolDirBytes { source, given } => {
                write!(f, "`{source}` is `{given}`: write a number of bytes, such as 268435456 for 256 MiB")
            }
            Self::Thread(error) => write!(
                f,
                "the delivery thread could not be started: {error}; it needs a thread and ten file descriptors \
                 (RLIMIT_NPROC, RLIMIT_NOFILE)"
            ),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// Why an event was not recorded. The event's absence is the only consequence: callers may ignore it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The project id is empty.
    EmptyProject,
    /// The target belongs to another project.
    WrongProject {
        /// The project that was passed.
        given: String,
        /// The project that the target is tracked under.
        tracked: String,
    },
    /// The server could not be tracked, for the reason given.
    Untracked {
        /// What kept `track` from recording.
        reason: String,
    },
    /// No client could be made for the project.
    NoClient {
        /// What is wrong with the configuration.
        reason: String,
    },
    /// The event was dropped at once, and counted.
    Dropped(DropReason),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyProject => f.write_str("`project` is empty: pass the `proj_…` id the server is tracked with"),
            Self::WrongProject { given, tracked } => {
                write!(f, "`project` is `{given}`, but the target is tracked under `{tracked}`: pass that one")
            }
            Self::Untracked { reason } => write!(f, "the server is not tracked: {reason}"),
            Self::NoClient { reason } => write!(f, "no client for this project: {reason}"),
            Self::Dropped(DropReason::SpoolFull) => f.write_str(
                "the event was dropped: as many events wait as `capacity_bytes` allows; is the endpoint reachable?",
            ),
            Self::Dropped(DropReason::Closed) => f.write_str("the event was dropped: the client has been shut down"),
            Self::Dropped(reason) => write!(f, "the event was dropped: {reason}"),
        }
    }
}

impl std::error::Error for PublishError {}
