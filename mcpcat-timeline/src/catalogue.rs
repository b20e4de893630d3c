//! What the code says it can emit, held against what has been seen.
//!
//! A tracking plan that lives in the source is only worth reading when someone notices the events that never come.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::event::Refusal;

/// One event that the code declares.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Declared {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) doc: Option<String>,
}

/// A declared event with its count, or a seen one that is not declared.
#[derive(Debug, PartialEq, serde::Serialize)]
pub(crate) struct Comparison {
    /// Whether a catalogue was uploaded at all.
    pub(crate) uploaded: bool,
    pub(crate) never_seen: Vec<Declared>,
    pub(crate) seen: Vec<Counted>,
    pub(crate) undeclared: Vec<Counted>,
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

/// The events of a catalogue: an object with `events`, or a list; entries are objects with `name`, or names.
pub(crate) fn declared(text: &str) -> Result<Vec<Declared>, Refusal> {
    let catalogue: Value = serde_json::from_str(text)
        .map_err(|error| Refusal::bad(format!("the catalogue is not JSON: {error}")))?;
    let list = match &catalogue {
        Value::Array(list) => list,
        Value::Object(object) => object
            .get("events")
            .and_then(Value::as_array)
            .ok_or_else(|| Refusal::bad("the catalogue has no list `events`"))?,
        _ => return Err(Refusal::bad("the catalogue must be an object with a list `events`")),
    };
    list.iter()
        .enumerate()
        .map(|(at, entry)| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
            let name = entry.as_str().map(str::to_owned).or_else(|| text("name"));
            Ok(Declared {
                name: name
                    .ok_or_else(|| Refusal::bad(format!("entry {at} of the catalogue has no `name`")))?,
                kind: text("kind"),
                file: text("file"),
                line: entry.get("line").and_then(Value::as_u64),
                doc: text("doc"),
            })
        })
        .collect()
}

/// Who is missing on either side.
pub(crate) fn compare(declared: Option<Vec<Declared>>, seen: &[(String, i64)]) -> Comparison {
    let counts: BTreeMap<&str, i64> = seen.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let uploaded = declared.is_some();
    let declared = declared.unwrap_or_default();
    let known: std::collections::BTreeSet<String> = declared.iter().map(|event| event.name.clone()).collect();
    let counted = |declared: bool| {
        counts
            .iter()
            .filter(|(name, _)| known.contains(**name) == declared)
            .map(|(name, count)| Counted { name: (*name).to_owned(), count: *count })
            .collect()
    };
    Comparison {
        uploaded,
        seen: counted(true),
        undeclared: counted(false),
        never_seen: declared.into_iter().filter(|event| !counts.contains_key(event.name.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_mismatch_are_listed() {
        let text = r#"{"version":1,"events":[{"name":"a","kind":"emit","line":3},{"name":"b"}]}"#;
        let result = compare(Some(declared(text).unwrap()), &[("a".into(), 2), ("c".into(), 1)]);
        assert_eq!(result.never_seen.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(result.seen, [Counted { name: "a".into(), count: 2 }]);
        assert_eq!(result.undeclared, [Counted { name: "c".into(), count: 1 }]);
    }

    #[test]
    fn a_plain_list_of_names_is_a_catalogue_and_nonsense_is_explained() {
        assert_eq!(declared(r#"["a","b"]"#).unwrap().len(), 2);
        assert!(declared("{}").unwrap_err().message.contains("events"));
        assert!(declared("[1]").unwrap_err().message.contains("entry 0"));
        assert!(declared("x").unwrap_err().message.contains("not JSON"));
    }
}
