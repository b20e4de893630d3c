//! Batches to an endpoint that offers them: what is asked, what partial answers cost, and the way back to single
//! events.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::privacy::Privacy;
use mcpcat_runtime::{DropReason, Stats};
use serde_json::json;

use crate::endpoint::{Endpoint, PATIENCE, Post, Way};

const OFFER: &str = "mcpcat-batch: v1; path=/v1/public/events/batch; max-events=50; max-bytes=4194304\r\n";

fn offering() -> Way {
    Way::Says(202, OFFER, r#"{"status":"accepted"}"#.to_owned())
}

fn is_batch(post: &Post) -> bool {
    post.path == "/v1/public/events/batch"
}

/// The answer to a batch in which `status` says what became of each.
fn results(post: &Post, status: impl Fn(&str) -> &'static str) -> Way {
    let results: Vec<_> = post
        .body
        .lines()
        .zip(post.ids())
        .map(|(line, id)| json!({ "id": id, "status": status(line), "error": null }))
        .collect();
    Way::Says(200, "content-type: application/json\r\n", json!({ "results": results }).to_string())
}

/// Publishes one event, so that the offer is known, then `count` more at once.
async fn publish(client: &Client, count: usize) -> Stats {
    client.publish("s", CustomEvent::new("first")).unwrap();
    assert_eq!(client.flush(PATIENCE).await.delivered, 1);
    for n in 0..count {
        client.publish("s", CustomEvent::new(format!("e{n}-"))).unwrap();
    }
    client.flush(PATIENCE).await
}

#[tokio::test]
async fn an_offer_is_taken_up_within_its_bounds() {
    let endpoint =
        Endpoint::start(|_, post| if is_batch(post) { results(post, |_| "accepted") } else { offering() })
            .await;
    let stats = publish(&endpoint.client(), 2_000).await;
    assert_eq!((stats.published, stats.delivered, stats.pending), (2_001, 2_001, 0), "{stats}");
    let posts = endpoint.posts();
    assert_eq!(stats.requests, posts.len() as u64);
    let batches: Vec<_> = posts.iter().filter(|post| is_batch(post)).collect();
    assert!((40..200).contains(&batches.len()), "{} batches", batches.len());
    for batch in &batches {
        assert_eq!(batch.media, "application/x-ndjson");
        assert!((2..=50).contains(&batch.ids().len()), "{}", batch.ids().len());
    }
    let arrivals = endpoint.arrivals(|_, _| true);
    assert_eq!(arrivals.len(), 2_001);
    assert!(arrivals.values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_partial_answer_rejects_only_what_it_names() {
    let endpoint = Endpoint::start(|_, post| {
        let status = |line: &str| match line {
            line if line.contains("\"e7-\"") => "rejected",
            line if line.contains("\"e8-\"") => "duplicate",
            _ => "accepted",
        };
        if is_batch(post) { results(post, status) } else { offering() }
    })
    .await;
    let stats = publish(&endpoint.client(), 300).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (300, 1, 0), "{stats}");
    assert_eq!((stats.dropped_for(DropReason::Rejected), stats.dead_letters), (1, 1), "{stats}");
    assert!(endpoint.arrivals(|_, _| true).values().all(|times| *times == 1));
}

#[tokio::test]
async fn a_batch_path_that_does_not_work_is_left_for_good() {
    for (name, way) in [
        ("404", Way::status(404)),
        ("405", Way::status(405)),
        ("415", Way::status(415)),
        ("401", Way::status(401)),
        ("501", Way::status(501)),
        ("no results", Way::Says(200, "", "<html>".into())),
        ("too few", Way::Says(200, "", r#"{"results":[]}"#.into())),
    ] {
        let endpoint =
            Endpoint::start(move |_, post| if is_batch(post) { way.clone() } else { offering() }).await;
        let client = endpoint.client();
        let stats = publish(&client, 100).await;
        assert_eq!((stats.delivered, stats.dropped, stats.pending), (101, 0, 0), "{name}: {stats}");
        let batches = || endpoint.posts().iter().filter(|post| is_batch(post)).count();
        let tried = batches();
        assert!((1..=4).contains(&tried), "{name}: those in flight at once, {tried}");
        assert!(endpoint.arrivals(|_, post| !is_batch(post)).values().all(|times| *times == 1), "{name}");
        for n in 0..100 {
            client.publish("s", CustomEvent::new(format!("later{n}"))).unwrap();
        }
        assert_eq!(client.flush(PATIENCE).await.delivered, 201, "{name}");
        assert_eq!(batches(), tried, "{name}: never again");
    }
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let endpoint = Endpoint::start(|_, post| match () {
        () if !is_batch(post) => offering(),
        () if post.ids().len() > 20 => Way::status(413),
        () => results(post, |_| "accepted"),
    })
    .await;
    let stats = publish(&endpoint.client(), 500).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (501, 0, 0), "{stats}");
    let fitted = |_: usize, post: &Post| !is_batch(post) || post.ids().len() <= 20;
    let arrivals = endpoint.arrivals(fitted);
    assert_eq!(arrivals.len(), 501);
    assert!(arrivals.values().all(|times| *times == 1));
    assert!(endpoint.posts().iter().any(is_batch), "batches were tried");
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_goes_one_by_one() {
    let endpoint = Endpoint::start(|_, post| match post.body.contains("\"e3-\"") {
        true => Way::status(400),
        false if is_batch(post) => results(post, |_| "accepted"),
        false => offering(),
    })
    .await;
    let stats = publish(&endpoint.client(), 200).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (200, 1, 0), "{stats}");
    assert_eq!(stats.dropped_for(DropReason::Rejected), 1, "{stats}");
}

#[tokio::test]
async fn a_batch_that_fails_is_sent_again_under_the_same_ids() {
    for bad in [Way::status(503), Way::Resets, Way::Hangs, Way::ClosesMidBody] {
        let (failures, failed) = (AtomicUsize::new(0), Mutex::new(HashSet::new()));
        let failed = std::sync::Arc::new(failed);
        let (way, kept) = (bad.clone(), std::sync::Arc::clone(&failed));
        let endpoint = Endpoint::start(move |n, post| match () {
            () if !is_batch(post) => offering(),
            () if failures.fetch_add(1, Ordering::SeqCst) < 2 => {
                kept.lock().unwrap().insert(n);
                way.clone()
            }
            () => results(post, |_| "accepted"),
        })
        .await;
        let stats = publish(&endpoint.client(), 400).await;
        assert_eq!((stats.delivered, stats.dropped, stats.pending), (401, 0, 0), "{bad:?}: {stats}");
        let failed = failed.lock().unwrap().clone();
        assert_eq!(failed.len(), 2, "{bad:?}");
        let arrivals = endpoint.arrivals(|n, _| !failed.contains(&n));
        assert_eq!(arrivals.len(), 401, "{bad:?}");
        assert!(arrivals.values().all(|times| *times == 1), "{bad:?}: what was taken was not sent again");
    }
}

#[tokio::test]
async fn hooks_see_every_event_of_a_batch_and_withhold_only_theirs() {
    let endpoint =
        Endpoint::start(|_, post| if is_batch(post) { results(post, |_| "accepted") } else { offering() })
            .await;
    let privacy = Privacy::new().redact_text(|text: &str| match text {
        "e5-" => Err("not this one".to_owned()),
        text => Ok(text.replace("secret", "[gone]")),
    });
    let client = endpoint.builder().privacy(privacy).build().unwrap();
    client.publish("s", CustomEvent::new("first")).unwrap();
    let _ = client.flush(PATIENCE).await;
    for n in 0..100 {
        client
            .publish("s", CustomEvent::new("n").message("a secret").parameter("n", format!("e{n}-")))
            .unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped_for(DropReason::Withheld)), (100, 1), "{stats}");
    let posts = endpoint.posts();
    assert!(posts.iter().any(is_batch));
    assert!(posts.iter().all(|post| !post.body.contains("secret") && !post.body.contains("e5-")));
}

#[tokio::test]
async fn an_offer_that_leads_elsewhere_is_not_believed() {
    for offer in ["v1; path=http://127.0.0.1:1/b", "v1; path=//127.0.0.1:1/b", "v2; path=/b", "v1"] {
        let header: &'static str = format!("mcpcat-batch: {offer}\r\n").leak();
        let endpoint = Endpoint::start(move |_, _| Way::Says(202, header, String::new())).await;
        let stats = publish(&endpoint.client(), 50).await;
        assert_eq!((stats.delivered, stats.requests), (51, 51), "{offer}: {stats}");
    }
}

#[tokio::test]
async fn a_lone_event_is_not_kept_waiting_for_company() {
    let endpoint =
        Endpoint::start(|_, post| if is_batch(post) { results(post, |_| "accepted") } else { offering() })
            .await;
    let client = endpoint.client();
    for n in 1..=5 {
        client.publish("s", CustomEvent::new("lone")).unwrap();
        let stats = client.flush(Duration::from_secs(30)).await;
        assert_eq!((stats.delivered, stats.requests), (n, n), "{stats}");
    }
    assert!(!endpoint.posts().iter().any(is_batch));
}
