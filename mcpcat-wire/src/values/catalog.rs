//! One event of a program's catalogue, and what a tracking plan misses in it.

use std::borrow::Cow;
use std::fmt;

/// One place in the source that makes events.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Entry {
    /// The event's name.
    pub name: String,
    /// `function`, `emit` or `data`.
    pub kind: &'static str,
    /// The keys of its parameters.
    pub parameters: Vec<Cow<'static, str>>,
    /// The keys of its tags.
    pub tags: Vec<Cow<'static, str>>,
    /// The keys of its properties.
    pub properties: Vec<Cow<'static, str>>,
    /// Those of all keys whose values are never sent.
    pub redacted: Vec<Cow<'static, str>>,
    /// The first paragraph of the doc comment, or empty.
    pub description: &'static str,
    /// The path of the module.
    pub module: &'static str,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

/// Something that a plan has and the program no longer does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// An event.
    Event {
        /// Its name in the plan.
        event: String,
        /// A new event with the same keys: probably the same one, renamed.
        perhaps_now: Option<String>,
    },
    /// A key of an event that is still there.
    Key {
        /// The event's name.
        event: String,
        /// `parameter`, `tag` or `property`.
        place: String,
        /// The key.
        key: String,
    },
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Removal::Event { event, perhaps_now: None } => write!(f, "event `{event}` was removed"),
            Removal::Event { event, perhaps_now: Some(now) } => {
                write!(f, "event `{event}` was removed or renamed: `{now}` is new and has the same keys")
            }
            Removal::Key { event, place, key } => write!(f, "event `{event}` lost its {place} `{key}`"),
        }
    }
}

/// A plan that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError(#[doc(hidden)] pub String);

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a tracking plan: {}", self.0)
    }
}

impl std::error::Error for PlanError {}
