//! The catalogue of a program that emits nothing: empty.

use std::borrow::Cow;
use std::fmt;

/// All events that the linked program can make: none.
pub fn catalog() -> Catalog {
    Catalog { _private: () }
}

/// The events of a program: see [`catalog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    _private: (),
}

/// One place in the source that makes events. There is none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub struct Entry {
    pub name: String,
    pub kind: &'static str,
    pub parameters: Vec<Cow<'static, str>>,
    pub tags: Vec<Cow<'static, str>>,
    pub properties: Vec<Cow<'static, str>>,
    pub redacted: Vec<Cow<'static, str>>,
    pub description: &'static str,
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
}

impl Catalog {
    /// Always empty.
    pub fn entries(&self) -> &[Entry] {
        &[]
    }

    /// Still empty.
    #[must_use]
    pub fn of_crate(self, _: &str) -> Self {
        self
    }

    /// A tracking plan without events.
    pub fn to_json(&self) -> String {
        "{\n  \"schema_version\": 1,\n  \"events\": []\n}\n".to_owned()
    }

    /// Nothing: a plan is not held against a build without events.
    ///
    /// # Errors
    /// Never.
    pub fn removed_since(&self, _: &str) -> Result<Vec<Removal>, PlanError> {
        Ok(Vec::new())
    }
}

/// Something that a plan has and the program no longer does. There is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "as in the recording build, which documents them")]
pub enum Removal {
    Event { event: String, perhaps_now: Option<String> },
    Key { event: String, place: String, key: String },
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A plan that cannot be read. None is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError(());

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a tracking plan")
    }
}

impl std::error::Error for PlanError {}
