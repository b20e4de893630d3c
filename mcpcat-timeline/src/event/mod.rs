//! An event as the collector knows it: what it needs to sort, count and find it by, and the sender's own text.

mod normalise;
mod scan;
mod suspect;
mod time;

use std::borrow::Cow;

pub(crate) use mcpcat_wire::event_type::{EventKind as Kind, label};
use mcpcat_wire::tag::MAX_TAGS;
use serde_json::value::RawValue;

use normalise::Fields;
pub(crate) use normalise::quoted;
pub(crate) use scan::prepare;
pub(crate) use suspect::Suspect;
pub(crate) use time::{instant, iso};

/// Longest accepted single event, in bytes of JSON. The SDKs stop at 102,400.
pub(crate) const MAX_EVENT_BYTES: usize = 10_000_000;

/// Longest accepted id, and how much of a longer name is indexed, in bytes.
const MAX_KEY_BYTES: usize = 4096;

/// Why an event is not accepted, in words for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status that says it.
    pub(crate) status: u16,
    /// The field at fault, when there is one.
    pub(crate) field: Option<&'static str>,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, field: None, message: message.into() }
    }

    pub(crate) fn status(status: u16, message: impl Into<String>) -> Self {
        Self { status, field: None, message: message.into() }
    }

    fn field(field: &'static str, message: impl std::fmt::Display) -> Self {
        Self { status: 400, field: Some(field), message: format!("field `{field}` {message}") }
    }
}

/// One accepted event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) project: String,
    /// The session as sent; `None` for stateless senders.
    pub(crate) session: Option<String>,
    /// Start of what the event tells, in microseconds since 1970.
    pub(crate) at: i64,
    /// Order within one `instance`; 0 when the sender does not number.
    pub(crate) sequence: i64,
    pub(crate) instance: String,
    pub(crate) parent: Option<String>,
    pub(crate) event_type: String,
    pub(crate) kind: Kind,
    pub(crate) name: Option<String>,
    pub(crate) is_error: bool,
    /// Milliseconds, as sent.
    pub(crate) duration: Option<f64>,
    /// What is doubtful about its time and its duration.
    pub(crate) suspect: Suspect,
    /// What the caller was after, cut to a line.
    pub(crate) intent: Option<String>,
    /// The share of sessions that its sender keeps, when that is not all of them.
    pub(crate) rate: Option<f64>,
    /// Events that its sender says it has dropped since it last said so.
    pub(crate) dropped: i64,
    pub(crate) actor: Option<String>,
    pub(crate) actor_name: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) client_version: Option<String>,
    pub(crate) server: Option<String>,
    pub(crate) server_version: Option<String>,
    pub(crate) sdk: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
    /// The whole event on one line, in the wire's snake_case names.
    pub(crate) body: String,
}

impl Event {
    /// Reads one event from the bytes of a request or of a line.
    pub(crate) fn parse(bytes: &mut [u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_EVENT_BYTES {
            return Err(Refusal::status(
                413,
                format!("the event has {} bytes; at most {MAX_EVENT_BYTES} are accepted", bytes.len()),
            ));
        }
        Self::read(scan::prepare(bytes)?)
    }

    /// Reads an event that this collector wrote itself.
    pub(crate) fn stored(body: &str) -> Result<Self, Refusal> {
        Self::read(body)
    }

    fn read(json: &str) -> Result<Self, Refusal> {
        let fields: Fields<'_> = serde_json::from_str(json).map_err(|error| {
            if json.bytes().all(|byte| byte.is_ascii_whitespace()) {
                Refusal::bad("the body is empty; expected one event as a JSON object")
            } else if error.is_data() && error.to_string().starts_with(normalise::TOO_MANY) {
                Refusal::bad(format!(
                    "the event has more than {} fields; put them into `parameters`",
                    normalise::MAX_FIELDS
                ))
            } else if error.is_data() {
                Refusal::bad("the body is not an event; expected one JSON object")
            } else {
                Refusal::bad(format!("the body is not JSON: {error}"))
            }
        })?;
        let project =
            text(&fields, "project_id")?.filter(|project| !project.is_empty()).ok_or_else(|| {
                Refusal::field("project_id", "is missing or empty; send the project's id, as `proj_…`")
            })?;
        let mut added = Vec::new();
        let id = match text(&fields, "id")?.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => {
                let id = crate::ids::event_id();
                added.push(("id", quoted(&id)));
                id
            }
        };
        let (at, notation) = match text(&fields, "timestamp")?.filter(|at| !at.is_empty()) {
            Some(at) => time::read(&at).ok_or_else(|| {
                Refusal::field("timestamp", format_args!("is no ISO-8601 time: {:?}", cut(&at, 40)))
            })?,
            None => {
                let now = jiff::Timestamp::now();
                added.push(("timestamp", quoted(&iso(now.as_microsecond()))));
                (now.as_microsecond(), Suspect::NONE)
            }
        };
        let duration = number(&fields, "duration")?;
        let sender = fields.get("properties").map(sender_says).unwrap_or_default();
        let event_type = text(&fields, "event_type")?.unwrap_or_default();
        let actor = text(&fields, "identify_actor_given_id")?;
        let actor_id = text(&fields, "actor_id")?;
        Ok(Self {
            session: text(&fields, "session_id")?.filter(|session| !session.is_empty()),
            sequence: number(&fields, "sequence")?.map_or(0, |n| n as i64),
            instance: text(&fields, "sdk_instance")?.unwrap_or_default(),
            parent: text(&fields, "parent_id")?.filter(|parent| !parent.is_empty()),
            kind: Kind::of(&event_type),
            name: name(&fields, "resource_name")?.filter(|name| !name.is_empty()),
            is_error: flag(&fields, "is_error")?,
            suspect: notation.with(doubt_of(duration)),
            duration,
            intent: intent(&fields),
            rate: sender.mcpcat_sample_rate.filter(|rate| *rate > 0.0 && *rate < 1.0),
            dropped: sender.mcpcat_dropped.unwrap_or(0).max(0),
            actor: actor.or(actor_id).filter(|actor| !actor.is_empty()),
            actor_name: name(&fields, "identify_actor_name")?,
            client: name(&fields, "client_name")?,
            client_version: name(&fields, "client_version")?,
            server: name(&fields, "server_name")?,
            server_version: name(&fields, "server_version")?,
            sdk: name(&fields, "sdk_language")?,
            tags: tags(&fields)?,
            body: fields.write(&added),
            id,
            project,
            at,
            event_type,
        })
    }

    /// The words a reader sees for this event.
    pub(crate) fn label(&self) -> &str {
        label(&self.event_type, self.name.as_deref())
    }

    /// How long it took in microseconds, negative ones included. A sender's absurd duration must not overflow.
    pub(crate) fn took(&self) -> Option<i64> {
        self.duration.map(|ms| (ms.clamp(-LONGEST_MS, LONGEST_MS) * 1000.0).round() as i64)
    }

    /// When it ended, in microseconds; a negative duration ends nothing earlier.
    pub(crate) fn end(&self) -> i64 {
        self.at.saturating_add(self.took().unwrap_or(0).max(0))
    }

    /// The session this event is filed under: its own, or the project's place for events without one.
    pub(crate) fn filed_under(&self) -> Cow<'_, str> {
        match &self.session {
            Some(session) => Cow::Borrowed(session),
            None => Cow::Owned(format!("{NO_SESSION}{}", self.project)),
        }
    }
}

/// Thirty years, in milliseconds: longer durations are cut to it wherever they are drawn or summed up.
const LONGEST_MS: f64 = 1e12;

fn doubt_of(duration: Option<f64>) -> Suspect {
    match duration {
        Some(ms) if ms > LONGEST_MS => Suspect::ABSURD_DURATION,
        Some(ms) if ms < 0.0 => Suspect::NEGATIVE_DURATION,
        _ => Suspect::NONE,
    }
}

/// Longest intent that is kept beside the event, in characters.
const INTENT: usize = 240;

fn intent(fields: &Fields<'_>) -> Option<String> {
    let raw = fields.get("user_intent")?;
    let text: String = serde_json::from_str(raw.get()).ok()?;
    let line = cut(text.trim(), INTENT);
    (!line.is_empty()).then_some(line)
}

/// What an SDK says about itself among an event's properties.
#[derive(Default, serde::Deserialize)]
struct SenderSays {
    #[serde(default)]
    mcpcat_sample_rate: Option<f64>,
    #[serde(default)]
    mcpcat_dropped: Option<i64>,
}

fn sender_says(properties: &RawValue) -> SenderSays {
    // Most events say nothing of the kind, and their properties are not read.
    if memchr::memmem::find(properties.get().as_bytes(), b"\"mcpcat_").is_none() {
        return SenderSays::default();
    }
    serde_json::from_str(properties.get()).unwrap_or_default()
}

/// Events without a session are filed under this prefix and their project.
pub(crate) const NO_SESSION: &str = "no-session:";

/// Writes a stored event as the API shows it: with the kind and the label that follow from its type and name, so that no
/// reader derives them again. A sender's own fields of these names give way.
pub(crate) fn push_shown(out: &mut String, body: &str, kind: &str, label: &str) {
    let added = [("kind", quoted(kind)), ("label", quoted(label))];
    let rest = body.strip_prefix('{').unwrap_or(body);
    let taken = |name: &str| memchr::memmem::find(body.as_bytes(), name.as_bytes()).is_some();
    if (taken("\"kind\"") || taken("\"label\""))
        && let Ok(fields) = serde_json::from_str::<Fields<'_>>(body)
    {
        return out.push_str(&fields.write(&added));
    }
    let comma = if rest == "}" { "" } else { "," };
    for part in ["{\"kind\":", &added[0].1, ",\"label\":", &added[1].1, comma, rest] {
        out.push_str(part);
    }
}

/// The JSON texts of some fields of a stored event; payloads are not read, however deep they are.
pub(crate) fn raw_fields<'a>(body: &'a str, names: &[&str]) -> Vec<Option<&'a str>> {
    match serde_json::from_str::<Fields<'a>>(body) {
        Ok(fields) => names.iter().map(|name| fields.get(name).map(RawValue::get)).collect(),
        Err(_) => vec![None; names.len()],
    }
}

/// A stored event without the fields whose JSON is longer than that.
pub(crate) fn without_long_fields(body: &str, bytes: usize) -> String {
    match serde_json::from_str::<Fields<'_>>(body) {
        Ok(fields) => fields.write_short(bytes),
        Err(_) => "{}".to_owned(),
    }
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn wrong(field: &'static str, expected: &str, raw: &RawValue) -> Refusal {
    let found = match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    };
    Refusal::field(field, format_args!("must be {expected}, not {found}"))
}

fn text(fields: &Fields<'_>, field: &'static str) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.get(field) else { return Ok(None) };
    let text: String = serde_json::from_str(raw.get()).map_err(|_| wrong(field, "a string", raw))?;
    // Ids are parts of addresses, where these two mean the place itself and the one above it.
    if matches!(text.as_str(), "." | "..") {
        return Err(Refusal::field(field, "is `.` or `..`, which no address can name"));
    }
    if text.len() > MAX_KEY_BYTES {
        return Err(Refusal::field(
            field,
            format_args!("has {} bytes; at most {MAX_KEY_BYTES} fit", text.len()),
        ));
    }
    Ok(Some(text))
}

/// A text of any length, cut to what is worth indexing; the body keeps the whole.
fn name(fields: &Fields<'_>, field: &'static str) -> Result<Option<String>, Refusal> {
    let Some(raw) = fields.get(field) else { return Ok(None) };
    let mut text: String = serde_json::from_str(raw.get()).map_err(|_| wrong(field, "a string", raw))?;
    if text.len() > MAX_KEY_BYTES {
        let end = (0..=MAX_KEY_BYTES).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    Ok(Some(text))
}

fn number(fields: &Fields<'_>, field: &'static str) -> Result<Option<f64>, Refusal> {
    let Some(raw) = fields.get(field) else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|_| wrong(field, "a number", raw))
}

fn flag(fields: &Fields<'_>, field: &'static str) -> Result<bool, Refusal> {
    let Some(raw) = fields.get(field) else { return Ok(false) };
    serde_json::from_str(raw.get()).map_err(|_| wrong(field, "true or false", raw))
}

fn tags(fields: &Fields<'_>) -> Result<Vec<(String, String)>, Refusal> {
    let Some(raw) = fields.get("tags") else { return Ok(Vec::new()) };
    // Values are looked at one by one: as a tree, megabytes of nested tags would take many times their size.
    let mut tags = std::collections::BTreeMap::new();
    let Tags(members) = serde_json::from_str(raw.get()).map_err(|_| wrong("tags", "an object", raw))?;
    for (key, value) in members {
        let text = match value.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(value.get()).unwrap_or_default(),
            Some(b'{' | b'[' | b'n') | None => continue,
            _ => value.get().to_owned(),
        };
        if key.len() + text.len() <= MAX_KEY_BYTES {
            tags.insert(key.into_owned(), text);
        }
    }
    Ok(tags.into_iter().collect())
}

/// The first members of an object, values unread.
struct Tags<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Tags<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Tags<'de>;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut first = Vec::new();
                while let Some((normalise::Key(name), raw)) =
                    map.next_entry::<normalise::Key<'de>, &'de RawValue>()?
                {
                    if first.len() < MAX_TAGS {
                        first.push((name, raw));
                    }
                }
                Ok(Tags(first))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Event, Refusal> {
        Event::parse(&mut text.as_bytes().to_vec())
    }

    #[test]
    fn the_least_event_gets_what_it_lacks() {
        let event = parse(r#"{"project_id":"p"}"#).unwrap();
        assert!(event.id.starts_with("evt_"));
        assert_eq!(event.filed_under(), "no-session:p");
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(body["id"], event.id.as_str());
        assert_eq!(instant(body["timestamp"].as_str().unwrap()), Some(event.at));
        assert_eq!(Event::stored(&event.body).unwrap(), event, "what is stored reads back the same");
    }

    #[test]
    fn wrong_types_name_the_field_and_what_was_found() {
        for (body, field, word) in [
            (r#"{"project_id":1}"#, "project_id", "a number"),
            (r#"{"project_id":""}"#, "project_id", "empty"),
            (r#"{}"#, "project_id", "missing"),
            (r#"{"project_id":"p","session_id":{}}"#, "session_id", "an object"),
            (r#"{"project_id":"p","duration":"12"}"#, "duration", "a string"),
            (r#"{"project_id":"p","is_error":1}"#, "is_error", "true or false"),
            (r#"{"project_id":"p","tags":[]}"#, "tags", "an array"),
            (r#"{"project_id":"p","timestamp":"yesterday"}"#, "timestamp", "ISO-8601"),
            (r#"{"project_id":"p","eventType":true}"#, "event_type", "a boolean"),
        ] {
            let refusal = parse(body).unwrap_err();
            assert_eq!((refusal.status, refusal.field), (400, Some(field)), "{body}");
            assert!(refusal.message.contains(word), "{body}: {}", refusal.message);
        }
        for body in ["", "  ", "[]", "1", "\"x\"", "{", "{\"project_id\":\"p\"} x", "nul"] {
            let refusal = parse(body).unwrap_err();
            assert_eq!((refusal.status, refusal.field), (400, None), "{body:?}");
        }
    }

    #[test]
    fn a_long_name_is_kept_whole_and_indexed_in_part_but_a_long_id_is_refused() {
        let long = "ü".repeat(5000);
        let event = parse(&format!(r#"{{"project_id":"p","resource_name":"{long}"}}"#)).unwrap();
        assert!(event.body.contains(&long));
        assert_eq!(event.name.unwrap().len(), MAX_KEY_BYTES);
        assert_eq!(parse(&format!(r#"{{"project_id":"{long}"}}"#)).unwrap_err().field, Some("project_id"));
    }

    #[test]
    fn an_event_is_shown_with_one_kind_and_one_label_whatever_it_holds() {
        for (body, expected) in [
            (r#"{"id":"e"}"#, r#"{"kind":"custom","label":"a\"b","id":"e"}"#),
            (r#"{"id":"e","kind":"x","label":1}"#, r#"{"kind":"custom","label":"a\"b","id":"e"}"#),
            (
                r#"{"parameters":{"kind":"x","label":"y"}}"#,
                r#"{"kind":"custom","label":"a\"b","parameters":{"kind":"x","label":"y"}}"#,
            ),
            ("{}", r#"{"kind":"custom","label":"a\"b"}"#),
        ] {
            let mut shown = String::new();
            push_shown(&mut shown, body, "custom", "a\"b");
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn nulls_are_absent_fields() {
        let event = parse(
            r#"{"project_id":"p","session_id":null,"duration":null,"is_error":null,"tags":null,"parent_id":null}"#,
        )
        .unwrap();
        assert_eq!((event.session, event.duration, event.is_error, event.parent), (None, None, false, None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Event::parse(&mut bytes.clone());
        }

        /// Pieces of JSON in any order reach far deeper than random bytes do.
        #[test]
        fn no_pieces_panic_and_what_is_taken_reads_back_the_same(
            pieces in proptest::collection::vec(prop::sample::select(PIECES), 0..40)
        ) {
            for text in [pieces.concat(), format!("{{\"project_id\":\"p\",{}}}", pieces.concat())] {
                if let Ok(event) = Event::parse(&mut text.clone().into_bytes()) {
                    prop_assert!(!event.body.contains('\n'));
                    prop_assert_eq!(Event::stored(&event.body).unwrap(), event);
                }
            }
        }
    }

    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\\ud83d",
        "\\u0000",
        "\n",
        " ",
        "null",
        "true",
        "1e999",
        "-0.0",
        "12",
        "\"id\":\"e\"",
        "\"project_id\":\"p\"",
        "\"projectId\":null",
        "\"sessionId\":\"s\"",
        "\"session_id\":null",
        "\"duration\":1e308",
        "\"sequence\":-1e300",
        "\"tags\":{\"a\":\"b\"}",
        "\"timestamp\":\"2026-01-01T00:00:00Z\"",
        "\"parameters\":{\"a\":[1,{}]}",
        "\"x\":\"\u{1F600}\"",
        "\"is_error\":true",
        "\"event_type\":\"mcp:tools/call\"",
    ];
}
