//! Reads a request body within bounds of size and time, unpacked if it came packed.

use std::io::Read;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, StatusCode, header};

use super::reply::Problem;

/// A body has to be here within this time.
const ARRIVAL: Duration = Duration::from_secs(30);
/// Largest zstd window, as a power of two: 8 MiB, what the format asks every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;

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

/// Reads the body; neither what travels nor what it unpacks to may be larger than `limit` bytes.
pub(crate) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let bytes = match tokio::time::timeout(ARRIVAL, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            return Err(if source.contains("length limit") {
                too_large(limit)
            } else {
                Problem::bad(format!("the body broke off: {error}"))
            });
        }
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s", ARRIVAL.as_secs()),
            ));
        }
    };
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(bytes.into()),
        "gzip" => unpack(flate2::read::MultiGzDecoder::new(&bytes[..]), limit),
        "zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&bytes[..])
                .map_err(|error| Problem::bad(format!("the zstd body cannot be unpacked: {error}")))?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG)
                .map_err(|error| Problem::bad(format!("the zstd body cannot be unpacked: {error}")))?;
            unpack(decoder, limit)
        }
        other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("content-encoding {other:?} is not supported; send zstd, gzip or none"),
        )),
    }
}

fn unpack(decoder: impl Read, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|error| Problem::bad(format!("the packed body cannot be unpacked: {error}")))?;
    if out.len() > limit { Err(too_large(limit)) } else { Ok(out) }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes"))
}
