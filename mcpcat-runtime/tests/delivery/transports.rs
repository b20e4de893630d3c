//! Transports that are not ours, and the default one beside a host that uses reqwest itself: whatever they do, events
//! arrive once they can, and nobody waits longer than asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::{Transport, TransportError, TransportRequest, TransportResponse};

use crate::endpoint::{Endpoint, PATIENCE, Way, within};

/// What a transport does with one request.
enum Act {
    Takes,
    Fails,
    Hangs,
    Panics,
    PanicsWhenDropped,
    Busy,
    Answers(TransportResponse),
    /// Blocks its thread until told.
    Blocks(Arc<Mutex<mpsc::Receiver<()>>>),
}

type Plan = dyn Fn(usize) -> Act + Send + Sync;

/// Does what its plan says for each request, with its number from 0, and keeps what it took.
struct Fake {
    plan: Box<Plan>,
    calls: AtomicUsize,
    at: Mutex<Vec<Instant>>,
    taken: Mutex<BTreeMap<String, usize>>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn new(plan: impl Fn(usize) -> Act + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            plan: Box::new(plan),
            calls: AtomicUsize::new(0),
            at: Mutex::default(),
            taken: Mutex::default(),
            asked: Mutex::default(),
        })
    }
}

impl Transport for Fake {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        self.at.lock().unwrap().push(Instant::now());
        self.asked.lock().unwrap().push(format!("{} {} {request:?}", request.method(), request.url()));
        match (self.plan)(self.calls.fetch_add(1, Ordering::SeqCst)) {
            Act::Takes => {
                let event: serde_json::Value = serde_json::from_slice(request.body())?;
                let id = event["id"].as_str().unwrap().to_owned();
                *self.taken.lock().unwrap().entry(id).or_default() += 1;
                Ok(TransportResponse::new(202))
            }
            Act::Fails => Err(TransportError::new("on purpose")),
            Act::Hangs => std::future::pending().await,
            Act::Panics => panic!("on purpose"),
            Act::PanicsWhenDropped => {
                struct Bomb;
                impl Drop for Bomb {
                    fn drop(&mut self) {
                        panic!("on purpose, when dropped");
                    }
                }
                let _bomb = Bomb;
                std::future::pending().await
            }
            Act::Busy => Ok(TransportResponse::new(503).header("Retry-After", "1")),
            Act::Answers(response) => Ok(response),
            Act::Blocks(until) => {
                let _ = until.lock().unwrap().recv();
                Err(TransportError::new("it was blocked"))
            }
        }
    }
}

fn client(transport: &Arc<Fake>) -> Client {
    let state = tempfile::Builder::new().prefix("mcpcat-delivery-").tempdir().unwrap().keep();
    Client::builder("proj_delivery")
        // No port answers here: a request that did not go through the transport would fail.
        .base_url("https://collector.invalid")
        .state_dir(state)
        .transport(Arc::clone(transport))
        .request_timeout(Duration::from_millis(400))
        .drain(Duration::ZERO)
        .build()
        .unwrap()
}

async fn all_arrive(what: &str, plan: impl Fn(usize) -> Act + Send + Sync + 'static) {
    let transport = Fake::new(plan);
    let client = client(&transport);
    for n in 0..20 {
        client.publish("s", CustomEvent::new("e").parameter("n", n)).unwrap();
    }
    let stats = within(client.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (20, 0, 0), "{what}: {stats}");
    let taken = transport.taken.lock().unwrap();
    assert!(taken.values().all(|count| *count == 1), "{what}: {taken:?}");
    assert_eq!(taken.len(), 20, "{what}");
}

#[tokio::test]
async fn events_outlive_a_transport_that_fails_hangs_panics_or_is_busy() {
    all_arrive("fails", |n| if n < 10 { Act::Fails } else { Act::Takes }).await;
    all_arrive("hangs", |n| if n < 10 { Act::Hangs } else { Act::Takes }).await;
    all_arrive("panics", |n| if n < 10 { Act::Panics } else { Act::Takes }).await;
    all_arrive("panics when dropped", |n| if n < 10 { Act::PanicsWhenDropped } else { Act::Takes }).await;
    all_arrive("busy", |n| if n < 10 { Act::Busy } else { Act::Takes }).await;
    all_arrive("each in turn", |n| match n {
        1 => Act::Fails,
        3 => Act::Hangs,
        5 => Act::Panics,
        7 => Act::Busy,
        _ => Act::Takes,
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_no_server_gives_is_no_delivery() {
    for status in [0, 1, 99, 100, 199, 600, 999, u16::MAX] {
        let transport = Fake::new(move |n| match n {
            0 => Act::Answers(TransportResponse::new(status)),
            _ => Act::Takes,
        });
        let client = client(&transport);
        client.publish("s", CustomEvent::new("e")).unwrap();
        let stats = within(client.flush(PATIENCE)).await;
        assert_eq!((stats.delivered, stats.dropped), (1, 0), "{status}: {stats}");
        assert_eq!(stats.requests, 2, "{status}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_or_panics_does_not_undo_a_success() {
    let bodies: [fn() -> TransportResponse; 3] = [
        || TransportResponse::new(202).body_later(std::future::pending()),
        || TransportResponse::new(202).body_later(async { panic!("on purpose") }),
        || TransportResponse::new(202).body(vec![b'x'; 4 * 1024 * 1024]),
    ];
    for body in bodies {
        let transport = Fake::new(move |_| Act::Answers(body()));
        let client = client(&transport);
        client.publish("s", CustomEvent::new("e")).unwrap();
        let stats = within(client.flush(PATIENCE)).await;
        assert_eq!((stats.delivered, stats.pending, stats.requests), (1, 0, 1), "{stats}");
    }
}

#[tokio::test]
async fn retry_after_of_a_transport_is_kept() {
    let transport = Fake::new(|n| if n == 0 { Act::Busy } else { Act::Takes });
    let client = client(&transport);
    client.publish("s", CustomEvent::new("e")).unwrap();
    let stats = within(client.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.requests), (1, 2), "{stats}");
    let at = transport.at.lock().unwrap();
    // A millisecond for clocks that round.
    assert!(at[1] - at[0] >= Duration::from_millis(999), "{:?}", at[1] - at[0]);
}

#[tokio::test]
async fn a_transport_that_blocks_its_thread_holds_up_nobody_else() {
    let (release, blocked) = mpsc::channel();
    let blocked = Arc::new(Mutex::new(blocked));
    let transport = Fake::new(move |n| if n == 0 { Act::Blocks(Arc::clone(&blocked)) } else { Act::Takes });
    let stuck = client(&transport);
    stuck.publish("s", CustomEvent::new("e")).unwrap();
    let failure = async {
        loop {
            let stats = stuck.flush(Duration::from_millis(50)).await;
            assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, 1), "{stats}");
            if let Some(failure) = stats.last_failure {
                break failure;
            }
        }
    };
    let failure = within(failure).await;
    assert!(failure.contains("no answer within"), "{failure}");

    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let other = endpoint.client();
    other.publish("s", CustomEvent::new("e")).unwrap();
    let stats = within(other.flush(PATIENCE)).await;
    assert_eq!(stats.delivered, 1, "on the same delivery thread: {stats}");

    release.send(()).unwrap();
    let stats = within(stuck.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.pending), (1, 0), "{stats}");
}

#[tokio::test]
async fn a_request_says_what_to_send_and_shows_no_secret() {
    let transport = Fake::new(|_| Act::Takes);
    let state = tempfile::Builder::new().prefix("mcpcat-delivery-").tempdir().unwrap().keep();
    let client = Client::builder("proj_delivery")
        .base_url("https://collector.invalid/t/path-word")
        .state_dir(state)
        .token("token-word")
        .transport(Arc::clone(&transport))
        .drain(Duration::ZERO)
        .build()
        .unwrap();
    client.publish("s", CustomEvent::new("e")).unwrap();
    assert_eq!(within(client.flush(PATIENCE)).await.delivered, 1);
    let asked = transport.asked.lock().unwrap().clone();
    let shown =
        asked[0].strip_prefix("POST https://collector.invalid/t/path-word/v1/public/events/ ").unwrap();
    assert!(shown.contains("https://collector.invalid") && shown.contains("authorization"), "{shown}");
    assert!(!shown.contains("-word"), "{shown}");
}

#[cfg(feature = "reqwest")]
mod default_transport {
    use super::*;

    #[test]
    fn delivery_goes_on_when_the_hosts_runtime_is_dropped() {
        let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let far = runtime().unwrap();
        let endpoint = far.block_on(Endpoint::start(|_, _| Way::ok()));
        let host = runtime().unwrap();
        let client = host.block_on(async {
            let client = endpoint.builder().http_client(reqwest::Client::builder()).build().unwrap();
            client.publish("s", CustomEvent::new("e")).unwrap();
            assert_eq!(client.flush(PATIENCE).await.delivered, 1);
            client
        });
        drop(host);
        for n in 0..50 {
            client.publish("s", CustomEvent::new("e").parameter("n", n)).unwrap();
        }
        let stats = client.flush_blocking(PATIENCE);
        assert_eq!((stats.delivered, stats.pending, stats.dropped), (51, 0, 0), "{stats}");
        assert_eq!(stats.last_failure, None);
    }

    #[tokio::test]
    async fn the_hosts_own_requests_go_on_when_the_client_ends() {
        let endpoint = Endpoint::start(|_, _| Way::ok()).await;
        let host = reqwest::Client::builder().no_proxy().build().unwrap();
        let ask = || {
            let request = host.post(&endpoint.url).header("content-type", "text/plain").body("");
            async move { within(request.send()).await.unwrap().status().as_u16() }
        };
        assert_eq!(ask().await, 202);
        let client = endpoint.client();
        client.publish("s", CustomEvent::new("e")).unwrap();
        assert_eq!(within(client.shutdown(PATIENCE)).await.delivered, 1);
        drop(client);
        assert_eq!(ask().await, 202);
        let posts = endpoint.posts();
        let (ours, theirs): (Vec<_>, Vec<_>) =
            posts.iter().partition(|post| post.path == "/v1/public/events/");
        assert!(ours[0].from != theirs[0].from, "connections are not shared");
        assert_eq!(theirs[0].from, theirs[1].from, "the host's connection is kept");
    }

    #[tokio::test]
    async fn settings_of_the_host_are_used_and_follow_no_redirect() {
        let endpoint = Endpoint::start(|n, _| match n {
            0 => Way::Says(307, "location: /elsewhere\r\n", String::new()),
            _ => Way::ok(),
        })
        .await;
        let headers = || {
            let mut headers = reqwest::header::HeaderMap::new();
            headers.insert("x-host", reqwest::header::HeaderValue::from_static("set"));
            reqwest::Client::builder()
                .default_headers(headers)
                .redirect(reqwest::redirect::Policy::limited(3))
        };
        let client = endpoint.builder().http_client(headers).build().unwrap();
        client.publish("s", CustomEvent::new("e")).unwrap();
        let stats = within(client.flush(PATIENCE)).await;
        assert_eq!((stats.delivered, stats.requests), (1, 2), "{stats}");
        for post in endpoint.posts() {
            assert_eq!((post.path.as_str(), post.header("x-host")), ("/v1/public/events/", Some("set")));
        }
    }

    #[tokio::test]
    async fn settings_that_cannot_be_built_are_named_and_tried_again() {
        let endpoint = Endpoint::start(|_, _| Way::ok()).await;
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let settings = move || match counted.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("no settings yet"),
            1 => reqwest::Client::builder().user_agent("line\nbreak"),
            _ => reqwest::Client::builder(),
        };
        let client = endpoint.builder().http_client(settings).build().unwrap();
        client.publish("s", CustomEvent::new("e")).unwrap();
        let stats = within(client.flush(PATIENCE)).await;
        assert_eq!((stats.delivered, stats.dropped, stats.pending), (1, 0, 0), "{stats}");
        assert_eq!(tries.load(Ordering::SeqCst), 3);
        let failure = stats.last_failure.unwrap();
        assert!(failure.contains("no HTTP client can be made"), "{failure}");
    }

    /// A hostile endpoint has no more than a request's time, and nobody waits for it longer than asked.
    #[tokio::test(flavor = "multi_thread")]
    async fn endless_answers_end_with_the_requests_time() {
        for way in [Way::FloodsHead, Way::FloodsInterim, Way::DripsHead] {
            let what = format!("{way:?}");
            let endpoint = Endpoint::start(move |n, _| if n == 0 { way.clone() } else { Way::ok() }).await;
            let client = endpoint.client();
            client.publish("s", CustomEvent::new("e")).unwrap();
            let stats = within(client.flush(PATIENCE)).await;
            assert_eq!((stats.delivered, stats.dropped, stats.requests), (1, 0, 2), "{what}: {stats}");
        }
        let endpoint = Endpoint::start(|_, _| Way::FloodsBody).await;
        let client = endpoint.client();
        client.publish("s", CustomEvent::new("e")).unwrap();
        let stats = within(client.flush(PATIENCE)).await;
        assert_eq!((stats.delivered, stats.dropped, stats.requests), (1, 0, 1), "{stats}");
    }
}
