//! Answers that are paid for: whole ones by a layer around the routes, lists of events a piece at a time.
//!
//! A piece is read from the store when the one before it has gone to the socket, and its bytes count against the
//! budget until the socket has taken them. So a reader that stops reading holds one piece, whatever it asked for.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use tokio::sync::Semaphore;

use super::reply::{Problem, json};
use super::{Shared, ask_store};
use crate::budget::{Lease, Purpose};
use crate::event::quoted;
use crate::store::{EventPage, EventQuery, Stored};

/// Bytes of events in one piece, unless a single event has more.
const PIECE: usize = 256 * 1024;
/// Bytes of events in the first piece of a list. One that is no longer is sent whole, with its length.
const FIRST: usize = 2 * 1024 * 1024;
/// Most bytes handed to the connection at a time.
const FRAME: usize = 256 * 1024;
/// Most bytes of events in one answer; the rest is on the next page.
const ANSWER: usize = 64 * 1024 * 1024;
/// How long an answer that has begun waits for room before it is broken off.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// What a request for something to read holds while its answer is made.
const MAKING: usize = 256 * 1024;

/// At most so many bytes does [`wrapped`] add to an event, beside its session and its label.
const KNOWN: usize = 384;

/// Bytes that the events of a page take as text. A text that outgrows its first estimate takes twice as much.
pub(crate) fn text_bytes(page: &EventPage) -> usize {
    page.events
        .iter()
        .map(|stored| stored.body.len() + stored.session.len() + 2 * stored.label.len() + KNOWN)
        .sum()
}

/// Room for what an answer says beside an event's text.
const BESIDE: usize = 16 * 1024;

/// Pieces being read at a time: while one is, the store holds a second copy of its text that nobody has paid for.
static PIECES: Semaphore = Semaphore::const_new(1);
/// Answers being made whole at a time, which are paid for when they are there.
static READING: Semaphore = Semaphore::const_new(2);

/// Bytes and what was paid for them; both go when the last copy is dropped.
struct Paid<T> {
    bytes: T,
    _lease: Lease,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Paid<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Bytes that give their lease back once they have been sent.
fn paid(bytes: impl AsRef<[u8]> + Send + 'static, mut lease: Lease) -> Bytes {
    let length = bytes.as_ref().len();
    lease.shrink_to(length);
    // A rendering that is longer than what it renders (quotes in CSV) is paid for where there is room.
    let _ = lease.grow_to(length);
    Bytes::from_owner(Paid { bytes, _lease: lease })
}

/// Layer for routes that answer readers: pays for the making of an answer, and for a whole answer until it is sent.
pub(crate) async fn weigh(
    State(app): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let mut lease = app.budget.take(Purpose::Answer, MAKING).ok_or_else(Problem::no_memory)?;
    let response = next.run(request).await;
    // A body without a length is a stream, and pays for its pieces itself.
    let Some(length) = response.body().size_hint().exact() else { return Ok(response) };
    if !lease.grow_to(usize::try_from(length).unwrap_or(usize::MAX)) {
        return Err(Problem::no_memory());
    }
    let (head, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Response::from_parts(head, Body::from(paid(bytes, lease))))
}

/// Reads the beginning of a list of events, before anything is answered.
pub(crate) async fn first(app: &Shared, query: &EventQuery) -> Result<(EventPage, Lease), Problem> {
    read_paid(app, query, FIRST, 2, None).await
}

/// Asks the store for something whose size is known only when it is there, and makes an answer of it. Only a few do so at a
/// time; the answer is paid for by [`weigh`].
pub(crate) async fn in_turn<T: Send + 'static>(
    app: &Shared,
    work: impl FnOnce(&dyn crate::store::Store) -> crate::store::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let _turn = READING.acquire().await;
    ask_store(app, work).await
}

/// Reads one piece and pays for it and its rendering. Without `patience` what is not there now is refused.
pub(crate) async fn piece(
    app: &Shared,
    query: &EventQuery,
    patience: Option<Duration>,
) -> Result<(EventPage, Lease), Problem> {
    read_paid(app, query, PIECE, 2, patience).await
}

/// Reads up to about `bound` bytes of events and pays for so many `copies` of them.
pub(crate) async fn read_paid(
    app: &Shared,
    query: &EventQuery,
    bound: usize,
    copies: usize,
    patience: Option<Duration>,
) -> Result<(EventPage, Lease), Problem> {
    let mut need = copies * bound.min(PIECE);
    let mut again = false;
    loop {
        let lease = match patience {
            Some(patience) => app.budget.wait(Purpose::Answer, need, patience).await,
            None => app.budget.take(Purpose::Answer, need),
        };
        let mut lease = lease.ok_or_else(Problem::no_memory)?;
        // No text is read that is not paid for; what surrounds it is known when it is there.
        let _turn = PIECES.acquire().await;
        let _ = lease.grow_to(copies * bound);
        let query = EventQuery { bytes: Some(bound), most: Some(lease.bytes() / copies), ..query.clone() };
        let page = ask_store(app, move |store| store.events(&query)).await?;
        need = match page.too_large {
            Some(bytes) => copies * (bytes + BESIDE),
            None => {
                let bytes = copies * text_bytes(&page);
                lease.shrink_to(bytes);
                if lease.grow_to(bytes) {
                    return Ok((page, lease));
                }
                bytes
            }
        };
        // An event is larger than what is paid for. It is read when there is room for it, because holding it while waiting
        // is what the others wait for.
        if patience.is_none() && std::mem::replace(&mut again, true) {
            return Err(Problem::no_memory());
        }
    }
}

/// Renders a page and pays for the text alone from then on.
pub(crate) fn rendered(page: EventPage, lease: Lease, render: impl FnOnce(&EventPage) -> String) -> Bytes {
    let text = render(&page);
    drop(page);
    paid(text.into_bytes(), lease)
}

/// Frames of a size that a connection takes well.
pub(crate) fn frames(bytes: Bytes) -> impl Iterator<Item = Bytes> + Send {
    let count = bytes.len().div_ceil(FRAME);
    (0..count).map(move |n| bytes.slice(n * FRAME..bytes.len().min((n + 1) * FRAME)))
}

/// A body whose parts come from a fallible stream. A broken-off body is an error to its reader; a short one would not be.
pub(crate) fn streamed(
    parts: impl futures_util::Stream<Item = Result<Bytes, Problem>> + Send + 'static,
) -> Body {
    let frames = parts
        .map_err(|problem| std::io::Error::other(format!("{problem:?}")))
        .map_ok(|bytes| stream::iter(frames(bytes).map(Ok::<_, std::io::Error>)))
        .try_flatten();
    Body::from_stream(frames)
}

/// A list of events that is being sent.
struct List {
    app: Shared,
    query: EventQuery,
    render: fn(&Stored, &mut String),
    first: Option<(EventPage, Lease)>,
    begun: bool,
    last_seq: i64,
    left: usize,
    bytes: usize,
}

/// `{"events":[…],"last_seq":…,"next":…}`. `first` is the answer's beginning, read by [`first`]; problems before it
/// have a status of their own.
pub(crate) fn events(
    app: Shared,
    query: EventQuery,
    first: (EventPage, Lease),
    render: fn(&Stored, &mut String),
) -> Response {
    let left = query.limit.clamp(1, crate::store::MAX_LIMIT);
    let last_seq = first.0.last_seq;
    let mut list = List { app, query, render, first: Some(first), begun: false, last_seq, left, bytes: 0 };
    if list.ends_with_the_first() {
        let Some((page, lease)) = list.first.take() else { return json(StatusCode::OK, "") };
        let text = rendered(page, lease, |page| list.text(page));
        return json(StatusCode::OK, text);
    }
    let parts = stream::unfold(Some(list), |list| async move {
        let mut list = list?;
        match list.next().await {
            Ok((bytes, more)) => Some((Ok(bytes), more.then_some(list))),
            Err(problem) => Some((Err(problem), None)),
        }
    });
    json(StatusCode::OK, streamed(parts.boxed()))
}

impl List {
    fn ends_with_the_first(&self) -> bool {
        self.first.as_ref().is_some_and(|(page, _)| page.next.is_none() || page.events.len() >= self.left)
    }

    async fn next(&mut self) -> Result<(Bytes, bool), Problem> {
        let (page, lease) = match self.first.take() {
            Some(first) => first,
            None => piece(&self.app, &self.query, Some(PATIENCE)).await?,
        };
        let more = !self.is_last(&page);
        self.query.cursor.clone_from(&page.next);
        self.query.limit = self.left.saturating_sub(page.events.len()).max(1);
        let bytes = rendered(page, lease, |page| self.text(page));
        Ok((bytes, more))
    }

    fn is_last(&self, page: &EventPage) -> bool {
        let bytes = page.events.iter().map(|stored| stored.body.len()).sum::<usize>();
        page.next.is_none() || page.events.len() >= self.left || self.bytes + bytes >= ANSWER
    }

    /// This page's part of the answer, with the end if it is the last one.
    fn text(&mut self, page: &EventPage) -> String {
        let last = self.is_last(page);
        let mut out = String::with_capacity(text_bytes(page) + 256);
        for stored in &page.events {
            out.push_str(if std::mem::replace(&mut self.begun, true) { "," } else { "{\"events\":[" });
            (self.render)(stored, &mut out);
            self.bytes += stored.body.len();
        }
        self.left = self.left.saturating_sub(page.events.len());
        if last {
            if !std::mem::replace(&mut self.begun, true) {
                out.push_str("{\"events\":[");
            }
            out.push_str("],\"last_seq\":");
            out.push_str(&self.last_seq.to_string());
            if let Some(next) = &page.next {
                out.push_str(",\"next\":");
                out.push_str(&quoted(next));
            }
            out.push('}');
        }
        out
    }
}

/// An event with its kind and label. Its text is JSON already and is not read again.
pub(crate) fn bare(stored: &Stored, out: &mut String) {
    stored.push_shown(out);
}

/// `{"seq":…,"filed_under":…,"at_us":…,"took_us":…,"kind":…,"label":…,"is_error":…,"event":{…}}`: an event with what the
/// collector knows of it.
pub(crate) fn wrapped(stored: &Stored, out: &mut String) {
    push_known(out, stored);
    out.push_str(",\"event\":");
    stored.push_shown(out);
    out.push('}');
}

/// What the collector knows of an event, up to the event itself.
pub(crate) fn push_known(out: &mut String, stored: &Stored) {
    use std::fmt::Write as _;
    // Writing to a text cannot fail.
    let _ = write!(
        out,
        "{{\"seq\":{},\"filed_under\":{},\"at_us\":{},\"kind\":{},\"label\":{},\"is_error\":{}",
        stored.seq,
        quoted(&stored.session),
        stored.at,
        quoted(&stored.kind),
        quoted(&stored.label),
        stored.is_error,
    );
    if let Some(took) = stored.took {
        let _ = write!(out, ",\"took_us\":{took}");
    }
    let doubts: Vec<String> = stored.suspect.words().map(quoted).collect();
    if !doubts.is_empty() {
        let _ = write!(out, ",\"suspect\":[{}]", doubts.join(","));
    }
}
