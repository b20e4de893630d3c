//! What the code says it can emit, held against what has been seen.
//!
//! A tracking plan that lives in the source is only worth reading when someone notices the events that never come.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, btree_map};

use mcpcat_wire::catalogue::{Document, Entry};

use crate::event::Refusal;
use crate::store::SeenName;

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
    /// More about every name that was seen.
    pub(crate) details: BTreeMap<String, Details>,
}

/// What was seen of a name.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Details {
    /// When it last happened, microseconds since 1970.
    pub(crate) last_us: i64,
    /// Declared keys that none of its newest events has, and keys of theirs that are not declared.
    pub(crate) keys_never_seen: Vec<String>,
    pub(crate) keys_undeclared: Vec<String>,
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
pub(crate) fn compare(declared: Option<Vec<Declared>>, seen: &[SeenName]) -> Comparison {
    let mut names: BTreeMap<&str, &SeenName> = seen.iter().map(|seen| (seen.name.as_str(), seen)).collect();
    let uploaded = declared.is_some();
    let (mut never_seen, mut both, mut details) = (Vec::new(), Vec::new(), BTreeMap::new());
    for declared in declared.unwrap_or_default() {
        match names.remove(declared.name.as_str()) {
            Some(seen) => {
                details.insert(seen.name.clone(), Details::of(seen, &declared.keys()));
                both.push(Seen { declared, count: seen.count });
            }
            None => never_seen.push(declared),
        }
    }
    let mut undeclared = Vec::new();
    for (name, seen) in names {
        details.insert(name.to_owned(), Details::of(seen, &BTreeSet::new()));
        undeclared.push(Counted { name: name.to_owned(), count: seen.count });
    }
    Comparison { uploaded, never_seen, seen: both, undeclared, details }
}

impl Declared {
    /// All keys, as `parameters.x`, `tags.y`, `properties.z`.
    fn keys(&self) -> BTreeSet<String> {
        [("parameters", &self.parameters), ("tags", &self.tags), ("properties", &self.properties)]
            .into_iter()
            .flat_map(|(place, keys)| keys.iter().map(move |key| format!("{place}.{key}")))
            .collect()
    }
}

impl Details {
    fn of(seen: &SeenName, known: &BTreeSet<String>) -> Self {
        // A plan of bare names says nothing about keys, and events that are long gone say nothing either.
        let comparable = !known.is_empty() && !seen.keys.is_empty();
        let missing = |of: &BTreeSet<String>, from: &BTreeSet<String>| -> Vec<String> {
            of.iter().filter(|key| comparable && !from.contains(*key)).cloned().collect()
        };
        let mut keys_undeclared = missing(&seen.keys, known);
        // What an SDK says about itself is nobody's key.
        keys_undeclared.retain(|key| !key.starts_with("properties.mcpcat_"));
        Self { last_us: seen.last_us, keys_never_seen: missing(known, &seen.keys), keys_undeclared }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_mismatch_are_listed() {
        let text = r#"{"version":1,"events":[{"name":"a","kind":"emit","line":3,"parameters":["x","y"],"tags":["t"]},{"name":"b"}]}"#;
        let seen = |name: &str, count, keys: &[&str]| SeenName {
            name: name.into(),
            count,
            last_us: 7,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let result = compare(
            Some(declared(text).unwrap()),
            &[
                seen("a", 2, &["parameters.x", "parameters.new", "properties.mcpcat_sample_rate"]),
                seen("c", 1, &[]),
            ],
        );
        let a = &result.details["a"];
        assert_eq!(
            (a.last_us, &a.keys_never_seen[..]),
            (7, &["parameters.y".to_owned(), "tags.t".to_owned()][..])
        );
        assert_eq!(a.keys_undeclared, ["parameters.new"]);
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
