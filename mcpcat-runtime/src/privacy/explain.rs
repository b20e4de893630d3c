//! What of an event would leave and what would not, step by step: for people who want to see it before they
//! trust it. Goes by what each step changed, and by the marks that the call site leaves.

use serde_json::Value;

use super::hooks::Hooks;
use super::{Event, Explained, Privacy, Removed, Withheld, hooks};

impl Privacy {
    /// What [`apply`](Self::apply) makes of a body, and what each step took out. The hooks really run.
    #[doc(hidden)]
    pub async fn explain(&self, body: Vec<u8>) -> Explained {
        let mut removed = Vec::new();
        marks(&parsed(&body), &mut String::new(), &mut removed);
        let mut body = body;
        for (hooks, rule) in
            [(self.hooks.only_event(), "redact_event"), (self.hooks.only_text(), "redact_text")]
        {
            match self.step(hooks, &body).await {
                Ok(None) => {}
                Ok(Some(after)) => {
                    changes(&parsed(&body), &parsed(&after), rule, &mut String::new(), &mut removed);
                    body = after;
                }
                Err(withheld) => {
                    removed.push(Removed::new("", withheld.to_string()));
                    return explained(None, removed);
                }
            }
        }
        let after = self.patterns.scrub_body(&body);
        changes(&parsed(&body), &parsed(&after), "pattern", &mut String::new(), &mut removed);
        explained(Some(String::from_utf8_lossy(&after).into_owned()), removed)
    }

    async fn step(&self, hooks: Hooks, body: &[u8]) -> Result<Option<Vec<u8>>, Withheld> {
        if !hooks.any() {
            return Ok(None);
        }
        let event: Event =
            serde_json::from_slice(body).map_err(|error| Withheld::Unreadable(error.to_string()))?;
        let event = hooks.run(event, &self.pool, self.deadline).await?;
        let written = self.written(&event, body.len());
        hooks::dismantle(event);
        written.map(Some)
    }
}

fn explained(body: Option<String>, removed: Vec<Removed>) -> Explained {
    let mut explained = Explained::default();
    (explained.body, explained.removed) = (body, removed);
    explained
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

/// What the call site has taken out already: it says so where it was.
fn marks(value: &Value, place: &mut String, removed: &mut Vec<Removed>) {
    match value {
        Value::String(text) => {
            if let Some(rule) = mark(text) {
                removed.push(Removed::new(place.as_str(), rule));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                within(place, &index.to_string(), |place| marks(item, place, removed));
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                within(place, key, |place| marks(member, place, removed));
            }
        }
        _ => {}
    }
}

fn mark(text: &str) -> Option<&'static str> {
    let whole = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let counted = |text: &str| text.split([' ', ':']).any(|word| word.parse::<u64>().is_ok());
    match whole {
        Some("redacted: key") => Some("sensitive key"),
        Some("cut") => Some("limit"),
        Some(inside) if inside.starts_with("binary: ") => Some("binary content"),
        Some(inside) if ["object", "array", "+", "more "].iter().any(|it| inside.starts_with(it)) => {
            Some("limit")
        }
        Some(inside) if inside.starts_with("invalid JSON") && counted(inside) => Some("limit"),
        _ if text.ends_with(" bytes]") && text.contains("…[+") => Some("limit"),
        _ => None,
    }
}

/// What one step changed.
fn changes(before: &Value, after: &Value, rule: &str, place: &mut String, removed: &mut Vec<Removed>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, member) in before {
                within(place, key, |place| match after.get(key) {
                    Some(now) => changes(member, now, rule, place, removed),
                    None => removed.push(Removed::new(place.as_str(), rule)),
                });
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (index, item) in before.iter().enumerate() {
                within(place, &index.to_string(), |place| {
                    changes(item, after.get(index).unwrap_or(&Value::Null), rule, place, removed);
                });
            }
        }
        (_, Value::String(now)) => {
            let was = before.as_str().unwrap_or_default();
            match mark(now) {
                Some(rule) => removed.push(Removed::new(place.as_str(), rule)),
                None if rule == "pattern" => removed.extend(
                    labels(was, now).map(|label| Removed::new(place.as_str(), format!("pattern: {label}"))),
                ),
                None => removed.push(Removed::new(place.as_str(), rule)),
            }
        }
        _ => removed.push(Removed::new(place.as_str(), rule)),
    }
}

/// What a text says was removed from it, that it did not say before.
fn labels<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
    let all = |text: &'a str| {
        text.split("[redacted: ").skip(1).filter_map(|rest| rest.split_once(']').map(|(label, _)| label))
    };
    let mut known: Vec<&str> = all(before).collect();
    all(after).filter(move |label| match known.iter().position(|it| it == label) {
        Some(index) => {
            known.swap_remove(index);
            false
        }
        None => true,
    })
}

/// Goes into a member, by its name in a JSON pointer.
fn within(place: &mut String, key: &str, go: impl FnOnce(&mut String)) {
    let len = place.len();
    place.push('/');
    place.push_str(&key.replace('~', "~0").replace('/', "~1"));
    go(place);
    place.truncate(len);
}
