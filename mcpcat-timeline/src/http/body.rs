//! Reads a request body within bounds of size, time and memory, unpacked if it came packed.

use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::reply::Problem;
use super::unpack::{self, Packing};
use crate::budget::{Budget, Lease, Purpose};

/// A body has to be here within this time.
const ARRIVAL: Duration = Duration::from_secs(30);
/// What a body is given before its first byte is here.
const FIRST: usize = 4096;

/// Bodies unpacked at one time: each keeps a processor busy, and a zstd window of 8 MiB.
static UNPACKING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, |n| n.get().min(4))));

/// What the sender says the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Lines,
}

/// Refuses what a cross-site form could send: only JSON and NDJSON are taken.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(Media::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Media::Lines),
        other if other.starts_with("application/") && other.ends_with("+json") => Ok(Media::Json),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content-type {given:?} is not accepted; send application/json or application/x-ndjson"),
        )),
    }
}

/// Bytes that are paid for out of the budget before they are allocated.
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lease: Lease,
    limit: usize,
}

impl Held {
    /// For at most `limit` bytes.
    pub(crate) fn new(budget: &Budget, limit: usize) -> Result<Self, Problem> {
        let lease = budget.take(Purpose::Body, FIRST).ok_or_else(Problem::no_memory)?;
        Ok(Self { bytes: Vec::new(), lease, limit })
    }

    /// Adds a part. Room grows by doubling, so that a sender pays for what it has sent and not for what it announced.
    pub(crate) fn extend(&mut self, part: &[u8]) -> Result<(), Problem> {
        let length = self.bytes.len() + part.len();
        if length > self.limit {
            return Err(too_large(self.limit));
        }
        if length > self.bytes.capacity() {
            let room = length.max((self.bytes.capacity() * 2).min(self.limit)).max(FIRST);
            if !self.lease.grow_to(room) {
                return Err(Problem::no_memory());
            }
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// Pays for as many bytes again: what is read from the body copies its texts.
    pub(crate) fn pay_for_a_copy(&mut self) -> Result<(), Problem> {
        let both = self.bytes.capacity() + self.bytes.len();
        if self.lease.grow_to(both) { Ok(()) } else { Err(Problem::no_memory()) }
    }
}

/// Reads the body; neither what travels nor what it unpacks to may be larger than `limit` bytes.
pub(crate) async fn read(
    budget: &Budget,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Held, Problem> {
    let packing = packing(headers)?;
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let mut held = Held::new(budget, limit)?;
    let mut parts = body.into_data_stream();
    let deadline = Instant::now() + ARRIVAL;
    loop {
        match tokio::time::timeout_at(deadline, parts.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(part))) => held.extend(&part)?,
            Ok(Some(Err(error))) => return Err(Problem::bad(format!("the body broke off: {error}"))),
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    format!("the body did not arrive within {} s", ARRIVAL.as_secs()),
                ));
            }
        }
    }
    let Some(packing) = packing else { return Ok(held) };
    let out = Held::new(budget, limit)?;
    // Closing the semaphore is what makes this fail, and nobody does.
    let _turn = UNPACKING.acquire().await;
    super::blocking(move || unpack::unpack(packing, &held.bytes, out)).await?
}

fn packing(headers: &HeaderMap) -> Result<Option<Packing>, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(None),
        "gzip" => Ok(Some(Packing::Gzip)),
        "zstd" => Ok(Some(Packing::Zstd)),
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content-encoding {other:?} is not supported; send zstd, gzip or none"),
        )),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"))
}
