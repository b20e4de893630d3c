//! Events of types that the product has none for: who is sent them, who is asked, and what the ledger says of those
//! that nobody takes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::DropReason;
use mcpcat_runtime::privacy::Privacy;
use serde_json::Value;

use crate::endpoint::{Endpoint, PATIENCE, Post, Way, within};

fn offering() -> Way {
    Way::Says(202, "mcpcat-event-types: any\r\n", r#"{"status":"accepted"}"#.to_owned())
}

fn asks(post: &Post) -> bool {
    post.method == "OPTIONS"
}

/// The types of the events that were sent.
fn sent(endpoint: &Endpoint) -> BTreeSet<String> {
    let posts = endpoint.posts();
    let bodies = posts.iter().filter(|post| !asks(post)).map(|post| &post.body);
    bodies
        .map(|body| serde_json::from_str::<Value>(body).unwrap()["event_type"].as_str().unwrap().to_owned())
        .collect()
}

fn asked(endpoint: &Endpoint) -> usize {
    endpoint.posts().iter().filter(|post| asks(post)).count()
}

/// Requests of these methods, one after the other.
fn request(client: &Client, methods: &[&str]) {
    for method in methods {
        client.call_in("s", method, "").finish(None);
    }
}

const OTHER: [&str; 3] = ["shop/open", "skills/list", "server/discover"];

#[tokio::test]
async fn whoever_offers_is_sent_them_with_the_answer_to_another_event() {
    let endpoint = Endpoint::start(|_, _| offering()).await;
    let client = endpoint.client();
    request(&client, &OTHER);
    client.publish("s", CustomEvent::new("known")).unwrap();
    request(&client, &["tools/call"]);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending, stats.not_offered), (5, 5, 0, 0), "{stats}");
    assert_eq!(asked(&endpoint), 0, "the answer has said it");
    let first: Value = serde_json::from_str(&endpoint.posts()[0].body).unwrap();
    assert_eq!(first["event_type"], "agentcat:custom", "the others have waited for it");
    assert!(sent(&endpoint).contains("mcp:shop/open"), "{:?}", sent(&endpoint));
}

#[tokio::test]
async fn whoever_does_not_is_sent_none_and_they_are_counted_apart() {
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let client = endpoint.client();
    request(&client, &OTHER);
    request(&client, &["tools/call", "ping", "tasks/result"]);
    client.publish("s", CustomEvent::new("known")).unwrap();
    let stats = client.flush(PATIENCE).await;
    request(&client, &["shop/close"]);
    let after = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending, stats.dropped), (4, 4, 0, 0), "{stats}");
    assert_eq!((stats.not_offered, after.not_offered, after.published), (3, 4, 4), "{after}");
    assert!(after.to_string().ends_with("; 4 of types that the endpoint does not offer to take"), "{after}");
    let known = ["agentcat:custom", "mcp:ping", "mcp:tasks/result", "mcp:tools/call"].map(String::from);
    assert_eq!((sent(&endpoint), asked(&endpoint)), (BTreeSet::from(known), 0));
}

/// With nothing else to send nobody tells: the endpoint is asked, once.
#[tokio::test]
async fn an_endpoint_is_asked_when_nothing_else_is_to_be_sent() {
    for (code, offers) in [(204, true), (204, false), (405, false), (404, false), (501, false)] {
        let header = if offers { "mcpcat-event-types: any\r\n" } else { "" };
        let endpoint =
            Endpoint::start(
                move |_, post| {
                    if asks(post) { Way::Says(code, header, String::new()) } else { offering() }
                },
            )
            .await;
        let client = endpoint.client();
        request(&client, &OTHER);
        let stats = client.flush(PATIENCE).await;
        request(&client, &["shop/close"]);
        let after = client.flush(PATIENCE).await;
        let (taken, left) = if offers { (4, 0) } else { (0, 4) };
        assert_eq!((after.delivered, after.not_offered, after.pending), (taken, left, 0), "{code}: {after}");
        assert_eq!(stats.pending, 0, "{code}: {stats}");
        assert_eq!((asked(&endpoint), after.requests), (1, taken), "{code}: asking is no delivery");
        let question = endpoint.posts().into_iter().find(asks).unwrap();
        assert_eq!((question.path.as_str(), question.body.as_str()), ("/v1/public/events/", ""));
    }
}

/// An endpoint that is down has said nothing: they wait as others do, and are sent when it is well.
#[tokio::test]
async fn while_an_endpoint_is_down_they_wait() {
    let failures = Arc::new(AtomicUsize::new(3));
    let left = Arc::clone(&failures);
    let endpoint = Endpoint::start(move |_, _| {
        let more = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if more { Way::status(503) } else { offering() }
    })
    .await;
    let client = endpoint.client();
    request(&client, &OTHER);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending, stats.not_offered), (3, 0, 0), "{stats}");
    assert!(asked(&endpoint) >= 4, "asked until there was an answer: {:?}", endpoint.posts());
}

#[tokio::test]
async fn those_that_an_earlier_process_left_are_no_different() {
    for offers in [true, false] {
        let well = Arc::new(AtomicBool::new(false));
        let answer = Arc::clone(&well);
        let endpoint = Endpoint::start(move |_, _| match answer.load(Ordering::SeqCst) {
            false => Way::status(503),
            true if offers => offering(),
            true => Way::ok(),
        })
        .await;
        let state = tempfile::Builder::new().prefix("mcpcat-types-").tempdir().unwrap().keep();
        let first = endpoint.builder().state_dir(&state).build().unwrap();
        request(&first, &OTHER);
        first.publish("s", CustomEvent::new("known")).unwrap();
        let stats = first.shutdown(Duration::ZERO).await;
        assert_eq!((stats.pending, stats.not_offered), (4, 0), "{stats}");
        drop(first);
        well.store(true, Ordering::SeqCst);
        let second = endpoint.builder().state_dir(&state).build().unwrap();
        let ended = async {
            loop {
                let stats = second.flush(PATIENCE).await;
                if stats.delivered + stats.not_offered == 4 {
                    break stats;
                }
            }
        };
        let stats = within(ended).await;
        let (delivered, left) = if offers { (4, 0) } else { (1, 3) };
        assert_eq!((stats.delivered, stats.not_offered), (delivered, left), "{stats}");
        assert_eq!((stats.published, stats.adopted, stats.pending), (0, delivered, 0), "{stats}");
    }
}

/// A hook sees them before they leave, as any event; where they rest on disk they are known by their type all the same.
#[tokio::test]
async fn scrubbed_ones_are_known_by_their_type() {
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let hooks = Privacy::new().redact_text(|text: &str| text.replace("secret", "[gone]"));
    let client = endpoint.builder().privacy(hooks).build().unwrap();
    request(&client, &OTHER);
    client.publish("s", CustomEvent::new("known").message("a secret")).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.not_offered, stats.pending), (1, 3, 0), "{stats}");
    assert_eq!(sent(&endpoint), BTreeSet::from(["agentcat:custom".to_owned()]));
    assert_eq!(stats.dropped_for(DropReason::Withheld), 0);
}

/// Many wait, and then go in batches where those are offered too.
#[tokio::test]
async fn more_than_may_wait_are_neither_lost_nor_stuck() {
    let endpoint =
        Endpoint::start(|_, post| if asks(post) { Way::Says(204, "", String::new()) } else { Way::ok() })
            .await;
    let client = endpoint.client();
    for _ in 0..1_000 {
        request(&client, &["shop/open"]);
    }
    client.publish("s", CustomEvent::new("known")).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.not_offered, stats.pending), (1, 1_000, 0), "{stats}");
    assert_eq!(asked(&endpoint), 1);
}
