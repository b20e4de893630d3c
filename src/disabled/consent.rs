//! What a user may know of a build that records nothing, and a choice that is not needed.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What decided whether anything is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Decision {
    Default,
    Option(&'static str),
    Variable(&'static str),
    File(PathBuf),
    Call,
}

/// How it stands with recording: it is not in this build.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub struct Status {
    pub records: bool,
    pub decided_by: Decision,
    pub reason: String,
    pub names_only: bool,
    pub destination: String,
    pub way: String,
    pub off_file: Option<PathBuf>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "telemetry is off: {}", self.reason)
    }
}

/// That the feature `enable` is off.
#[must_use]
pub fn status() -> Status {
    Status {
        records: false,
        decided_by: Decision::Default,
        reason: "the feature `enable` of mcpcat is off".to_owned(),
        names_only: false,
        destination: "nowhere".to_owned(),
        way: String::new(),
        off_file: None,
    }
}

/// Changes nothing and writes nothing.
///
/// # Errors
/// Never.
pub fn set(_: bool) -> io::Result<Status> {
    Ok(status())
}

/// That nothing is recorded.
#[must_use]
pub fn notice() -> String {
    "Telemetry is off: this program was built without it.\n".to_owned()
}
