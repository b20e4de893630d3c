//! Where events are published from, and what `flush` promises there.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;

use crate::endpoint::{Endpoint, PATIENCE, Way};

/// Publishes when it is dropped.
struct OnDrop(Client, &'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.publish("s", CustomEvent::new(self.1)).unwrap();
    }
}

fn names(endpoint: &Endpoint) -> Vec<String> {
    let name = |body: &str| {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["resource_name"].as_str().unwrap().to_owned()
    };
    let mut names: Vec<_> = endpoint.posts().iter().map(|post| name(&post.body)).collect();
    names.sort();
    names
}

/// A publisher that does not stop, until its `Drop`.
struct Traffic(Arc<AtomicBool>, Option<std::thread::JoinHandle<u64>>);

impl Traffic {
    fn start(client: &Client) -> Self {
        let (stop, client) = (Arc::new(AtomicBool::new(false)), client.clone());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut published = 0;
            while !stopped.load(Ordering::Relaxed) {
                client.publish("busy", CustomEvent::new("traffic")).unwrap();
                published += 1;
                std::thread::park_timeout(Duration::from_millis(1));
            }
            published
        });
        Self(stop, Some(thread))
    }

    fn stop(mut self) -> u64 {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().unwrap().join().unwrap()
    }
}

async fn flush_ends_under_traffic() {
    let endpoint = Endpoint::start(|_, _| Way::Late(Duration::from_millis(5))).await;
    let client = endpoint.client();
    let traffic = Traffic::start(&client);
    for _ in 0..5 {
        let before = client.stats().published;
        let began = Instant::now();
        let stats = client.flush(PATIENCE).await;
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        assert!(stats.delivered >= before, "what was published before is delivered: {stats}");
        assert_eq!(stats.published, stats.delivered + stats.pending, "{stats}");
    }
    let published = traffic.stop();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending), (published, published, 0), "{stats}");
}

#[tokio::test(flavor = "current_thread")]
async fn flush_under_traffic_on_a_current_thread_runtime() {
    flush_ends_under_traffic().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flush_under_traffic_on_a_multi_thread_runtime() {
    flush_ends_under_traffic().await;
}

#[tokio::test(flavor = "current_thread")]
async fn flush_under_traffic_into_an_outage_ends_in_its_time_and_does_not_lie() {
    let endpoint = Endpoint::start(|_, _| Way::Hangs).await;
    let client = endpoint.client();
    client.publish("busy", CustomEvent::new("first")).unwrap();
    let traffic = Traffic::start(&client);
    let began = Instant::now();
    let stats = client.flush(Duration::from_millis(700)).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(700) && took < PATIENCE, "{took:?}");
    let published = traffic.stop();
    assert_eq!((stats.delivered, stats.dropped), (0, 0), "{stats}");
    assert!(stats.pending > 0 && stats.pending <= 1 + published, "{stats}");
}

#[test]
fn publishing_from_drops_thread_locals_and_without_a_runtime() {
    thread_local! {
        static KEPT: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
        static EARLY: RefCell<Option<OnDrop>> = const { RefCell::new(None) };
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let endpoint = runtime.block_on(Endpoint::start(|_, _| Way::ok()));
    let client = endpoint.client();
    drop(OnDrop(client.clone(), "drop"));
    std::thread::spawn({
        let client = client.clone();
        move || {
            // Both orders of destruction: made before the thread's first event, and after it.
            EARLY.with_borrow_mut(|it| *it = Some(OnDrop(client.clone(), "thread-local, early")));
            client.publish("s", CustomEvent::new("thread")).unwrap();
            KEPT.with_borrow_mut(|it| *it = Some(OnDrop(client, "thread-local, late")));
        }
    })
    .join()
    .unwrap();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = OnDrop(client.clone(), "unwinding");
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(unwound.is_err());
    let stats = client.flush_blocking(PATIENCE);
    assert_eq!((stats.delivered, stats.pending, stats.dropped), (5, 0, 0), "{stats}");
    assert_eq!(
        names(&endpoint),
        ["drop", "thread", "thread-local, early", "thread-local, late", "unwinding"]
    );
}

#[test]
fn publishing_in_a_runtime_that_shuts_down() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::ok()));
    let client = endpoint.client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let guard = OnDrop(client.clone(), "task dropped by its runtime");
    runtime.spawn(async move {
        let _guard = guard;
        ready.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    runtime.block_on(is_ready).unwrap();
    drop(runtime);
    let stats = client.flush_blocking(PATIENCE);
    assert_eq!((stats.delivered, stats.pending), (1, 0), "{stats}");
    assert_eq!(names(&endpoint), ["task dropped by its runtime"]);
}

#[test]
fn a_shutdown_into_a_long_pause_does_not_wait_for_nothing() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let asked = || Way::Says(503, "retry-after: 120\r\n", String::new());
    let endpoint = serving.block_on(Endpoint::start(move |_, _| asked()));
    let client = endpoint.client();
    client.publish("s", CustomEvent::new("later")).unwrap();
    serving.block_on(endpoint.wait(1));
    let _ = client.flush_blocking(Duration::from_millis(200));
    let began = Instant::now();
    let stats = client.shutdown_blocking(Duration::from_secs(50));
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert_eq!((stats.pending, stats.requests), (1, 1), "{stats}");
}
