//! What the code says it can emit, held against what has been seen.
//!
//! A tracking plan that lives in the source is only worth reading when someone notices the events that never come.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map;

use mcpcat_wire::catalogue::{Document, Entry};

use crate::event::Refusal;

/// One event that the code declares, as the API shows it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Declared {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: Cow<'static, str>,
    /// The first paragraph of the doc comment.
    #[serde(skip_serializing_if = "str::is_empty")]
    description: Cow<'static, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    file: Cow<'static, str>,
    #[serde(skip_serializing_if = "is_zero")]
    line: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Cow<'static, str>>,
    /// Those of the keys whose values are never sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redacted: Vec<Cow<'static, str>>,
}

fn is_zero(line: &u32) -> bool {
    *line == 0
}

impl From<Entry<'static>> for Declared {
    fn from(entry: Entry<'static>) -> Self {
        Self {
            name: entry.name.into_owned(),
            kind: entry.kind,
            description: entry.description,
            file: entry.file,
            line: entry.line,
            parameters: entry.parameters,
            tags: entry.tags,
            properties: entry.properties,
            redacted: entry.redacted,
        }
    }
}

impl Declared {
    /// Takes in another call site of the same event: the keys of both, and the doc comment of the first that has one.
    fn join(&mut self, other: Self) {
        if self.description.is_empty() {
            self.description = other.description;
        }
        for (keys, more) in [
            (&mut self.parameters, other.parameters),
            (&mut self.tags, other.tags),
            (&mut self.properties, other.properties),
            (&mut self.redacted, other.redacted),
        ] {
            for key in more {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
    }
}

/// A catalogue beside what has been seen.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Comparison {
    /// Whether a catalogue was uploaded at all.
    pub(crate) uploaded: bool,
    /// Declared and never seen.
    pub(crate) never_seen: Vec<Declared>,
    /// Declared and seen.
    pub(crate) seen: Vec<Seen>,
    /// Seen and not declared.
    pub(crate) undeclared: Vec<Counted>,
}

/// A declared event and how often it was seen.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Seen {
    #[serde(flatten)]
    pub(crate) declared: Declared,
    pub(crate) count: i64,
}

/// An event name and how often it was seen.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Counted {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// Checks encoding and depth of an upload.
pub(crate) fn check(mut bytes: Vec<u8>) -> Result<String, Refusal> {
    crate::event::prepare(&mut bytes).map(str::to_owned)
}

/// The events of a catalogue, each name once.
pub(crate) fn declared(text: &str) -> Result<Vec<Declared>, Refusal> {
    let document =
        Document::parse(text).map_err(|error| Refusal::bad(format!("not a catalogue: {error}")))?;
    let mut by_name: BTreeMap<String, Declared> = BTreeMap::new();
    for entry in document.events {
        let event = Declared::from(entry);
        match by_name.entry(event.name.clone()) {
            btree_map::Entry::Vacant(free) => drop(free.insert(event)),
            btree_map::Entry::Occupied(mut known) => known.get_mut().join(event),
        }
    }
    Ok(by_name.into_values().collect())
}

/// Who is missing on either side.
pub(crate) fn compare(declared: Option<Vec<Declared>>, seen: &[(String, i64)]) -> Comparison {
    let mut counts: BTreeMap<&str, i64> = seen.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let uploaded = declared.is_some();
    let (mut never_seen, mut both) = (Vec::new(), Vec::new());
    for declared in declared.unwrap_or_default() {
        match counts.remove(declared.name.as_str()) {
            Some(count) => both.push(Seen { declared, count }),
            None => never_seen.push(declared),
        }
    }
    let undeclared =
        counts.into_iter().map(|(name, count)| Counted { name: name.to_owned(), count }).collect();
    Comparison { uploaded, never_seen, seen: both, undeclared }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_mismatch_are_listed() {
        let text = r#"{"version":1,"events":[{"name":"a","kind":"emit","line":3},{"name":"b"}]}"#;
        let result = compare(Some(declared(text).unwrap()), &[("a".into(), 2), ("c".into(), 1)]);
        assert_eq!(result.never_seen.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["b"]);
        let seen: Vec<_> = result.seen.iter().map(|seen| (seen.declared.name.as_str(), seen.count)).collect();
        assert_eq!(seen, [("a", 2)]);
        assert_eq!(result.undeclared, [Counted { name: "c".into(), count: 1 }]);
    }

    #[test]
    fn call_sites_of_one_event_are_one_row_with_the_keys_of_all() {
        let text = r#"[{"name":"a","parameters":["x"],"line":3},
            {"name":"a","parameters":["x","y"],"tags":["t"],"description":"What it is.","line":9}]"#;
        let [event] = &declared(text).unwrap()[..] else { panic!("one row") };
        assert_eq!((event.parameters.len(), event.tags.len(), event.line), (2, 1, 3));
        assert_eq!(event.description, "What it is.");
    }

    #[test]
    fn what_is_no_catalogue_is_refused_with_the_reason() {
        for text in ["{}", "[1]", "x"] {
            let refusal = declared(text).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(refusal.message.starts_with("not a catalogue: "), "{}", refusal.message);
        }
    }
}
