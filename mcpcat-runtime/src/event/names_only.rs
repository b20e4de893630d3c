//! What is left of an event where no payload is recorded: an allow-list, so that what is added to events later is left
//! out until somebody puts it here. Call sites write nothing else in the first place; bodies that an earlier process wrote
//! in full are cut down to the same.

use serde_json::{Map, Value};

use super::record::Definition;

/// Members of a body that are kept as they are: identity, time, outcome, versions of this crate.
const KEPT: [&str; 13] = [
    "id",
    "project_id",
    "session_id",
    "event_type",
    "timestamp",
    "duration",
    "is_error",
    "parent_id",
    "sequence",
    "sdk_instance",
    "sdk_language",
    "agentcat_version",
    "mcpcat_version",
];
/// Properties that this crate writes: words and numbers of its own.
pub(crate) const FACTS: [&str; 7] = [
    "mcpcat_session",
    "mcpcat_sample_rate",
    "mcpcat_ended",
    "mcpcat_observed",
    "mcpcat_dropped",
    "mcpcat_request_bytes",
    "mcpcat_response_bytes",
];
/// Methods whose subject is named by the server. That of others, a URI for example, is an argument.
const NAMED_BY_SERVER: [&str; 2] = ["tools/call", "prompts/get"];
/// What stands in place of an error's message.
pub(crate) const NO_MESSAGE: &str = "not recorded";
/// What a method of a name that nobody knows is recorded as.
pub(crate) const OTHER_METHOD: &str = "other";

/// Whether the name of what a request is about is the server's own.
pub(crate) fn names_subject(method: &str) -> bool {
    NAMED_BY_SERVER.contains(&method)
}

/// Whether a text reads like the path of a type, and not like a sentence.
pub(crate) fn is_type_name(text: &str) -> bool {
    let mut before = ' ';
    text.len() <= 300
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || "_(&[<".contains(first))
        && text.chars().all(|it| {
            let behind = std::mem::replace(&mut before, it);
            it.is_ascii_alphanumeric()
                || "_:<>,;&'()[]{}#-.".contains(it)
                || (it == ' ' && ",;".contains(behind))
        })
}

/// Whether a text reads like a version: `1.2.3-rc.1`, `v2`, `2025-06-18`.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() <= 40
        && text.strip_prefix('v').unwrap_or(text).starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-_".contains(&byte))
}

/// What is left of a session's two ends.
pub(crate) fn reduce_session(session: &mut Definition) {
    session.client_name = None;
    session.server_name = None;
    session.client_version = session.client_version.take().filter(|version| is_version(version));
    session.server_version = session.server_version.take().filter(|version| is_version(version));
    session.actor = None;
    session.tags = None;
    session.properties = None;
}

/// What is left of a body. Nothing but `{}` of what is no object.
pub(crate) fn reduce(body: &[u8], version_key: &str) -> Vec<u8> {
    let mut whole: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut left = Map::new();
    let mut keep = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            left.insert(key.to_owned(), value);
        }
    };
    for key in KEPT.iter().copied().filter(|key| *key != version_key).chain([version_key]) {
        keep(key, whole.remove(key).filter(|value| !value.is_object() && !value.is_array()));
    }
    let event_type = left.get("event_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let method = event_type.strip_prefix(mcpcat_wire::event_type::MCP_PREFIX);
    // "Method not found" and "invalid params": the client may have made the name up.
    let code = whole.get("error").and_then(|error| error["code"].as_i64());
    let made_up = method.is_some() && matches!(code, Some(-32601 | -32602));
    if method.is_none_or(names_subject)
        && !made_up
        && let Some(name @ Value::String(_)) = whole.remove("resource_name")
    {
        left.insert("resource_name".to_owned(), name);
    }
    for key in ["client_version", "server_version"] {
        if let Some(Value::String(version)) =
            whole.remove(key).filter(|it| it.as_str().is_some_and(is_version))
        {
            left.insert(key.to_owned(), version.into());
        }
    }
    if let Some(Value::Object(mut error)) = whole.remove("error") {
        let mut type_alone = Map::new();
        type_alone.insert("message".to_owned(), NO_MESSAGE.into());
        if let Some(name) = error.remove("type").filter(|it| it.as_str().is_some_and(is_type_name)) {
            type_alone.insert("type".to_owned(), name);
        }
        if let Some(code) = error.remove("code").filter(Value::is_number) {
            type_alone.insert("code".to_owned(), code);
        }
        left.insert("error".to_owned(), type_alone.into());
    }
    if let Some(Value::Object(mut properties)) = whole.remove("properties") {
        properties
            .retain(|key, value| FACTS.contains(&key.as_str()) && !value.is_object() && !value.is_array());
        if !properties.is_empty() {
            left.insert("properties".to_owned(), properties.into());
        }
    }
    serde_json::to_vec(&left).unwrap_or_else(|_| b"{}".to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_type_and_a_version_are_told_from_a_sentence() {
        for name in ["panic", "std::io::error::Error", "Result<(), a::B>", "Vec<[u8; 4]>", "&'static core::X"]
        {
            assert_eq!(is_type_name(name), !name.contains("static core"), "{name}");
        }
        for text in ["", "no such customer", "Ada Lovelace", "\u{1F512}", "x\ny"] {
            assert!(!is_type_name(text), "{text}");
        }
        assert!(is_version("1.2.3-rc.1+x") && is_version("v2") && is_version("2025-06-18"));
        assert!(!is_version("") && !is_version("Ada") && !is_version("1 2") && !is_version(&"1".repeat(41)));
    }

    #[test]
    fn a_body_is_cut_down_to_what_is_listed() {
        let body = json!({
            "id": "evt_1", "project_id": "p", "session_id": "s", "event_type": "mcp:tools/call", "timestamp": "t",
            "duration": 3, "is_error": true, "sequence": 1, "agentcat_version": "0.1.0", "resource_name": "upgrade",
            "parameters": { "x": "MARK" }, "user_intent": "MARK", "response": "MARK", "tags": { "MARK": "MARK" },
            "error": { "message": "MARK", "type": "a::B", "code": -32603, "chained_errors": [{ "message": "MARK" }] },
            "properties": { "mcpcat_request_bytes": 12, "MARK": 1 }, "client_name": "MARK", "client_version": "1.0",
            "server_name": "MARK", "server_version": "MARK", "identify_actor_name": "MARK", "added_later": "MARK",
        });
        let left = reduce(&serde_json::to_vec(&body).unwrap(), "agentcat_version");
        let left: Value = serde_json::from_slice(&left).unwrap();
        assert_eq!(
            left,
            json!({
                "id": "evt_1", "project_id": "p", "session_id": "s", "event_type": "mcp:tools/call",
                "timestamp": "t", "duration": 3, "is_error": true, "sequence": 1, "agentcat_version": "0.1.0",
                "resource_name": "upgrade", "error": { "message": NO_MESSAGE, "type": "a::B", "code": -32603 },
                "properties": { "mcpcat_request_bytes": 12 }, "client_version": "1.0",
            })
        );
        let made_up =
            json!({ "event_type": "mcp:tools/call", "resource_name": "MARK", "error": { "code": -32602 } });
        let left = reduce(&serde_json::to_vec(&made_up).unwrap(), "agentcat_version");
        assert!(!String::from_utf8(left).unwrap().contains("MARK"));
        let resource = json!({ "event_type": "mcp:resources/read", "resource_name": "file:///MARK" });
        let left = reduce(&serde_json::to_vec(&resource).unwrap(), "agentcat_version");
        assert!(!String::from_utf8(left).unwrap().contains("MARK"));
        assert_eq!(reduce(b"no JSON, MARK", "v"), b"{}");
    }
}
