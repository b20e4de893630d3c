//! Takes events in: one a request as every SDK sends them, or many a request as lines.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};

use mcpcat_wire::batch::{
    ANY_TYPE, BATCH_HEADER, BatchAnswer, EVENT_TYPES_HEADER, EventResult, EventStatus, Offer,
};

use super::Shared;
use super::body::{self, Media};
use super::guard::Caller;
use super::reply::{Problem, json};
use crate::event::{Event, MAX_EVENT_BYTES, Refusal};
use crate::store::Outcome;

/// Most events in one batch, as announced.
pub(crate) const BATCH_EVENTS: usize = 500;
/// Bytes of a batch that senders are asked to stay under.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a batch that are still taken, so that a sender's way of counting does not matter.
const BATCH_BYTES_TAKEN: usize = 16 * 1024 * 1024;

/// `OPTIONS …/v1/public/events/`: what may be sent here.
pub(crate) async fn offers(State(app): State<Shared>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    offer_in(&app, &mut response);
    response
}

/// Tells a sender that events of any type are taken, and how to send batches: on every 202, and to who asks with
/// `OPTIONS`.
fn offer_in(app: &Shared, response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static(EVENT_TYPES_HEADER), HeaderValue::from_static(ANY_TYPE));
    if let Ok(offer) = HeaderValue::from_str(&app.batch_offer) {
        headers.insert(HeaderName::from_static(BATCH_HEADER), offer);
    }
}

/// `POST …/v1/public/events/`: one event. The answer comes after the commit.
pub(crate) async fn one(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    may_send(&app, &caller)?;
    let taken = take_one(&app, &caller, &headers, body).await;
    if let Err(problem) = &taken
        && problem.is_refusal()
    {
        app.metrics.rejected(1);
    }
    let said = match taken? {
        Some(Outcome::Forgotten) => r#"{"status":"forgotten"}"#,
        _ => r#"{"status":"accepted"}"#,
    };
    let mut response = json(StatusCode::ACCEPTED, said);
    offer_in(&app, &mut response);
    Ok(response)
}

/// Before anything of the body is read.
fn may_send(app: &Shared, caller: &Caller) -> Result<(), Problem> {
    caller.may_send().inspect_err(|_| app.metrics.throttled())
}

async fn take_one(
    app: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<Outcome>, Problem> {
    if body::media(headers)? != Media::Json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this path takes one event as application/json; send lines to v1/public/events/batch",
        ));
    }
    let mut held = body::read(&app.budget, headers, body, MAX_EVENT_BYTES).await?;
    held.pay_for_a_copy()?;
    let large = held.bytes.len() > LARGE;
    let parse = move || {
        let event = Event::parse(&mut held.bytes)?;
        let mut lease = held.lease;
        drop(held.bytes);
        lease.shrink_to(weight(&event));
        Ok::<_, Refusal>((event, lease))
    };
    let (event, lease) = if large { super::blocking(parse).await? } else { parse() }?;
    caller.may_write(&event.project)?;
    caller.spent(1, event.body.len());
    Ok(app.queue.submit(vec![event], Some(lease)).await?.pop())
}

/// Bytes that an event takes until it is committed.
fn weight(event: &Event) -> usize {
    event.body.len() + 1024
}

/// Bodies above this many bytes are parsed off the async threads.
const LARGE: usize = 256 * 1024;

/// `POST …/v1/public/events/batch`: one event a line. The answer comes after the commit, in the order of the lines.
pub(crate) async fn batch(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    if body::media(&headers)? != Media::Lines {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this path takes lines as application/x-ndjson; send one event to v1/public/events/",
        ));
    }
    may_send(&app, &caller)?;
    let mut held = body::read(&app.budget, &headers, body, BATCH_BYTES_TAKEN).await?;
    held.pay_for_a_copy()?;
    let sender = caller.clone();
    let (lines, lease) = super::blocking(move || {
        let lines = parse_lines(held.bytes, &caller)?;
        let mut lease = held.lease;
        lease.shrink_to(lines.iter().flatten().map(weight).sum());
        Ok::<_, Problem>((lines, lease))
    })
    .await??;
    let mut events = Vec::with_capacity(lines.len());
    let mut ids = Vec::with_capacity(lines.len());
    for line in lines {
        ids.push(line.map(|event| {
            let id = event.id.clone();
            events.push(event);
            id
        }));
    }
    sender.spent(events.len(), events.iter().map(|event| event.body.len()).sum());
    let rejected = ids.iter().filter(|id| id.is_err()).count();
    let mut outcomes = app.queue.submit(events, Some(lease)).await?.into_iter();
    app.metrics.rejected(rejected as u64);
    let results = ids.iter().map(|id| match id {
        Ok(id) => {
            let status = match outcomes.next() {
                Some(Outcome::Duplicate) => EventStatus::Duplicate,
                Some(Outcome::Forgotten) => EventStatus::Forgotten,
                _ => EventStatus::Accepted,
            };
            EventResult { id: Some(id.into()), status, error: None }
        }
        Err((id, refusal)) => EventResult {
            id: id.as_ref().map(Into::into),
            status: EventStatus::Rejected,
            error: Some((&refusal.message).into()),
        },
    });
    Ok(json(StatusCode::OK, BatchAnswer { results: results.collect() }.to_json()))
}

/// One line's event, or its id if that could be read, and what is wrong with it.
type Line = Result<Event, (Option<String>, Refusal)>;

fn parse_lines(mut bytes: Vec<u8>, caller: &Caller) -> Result<Vec<Line>, Problem> {
    let mut lines = Vec::new();
    let mut rest = &mut bytes[..];
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at_mut(end);
        rest = after;
        let line = line.trim_ascii_mut();
        if line.is_empty() {
            continue;
        }
        if lines.len() == BATCH_EVENTS {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the batch has more than {BATCH_EVENTS} events; send it in parts"),
            ));
        }
        lines.push(match Event::parse(line) {
            Ok(event) => match caller.may_write(&event.project) {
                Ok(()) => Ok(event),
                Err(_) => {
                    Err((Some(event.id), Refusal::status(403, "the token is not for this event's project")))
                }
            },
            Err(refusal) => Err((id_of(line), refusal)),
        });
    }
    Ok(lines)
}

/// The id of an event that was refused, so that its sender can tell which.
fn id_of(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_slice::<Id>(line).ok().map(|id| id.id)
}

/// The value of [`BATCH_HEADER`] when the API lives under this base path.
pub(crate) fn offer(base: &str) -> String {
    let offer = Offer {
        path: format!("{base}/v1/public/events/batch").into(),
        max_events: Some(BATCH_EVENTS),
        max_bytes: Some(BATCH_BYTES),
        encodings: "zstd,gzip".into(),
    };
    offer.to_string()
}

trait TrimMut {
    fn trim_ascii_mut(&mut self) -> &mut [u8];
}

impl TrimMut for [u8] {
    fn trim_ascii_mut(&mut self) -> &mut [u8] {
        let start = self.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let end =
            self.len() - self[start..].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
        &mut self[start..end]
    }
}
