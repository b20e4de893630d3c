//! The document that lists the events a program can emit: written by `mcpcat::Catalog::to_json`, uploaded to the
//! timeline, and committed as a tracking plan.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the document. It grows when a reader of the old one would fail.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document<'a> {
    /// Which version of the format this is; [`SCHEMA_VERSION`] in documents that this version writes.
    pub schema_version: u32,
    /// Every call site that makes events.
    pub events: Vec<Entry<'a>>,
}

/// One place in the source that makes events. Only its name is required.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry<'a> {
    /// The event's name.
    pub name: Cow<'a, str>,
    /// What makes it: `function`, `emit` or `data`.
    pub kind: Cow<'a, str>,
    /// The keys of its parameters.
    pub parameters: Vec<Cow<'a, str>>,
    /// The keys of its tags.
    pub tags: Vec<Cow<'a, str>>,
    /// The keys of its properties.
    pub properties: Vec<Cow<'a, str>>,
    /// Those of all keys whose values are never sent.
    pub redacted: Vec<Cow<'a, str>>,
    /// The first paragraph of the doc comment, or empty.
    pub description: Cow<'a, str>,
    /// The path of the module.
    pub module: Cow<'a, str>,
    /// The source file, as the compiler names it.
    pub file: Cow<'a, str>,
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
}

impl<'a> Document<'a> {
    /// A document of the current version.
    #[must_use]
    pub fn new(events: Vec<Entry<'a>>) -> Self {
        Self { schema_version: SCHEMA_VERSION, events }
    }

    /// The document as JSON with one line per key: a text that can be committed and reviewed.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them: there is nothing that could fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads a document, or a list of entries without one around it. In place of an entry its name is enough, and a
    /// missing version is the first one.
    ///
    /// # Errors
    /// Text that is not JSON, of a newer version, or without events; an entry without a name or with a field of the
    /// wrong type.
    pub fn parse(text: &str) -> Result<Document<'static>, DocumentError> {
        let whole: Value = serde_json::from_str(text).map_err(|error| DocumentError(error.to_string()))?;
        let (schema_version, list) = match whole {
            Value::Array(list) => (SCHEMA_VERSION, list),
            Value::Object(mut object) => {
                let version = object.get("schema_version").map_or(Some(1), Value::as_u64);
                let version = version.and_then(|version| u32::try_from(version).ok());
                match version {
                    Some(version) if version <= SCHEMA_VERSION => match object.remove("events") {
                        Some(Value::Array(list)) => (version, list),
                        _ => return Err(DocumentError("there is no list `events`".to_owned())),
                    },
                    _ => {
                        return Err(DocumentError(format!(
                            "schema_version is {}, this version of mcpcat reads up to {SCHEMA_VERSION}",
                            object["schema_version"]
                        )));
                    }
                }
            }
            _ => return Err(DocumentError("expected an object with a list `events`".to_owned())),
        };
        let entry = |(at, value): (usize, Value)| {
            let entry = match value {
                Value::String(name) => Entry { name: name.into(), ..Entry::default() },
                value => serde_json::from_value(value)
                    .map_err(|error| DocumentError(format!("entry {at}: {error}")))?,
            };
            if entry.name.is_empty() {
                return Err(DocumentError(format!("entry {at} has no `name`")));
            }
            Ok(entry)
        };
        let events = list.into_iter().enumerate().map(entry).collect::<Result<_, _>>()?;
        Ok(Document { schema_version, events })
    }
}

/// A text that is no catalogue; says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentError(String);

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DocumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let document = Document::new(vec![Entry {
            name: "plan.upgraded".into(),
            kind: "emit".into(),
            parameters: vec!["plan".into()],
            redacted: vec!["plan".into()],
            description: "A plan was upgraded.".into(),
            file: "src/lib.rs".into(),
            line: 7,
            ..Entry::default()
        }]);
        let json = document.to_json();
        assert!(json.starts_with("{\n  \"schema_version\": 1,"), "{json}");
        assert_eq!(Document::parse(&json), Ok(document));
    }

    #[test]
    fn names_alone_are_a_catalogue() {
        let names = |text: &str| -> Vec<String> {
            Document::parse(text).unwrap().events.iter().map(|entry| entry.name.to_string()).collect()
        };
        assert_eq!(names(r#"["a","b"]"#), ["a", "b"]);
        assert_eq!(names(r#"{"version":1,"events":[{"name":"a","later":true},"b"]}"#), ["a", "b"]);
    }

    #[test]
    fn nonsense_is_explained() {
        for (text, why) in [
            ("x", "expected value"),
            ("{}", "`events`"),
            ("3", "`events`"),
            ("[1]", "entry 0"),
            (r#"[{"kind":"emit"}]"#, "entry 0 has no `name`"),
            (r#"["a",{"name":"b","line":"seven"}]"#, "entry 1"),
            (r#"{"schema_version":2,"events":[]}"#, "schema_version is 2"),
            (r#"{"schema_version":"1","events":[]}"#, "schema_version is \"1\""),
        ] {
            let error = Document::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
