//! The JSON body of the wire, joined from an event's record and its session's definition. Runs on the
//! worker, where text ids and timestamps cost nobody's call.

use mcpcat_wire::event_type::Product;
use mcpcat_wire::tag::MAX_TAGS;

use super::json;
use super::record::{Definition, Header};
use super::time;

/// What the wire calls things, which differs between the product's two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// The type of custom events: `agentcat:custom` or `mcpcat:custom`.
    pub(crate) custom_type: String,
    /// The key of the SDK's version: `agentcat_version` or `mcpcat_version`.
    pub(crate) version_key: String,
}

impl Dialect {
    /// The pair for a host: the newer name's, except for the older product's own API host.
    pub(crate) fn of_host(host: &str) -> Self {
        let product = Product::of_host(host);
        Self { custom_type: product.custom_type().to_owned(), version_key: product.version_key().to_owned() }
    }
}

/// Whole milliseconds on the wire: an `int32`.
fn millis(micros: u64) -> u64 {
    (micros / 1_000).min(i32::MAX as u64)
}

/// One event's body. `members` is the JSON text behind the record's header.
pub(crate) fn body(dialect: &Dialect, header: &Header, members: &[u8], session: &Definition) -> Vec<u8> {
    let mut number = itoa::Buffer::new();
    let mut out = Vec::with_capacity(members.len() + 512);
    out.extend_from_slice(b"{\"id\":\"");
    header.id.write(&mut out);
    out.extend_from_slice(b"\",\"project_id\":");
    text(&mut out, &session.project);
    out.extend_from_slice(b",\"session_id\":");
    match &session.session_id {
        Some(id) => text(&mut out, id),
        None => out.extend_from_slice(b"null"),
    }
    if header.custom {
        member(&mut out, "event_type", &dialect.custom_type);
    }
    out.extend_from_slice(b",\"timestamp\":\"");
    time::write_rfc3339(&mut out, header.unix_micros);
    out.push(b'"');
    if let Some(micros) = header.duration_micros {
        out.extend_from_slice(b",\"duration\":");
        out.extend_from_slice(number.format(millis(micros)).as_bytes());
    }
    if let Some(failed) = header.is_error {
        out.extend_from_slice(b",\"is_error\":");
        out.extend_from_slice(if failed { b"true" } else { b"false" });
    }
    if let Some(parent) = &header.parent {
        out.extend_from_slice(b",\"parent_id\":\"");
        parent.write(&mut out);
        out.push(b'"');
    }
    out.extend_from_slice(b",\"sequence\":");
    out.extend_from_slice(number.format(header.sequence).as_bytes());
    write_members(&mut out, members, session);
    member(&mut out, "sdk_instance", &session.instance);
    member(&mut out, "sdk_language", "Rust");
    member(&mut out, &dialect.version_key, env!("CARGO_PKG_VERSION"));
    let constants = [
        ("client_name", &session.client_name),
        ("client_version", &session.client_version),
        ("server_name", &session.server_name),
        ("server_version", &session.server_version),
    ];
    for (key, value) in constants {
        if let Some(value) = value {
            member(&mut out, key, value);
        }
    }
    if let Some(actor) = &session.actor {
        member(&mut out, "actor_id", &actor.id);
        member(&mut out, "identify_actor_given_id", &actor.id);
        if let Some(name) = &actor.name {
            member(&mut out, "identify_actor_name", name);
        }
        if let Some(data) = &actor.data {
            out.extend_from_slice(b",\"identify_data\":");
            out.extend_from_slice(data.as_bytes());
        }
    }
    out.push(b'}');
    out
}

/// The event's members, with what hooks said of its call added to its tags and properties.
fn write_members(out: &mut Vec<u8>, members: &[u8], session: &Definition) {
    let added = [("tags", &session.tags), ("properties", &session.properties)];
    if added.iter().all(|(_, added)| added.is_none()) {
        return out.extend_from_slice(members);
    }
    let mut missing = added;
    for (key, value) in top_level(members) {
        let own = added.iter().position(|(name, added)| added.is_some() && key == name.as_bytes());
        out.extend_from_slice(b",\"");
        out.extend_from_slice(key);
        out.extend_from_slice(b"\":");
        match own {
            Some(index) => {
                out.extend_from_slice(&merged(value, added[index].1.as_deref().unwrap_or("{}"), index == 0));
                missing[index].1 = &None;
            }
            None => out.extend_from_slice(value),
        }
    }
    for (key, text) in missing {
        if let Some(text) = text {
            out.push(b',');
            json::write_key(out, key);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// One object of both, as JSON; what is the event's own wins.
fn merged(own: &[u8], added: &str, tags: bool) -> Vec<u8> {
    type Object = serde_json::Map<String, serde_json::Value>;
    let parsed = (serde_json::from_slice::<Object>(own), serde_json::from_str::<Object>(added));
    let (Ok(mut all), Ok(added)) = parsed else { return own.to_vec() };
    for (key, value) in added {
        if !(tags && all.len() >= MAX_TAGS) {
            all.entry(key).or_insert(value);
        }
    }
    serde_json::to_vec(&all).unwrap_or_else(|_| own.to_vec())
}

/// The members of `,"key":value,"key":value…`, which this crate's own
/// serialiser wrote: keys need no escapes.
fn top_level(members: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = members;
    std::iter::from_fn(move || {
        let inside = rest.strip_prefix(b",\"")?;
        let (key, value) = inside.split_at_checked(inside.iter().position(|b| *b == b'"')?)?;
        let value = value.strip_prefix(b"\":")?;
        let (value, after) = value.split_at(end_of_value(value));
        rest = after;
        Some((key, value))
    })
}

/// Where the value that `text` begins with ends: at a comma outside of strings and brackets, or with what it is in.
fn end_of_value(text: &[u8]) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return index,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

/// A member whose key needs no escapes.
fn member(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    text(out, value);
}

fn text(out: &mut Vec<u8>, value: &str) {
    json::write_str(out, value, usize::MAX);
}

#[cfg(test)]
mod tests {
    use super::super::id::EventId;
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hosts_own_names() {
        assert_eq!(Dialect::of_host("api.mcpcat.io").custom_type, "mcpcat:custom");
        for host in ["api.agentcat.com", "127.0.0.1", "mcpcat.example"] {
            assert_eq!(Dialect::of_host(host).custom_type, "agentcat:custom");
            assert_eq!(Dialect::of_host(host).version_key, "agentcat_version");
        }
    }

    #[test]
    fn a_body_holds_header_members_and_session() {
        let header = Header {
            id: EventId::from_raw([0; 20]),
            parent: Some(EventId::from_raw([0xff; 20])),
            unix_micros: 1_763_818_451_114_123,
            duration_micros: Some(20_999),
            sequence: 3,
            session: 1,
            is_error: Some(true),
            custom: true,
            foreign_type: false,
        };
        let session = Definition {
            project: "proj \"1\"".into(),
            session_id: Some("ses_1".into()),
            instance: "i".into(),
            client_name: Some("c".into()),
            ..Definition::default()
        };
        let body = body(&Dialect::of_host("api.mcpcat.io"), &header, br#","resource_name":"x""#, &session);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            json!({
                "id": "evt_000000000000000000000000000",
                "project_id": "proj \"1\"",
                "session_id": "ses_1",
                "event_type": "mcpcat:custom",
                "timestamp": "2025-11-22T13:34:11.114123Z",
                "duration": 20,
                "is_error": true,
                "parent_id": "evt_aWgEPTl1tmebfsQzFP4bxwgy80V",
                "sequence": 3,
                "resource_name": "x",
                "sdk_instance": "i",
                "sdk_language": "Rust",
                "mcpcat_version": env!("CARGO_PKG_VERSION"),
                "client_name": "c",
            })
        );
    }

    #[test]
    fn what_hooks_said_joins_what_the_event_says_itself() {
        let header = Header::decode(&[0; 73]).unwrap().0;
        let session = Definition {
            tags: Some(r#"{"a":"hook","b":"hook"}"#.into()),
            properties: Some(r#"{"p":1}"#.into()),
            ..Definition::default()
        };
        let tricky =
            br#","parameters":{"x":",\"tags\":{","tags":{"a":[1,"}"]}},"error":7,"tags":{"a":"own"}"#;
        let body = body(&Dialect::of_host("h"), &header, tricky, &session);
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["parameters"], json!({ "x": ",\"tags\":{", "tags": { "a": [1, "}"] } }));
        assert_eq!(body["error"], 7);
        assert_eq!(body["tags"], json!({ "a": "own", "b": "hook" }));
        assert_eq!(body["properties"], json!({ "p": 1 }));
    }

    #[test]
    fn a_month_long_duration_stays_an_int32() {
        assert_eq!(millis(u64::MAX), i32::MAX as u64);
    }
}
