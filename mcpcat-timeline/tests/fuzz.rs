//! Nonsense from outside, by the thousand: every answer is an answer, and the collector is as before.
//!
//! `MCPCAT_FUZZ_ROUNDS` and `MCPCAT_FUZZ_SEED` make it longer and different.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;

use common::{Collector, captures, custom};
use reqwest::{Method, StatusCode};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A small generator with a fixed start, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(setting("MCPCAT_FUZZ_SEED", 0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

const PATHS: &[&str] = &[
    "/",
    "/api/v1/sessions",
    "/api/v1/sessions/s",
    "/api/v1/sessions/s/events",
    "/api/v1/sessions/%ff/events",
    "/api/v1/events",
    "/api/v1/events/evt_0",
    "/api/v1/facets",
    "/api/v1/overview",
    "/api/v1/catalogue",
    "/api/v1/about",
    "/api/v1/export.ndjson",
    "/api/v1/export.csv",
    "/api/v1/sessions/s/export.html",
    "/metrics",
    "/assets/app.js",
    "/assets/%00",
    "/t/x/v1/public/events/",
    "/v1/public/events/",
    "/v1/public/events/batch",
    "/sessions/%2e%2e",
    "/api/v1/login",
    "/api/v1/actors/%27%20OR%201=1",
    "/api/v1/actors/user",
    "/api/v1/projects/q",
    "/api/v1/stream",
    "/healthz",
    "/sessions/s",
    "/overview",
    "//",
    "/api/v1/sessions/",
];
const NAMES: &[&str] = &[
    "limit",
    "cursor",
    "since",
    "until",
    "sort",
    "order",
    "q",
    "tag",
    "not_tag",
    "tool",
    "event",
    "type",
    "errors",
    "custom",
    "identified",
    "project",
    "session",
    "after",
    "name",
    "ticks",
    "actor",
];
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "99999999999999999999",
    "1e9",
    "NaN",
    "~",
    "1~2",
    "1~2~3~4",
    "0~0~5~ab~c",
    "0~0~1~%C3%BC~c",
    "%27%3B%20DROP%20TABLE%20event%3B--",
    "%00",
    "%ff",
    "%",
    "%25",
    "_",
    "~~~~",
    "24h",
    "-9999999d",
    "9223372036854775807d",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "key%3Dvalue",
    "%3D",
    "%F0%9F%98%80",
    "asc",
    "newest",
    "duration",
];
const METHODS: [Method; 8] = [
    Method::GET,
    Method::GET,
    Method::GET,
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::OPTIONS,
];
const BODIES: &[&str] = &[
    "",
    "{}",
    "[]",
    "{\"project_id\":\"p\"}",
    "\u{0}",
    "{\"token\":1}",
    "{\"events\":[{\"name\":\"a\"}]}",
    "[[",
];
const MEDIA: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "text/plain",
    "",
    "application/json; charset=\"",
    "multipart/form-data",
];

#[tokio::test]
async fn no_request_is_answered_with_a_server_error() {
    let collector = Collector::start().await;
    for n in 0..20 {
        collector.post(&custom(&format!("evt_{n}"), "kept", "n")).await;
        collector.post(&custom(&format!("evt_s{n}"), "s", "n")).await;
    }
    let mut dice = Dice::new();
    let mut seen = BTreeMap::new();
    for round in 0..setting("MCPCAT_FUZZ_ROUNDS", 1500) {
        let method = METHODS[dice.roll(METHODS.len())].clone();
        let query: Vec<String> =
            (0..dice.roll(4)).map(|_| format!("{}={}", dice.pick(NAMES), dice.pick(VALUES))).collect();
        let path = format!("{}?{}", dice.pick(PATHS), query.join("&"));
        let what = format!("round {round}: {method} {path}");
        let mut response = collector
            .request(method.clone(), &path)
            .header("content-type", dice.pick(MEDIA))
            .body(dice.pick(BODIES))
            .send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let status = response.status();
        *seen.entry(status.as_u16()).or_insert(0) += 1;
        let media = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        if media.is_some_and(|media| media.starts_with("text/event-stream")) {
            // A stream has no end; its first line says that it lives.
            assert!(
                response.chunk().await.unwrap_or_else(|error| panic!("{what}: {error}")).is_some(),
                "{what}"
            );
            continue;
        }
        let text = response.text().await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!status.is_server_error(), "{what}: {status} {text}");
        if status.is_client_error() && method != Method::OPTIONS {
            let said: serde_json::Value = serde_json::from_str(&text)
                .unwrap_or_else(|_| panic!("{what}: {status} without JSON: {text:?}"));
            assert!(!said["error"].as_str().unwrap().is_empty());
        }
    }
    assert!(seen[&200] > 100 && seen[&400] > 50, "the dice are not fair: {seen:?}");
    assert_eq!(collector.events("kept").await.len(), 20, "nothing else was disturbed");
    let health = collector.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}

/// A request of a real SDK with something wrong in it.
fn damaged(dice: &mut Dice, bodies: &[String]) -> Vec<u8> {
    let mut bytes = bodies[dice.roll(bodies.len())].clone().into_bytes();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        let end = (at + dice.roll(40)).min(bytes.len());
        match dice.roll(6) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes.truncate(at.max(1)),
            2 => drop(bytes.splice(at..end, *b"")),
            3 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            4 => drop(bytes.splice(at..at, dice.pick(PARTS).bytes())),
            _ => {
                let other = bodies[dice.roll(bodies.len())].as_bytes();
                let from = dice.roll(other.len());
                drop(bytes.splice(at..end, other[from..(from + end - at).min(other.len())].iter().copied()));
            }
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\ud800",
    "\u{0}",
    "\n",
    ",",
    ":",
    "null",
    "1e400",
    "-0",
    "\u{feff}",
    "\"id\":1,",
    "\"session_id\":[],",
    "\"timestamp\":\"never\",",
    "\"duration\":-1e308,",
    "\"tags\":{\"a\":{}},",
    "[[[[[[[[[[[[",
];

#[tokio::test]
async fn damaged_requests_of_real_sdks_are_taken_or_refused_and_nothing_in_between() {
    let collector = Collector::start().await;
    let bodies: Vec<String> = captures().into_iter().map(|(_, body)| body.to_string()).collect();
    let mut dice = Dice::new();
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..setting("MCPCAT_FUZZ_ROUNDS", 1500) / 10 {
        let lines: Vec<Vec<u8>> = (0..=dice.roll(8)).map(|_| damaged(&mut dice, &bodies)).collect();
        if dice.roll(2) == 0 {
            let response = collector.post_raw(lines[0].clone()).await;
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            assert!(matches!(status, 202 | 400), "round {round}: {status} {text}");
            refused += u32::from(status == 400);
            continue;
        }
        let joined = lines.join(&b"\n"[..]);
        // A damaged line may hold line breaks of its own.
        let expected =
            joined.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        let (body, encoding) = match dice.roll(3) {
            0 => (joined, None),
            1 => (zstd::encode_all(&joined[..], 1).unwrap(), Some("zstd")),
            _ => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(&joined).unwrap();
                (packer.finish().unwrap(), Some("gzip"))
            }
        };
        let response = collector.batch_raw(body, encoding).await;
        assert_eq!(response.status(), StatusCode::OK, "round {round}");
        let answer: serde_json::Value = response.json().await.unwrap();
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), expected, "round {round}");
        for result in results {
            match result["status"].as_str().unwrap() {
                "rejected" => {
                    refused += 1;
                    assert!(!result["error"].as_str().unwrap().is_empty());
                }
                "accepted" => accepted += 1,
                other => assert_eq!(other, "duplicate", "round {round}"),
            }
        }
    }
    assert!(refused > 30 && accepted > 10, "{refused} refused, {accepted} taken");
    // Everything that was taken can be read, and the sums agree with it.
    let kept: usize = collector
        .sessions("?limit=10000")
        .await
        .iter()
        .map(|row| row["event_count"].as_u64().unwrap() as usize)
        .sum();
    let export =
        collector.request(Method::GET, "/api/v1/export.ndjson").send().await.unwrap().text().await.unwrap();
    assert_eq!(export.lines().count(), kept);
    for line in export.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    assert_eq!(collector.request(Method::GET, "/healthz").send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_damaged_packed_body_is_refused() {
    let collector = Collector::start().await;
    let lines =
        (0..50).map(|n| custom(&format!("evt_{n}"), "s", "n").to_string()).collect::<Vec<_>>().join("\n");
    let packed = zstd::encode_all(lines.as_bytes(), 3).unwrap();
    let mut dice = Dice::new();
    for round in 0..setting("MCPCAT_FUZZ_ROUNDS", 1500) / 25 {
        let mut bytes = packed.clone();
        for _ in 0..=dice.roll(3) {
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
        }
        let status = collector.batch_raw(bytes, Some("zstd")).await.status().as_u16();
        // Without a checksum, damage inside a text goes unnoticed or makes a line that is refused by itself.
        assert!(matches!(status, 200 | 400 | 413), "round {round}: {status}");
    }
    assert_eq!(collector.request(Method::GET, "/healthz").send().await.unwrap().status(), StatusCode::OK);
}
