//! With a hook, or where only scrubbed events may rest: nothing else is ever in a file, and what is in one survives.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::DropReason;
use mcpcat_runtime::privacy::{Event, Privacy};
use mcpcat_runtime::{Backend, Overflow};
use mcpcat_runtime::{Client, ClientBuilder, OnDisk};
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, PATIENCE, Way, within};

const NAME: &str = "Ada-the-unredacted";
const TOKEN: &str = "ghp_p1aNt3dS3cr3tP1aNt3dS3cr3tP1aNt3dS3c";

fn state() -> PathBuf {
    tempfile::Builder::new().prefix("mcpcat-resting-").tempdir().unwrap().keep()
}

/// Whether any file below holds a text.
fn on_disk(state: &Path, text: &str) -> bool {
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        // Files come and go while this looks.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if let Ok(bytes) = std::fs::read(entry.path())
                && String::from_utf8_lossy(&bytes).contains(text)
            {
                return true;
            }
        }
    }
    false
}

/// An endpoint that is down until it is told to be well.
async fn sick() -> (Endpoint, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let plan =
        move |_: usize, _: &_| if answer.load(Ordering::SeqCst) { Way::ok() } else { Way::status(503) };
    (Endpoint::start(plan).await, well)
}

fn hooked(seen: &Arc<AtomicUsize>) -> Privacy {
    let seen = Arc::clone(seen);
    Privacy::new().redact_text(move |text: &str| {
        seen.fetch_add(usize::from(text.contains(NAME)), Ordering::SeqCst);
        text.replace(NAME, "[name]")
    })
}

fn publish(client: &Client, count: usize) -> Vec<String> {
    let event = |n| CustomEvent::new(format!("e{n}")).parameter("text", format!("{NAME} has {TOKEN}"));
    (0..count).map(|n| client.publish("s", event(n)).unwrap().to_string()).collect()
}

/// Waits until the events are on disk, and looks meanwhile for what must not be there.
async fn rested(state: &Path, marker: &str, forbidden: &[&str]) {
    within(async {
        while !on_disk(state, marker) {
            for text in forbidden {
                assert!(!on_disk(state, text), "{text}");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_scrubbed_events_are_on_disk_and_a_next_start_delivers_them() {
    for backend in [Backend::Auto, Backend::Written] {
        for hook in [true, false] {
            let ((endpoint, well), state, seen) = (sick().await, state(), Arc::default());
            let builder = || -> ClientBuilder {
                let builder = endpoint.builder().state_dir(&state).backend(backend);
                if hook { builder.privacy(hooked(&seen)) } else { builder.on_disk(OnDisk::ScrubbedOnly) }
            };
            let forbidden: &[&str] = if hook { &[NAME, TOKEN] } else { &[TOKEN] };
            let client = builder().build().unwrap();
            let ids = publish(&client, 300);
            let last = ids.last().unwrap().clone();
            rested(&state, &last, forbidden).await;
            for text in forbidden {
                assert!(!on_disk(&state, text), "{text}");
            }
            // The outage is longer than the patience: the process ends, and nothing is lost.
            let stats = client.shutdown(Duration::ZERO).await;
            assert_eq!((stats.published, stats.delivered, stats.pending), (300, 0, 300), "{stats}");
            drop(client);
            well.store(true, Ordering::SeqCst);
            let before = endpoint.posts().len();
            let client = builder().build().unwrap();
            let stats = client.flush(PATIENCE).await;
            assert_eq!((stats.adopted, stats.delivered, stats.pending), (300, 300, 0), "{stats}");
            let posts = &endpoint.posts()[before..];
            // A set: a request that the first process gave up may still arrive, and be read late.
            let arrived: BTreeSet<String> = posts.iter().flat_map(|post| post.ids()).collect();
            assert!(arrived == ids.into_iter().collect(), "under their own ids");
            for post in posts {
                assert!(!post.body.contains(TOKEN) && post.body.contains("[redacted: github token]"));
                assert_eq!(post.body.contains("[name]"), hook);
            }
            let expected = if hook { 300 } else { 0 };
            assert_eq!(seen.load(Ordering::SeqCst), expected, "a hook sees an event once");
        }
    }
}

/// What an earlier process left unredacted passes the hook that this one has.
#[tokio::test]
async fn a_hook_sees_what_was_left_without_one() {
    let ((endpoint, well), state, seen) = (sick().await, state(), Arc::default());
    for on_disk in [OnDisk::AsRecorded, OnDisk::ScrubbedOnly] {
        let client = endpoint.builder().state_dir(&state).on_disk(on_disk).build().unwrap();
        publish(&client, 10);
        let _ = client.shutdown(Duration::ZERO).await;
    }
    well.store(true, Ordering::SeqCst);
    let before = endpoint.posts().len();
    let client = endpoint.builder().state_dir(&state).privacy(hooked(&seen)).build().unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.adopted, stats.delivered, stats.pending), (20, 20, 0), "{stats}");
    assert!(endpoint.posts()[before..].iter().all(|post| post.body.contains("[name]")));
    assert_eq!(seen.load(Ordering::SeqCst), 20);
}

#[tokio::test]
async fn a_slow_hook_is_waited_for_by_flush_and_its_drops_are_counted() {
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&order);
    let privacy = Privacy::new().redact_event_async(move |event| {
        let tell = Arc::clone(&tell);
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let n = event["parameters"]["n"].as_u64().unwrap_or(0);
            tell.lock().unwrap().push(n);
            (n % 10 != 0).then_some(event)
        }
    });
    let client = endpoint.builder().privacy(privacy).build().unwrap();
    for n in 0..200_u64 {
        client.publish("s", CustomEvent::new("e").parameter("n", n)).unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending), (200, 180, 0), "{stats}");
    assert_eq!(stats.dropped_for(DropReason::Withheld), 20, "{stats}");
    assert_eq!(order.lock().unwrap().len(), 200);
    assert_eq!(endpoint.posts().len(), 180);
}

/// Five hooks that hang, one that panics, one that fails, one that returns garbage: the others arrive, and the
/// numbers say what became of each.
#[tokio::test]
async fn hooks_of_every_bad_kind_cost_their_own_events_and_no_other() {
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    let privacy = Privacy::new().deadline(Duration::from_secs(3)).redact_event(move |mut event: Event| {
        match event["resource_name"].as_str() {
            // Until the sender is gone, for all that wait.
            Some("hangs") => drop(released.lock().unwrap_or_else(|it| it.into_inner()).recv()),
            Some("panics") => panic!("on purpose"),
            Some("fails") => return Err("no database"),
            Some("garbage") => {
                let deep = (0..100_000).fold(json!("\u{0}"), |deep, _| Value::Array(vec![deep]));
                event.insert("parameters".into(), deep);
                event.insert("id".into(), json!({ "forged": [true] }));
                event.insert("x".repeat(1 << 20), json!("y".repeat(4 << 20)));
                event.remove("timestamp");
            }
            _ => {}
        }
        Ok(event)
    });
    let client = endpoint.builder().privacy(privacy).build().unwrap();
    let names = ["hangs"; 5].into_iter().chain(["panics", "fails", "garbage"]);
    let names: Vec<&str> = names.flat_map(|bad| [bad, "good", "good"]).chain(["good"; 100]).collect();
    for name in &names {
        client.publish("s", CustomEvent::new(*name)).unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    let published = names.len() as u64;
    assert_eq!((stats.published, stats.delivered, stats.pending), (published, published - 7, 0), "{stats}");
    assert_eq!(stats.dropped_for(DropReason::Withheld), 7, "{stats}");
    let garbage = endpoint.posts().into_iter().find(|post| post.body.contains("\"garbage\"")).unwrap();
    assert!(garbage.body.len() < 110_000, "{}", garbage.body.len());
    let garbage: Value = serde_json::from_str(&garbage.body).unwrap();
    assert!(garbage["id"].as_str().unwrap().starts_with("evt_") && garbage["timestamp"].is_string());
    drop(release);
}

/// When the disk's share is full, memory fills, and then publishers are told; afterwards everything that was
/// taken arrives.
#[tokio::test]
async fn a_full_disk_log_is_counted_and_empties_again() {
    for overflow in [Overflow::DropNewest, Overflow::DropOldest] {
        let (endpoint, well) = sick().await;
        let client = endpoint
            .builder()
            .capacity_bytes(64 * 1024)
            .overflow(overflow)
            .on_disk(OnDisk::ScrubbedOnly)
            .build()
            .unwrap();
        let mut published = 0;
        within(async {
            while client.stats().dropped < 500 {
                let _ = client.publish("s", CustomEvent::new("e").message("x".repeat(200)));
                published += 1;
                if published % 20 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        })
        .await;
        well.store(true, Ordering::SeqCst);
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.published, stats.pending), (published, 0), "{stats}");
        assert_eq!(stats.delivered + stats.dropped, published, "{stats}");
        assert!(stats.delivered > 10, "{stats}");
        let reason =
            if overflow == Overflow::DropNewest { DropReason::SpoolFull } else { DropReason::Evicted };
        assert!(stats.dropped_for(reason) > 0, "{stats}");
    }
}
