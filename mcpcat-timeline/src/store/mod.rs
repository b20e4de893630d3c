//! What a place for events has to be able to do.
//!
//! The collector talks to this trait only. Every method may block; callers keep them off the async threads.

pub(crate) mod histogram;
pub(crate) mod outline;
mod query;
pub(crate) mod sqlite;

use tokio::sync::watch;

pub(crate) use query::{Cut, EventQuery, MAX_LIMIT, SessionQuery, SessionRef, Sort, Term, TermKind};
pub(crate) use sqlite::snippet;

use crate::event::Event;

/// What became of one submitted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Committed now.
    Accepted,
    /// Its id was there already; nothing changed.
    Duplicate,
    /// It belongs to what somebody asked to forget, and was dropped.
    Forgotten,
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
    /// The same in microseconds since 1970.
    pub(crate) started_us: i64,
    pub(crate) last_event_at: String,
    pub(crate) last_event_us: i64,
    /// From the first start to the last end, in milliseconds.
    pub(crate) duration_ms: f64,
    pub(crate) event_count: i64,
    pub(crate) tool_call_count: i64,
    pub(crate) custom_event_count: i64,
    pub(crate) error_count: i64,
    /// Failed events that no other failed one has raised; above 10,000 errors, the errors.
    pub(crate) failure_count: i64,
    pub(crate) actor_id: Option<String>,
    pub(crate) actor_name: Option<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) sdk_language: Option<String>,
    /// The label of the event that arrived last.
    pub(crate) last_label: String,
    /// The first thing that was wanted, in the caller's words.
    pub(crate) intent: Option<String>,
    /// The first tools called, in the order of arrival.
    pub(crate) tool_path: Vec<String>,
    /// The share of sessions that the sender keeps, when that is not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_rate: Option<f64>,
    /// Events that were here and have been removed by age or size.
    pub(crate) removed_by_retention: i64,
    /// Where the words of a search occur.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hits: Option<Hits>,
}

/// Events of a session that hold the words of a search.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Hits {
    pub(crate) count: i64,
    /// The first of them in time.
    pub(crate) event_id: String,
    pub(crate) label: String,
    /// What stands before the words, the words, and what follows.
    pub(crate) snippet: Option<[String; 3]>,
}

/// A page of the session list.
#[derive(Debug, serde::Serialize)]
pub(crate) struct SessionPage {
    pub(crate) sessions: Vec<SessionRow>,
    /// Pass as `cursor` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// Sessions that the filters let through, on all pages.
    pub(crate) total: i64,
    /// The collector's clock, microseconds since 1970.
    pub(crate) now_us: i64,
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
    /// Start and length in microseconds, as the collector has read them.
    pub(crate) at: i64,
    pub(crate) took: Option<i64>,
    pub(crate) suspect: crate::event::Suspect,
    pub(crate) is_error: bool,
    /// The event on one line, as it was sent.
    pub(crate) body: String,
}

impl Stored {
    /// Writes the event as the API shows it.
    pub(crate) fn push_shown(&self, out: &mut String) {
        crate::event::push_shown(out, &self.body, &self.kind, &self.label);
    }
}

/// A page of events.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) events: Vec<Stored>,
    pub(crate) next: Option<String>,
    pub(crate) last_seq: i64,
    /// Bytes of the first event, when they are more than may be read.
    pub(crate) too_large: Option<usize>,
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
    /// Events that there would be without sampling: each counts as one over the share its sender keeps.
    pub(crate) weighted: f64,
    /// Events that say how long they took.
    pub(crate) timed: i64,
    /// Mean of the timed ones, milliseconds.
    pub(crate) mean_ms: Option<f64>,
    /// Percentiles of the timed ones, within 2 %.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// Longest ever in the range, milliseconds.
    pub(crate) max_ms: Option<f64>,
}

/// How many sessions a client or server of one version has.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct VersionStats {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) sessions: i64,
    pub(crate) events: i64,
    pub(crate) errors: i64,
}

/// The numbers behind the overview page.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Overview {
    pub(crate) slot_ms: i64,
    pub(crate) slots: Vec<Slot>,
    pub(crate) names: Vec<NameStats>,
    pub(crate) clients: Vec<VersionStats>,
    pub(crate) servers: Vec<VersionStats>,
    pub(crate) sessions: i64,
    /// Sessions in the range whose sender keeps only a share.
    pub(crate) sampled_sessions: i64,
    pub(crate) events: i64,
    pub(crate) weighted_events: f64,
    pub(crate) errors: i64,
    /// Events of sessions in the range that have been removed by age or size.
    pub(crate) removed_by_retention: i64,
}

/// A custom event name as it has been seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeenName {
    pub(crate) name: String,
    pub(crate) count: i64,
    /// Microseconds since 1970.
    pub(crate) last_us: i64,
    /// Keys of the newest ones, as `parameters.x`, `tags.y`, `properties.z`.
    pub(crate) keys: std::collections::BTreeSet<String>,
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
#[derive(Debug, Clone, Default)]
pub(crate) struct Retention {
    pub(crate) age: Option<std::time::Duration>,
    pub(crate) bytes: Option<u64>,
    /// Bounds of single projects. Their age is in the place of the one for all, their bytes count beside it.
    pub(crate) projects: std::collections::BTreeMap<String, Bounds>,
}

/// Bounds of one project.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) age: Option<std::time::Duration>,
    pub(crate) bytes: Option<u64>,
}

impl Retention {
    /// Whether anything is ever to be removed.
    pub(crate) fn bounds_anything(&self) -> bool {
        self.age.is_some() || self.bytes.is_some() || !self.projects.is_empty()
    }
}

/// A token that was handed out to send events of one project. The secret itself is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct IssuedToken {
    pub(crate) id: String,
    /// SHA-256 of the secret.
    #[serde(skip)]
    pub(crate) hash: [u8; 32],
    pub(crate) project: String,
    pub(crate) label: String,
    /// Microseconds since 1970.
    #[serde(rename = "created_us")]
    pub(crate) created: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events_per_minute: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_minute: Option<i64>,
}

/// A copy of the data file that was made, and may be there still.
#[derive(Debug, Clone)]
pub(crate) struct KnownBackup {
    pub(crate) path: String,
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) events: i64,
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
    /// A session without its payloads; `None` when there is no such session.
    fn outline(&self, session: &SessionRef) -> Result<Option<outline::Outline>>;
    /// Events of a session by their arrival numbers, at most `most` of them.
    fn rows(&self, session: &SessionRef, ranges: &[(i64, i64)], most: usize) -> Result<Vec<Stored>>;
    /// Arrival numbers of all events of a session that hold the words.
    fn matches(&self, session: &SessionRef, words: &str) -> Result<Vec<i64>>;
    fn event(&self, id: &str, scope: Option<&str>) -> Result<Option<Stored>>;
    fn facets(&self, scope: Option<&str>) -> Result<Facets>;
    fn overview(&self, since: i64, until: i64, scope: Option<&str>) -> Result<Overview>;
    /// Every custom event name seen in a project.
    fn custom_names(&self, project: &str) -> Result<Vec<SeenName>>;
    fn forget(&self, whose: &Forget, scope: Option<&str>) -> Result<Forgotten>;
    /// What [`Store::forget`] would remove.
    fn would_forget(&self, whose: &Forget, scope: Option<&str>) -> Result<Forgotten>;
    /// Whether events can be written at this moment, found out by writing.
    fn probe(&self) -> Result<()>;
    /// Removes a little of what is past its time, about `events` of them; true when there is more to do.
    fn prune(&self, keep: &Retention, events: usize, now: i64) -> Result<bool>;
    fn catalogue(&self, project: &str) -> Result<Option<String>>;
    fn set_catalogue(&self, project: &str, json: &str) -> Result<()>;
    fn tokens(&self) -> Result<Vec<IssuedToken>>;
    fn add_token(&self, token: &IssuedToken) -> Result<()>;
    /// False when there is none of that id in the scope.
    fn revoke_token(&self, id: &str, scope: Option<&str>) -> Result<bool>;
    /// Copies that were made of the store.
    fn backups(&self) -> Result<Vec<KnownBackup>>;
    fn size(&self) -> Result<Size>;
    /// The arrival number of the newest committed event, as it grows.
    fn watch(&self) -> watch::Receiver<i64>;
}
