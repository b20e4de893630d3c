//! What is refused, what finds no room, and who is told.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::{Backend, Overflow};
use mcpcat_runtime::{Client, OnDisk, PublishError};
use mcpcat_runtime::{DropReason, Loss};

use crate::endpoint::{Endpoint, PATIENCE, Way, within};

fn state() -> PathBuf {
    tempfile::Builder::new().prefix("mcpcat-kept-").tempdir().unwrap().keep()
}

fn letters(state: &std::path::Path) -> Vec<PathBuf> {
    let dir = state.join("mcpcat").join("dead-letters");
    std::fs::read_dir(dir).map_or_else(|_| Vec::new(), |dir| dir.map(|it| it.unwrap().path()).collect())
}

/// An endpoint that refuses everything until it is told to be well.
async fn strict() -> (Endpoint, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let endpoint =
        Endpoint::start(move |_, _| if answer.load(Ordering::SeqCst) { Way::ok() } else { Way::status(400) })
            .await;
    (endpoint, well)
}

#[tokio::test]
async fn dead_letters_are_kept_over_processes_and_sent_again() {
    let ((endpoint, well), state) = (strict().await, state());
    let client = endpoint.builder().state_dir(&state).build().unwrap();
    let mut ids: Vec<String> =
        (0..5).map(|n| client.publish("s", CustomEvent::new(format!("e{n}"))).unwrap().to_string()).collect();
    let stats = client.shutdown(PATIENCE).await;
    assert_eq!((stats.dropped_for(DropReason::Rejected), stats.dead_letters), (5, 5), "{stats}");
    let [file] = &letters(&state)[..] else { panic!("one file") };
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 5);

    let client = endpoint.builder().state_dir(&state).build().unwrap();
    assert_eq!(client.resend_dead_letters().await, 5);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.adopted, stats.dropped, stats.pending), (5, 5, 0), "refused again: {stats}");
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 5, "and kept once");

    well.store(true, Ordering::SeqCst);
    let before = endpoint.posts().len();
    assert_eq!(client.resend_dead_letters().await, 5);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.adopted, stats.delivered, stats.dropped, stats.pending), (10, 5, 5, 0), "{stats}");
    let mut sent: Vec<String> = endpoint.posts()[before..].iter().flat_map(|post| post.ids()).collect();
    sent.sort();
    ids.sort();
    assert_eq!(sent, ids, "under their first ids");
    assert!(letters(&state).is_empty());
    assert_eq!(client.resend_dead_letters().await, 0);
}

#[test]
fn dead_letters_are_sent_again_without_a_runtime() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let ((endpoint, well), state) = (serving.block_on(strict()), state());
    let client = endpoint.builder().state_dir(&state).build().unwrap();
    let id = client.publish("s", CustomEvent::new("refused")).unwrap().to_string();
    assert_eq!(client.flush_blocking(PATIENCE).dropped_for(DropReason::Rejected), 1);
    well.store(true, Ordering::SeqCst);
    assert_eq!(client.resend_dead_letters_blocking(), 1);
    let stats = client.flush_blocking(PATIENCE);
    assert_eq!((stats.adopted, stats.delivered, stats.dropped, stats.pending), (1, 1, 1, 0), "{stats}");
    assert_eq!(endpoint.arrivals(|_, _| true).get(&id), Some(&2));
    let _ = client.shutdown_blocking(PATIENCE);
    assert_eq!(client.resend_dead_letters_blocking(), 0, "a client that was shut down sends nothing");
}

#[tokio::test]
async fn dead_letters_go_when_the_user_opts_out_and_are_never_kept_in_memory_mode() {
    let ((endpoint, _), state) = (strict().await, state());
    let client = endpoint.builder().state_dir(&state).build().unwrap();
    client.publish("s", ()).unwrap();
    let _ = client.shutdown(PATIENCE).await;
    assert_eq!(letters(&state).len(), 1);
    drop(endpoint.builder().state_dir(&state).enabled(false).build().unwrap());
    assert!(letters(&state).is_empty());
    let client = endpoint.builder().state_dir(&state).backend(Backend::Memory).build().unwrap();
    client.publish("s", ()).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.dropped_for(DropReason::Rejected), stats.dead_letters), (1, 0), "{stats}");
    assert!(letters(&state).is_empty());
}

fn runs(state: &std::path::Path) -> usize {
    std::fs::read_dir(state.join("mcpcat").join("runs")).map_or(0, Iterator::count)
}

/// Whoever opts out deletes what this program left for this project and endpoint, and nothing else.
#[tokio::test]
async fn undelivered_events_go_when_the_user_opts_out() {
    let ((endpoint, _), state) = (strict().await, state());
    let unreachable = || {
        let builder = Client::builder("proj_delivery").base_url("http://127.0.0.1:9").state_dir(&state);
        builder.drain(Duration::ZERO)
    };
    let left = |client: Client| {
        client.publish("s", CustomEvent::new("undelivered")).unwrap();
        client
    };
    drop(left(unreachable().build().unwrap()));
    // Deleted by who opts out of the same project at the same endpoint only.
    drop(left(
        Client::builder("proj_other").base_url("http://127.0.0.1:9").state_dir(&state).build().unwrap(),
    ));
    assert_eq!(runs(&state), 2);
    drop(endpoint.builder().state_dir(&state).enabled(false).build().unwrap());
    assert_eq!(runs(&state), 2, "another endpoint's");
    let alive = left(unreachable().build().unwrap());
    let _ = alive.flush(Duration::from_millis(50)).await;
    let before = runs(&state);
    drop(left(unreachable().on_disk(OnDisk::ScrubbedOnly).build().unwrap()));
    assert_eq!(runs(&state), before + 1);
    drop(unreachable().enabled(false).build().unwrap());
    let kept = runs(&state);
    assert!(
        (2..=before).contains(&kept),
        "the other project's, and the one that a live client holds: {kept}"
    );
    let stats = alive.stats();
    assert_eq!(stats.pending, stats.published + stats.adopted, "it still has all of them: {stats}");
    drop(alive);
    drop(unreachable().enabled(false).backend(Backend::Memory).build().unwrap());
    assert_eq!(runs(&state), 1, "only the other project's is left");
    let nowhere = state.join("never-made");
    drop(unreachable().state_dir(&nowhere).enabled(false).build().unwrap());
    assert!(!nowhere.exists(), "opting out makes no directory");
}

type Told = Arc<Mutex<Vec<Loss>>>;

fn listener() -> (Told, impl Fn(Loss) + Send + Sync + 'static) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    (told, move |loss| tell.lock().unwrap().push(loss))
}

#[tokio::test]
async fn new_events_are_refused_when_full_and_somebody_is_told_once() {
    let endpoint = Endpoint::start(|_, _| Way::status(503)).await;
    let (told, tell) = listener();
    let client = endpoint.builder().capacity_bytes(64 * 1024).on_loss(tell).build().unwrap();
    let mut refused = 0;
    for _ in 0..2_000 {
        match client.publish("s", CustomEvent::new("e").message("x".repeat(200))) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, PublishError::Dropped(DropReason::SpoolFull));
                refused += 1;
            }
        }
    }
    let stats = client.shutdown(Duration::ZERO).await;
    assert!(refused > 1_000, "{refused}");
    assert_eq!((stats.dropped, stats.pending), (refused, 2_000 - refused), "{stats}");
    assert_eq!(client.publish("s", ()), Err(PublishError::Dropped(DropReason::Closed)));
    let reasons = || told.lock().unwrap().iter().map(|loss| loss.reason).collect::<Vec<_>>();
    within(async {
        while reasons().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(reasons(), [DropReason::SpoolFull, DropReason::Closed]);
}

/// What was lost can only be told by what arrives.
#[tokio::test]
async fn the_next_event_says_how_many_were_lost_before_it() {
    let endpoint =
        Endpoint::start(|_, post| if post.body.contains("\"refused") { Way::status(400) } else { Way::ok() })
            .await;
    let client = endpoint.client();
    for name in ["before", "refused_1", "refused_2", "after", "later"] {
        let event = CustomEvent::new(name);
        client.publish("s", if name == "after" { event.property("own", 1) } else { event }).unwrap();
        let _ = client.flush(PATIENCE).await;
    }
    let stats = client.shutdown(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped), (3, 2), "{stats}");
    let said = |name: &str| {
        let posts = endpoint.posts();
        let body = posts.iter().find(|post| post.body.contains(&format!("\"{name}\""))).unwrap();
        serde_json::from_str::<serde_json::Value>(&body.body).unwrap()["properties"].clone()
    };
    assert!(said("before").is_null() && said("later").is_null());
    assert_eq!(said("refused_2"), serde_json::json!({ "mcpcat_dropped": 1 }));
    // The word of the first loss went with the second: an event that is lost takes its number along.
    assert_eq!(said("after"), serde_json::json!({ "own": 1, "mcpcat_dropped": 1 }));
}

#[tokio::test]
async fn the_oldest_give_way_where_that_is_asked_for_and_the_numbers_hold() {
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let endpoint =
        Endpoint::start(move |_, _| if answer.load(Ordering::SeqCst) { Way::ok() } else { Way::status(503) })
            .await;
    let (told, tell) = listener();
    let client = endpoint
        .builder()
        .capacity_bytes(256 * 1024)
        .overflow(Overflow::DropOldest)
        .on_loss(tell)
        .build()
        .unwrap();
    let (mut published, mut last) = (0_u64, None);
    // Until enough has given way; a burst that outruns the worker may be refused, and is counted too.
    within(async {
        while client.stats().dropped_for(DropReason::Evicted) < 1_000 {
            let event = CustomEvent::new(format!("s{}", published % 7)).message("x".repeat(200));
            last = client.publish(format!("s{}", published % 7).as_str(), event).ok().or(last);
            published += 1;
            if published % 50 == 0 {
                let _ = client.flush(Duration::from_millis(1)).await;
            }
        }
    })
    .await;
    well.store(true, Ordering::SeqCst);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.pending), (published, 0), "{stats}");
    assert_eq!(stats.delivered + stats.dropped, published, "{stats}");
    let arrived = endpoint.arrivals(|_, _| true);
    assert!(arrived.contains_key(&last.unwrap().to_string()), "the newest is there");
    within(async {
        while !told.lock().unwrap().iter().any(|loss| loss.reason == DropReason::Evicted) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
