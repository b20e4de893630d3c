//! Reads query strings into questions for the store, and says which parameter is wrong.

use super::reply::Problem;
use crate::event::instant;
use crate::store::{Cut, EventQuery, SessionQuery, SessionRef, Sort, Term, TermKind};

/// Sessions in one answer when nothing is asked for.
const SESSIONS: usize = 200;
/// Events in one answer when nothing is asked for.
const EVENTS: usize = 10_000;

/// Most numbers and ranges in one question for rows.
const MOST_RANGES: usize = 1000;

/// A query string, repeated names kept.
pub(crate) struct Ask(pub(crate) Vec<(String, String)>);

impl Ask {
    /// The last non-empty value of a name.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .rev()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name).as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(other) => Err(Problem::bad(format!("`{name}` must be 1 or 0, not {other:?}"))),
        }
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.text(name)
            .map(|text| {
                text.parse().map_err(|_| Problem::bad(format!("`{name}` must be a number, not {text:?}")))
            })
            .transpose()
    }

    /// A moment: ISO-8601, or an age such as `15m`, `24h`, `7d`. Microseconds.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let age = span(&text).map(|age| jiff::Timestamp::now().as_microsecond().saturating_sub(age));
        age.or_else(|| instant(&text)).map(Some).ok_or_else(|| {
            Problem::bad(format!(
                "`{name}` must be a time like 2026-11-22T13:00:00Z or an age like 24h, not {text:?}"
            ))
        })
    }

    fn limit(&self, default: usize) -> Result<usize, Problem> {
        match self.number::<usize>("limit")? {
            None => Ok(default),
            Some(0) => Err(Problem::bad("`limit` must be at least 1")),
            Some(limit) => Ok(limit),
        }
    }

    pub(crate) fn sessions(&self, scope: Option<String>) -> Result<SessionQuery, Problem> {
        let mut terms = Vec::new();
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            let (kind, negative) = match name.strip_prefix("not_") {
                Some(rest) => (rest, true),
                None => (name.as_str(), false),
            };
            if let Some(kind) = TermKind::ALL.into_iter().find(|known| known.as_str() == kind) {
                terms.push(Term { kind, value: value.clone(), negative });
            }
        }
        Ok(SessionQuery {
            project: self.text("project"),
            scope,
            text: self.text("q"),
            since: self.moment("since")?,
            until: self.moment("until")?,
            terms,
            errors: self.flag("errors")?,
            custom: self.flag("custom")?,
            identified: match self.text("identified") {
                None => None,
                Some(_) => Some(self.flag("identified")?),
            },
            sort: match self.text("sort") {
                None => Sort::default(),
                Some(name) => {
                    let known = Sort::NAMES.iter().find(|(known, _)| *known == name);
                    known.map(|(_, sort)| *sort).ok_or_else(|| {
                        let names: Vec<&str> = Sort::NAMES.iter().map(|(known, _)| *known).collect();
                        Problem::bad(format!("`sort` must be one of {}, not {name:?}", names.join(", ")))
                    })?
                }
            },
            ascending: match self.text("order").as_deref() {
                None | Some("desc") => false,
                Some("asc") => true,
                Some(other) => {
                    return Err(Problem::bad(format!("`order` must be asc or desc, not {other:?}")));
                }
            },
            limit: self.limit(SESSIONS)?,
            cursor: self.text("cursor"),
        })
    }

    /// The session of an address, with the project that the query names.
    pub(crate) fn session(&self, id: String, scope: Option<String>) -> SessionRef {
        SessionRef { id, project: self.text("project"), scope }
    }

    /// `seq=1-500,507`: numbers and ranges of numbers.
    pub(crate) fn ranges(&self) -> Result<Vec<(i64, i64)>, Problem> {
        let text = self
            .text("seq")
            .ok_or_else(|| Problem::bad("`seq` is missing: which events, as `1-500,507`?"))?;
        let wrong = || Problem::bad("`seq` must be numbers and ranges like `1-500,507`");
        let ranges = text
            .split(',')
            .map(|part| {
                let (from, to) = part.split_once('-').unwrap_or((part, part));
                Ok((from.parse().map_err(|_| wrong())?, to.parse().map_err(|_| wrong())?))
            })
            .collect::<Result<Vec<_>, Problem>>()?;
        if ranges.len() > MOST_RANGES {
            return Err(Problem::bad(format!("`seq` has {} parts; at most {MOST_RANGES} fit", ranges.len())));
        }
        Ok(ranges)
    }

    pub(crate) fn events(&self, scope: Option<String>) -> Result<EventQuery, Problem> {
        let cut = match self.number("after")? {
            Some(seq) => Cut::After(seq),
            None if self.text("order").as_deref() == Some("newest") => Cut::Newest,
            None => Cut::Time,
        };
        Ok(EventQuery {
            session: self.text("session"),
            project: self.text("project"),
            scope,
            text: self.text("q"),
            name: self.text("name"),
            event_type: self.text("type"),
            since: self.moment("since")?,
            until: self.moment("until")?,
            errors: self.flag("errors")?,
            custom: self.flag("custom")?,
            cut,
            limit: self.limit(EVENTS)?,
            bytes: None,
            most: None,
            cursor: self.text("cursor"),
        })
    }
}

/// An age such as `90s`, `15m`, `24h`, `7d`, in microseconds.
pub(crate) fn span(text: &str) -> Option<i64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text[..text.len() - 1].parse().ok().filter(|count| *count >= 0)?;
    count.checked_mul(unit)?.checked_mul(1_000_000)
}
