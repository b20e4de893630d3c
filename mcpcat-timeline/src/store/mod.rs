//! What a place for events has to be able to do.
//!
//! The collector talks to this trait only. Every method may block; callers keep them off the async threads.

mod query;
pub(crate) mod sqlite;

use tokio::sync::watch;

pub(crate) use query::{Cut, EventQuery, SessionQuery, Sort, Term, TermKind};

use crate::event::Event;

/// What became of one submitted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed now.
    Accepted,
    /// Its id was there already; nothing changed.
    Duplicate,
}

/// Why the store could not do what it was asked.
#[derive(Debug, Clone)]
pub(crate) enum StoreError {
    /// Try again later: no space left, or another process holds the file.
    Busy(String),
    /// The file or the query is at fault.
    Broken(String),
    /// The caller asked for something that cannot be.
    Asked(String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy(text) | Self::Broken(text) | Self::Asked(text) => out.write_str(text),
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// One line of the session list.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct SessionRow {
    #[serde(skip)]
    pub(crate) key: i64,
    pub(crate) session_id: String,
    pub(crate) project_id: String,
    /// True for the place where a project's events without a session are filed.
    pub(crate) stateless: bool,
    pub(crate) started_at: String,
    pub(crate) last_event_at: String,
    /// From the first start to the last end, in milliseconds.
    pub(crate) duration_ms: f64,
    pub(crate) event_count: i64,
    pub(crate) tool_call_count: i64,
    pub(crate) custom_event_count: i64,
    pub(crate) error_count: i64,
    pub(crate) actor_id: Option<String>,
    pub(crate) actor_name: Option<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) sdk_language: Option<String>,
    /// The label of the event that arrived last.
    pub(crate) last_label: String,
    #[serde(skip)]
    pub(crate) sort_value: f64,
}

/// A page of the session list.
#[derive(Debug, serde::Serialize)]
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<SessionRow>,
    /// Pass as `cursor` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// The newest event's arrival number at the time of reading; where a live tail goes on.
    pub(crate) last_seq: i64,
    /// How many of the newest events a text search looked into, when it did not look into all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_searched: Option<i64>,
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Arrival number.
    pub(crate) seq: i64,
    /// Where it is filed.
    pub(crate) session: String,
    /// What it is about, as [`Kind::as_str`](crate::event::Kind::as_str).
    pub(crate) kind: String,
    /// The words a reader sees for it.
    pub(crate) label: String,
    /// The event on one line, as it was sent.
    pub(crate) body: String,
}

impl Stored {
    /// The event as the API shows it.
    pub(crate) fn shown(&self) -> String {
        crate::event::shown(&self.body, &self.kind, &self.label)
    }
}

/// A page of events.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Stored>,
    pub(crate) next: Option<String>,
    pub(crate) last_seq: i64,
}

/// The values that filters can take, the most used first.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct Facets {
    pub(crate) projects: Vec<String>,
    pub(crate) actors: Vec<String>,
    pub(crate) clients: Vec<String>,
    pub(crate) servers: Vec<String>,
    pub(crate) tools: Vec<String>,
    pub(crate) events: Vec<String>,
    pub(crate) tags: Vec<String>,
}

/// Counts of one slot of time.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Slot {
    /// Start of the slot, milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) events: i64,
    pub(crate) tools: i64,
    pub(crate) custom: i64,
    pub(crate) errors: i64,
}

/// What is known of one tool or event name.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct NameStats {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) events: i64,
    pub(crate) errors: i64,
    /// Mean of the timed ones, milliseconds.
    pub(crate) mean_ms: Option<f64>,
    /// Longest ever in the range, milliseconds.
    pub(crate) max_ms: Option<f64>,
}

/// The numbers behind the overview page.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Overview {
    pub(crate) slot_ms: i64,
    pub(crate) slots: Vec<Slot>,
    pub(crate) names: Vec<NameStats>,
    pub(crate) sessions: i64,
    pub(crate) events: i64,
    pub(crate) errors: i64,
}

/// Whose events are to go.
#[derive(Debug, Clone)]
pub(crate) enum Forget {
    Session(String),
    Actor(String),
    Project(String),
}

/// How much was removed.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(crate) struct Forgotten {
    pub(crate) events: u64,
    pub(crate) sessions: u64,
}

/// How long and how much to keep. `None` keeps everything.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Retention {
    pub(crate) age: Option<std::time::Duration>,
    pub(crate) bytes: Option<u64>,
}

/// Size of what is kept.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Size {
    pub(crate) bytes: u64,
    pub(crate) sessions: i64,
    pub(crate) last_seq: i64,
}

/// A store of events. Append is all or nothing, and durable when it returns.
pub(crate) trait Store: Send + Sync {
    fn append(&self, events: &[&Event]) -> Result<Vec<Outcome>>;
    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage>;
    /// One session's row, of every project that has it.
    fn session(&self, session: &str, scope: Option<&str>) -> Result<Vec<SessionRow>>;
    fn events(&self, query: &EventQuery) -> Result<EventPage>;
    fn event(&self, id: &str, scope: Option<&str>) -> Result<Option<Stored>>;
    fn facets(&self, scope: Option<&str>) -> Result<Facets>;
    fn overview(&self, since: i64, until: i64, scope: Option<&str>) -> Result<Overview>;
    /// Every custom event name seen in a project, with its count.
    fn custom_names(&self, project: &str) -> Result<Vec<(String, i64)>>;
    fn forget(&self, whose: &Forget, scope: Option<&str>) -> Result<Forgotten>;
    /// Removes a little of what is past its time, about `events` of them; true when there is more to do.
    fn prune(&self, keep: Retention, events: usize, now: i64) -> Result<bool>;
    fn catalogue(&self, project: &str) -> Result<Option<String>>;
    fn set_catalogue(&self, project: &str, json: &str) -> Result<()>;
    fn size(&self) -> Result<Size>;
    /// The arrival number of the newest committed event, as it grows.
    fn watch(&self) -> watch::Receiver<i64>;
}
