//! The live tail, by server-sent events.
//!
//! A stream reads the store after each commit rather than a copy of what was committed: a slow reader costs no
//! memory, a reconnecting one misses nothing, and the order is the order of arrival.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::watch;

use super::api::{Params, wrapped};
use super::ask::Ask;
use super::guard::Caller;
use super::reply::Problem;
use super::{Shared, ask_store};
use crate::store::{Cut, EventQuery};

/// Most events in one message.
const CHUNK: usize = 200;
/// A stream that only says that something is new says it at most this often.
const TICK: Duration = Duration::from_millis(250);
/// A comment line as often as this keeps proxies from closing the stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

struct Tail {
    app: Shared,
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
    let closing = app.closing.subscribe();
    let tail = Tail { app, newest, closing, query, last, ticks, first: true };
    let messages = stream::unfold(tail, |mut tail| async move {
        let message = tail.next().await?;
        Some((Ok::<_, Infallible>(message), tail))
    });
    let mut response = Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

impl Tail {
    /// The next message, or `None` when the server goes down.
    async fn next(&mut self) -> Option<Message> {
        // The first line comes at once, so that a client knows that it is connected.
        if std::mem::replace(&mut self.first, false) {
            return Some(Message::default().event("hello").data(format!("{{\"last_seq\":{}}}", self.last)));
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
            }
            if self.ticks {
                tokio::select! {
                    () = tokio::time::sleep(TICK) => {}
                    _ = self.closing.wait_for(|closing| *closing) => return None,
                }
            }
        }
    }

    async fn read(&mut self, newest: i64) -> Option<Message> {
        if self.ticks {
            self.last = newest;
            return Some(
                Message::default()
                    .event("tick")
                    .id(newest.to_string())
                    .data(format!("{{\"last_seq\":{newest}}}")),
            );
        }
        let query = EventQuery { cut: Cut::After(self.last), ..self.query.clone() };
        match ask_store(&self.app, move |store| store.events(&query)).await {
            Ok(page) => {
                self.last = match (&page.next, page.events.last()) {
                    (Some(_), Some(last)) => last.seq,
                    _ => page.last_seq.max(self.last),
                };
                (!page.events.is_empty()).then(|| {
                    Message::default().event("events").id(self.last.to_string()).data(wrapped(&page))
                })
            }
            Err(problem) => {
                tracing::warn!(?problem, "a live tail could not read");
                self.last = newest;
                Some(Message::default().event("gap").data("{}"))
            }
        }
    }
}
