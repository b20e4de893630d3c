//! Events and sessions as lines for a terminal.

use serde_json::Value;

use crate::event::{Kind, label};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Nothing that a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Milliseconds in the unit that reads best.
pub(super) fn duration(ms: f64) -> String {
    if ms < 1.0 {
        format!("{:.0}us", ms * 1000.0)
    } else if ms < 1000.0 {
        format!("{ms:.0}ms")
    } else if ms < 60_000.0 {
        format!("{:.1}s", ms / 1000.0)
    } else {
        format!("{:.1}min", ms / 60_000.0)
    }
}

/// One event on one line: time, mark, duration, label, message.
pub(super) fn event(event: &Value, depth: usize) -> String {
    let event_type = text(event, "event_type");
    let name = event.get("resource_name").and_then(Value::as_str);
    let failed = event.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    let mark = match (failed, Kind::of(event_type)) {
        (true, _) => "x",
        (_, Kind::Custom) => "⚡",
        _ => "·",
    };
    let time = text(event, "timestamp");
    let lasted = event.get("duration").and_then(Value::as_f64).map(duration).unwrap_or_default();
    let mut line =
        format!("{time:<27}  {}{mark} {:<8} {}", "  ".repeat(depth), lasted, plain(label(event_type, name)));
    let said = if failed {
        match &event["error"] {
            Value::String(text) => text.clone(),
            error => [text(error, "type"), text(error, "message")]
                .iter()
                .filter(|part| !part.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(": "),
        }
    } else {
        text(event, "user_intent").to_owned()
    };
    if !said.is_empty() {
        line.push_str("  ");
        line.push_str(&plain(&said));
    }
    line
}

/// One session on one line.
pub(super) fn session(row: &Value) -> String {
    let number = |key: &str| row.get(key).and_then(Value::as_i64).unwrap_or(0);
    let who = [text(row, "actor_name"), text(row, "actor_id")]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or("-");
    format!(
        "{}  {:<31}  {:>5} events {:>4} tools {:>4} custom {:>4} errors  {:>8}  {}  {} -> {}",
        text(row, "last_event_at"),
        plain(text(row, "session_id")),
        number("event_count"),
        number("tool_call_count"),
        number("custom_event_count"),
        number("error_count"),
        duration(row.get("duration_ms").and_then(Value::as_f64).unwrap_or(0.0)),
        plain(who),
        plain(text(row, "client_name")),
        plain(text(row, "server_name")),
    )
}
