//! Prints events as they arrive, each after the event that it is nested under.
//!
//! A call is recorded when it ends, so what happened inside arrives before it. An event whose parent is not there yet is
//! held back until the parent comes, and for no longer than it takes to believe that it will not.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::Failure;
use super::args::Tail;
use super::remote::{Client, parse};
use super::text::Style;
use crate::http::percent_encode;
use crate::inert;

/// How long an event waits for its parent.
const HOLD: Duration = Duration::from_secs(2);
/// Most events that wait.
const MOST_HELD: usize = 10_000;
/// Most events that are remembered as printed.
const MOST_SEEN: usize = 10_000;
/// Deepest indentation.
const DEEPEST: usize = 8;

pub(super) async fn run(args: Tail) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let style = Style::new(&args.look);
    let mut query = Vec::new();
    for (name, value) in [("session", &args.session), ("project", &args.project)] {
        if let Some(value) = value {
            query.push(format!("{name}={}", percent_encode(value)));
        }
    }
    for (name, set) in [("errors", args.errors), ("custom", args.custom)] {
        if set {
            query.push(format!("{name}=1"));
        }
    }
    let path = format!("/api/v1/stream?{}", query.join("&"));
    let mut response = client.send(client.request(reqwest::Method::GET, &path)).await?;
    let (mut lines, mut order) = (Lines::default(), Order::default());
    let mut left = args.count.unwrap_or(u64::MAX);
    loop {
        let chunk = match order.next_deadline() {
            None => response.chunk().await,
            Some(deadline) => match tokio::time::timeout_at(deadline, response.chunk()).await {
                Ok(chunk) => chunk,
                Err(_) => Ok(Some(Default::default())),
            },
        };
        let chunk = chunk.map_err(|error| client.explain(error))?;
        let ended = chunk.is_none();
        for message in lines.messages(&chunk.unwrap_or_default()) {
            for stored in parse(&message)?["events"].as_array_mut().into_iter().flatten() {
                order.take(stored.take(), Instant::now());
            }
        }
        let mut out = std::io::stdout().lock();
        for (stored, depth) in order.ready(if ended { None } else { Some(Instant::now()) }) {
            let event = &stored["event"];
            if args.json {
                writeln!(out, "{}", inert::escaped(&event.to_string()))?;
            } else {
                let session = stored["filed_under"].as_str().unwrap_or("");
                writeln!(out, "{}  {}", style.event(event, depth), style.filed(session))?;
            }
            out.flush()?;
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
        if ended {
            return Err("the timeline closed the stream".into());
        }
    }
}

/// Puts parents before children.
#[derive(Default)]
struct Order {
    /// Depths of events that were printed, by id, and in which order.
    seen: HashMap<String, usize>,
    oldest: VecDeque<String>,
    /// Events that wait, in the order of arrival, with the moment at which they have waited long enough.
    held: VecDeque<(Instant, Value)>,
}

fn field<'a>(stored: &'a Value, name: &str) -> Option<&'a str> {
    stored["event"][name].as_str().filter(|text| !text.is_empty())
}

impl Order {
    fn take(&mut self, stored: Value, now: Instant) {
        self.held.push_back((now + HOLD, stored));
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.held.front().map(|(deadline, _)| *deadline)
    }

    /// What can be printed now, with its depth: whose parent was printed or is not to be waited for. Without a `now`
    /// nothing is waited for.
    fn ready(&mut self, now: Option<Instant>) -> Vec<(Value, usize)> {
        let mut ready = Vec::new();
        loop {
            let before = ready.len();
            let waiting = std::mem::take(&mut self.held);
            let crowded = waiting.len() > MOST_HELD;
            // The parent of an event that has waited long enough may wait itself, and comes first then.
            let ids: HashSet<String> =
                waiting.iter().filter_map(|(_, stored)| field(stored, "id").map(str::to_owned)).collect();
            for (deadline, stored) in waiting {
                let parent =
                    field(&stored, "parent_id").filter(|parent| Some(*parent) != field(&stored, "id"));
                let late = crowded || now.is_none_or(|now| deadline <= now);
                let depth = match parent {
                    None => Some(0),
                    Some(parent) => match self.seen.get(parent) {
                        Some(depth) => Some((depth + 1).min(DEEPEST)),
                        None if late && !ids.contains(parent) => Some(1),
                        None => None,
                    },
                };
                match depth {
                    Some(depth) => {
                        self.remember(field(&stored, "id"), depth);
                        ready.push((stored, depth));
                    }
                    None => self.held.push_back((deadline, stored)),
                }
            }
            if ready.len() == before {
                break;
            }
        }
        // What is left and late is a circle.
        while self.held.front().is_some_and(|(deadline, _)| now.is_none_or(|now| *deadline <= now)) {
            if let Some((_, stored)) = self.held.pop_front() {
                self.remember(field(&stored, "id"), 1);
                ready.push((stored, 1));
                ready.extend(self.ready(now));
            }
        }
        ready
    }

    fn remember(&mut self, id: Option<&str>, depth: usize) {
        let Some(id) = id else { return };
        if self.seen.insert(id.to_owned(), depth).is_none() {
            self.oldest.push_back(id.to_owned());
        }
        if self.oldest.len() > MOST_SEEN
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}

/// Cuts a stream of server-sent events into the data of its messages.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    data: String,
}

impl Lines {
    fn messages(&mut self, chunk: &[u8]) -> Vec<String> {
        let mut messages = Vec::new();
        let mut rest = chunk;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.held.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.held);
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                if !self.data.is_empty() {
                    messages.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        self.held.extend_from_slice(rest);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut() {
        let stream = b": hi\n\nevent: events\nid: 3\ndata: {\"a\":1}\n\ndata: {}\r\n\r\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut messages = lines.messages(&stream[..cut]);
            messages.extend(lines.messages(&stream[cut..]));
            assert_eq!(messages, ["{\"a\":1}", "{}"], "cut at {cut}");
        }
    }

    /// Events as `id` or `id<parent`.
    fn take(order: &mut Order, events: &str, now: Instant) {
        for event in events.split_whitespace() {
            let (id, parent) = event.split_once('<').unwrap_or((event, ""));
            order.take(serde_json::json!({"event": {"id": id, "parent_id": parent}}), now);
        }
    }

    fn shown(ready: Vec<(Value, usize)>) -> String {
        let show =
            |(stored, depth): (Value, usize)| format!("{}{depth}", stored["event"]["id"].as_str().unwrap());
        ready.into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn parents_come_first_whenever_they_arrive() {
        let (now, mut order) = (Instant::now(), Order::default());
        take(&mut order, "c<b b<a x", now);
        assert_eq!(shown(order.ready(Some(now))), "x0", "an event without a parent waits for nobody");
        take(&mut order, "a d<c", now);
        assert_eq!(shown(order.ready(Some(now))), "a0 b1 c2 d3");
        assert_eq!(order.next_deadline(), None);
    }

    #[test]
    fn a_parent_that_does_not_come_is_not_waited_for_for_ever() {
        let (now, mut order) = (Instant::now(), Order::default());
        take(&mut order, "c<b b<gone", now);
        assert_eq!(shown(order.ready(Some(now))), "");
        assert_eq!(shown(order.ready(Some(now + HOLD))), "b1 c2");
        take(&mut order, "p<q q<p s<s", now);
        assert_eq!(shown(order.ready(Some(now))), "s0", "its own parent");
        assert_eq!(shown(order.ready(Some(now + HOLD))), "p1 q2", "a circle");
        take(&mut order, "z<nowhere", now);
        assert_eq!(shown(order.ready(None)), "z1", "at the end of the stream nothing is held back");
    }

    #[test]
    fn what_is_remembered_and_held_has_an_end() {
        let (now, mut order) = (Instant::now(), Order::default());
        let many: String = (0..MOST_SEEN + 10).map(|n| format!("e{n} ")).collect();
        take(&mut order, &many, now);
        assert_eq!(order.ready(Some(now)).len(), MOST_SEEN + 10);
        assert_eq!((order.seen.len(), order.oldest.len()), (MOST_SEEN, MOST_SEEN));
        let orphans: String = (0..MOST_HELD + 1).map(|n| format!("o{n}<lost{n} ")).collect();
        take(&mut order, &orphans, now);
        assert_eq!(order.ready(Some(now)).len(), MOST_HELD + 1);
    }
}
