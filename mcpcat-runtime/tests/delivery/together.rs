//! Several clients of one process: one thread, one pool of connections, and nobody in anybody's way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use serde_json::Value;

use crate::endpoint::{Endpoint, PATIENCE, Way};

fn client(endpoint: &Endpoint, project: &str) -> Client {
    let state = tempfile::Builder::new().prefix("mcpcat-together-").tempdir().unwrap().keep();
    let builder = Client::builder(project).base_url(&endpoint.url).state_dir(state);
    builder.drain(Duration::ZERO).build().unwrap()
}

/// Whether so many threads of this process deliver. Those of hooks have another name. A thread that has been joined
/// stands in the list a moment longer.
#[cfg(target_os = "linux")]
fn delivery_threads_are(expected: usize) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if delivery_threads() == expected {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    false
}

#[cfg(target_os = "linux")]
fn delivery_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .filter(|task| {
            // One that has ended meanwhile has no name any more.
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "mcpcat")
        })
        .count()
}

#[tokio::test]
async fn two_clients_deliver_on_one_thread_and_one_goes_on_when_the_other_is_shut_down() {
    let (first, second) = (Endpoint::start(|_, _| Way::ok()).await, Endpoint::start(|_, _| Way::ok()).await);
    let (one, two) = (client(&first, "proj_one"), client(&second, "proj_two"));
    for n in 0..100 {
        one.publish("s", CustomEvent::new(format!("one {n}"))).unwrap();
        two.publish("s", CustomEvent::new(format!("two {n}"))).unwrap();
    }
    // Tests beside this one have clients too: on the same thread.
    #[cfg(target_os = "linux")]
    assert!(delivery_threads_are(1), "{}", delivery_threads());
    let (ended, flushed) = tokio::join!(one.shutdown(PATIENCE), two.flush(PATIENCE));
    assert_eq!((ended.delivered, ended.pending), (100, 0), "{ended}");
    assert_eq!((flushed.delivered, flushed.pending), (100, 0), "{flushed}");
    two.publish("s", CustomEvent::new("after")).unwrap();
    let stats = two.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending), (101, 0), "{stats}");
    drop(one);
    two.publish("s", CustomEvent::new("after that")).unwrap();
    assert_eq!(two.shutdown(PATIENCE).await.delivered, 102);
    for (endpoint, project, posts) in [(&first, "proj_one", 100), (&second, "proj_two", 102)] {
        let sent = endpoint.posts();
        assert_eq!(sent.len(), posts);
        let of = |body: &str| serde_json::from_str::<Value>(body).unwrap()["project_id"].clone();
        assert!(sent.iter().all(|post| of(&post.body) == project));
    }
}

#[tokio::test]
async fn clients_of_one_endpoint_use_each_others_connections() {
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let clients = ["proj_a", "proj_b", "proj_c"].map(|project| client(&endpoint, project));
    for _ in 0..5 {
        for client in &clients {
            client.publish("s", CustomEvent::new("in turn")).unwrap();
            assert_eq!(client.flush(PATIENCE).await.pending, 0);
        }
    }
    let posts = endpoint.posts();
    assert_eq!(posts.len(), 15);
    let mut projects = BTreeMap::<_, BTreeSet<String>>::new();
    for post in &posts {
        let body: Value = serde_json::from_str(&post.body).unwrap();
        projects.entry(post.from).or_default().insert(body["project_id"].to_string());
    }
    // A connection may not be free again in time for the next; with pools of their own none would carry two projects.
    assert!(projects.values().any(|of_one| of_one.len() > 1), "{projects:?}");
}

/// The endpoint of one hangs: the other does not notice.
#[tokio::test]
async fn an_outage_of_one_does_not_hold_up_the_other() {
    let (hanging, well) = (Endpoint::start(|_, _| Way::Hangs).await, Endpoint::start(|_, _| Way::ok()).await);
    let (stuck, free) = (client(&hanging, "proj_stuck"), client(&well, "proj_free"));
    for n in 0..50 {
        stuck.publish("s", CustomEvent::new(format!("stuck {n}"))).unwrap();
    }
    hanging.wait(1).await;
    let began = Instant::now();
    for n in 0..200 {
        free.publish("s", CustomEvent::new(format!("free {n}"))).unwrap();
    }
    let stats = free.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending), (200, 0), "{stats}");
    // A request into the hanging endpoint ends after ten seconds.
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    assert_eq!(stuck.stats().pending, 50);
}

/// A callback runs on the thread that every client's delivery needs: whoever blocks there would wait for himself.
#[test]
fn blocking_in_a_callback_on_the_delivery_thread_does_not_hang() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::status(503)));
    let other = Arc::new(std::sync::Mutex::new(Some(client(&endpoint, "proj_other"))));
    let (told, tell) = std::sync::mpsc::channel();
    let victim = Arc::clone(&other);
    let state = tempfile::Builder::new().prefix("mcpcat-together-").tempdir().unwrap().keep();
    let lossy = Client::builder("proj_lossy")
        .base_url(&endpoint.url)
        .state_dir(state)
        .capacity_bytes(64 * 1024)
        .drain(Duration::from_secs(1))
        .on_loss(move |_| {
            if let Some(other) = victim.lock().unwrap().take() {
                let _ = other.flush_blocking(PATIENCE);
                let _ = other.shutdown_blocking(PATIENCE);
                drop(other);
                told.send(()).unwrap();
            }
        })
        .build()
        .unwrap();
    for _ in 0..1_000 {
        let _ = lossy.publish("s", CustomEvent::new("e").message("x".repeat(200)));
    }
    tell.recv_timeout(PATIENCE).expect("the callback comes back");
    let _ = lossy.shutdown_blocking(Duration::ZERO);
}

/// Runs one of the tests below in a process of its own: the clients of the tests beside are on the same thread. Not in
/// a forked child, which would hold the locks of their runs.
#[cfg(target_os = "linux")]
fn alone(test: &str, url: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("together::{test}"), "--nocapture"])
        .env(ALONE, url)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(target_os = "linux")]
const ALONE: &str = "MCPCAT_TEST_ALONE";

#[cfg(target_os = "linux")]
fn lone_client(url: &str, project: &str) -> Client {
    let state = tempfile::Builder::new().prefix("mcpcat-together-").tempdir().unwrap().keep();
    let builder = Client::builder(project).base_url(url).state_dir(state);
    builder.drain(Duration::ZERO).build().unwrap()
}

/// The thread is not there for ever: it goes with the last client and comes again with the next.
#[cfg(target_os = "linux")]
#[test]
fn the_thread_ends_with_the_last_client_and_starts_with_the_next() {
    if let Ok(url) = std::env::var(ALONE) {
        for _ in 0..3 {
            let (one, two) = (lone_client(&url, "proj_one"), lone_client(&url, "proj_two"));
            one.publish("s", ()).unwrap();
            assert!(delivery_threads_are(1));
            assert_eq!(one.shutdown_blocking(PATIENCE).delivered, 1);
            assert!(delivery_threads_are(1));
            drop((one, two));
            assert!(delivery_threads_are(0));
        }
        return;
    }
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::ok()));
    alone("the_thread_ends_with_the_last_client_and_starts_with_the_next", &endpoint.url);
    assert_eq!(endpoint.posts().len(), 3);
}

/// How often the delivery thread gave up the processor because it had nothing to do.
#[cfg(target_os = "linux")]
fn rests() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("status")).ok()?;
        let name = text.lines().next()?.strip_prefix("Name:")?.trim();
        let rests = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        (name == "mcpcat").then(|| rests.trim().parse::<u64>().unwrap())
    };
    tasks.filter_map(of).sum()
}

/// A client that records nothing costs nothing: its thread does not even look. One event wakes it.
#[cfg(target_os = "linux")]
#[test]
fn an_idle_thread_sleeps_until_an_event_wakes_it() {
    if let Ok(url) = std::env::var(ALONE) {
        let client = lone_client(&url, "proj_idle");
        client.publish("s", CustomEvent::new("first")).unwrap();
        assert_eq!(client.flush_blocking(PATIENCE).delivered, 1);
        // It looks every 10 ms while it is busy and for a second after; then half a second without one look.
        let began = Instant::now();
        loop {
            let before = rests();
            std::thread::sleep(Duration::from_millis(500));
            if rests() == before {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "it never sleeps");
        }
        // Nobody asks for anything: the append alone wakes it.
        client.publish("s", CustomEvent::new("second")).unwrap();
        let began = Instant::now();
        while client.stats().delivered < 2 {
            assert!(began.elapsed() < PATIENCE, "it was not woken");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        return;
    }
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::ok()));
    alone("an_idle_thread_sleeps_until_an_event_wakes_it", &endpoint.url);
    assert_eq!(endpoint.posts().len(), 2);
}
