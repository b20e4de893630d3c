//! The live tail, by server-sent events.
//!
//! A stream reads the store after each commit rather than a copy of what was committed: a slow reader costs one
//! message, a reconnecting one misses nothing, and the order is the order of arrival. Messages are written here and not
//! by the framework, because each carries what was paid for it.

use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::Shared;
use super::answer::{self, PATIENCE};
use super::api::Params;
use super::ask::Ask;
use super::guard::Caller;
use super::reply::Problem;
use crate::store::{Cut, EventPage, EventQuery};

/// Most events in one message.
const CHUNK: usize = 200;
/// A stream that only says that something is new says it at most this often.
const TICK: Duration = Duration::from_millis(250);
/// A comment line as often as this keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Streams open at one time. Each is a connection, and those have to be left for senders and readers.
pub(crate) const STREAMS: usize = 1024;

struct Tail {
    app: Shared,
    _turn: OwnedSemaphorePermit,
    newest: watch::Receiver<i64>,
    closing: watch::Receiver<bool>,
    query: EventQuery,
    last: i64,
    ticks: bool,
    first: bool,
}

/// `GET /api/v1/stream?after=SEQ`: messages `events` with the shape of `GET /api/v1/events`, or with `ticks=1`
/// messages `tick` that say only how far the store has come.
pub(crate) async fn stream(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Query(params): Params,
) -> Result<Response, Problem> {
    let ask = Ask(params);
    let newest = app.store.watch();
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = match resumed {
        Some(after) => Some(after),
        None => ask.number("after")?,
    };
    let last = after.unwrap_or_else(|| *newest.borrow());
    let query = EventQuery { limit: CHUNK, cursor: None, ..ask.events(caller.scope)? };
    let ticks = ask.text("ticks").as_deref() == Some("1");
    let turn = std::sync::Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{STREAMS} streams are open already"))
    })?;
    let closing = app.closing.subscribe();
    let tail = Tail { app, _turn: turn, newest, closing, query, last, ticks, first: true };
    let messages = stream::unfold(tail, |mut tail| async move {
        let message = tail.next().await?;
        Some((message, tail))
    });
    let mut response = Response::new(answer::streamed(messages.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A message of its own, without text from outside.
fn small(text: String) -> Result<Bytes, Problem> {
    Ok(Bytes::from(text))
}

impl Tail {
    /// The next message, or `None` when the server goes down.
    async fn next(&mut self) -> Option<Result<Bytes, Problem>> {
        // The first line comes at once, so that a client knows that it is connected.
        if std::mem::replace(&mut self.first, false) {
            return Some(small(format!("event: hello\ndata: {{\"last_seq\":{}}}\n\n", self.last)));
        }
        loop {
            let newest = *self.newest.borrow_and_update();
            if newest > self.last {
                if let Some(message) = self.read(newest).await {
                    return Some(message);
                }
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => changed.ok()?,
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(small(":\n\n".into())),
            }
            if self.ticks {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    _ = self.closing.wait_for(|closing| *closing) => return None,
                }
            }
        }
    }

    async fn read(&mut self, newest: i64) -> Option<Result<Bytes, Problem>> {
        if self.ticks {
            self.last = newest;
            return Some(small(format!("event: tick\nid: {newest}\ndata: {{\"last_seq\":{newest}}}\n\n")));
        }
        let query = EventQuery { cut: Cut::After(self.last), ..self.query.clone() };
        let (page, lease) = match answer::piece(&self.app, &query, Some(PATIENCE)).await {
            Ok(read) => read,
            // Its reader comes back with the id of the last message, and misses nothing.
            Err(problem) => return Some(Err(problem)),
        };
        self.last = match (&page.next, page.events.last()) {
            (Some(_), Some(last)) => last.seq,
            _ => page.last_seq.max(self.last),
        };
        let last = self.last;
        (!page.events.is_empty()).then(|| Ok(answer::rendered(page, lease, |page| message(page, last))))
    }
}

/// Events are lines of JSON, so that each message is one `data` line.
fn message(page: &EventPage, last: i64) -> String {
    let mut out = String::with_capacity(answer::text_bytes(page) + 256);
    out.push_str("event: events\nid: ");
    out.push_str(&last.to_string());
    out.push_str("\ndata: {\"events\":[");
    for (at, stored) in page.events.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        answer::wrapped(stored, &mut out);
    }
    out.push_str("],\"last_seq\":");
    out.push_str(&page.last_seq.to_string());
    if let Some(next) = &page.next {
        out.push_str(",\"next\":");
        out.push_str(&crate::event::quoted(next));
    }
    out.push_str("}\n\n");
    out
}
