//! Events and sessions as lines for a terminal.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Failure;
use super::args::{Color, Look};
use crate::event::{Kind, instant, label};
pub(super) use crate::inert::plain;

/// How lines are written: in which zone, and in colour or not.
pub(super) struct Style {
    zone: TimeZone,
    color: bool,
}

impl Style {
    /// Colour is for terminals, unless `NO_COLOR` says otherwise.
    pub(super) fn new(look: &Look) -> Self {
        let color = match look.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                std::io::IsTerminal::is_terminal(&std::io::stdout())
                    && !set("NO_COLOR")
                    && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        Self { zone: if look.utc { TimeZone::UTC } else { TimeZone::system() }, color }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    /// A time as the wire has it, in the reader's zone to the millisecond; what is no time stays as it is.
    fn time(&self, text: &str) -> String {
        let Some(at) = instant(text).and_then(|micros| Timestamp::from_microsecond(micros).ok()) else {
            return plain(text).into_owned();
        };
        let zoned = at.to_zoned(self.zone.clone());
        let zone = if self.zone == TimeZone::UTC { "Z".into() } else { zoned.strftime("%:z").to_string() };
        format!("{}{zone}", zoned.strftime("%Y-%m-%d %H:%M:%S%.3f"))
    }

    /// One event on one line: time, mark, duration, label, message.
    pub(super) fn event(&self, event: &Value, depth: usize) -> String {
        let event_type = text(event, "event_type");
        let name = event.get("resource_name").and_then(Value::as_str);
        let failed = event.get("is_error").and_then(Value::as_bool).unwrap_or(false);
        let custom = Kind::of(event_type) == Kind::Custom;
        let mark = match (failed, custom) {
            (true, true) => self.bad("x⚡"),
            (true, false) => self.bad("x "),
            (false, true) => self.paint("33", "⚡ "),
            (false, false) => "· ".into(),
        };
        let lasted = event.get("duration").and_then(Value::as_f64).map(duration).unwrap_or_default();
        let mut line = format!(
            "{}  {}{mark} {lasted:<8} {}",
            self.dim(&format!("{:<29}", self.time(text(event, "timestamp")))),
            "  ".repeat(depth),
            plain(label(event_type, name))
        );
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
            let said = plain(&said);
            line.push_str(&if failed { self.bad(&said) } else { said.into_owned() });
        }
        line
    }

    /// Where an event is filed, after its line.
    pub(super) fn filed(&self, session: &str) -> String {
        self.dim(&format!("[{}]", plain(session)))
    }

    /// One session on one line.
    pub(super) fn session(&self, row: &Value) -> String {
        let number = |key: &str| row.get(key).and_then(Value::as_i64).unwrap_or(0);
        let who = [text(row, "actor_name"), text(row, "actor_id")]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or("-");
        let errors = format!("{:>4} errors", number("error_count"));
        format!(
            "{}  {:<31}  {:>5} events {:>4} tools {:>4} custom {}  {:>8}  {}  {} -> {}",
            self.dim(&self.time(text(row, "last_event_at"))),
            plain(text(row, "session_id")),
            number("event_count"),
            number("tool_call_count"),
            number("custom_event_count"),
            if number("error_count") > 0 { self.bad(&errors) } else { errors },
            duration(row.get("duration_ms").and_then(Value::as_f64).unwrap_or(0.0)),
            plain(who),
            plain(text(row, "client_name")),
            plain(text(row, "server_name")),
        )
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

/// Milliseconds in the unit that reads best. The unit is chosen after rounding: there are no `1000ms` and no `60.0s`.
pub(super) fn duration(ms: f64) -> String {
    let size = ms.abs();
    if size < 0.9995 {
        format!("{:.0}us", ms * 1000.0)
    } else if size < 999.5 {
        format!("{ms:.0}ms")
    } else if size < 59_950.0 {
        format!("{:.1}s", ms / 1000.0)
    } else {
        format!("{:.1}min", ms / 60_000.0)
    }
}

/// An id as one part of an address. Two texts cannot be one, and nothing that is kept has them as its id.
pub(super) fn segment(id: &str) -> Result<String, Failure> {
    if matches!(id, "" | "." | "..") {
        return Err(format!("nothing can be called {id:?}").into());
    }
    Ok(crate::http::percent_encode(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(zone: TimeZone, color: bool) -> Style {
        Style { zone, color }
    }

    #[test]
    fn durations_change_their_unit_after_rounding() {
        for (ms, text) in [
            (0.0, "0us"),
            (0.25, "250us"),
            (0.9996, "1ms"),
            (999.4, "999ms"),
            (999.6, "1.0s"),
            (59_940.0, "59.9s"),
            (59_960.0, "1.0min"),
            (-5.0, "-5ms"),
        ] {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn times_are_the_readers_or_utc() {
        let zone = TimeZone::posix("XXX-2").unwrap();
        assert_eq!(style(zone, false).time("2026-11-22T23:30:00.1234Z"), "2026-11-23 01:30:00.123+02:00");
        assert_eq!(style(TimeZone::UTC, false).time("2026-11-22T23:30:00Z"), "2026-11-22 23:30:00.000Z");
        assert_eq!(style(TimeZone::UTC, false).time("\u{1b}[2Jlate"), " [2Jlate");
    }

    #[test]
    fn a_failed_custom_event_is_both() {
        let style = style(TimeZone::UTC, false);
        let event = |kind: &str, failed: bool| {
            style.event(&serde_json::json!({"event_type": kind, "resource_name": "n", "is_error": failed}), 1)
        };
        assert!(event("mcpcat:custom", true).contains("  x⚡"));
        assert!(event("mcpcat:custom", false).contains("  ⚡ "));
        assert!(event("mcp:tools/call", true).contains("  x  "));
        assert!(event("mcp:tools/call", false).contains("  ·  "));
    }

    #[test]
    fn colour_is_ours_and_nothing_else_acts() {
        let event = serde_json::json!({
            "event_type": "mcpcat:custom", "resource_name": "a\u{202e}b", "is_error": true,
            "error": {"message": "\u{9b}31m"}, "timestamp": "\u{1b}[2J",
        });
        let plain = style(TimeZone::UTC, false).event(&event, 0);
        assert!(!plain.contains(crate::inert::acts), "{plain:?}");
        let painted = style(TimeZone::UTC, true).event(&event, 0);
        let bare = ["\u{1b}[2m", "\u{1b}[31m", "\u{1b}[0m"]
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, plain);
    }

    #[test]
    fn names_that_an_address_cannot_carry_are_refused() {
        assert!(segment("..").is_err() && segment(".").is_err() && segment("").is_err());
        assert_eq!(segment("a/../b").unwrap(), "a%2F..%2Fb");
    }
}
