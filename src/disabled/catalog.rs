//! The catalogue of a program that emits nothing: empty.

use mcpcat_wire::values::{Entry, PlanError, Removal};

/// All events that the linked program can make: none.
pub fn catalog() -> Catalog {
    Catalog { _private: () }
}

/// The events of a program: see [`catalog`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    _private: (),
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
