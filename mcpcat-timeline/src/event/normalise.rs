//! One spelling for every field.
//!
//! The TypeScript SDKs send each multi-word field twice, in camelCase and in snake_case; readers should see it once.
//! Values stay the sender's own text: no number is rounded and no member of a payload is reordered.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Every multi-word field of the wire, as the TypeScript SDKs also spell it.
const CAMEL: [(&str, &str); 23] = [
    ("actorId", "actor_id"),
    ("agentcatVersion", "agentcat_version"),
    ("clientName", "client_name"),
    ("clientVersion", "client_version"),
    ("eventId", "event_id"),
    ("eventType", "event_type"),
    ("identifyActorGivenId", "identify_actor_given_id"),
    ("identifyActorName", "identify_actor_name"),
    ("identifyData", "identify_data"),
    ("inputTokens", "input_tokens"),
    ("ipAddress", "ip_address"),
    ("isError", "is_error"),
    ("mcpcatVersion", "mcpcat_version"),
    ("outputTokens", "output_tokens"),
    ("parentId", "parent_id"),
    ("projectId", "project_id"),
    ("resourceName", "resource_name"),
    ("sdkInstance", "sdk_instance"),
    ("sdkLanguage", "sdk_language"),
    ("serverName", "server_name"),
    ("serverVersion", "server_version"),
    ("sessionId", "session_id"),
    ("userIntent", "user_intent"),
];

/// Most fields at the top level of an event; the wire has some forty. Each is compared with those before it.
pub(super) const MAX_FIELDS: usize = 1000;
pub(super) const TOO_MANY: &str = "too many fields";

/// The top level of one event: canonical names with the sender's raw values, each name once.
pub(crate) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw).filter(|raw| raw.get() != "null")
    }

    /// Writes the event as one line, with `extra` members (already JSON) for what the collector had to add.
    pub(crate) fn write(&self, extra: &[(&str, String)]) -> String {
        let length = self.0.iter().map(|(key, raw)| key.len() + raw.get().len() + 4).sum::<usize>();
        let mut out = String::with_capacity(length + 64);
        out.push('{');
        let mut first = true;
        for (name, value) in extra {
            separate(&mut out, &mut first);
            push_key(&mut out, name);
            out.push_str(value);
        }
        for (name, raw) in &self.0 {
            if extra.iter().any(|(added, _)| added == name) {
                continue;
            }
            separate(&mut out, &mut first);
            push_key(&mut out, name);
            push_line(&mut out, raw.get());
        }
        out.push('}');
        out
    }

    /// Writes only those members whose JSON is not longer than that.
    pub(crate) fn write_short(&self, bytes: usize) -> String {
        let short = self.0.iter().filter(|(_, raw)| raw.get().len() <= bytes).cloned().collect();
        Self(short).write(&[])
    }

    fn put(&mut self, name: Cow<'a, str>, raw: &'a RawValue) {
        // The wire's own spelling has no capitals; most names are decided here.
        let capital = name.bytes().any(|byte| byte.is_ascii_uppercase());
        let known = if capital { CAMEL.iter().find(|(camel, _)| *camel == name) } else { None };
        let known = known.map(|(_, snake)| *snake);
        let camel = known.is_some();
        let name = known.map_or(name, Cow::Borrowed);
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            // The snake_case spelling is the wire's own; the other one only fills a gap.
            Some((_, held)) if raw.get() != "null" && (!camel || held.get() == "null") => *held = raw,
            Some(_) => {}
            None => self.0.push((name, raw)),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Top;
        impl<'de> Visitor<'de> for Top {
            type Value = Fields<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("one event as a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields(Vec::with_capacity(32));
                while let Some((Key(name), raw)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    if fields.0.len() == MAX_FIELDS {
                        return Err(serde::de::Error::custom(TOO_MANY));
                    }
                    fields.put(name, raw);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Top)
    }
}

#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::replace(first, false) {
        out.push(',');
    }
}

fn push_key(out: &mut String, name: &str) {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        for part in ["\"", name, "\":"] {
            out.push_str(part);
        }
    } else {
        out.push_str(&quoted(name));
        out.push(':');
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Copies JSON without line breaks, so that stored events are lines of an NDJSON export as they are.
fn push_line(out: &mut String, raw: &str) {
    if memchr::memchr2(b'\n', b'\r', raw.as_bytes()).is_none() {
        out.push_str(raw);
        return;
    }
    // Inside a JSON text a line break is always escaped, so every raw one is layout.
    for line in raw.split(['\n', '\r']) {
        out.push_str(line.trim_start_matches([' ', '\t']));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(text: &str) -> String {
        serde_json::from_str::<Fields<'_>>(text).unwrap().write(&[])
    }

    #[test]
    fn doubled_fields_are_kept_once_and_snake_case_wins() {
        assert_eq!(normalised(r#"{"sessionId":"a","x":1,"session_id":"b"}"#), r#"{"session_id":"b","x":1}"#,);
        assert_eq!(normalised(r#"{"session_id":"b","sessionId":"a"}"#), r#"{"session_id":"b"}"#);
        assert_eq!(normalised(r#"{"sessionId":"a","session_id":null}"#), r#"{"session_id":"a"}"#);
        assert_eq!(normalised(r#"{"session_id":null,"sessionId":"a"}"#), r#"{"session_id":"a"}"#);
        assert_eq!(normalised(r#"{"projectId":"p"}"#), r#"{"project_id":"p"}"#);
    }

    #[test]
    fn payloads_and_unknown_fields_stay_as_sent() {
        let text = r#"{"parameters":{"z":1,"a":12345678901234567890123,"camelCase":1.10},"myField":[1, 2]}"#;
        assert_eq!(normalised(text), text);
    }

    #[test]
    fn laid_out_json_becomes_one_line() {
        assert_eq!(normalised("{\n  \"a\": {\r\n \"b\": \"x \\n y\"\n}\n}"), r#"{"a":{"b": "x \n y"}}"#);
    }
}
