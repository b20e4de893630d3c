//! What `mcpcat::catalog().to_json()` writes, the timeline reads. Events stand first: the fixture has their lines.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// An invoice was charged to a card.
///
/// Only this first paragraph is shown.
#[mcpcat::event(name = "invoice.charge", params(customer, password = 1), tags(plan = "pro"))]
#[allow(dead_code, reason = "the catalogue does not need the call")]
fn charge(customer: u8) {}

/// An invoice was taken back before it was paid.
#[derive(mcpcat::EventData)]
#[event(name = "invoice.voided")]
#[allow(dead_code, reason = "the catalogue does not need a value")]
struct Voided {
    invoice: u8,
}

mod common;

use common::{Collector, custom};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Also what the page's tests upload.
const FIXTURE: &str = include_str!("../../tests/fixtures/catalogue.json");

fn written() -> String {
    mcpcat::catalog().of_crate("catalogue").to_json()
}

#[test]
fn the_fixture_is_what_the_sdk_writes() {
    assert_eq!(written(), FIXTURE);
}

#[tokio::test]
async fn a_catalogue_of_the_sdk_is_shown_with_its_doc_comments_keys_and_places() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "invoice.charge")).await;
    let path = "/api/v1/catalogue?project=proj_test";
    let put = collector
        .request(Method::PUT, path)
        .header("content-type", "application/json")
        .body(written())
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), StatusCode::OK);
    let answer = collector.get(path).await;
    assert_eq!(
        answer["seen"],
        json!([{
            "name": "invoice.charge",
            "count": 1,
            "kind": "function",
            "description": "An invoice was charged to a card.",
            "file": "mcpcat-timeline/tests/catalogue.rs",
            "line": 7,
            "parameters": ["customer", "password"],
            "tags": ["plan"],
            "redacted": ["password"],
        }])
    );
    assert_eq!(
        answer["never_seen"],
        json!([{
            "name": "invoice.voided",
            "kind": "data",
            "description": "An invoice was taken back before it was paid.",
            "file": "mcpcat-timeline/tests/catalogue.rs",
            "line": 12,
            "parameters": ["invoice"],
        }])
    );
}

#[tokio::test]
async fn a_document_of_a_later_version_is_refused_with_the_versions_named() {
    let collector = Collector::start().await;
    let put = collector
        .request(Method::PUT, "/api/v1/catalogue?project=proj_test")
        .header("content-type", "application/json")
        .body(r#"{"schema_version":2,"events":[]}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), StatusCode::BAD_REQUEST);
    assert!(put.text().await.unwrap().contains("schema_version is 2"));
}
