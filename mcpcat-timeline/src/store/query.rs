//! What a reader may ask for, apart from any engine's way of answering.

/// Most sessions or events in one answer.
pub(crate) const MAX_LIMIT: usize = 10_000;

/// What a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TermKind {
    Actor,
    Client,
    Server,
    Tool,
    Event,
    Type,
    Tag,
}

impl TermKind {
    /// The letters before the value in the term index, and the query parameter's name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Client => "client",
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Event => "event",
            Self::Type => "type",
            Self::Tag => "tag",
        }
    }

    pub(crate) const ALL: [Self; 7] =
        [Self::Actor, Self::Client, Self::Server, Self::Tool, Self::Event, Self::Type, Self::Tag];
}

/// One condition on what a session holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) kind: TermKind,
    /// For tags `key=value`, or `key` alone for any value.
    pub(crate) value: String,
    /// The session must not hold it.
    pub(crate) negative: bool,
}

/// The order of the session list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Last,
    Start,
    Duration,
    Events,
    Tools,
    Custom,
    Errors,
    Project,
    Client,
    Server,
    Actor,
}

impl Sort {
    /// The names that the API takes.
    pub(crate) const NAMES: [(&str, Self); 11] = [
        ("last", Self::Last),
        ("start", Self::Start),
        ("duration", Self::Duration),
        ("events", Self::Events),
        ("tools", Self::Tools),
        ("custom", Self::Custom),
        ("errors", Self::Errors),
        ("project", Self::Project),
        ("client", Self::Client),
        ("server", Self::Server),
        ("actor", Self::Actor),
    ];
}

/// One session, as an address names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionRef {
    pub(crate) id: String,
    pub(crate) project: Option<String>,
    /// The project a token is limited to.
    pub(crate) scope: Option<String>,
}

/// Which sessions, in which order.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionQuery {
    pub(crate) project: Option<String>,
    /// The project a token is limited to; stronger than `project`.
    pub(crate) scope: Option<String>,
    pub(crate) text: Option<String>,
    /// Active at or after, microseconds.
    pub(crate) since: Option<i64>,
    /// Active before, microseconds.
    pub(crate) until: Option<i64>,
    pub(crate) terms: Vec<Term>,
    pub(crate) errors: bool,
    pub(crate) custom: bool,
    /// Only sessions with (or without) a known user.
    pub(crate) identified: Option<bool>,
    pub(crate) sort: Sort,
    pub(crate) ascending: bool,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<String>,
}

/// How the list of events is cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Cut {
    /// In the order things happened.
    #[default]
    Time,
    /// In the order of arrival, after this number.
    After(i64),
    /// The newest arrivals first.
    Newest,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) session: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) event_type: Option<String>,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) errors: bool,
    pub(crate) custom: bool,
    pub(crate) cut: Cut,
    pub(crate) limit: usize,
    /// About how many bytes of text the page may have; `None` for what an engine bears.
    pub(crate) bytes: Option<usize>,
    /// Most bytes of text in one page, its first event's too: one that is larger is not read, and its size told.
    pub(crate) most: Option<usize>,
    pub(crate) cursor: Option<String>,
}
