//! Nonsense from outside, by the thousand: every answer is an answer, and the collector is as before.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Collector, custom};
use reqwest::{Method, StatusCode};

/// A small generator with a fixed start, so that a failure can be seen again.
struct Dice(u64);

impl Dice {
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
const METHODS: [Method; 6] =
    [Method::GET, Method::GET, Method::GET, Method::POST, Method::PUT, Method::OPTIONS];
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
        collector.post(&custom(&format!("evt_{n}"), "s", "n")).await;
    }
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut seen = std::collections::BTreeMap::new();
    for round in 0..1500 {
        let method = METHODS[dice.roll(METHODS.len())].clone();
        let query: Vec<String> =
            (0..dice.roll(4)).map(|_| format!("{}={}", dice.pick(NAMES), dice.pick(VALUES))).collect();
        let path = format!("{}?{}", dice.pick(PATHS), query.join("&"));
        let response = collector
            .request(method.clone(), &path)
            .header("content-type", dice.pick(MEDIA))
            .body(dice.pick(BODIES))
            .send()
            .await
            .unwrap_or_else(|error| panic!("round {round}: {method} {path}: {error}"));
        let status = response.status();
        let text =
            response.text().await.unwrap_or_else(|error| panic!("round {round}: {method} {path}: {error}"));
        assert!(!status.is_server_error(), "round {round}: {method} {path}: {status} {text}");
        if status.is_client_error() && method != Method::OPTIONS {
            let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|_| {
                panic!("round {round}: {method} {path}: {status} without JSON: {text:?}")
            });
            assert!(!said["error"].as_str().unwrap().is_empty());
        }
        *seen.entry(status.as_u16()).or_insert(0) += 1;
    }
    assert!(seen[&200] > 100 && seen[&400] > 100, "the dice are not fair: {seen:?}");
    assert_eq!(collector.events("s").await.len(), 20, "nothing was disturbed");
    let health = collector.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
}
