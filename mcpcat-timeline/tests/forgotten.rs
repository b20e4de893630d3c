//! What was forgotten stays forgotten, whichever way it arrives later.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::Collector;
use mcpcat::{Client, CustomEvent, SessionId};
use mcpcat_timeline::Timeline;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// An event of some seconds ago or, with a minus, in so many seconds.
fn event(id: &str, session: &str, ago: i64, more: Value) -> Value {
    let at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - ago).unwrap();
    let mut event = json!({
        "id": id, "project_id": "p", "session_id": session, "event_type": "mcpcat:custom", "resource_name": "n",
        "timestamp": at.to_string(),
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

async fn forget(collector: &Collector, path: &str) -> Value {
    let response = collector.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.json().await.unwrap()
}

/// The statuses of a batch.
async fn statuses(collector: &Collector, events: &[Value]) -> Vec<String> {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let answer = collector.batch(&lines).await;
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
}

async fn dropped(collector: &Collector) -> u64 {
    let text = collector.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with("mcpcat_forgotten_total ")).unwrap();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn a_session_a_person_and_a_project_do_not_come_back_and_what_is_new_does() {
    let ada = || json!({ "identify_actor_given_id": "ada" });
    for (path, whose, same) in [
        ("/api/v1/sessions/s", json!({}), "s"),
        ("/api/v1/actors/ada", ada(), "other"),
        ("/api/v1/projects/p", json!({}), "other"),
    ] {
        let collector = Collector::start().await;
        let old = [event("1", "s", 30, whose.clone()), event("2", "s", 20, whose.clone())];
        assert_eq!(statuses(&collector, &old).await, ["accepted", "accepted"]);
        let answer = forget(&collector, path).await;
        assert_eq!((&answer["events"], &answer["sessions"]), (&json!(2), &json!(1)), "{path}");
        let places: Vec<_> =
            answer["copies"].as_array().unwrap().iter().map(|copy| copy["place"].clone()).collect();
        assert!(
            places.contains(&json!("spools of SDKs")) && places.contains(&json!("dead letters beside SDKs"))
        );
        // The same ones, and others of then that had not arrived yet.
        let late = event("3", same, 10, whose.clone());
        let sent = [old[0].clone(), old[1].clone(), late.clone()];
        assert_eq!(statuses(&collector, &sent).await, ["forgotten"; 3], "{path}");
        let one = collector.post_raw(late.to_string()).await;
        assert_eq!(one.status(), StatusCode::ACCEPTED, "its sender is not to keep it");
        assert_eq!(one.text().await.unwrap(), r#"{"status":"forgotten"}"#);
        assert_eq!(dropped(&collector).await, 4);
        assert_eq!(collector.session_ids("").await, [""; 0]);
        // What happens from now on is another matter.
        let new = event("4", "s", -5, whose);
        assert_eq!(statuses(&collector, &[new]).await, ["accepted"], "{path}");
        // The next start remembers as well.
        let data = collector.data();
        let Collector { running, folder, .. } = collector;
        running.shutdown().await;
        let running = common::start_again(Timeline::builder().data(&data)).await;
        let collector = Collector::over(running, folder);
        assert_eq!(statuses(&collector, &[late]).await, ["forgotten"], "{path}, after a restart");
    }
}

#[tokio::test]
async fn events_without_the_name_and_from_the_future_are_known_by_their_ids() {
    let collector = Collector::start().await;
    let events = [
        event("named", "s", 30, json!({ "identify_actor_given_id": "ada" })),
        event("unnamed", "s", 20, json!({})),
        event("future", "s", -3600, json!({})),
        event("bob", "t", 20, json!({ "identify_actor_given_id": "bob" })),
    ];
    assert_eq!(statuses(&collector, &events).await, ["accepted"; 4]);
    assert_eq!(forget(&collector, "/api/v1/actors/ada").await["events"], 3);
    assert_eq!(statuses(&collector, &events).await, ["forgotten", "forgotten", "forgotten", "duplicate"]);
    let others =
        [event("unnamed2", "s", 20, json!({})), event("unnamed", "s", 20, json!({ "project_id": "q" }))];
    assert_eq!(
        statuses(&collector, &others).await,
        ["accepted", "accepted"],
        "nobody says that these are hers"
    );
    // Nothing of a name is in the file.
    let text = std::fs::read(collector.data()).unwrap();
    assert!(!text.windows(5).any(|part| part == b"\"ada\""));
}

#[tokio::test]
async fn it_is_remembered_for_as_long_as_was_said() {
    for (time, status) in [
        (Duration::ZERO, "accepted"),
        (Duration::from_millis(30), "accepted"),
        (Duration::from_secs(60), "forgotten"),
    ] {
        let collector = Collector::with(|builder| builder.remember_forgotten_for(time)).await;
        let old = [event("1", "s", 30, json!({})), event("2", "s", -60, json!({}))];
        statuses(&collector, &old).await;
        forget(&collector, "/api/v1/sessions/s").await;
        let started = Instant::now();
        while started.elapsed() < time.min(Duration::from_millis(50)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(statuses(&collector, &old).await, [status; 2], "{time:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_what_was_forgotten_is_dropped_and_counted() {
    let collector = Collector::start().await;
    let old: Vec<_> = (0..1200).map(|n| event(&format!("evt_{n}"), "s", 60, json!({}))).collect();
    for part in old.chunks(500) {
        statuses(&collector, part).await;
    }
    let url = collector.running.url().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.ndjson");
    let command = move |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
            .args(args)
            .args(["--url", &url])
            .env_remove("MCPCAT_API_URL")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let file = file.to_str().unwrap();
    tokio::task::block_in_place(|| {
        command(&["export", "-o", file]);
        let (said, advice) = command(&["forget", "--session", "s", "--yes"]);
        assert!(said.contains("1200 events and 1 session removed"), "{said}");
        assert!(advice.contains("dead letters beside SDKs"), "{advice}");
        let (said, _) = command(&["import", file]);
        assert_eq!(
            said,
            "0 accepted, 0 there already, 1200 dropped because they were forgotten, 0 rejected\n"
        );
    });
    assert_eq!(collector.session_ids("").await, [""; 0]);
    assert_eq!(dropped(&collector).await, 1200);
}

/// Answers every request with a refusal, until it is dropped.
struct Refuses {
    addr: SocketAddr,
    refused: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Refuses {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (refused, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (refused, stop) = (Arc::clone(&refused), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    let mut seen = Vec::new();
                    let mut part = [0; 4096];
                    // One request a connection, read to its end.
                    while let Ok(length) = stream.read(&mut part) {
                        seen.extend_from_slice(&part[..length]);
                        if length == 0 || whole(&seen) {
                            break;
                        }
                    }
                    let _ = stream.write_all(
                        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                    );
                    refused.fetch_add(usize::from(!seen.is_empty()), Ordering::Relaxed);
                }
            }
        });
        Self { addr, refused, stop, thread: Some(thread) }
    }
}

fn whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}

impl Drop for Refuses {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(self.addr);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn client(addr: SocketAddr, state: &std::path::Path) -> Client {
    Client::builder("p").base_url(format!("http://{addr}")).state_dir(state).build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_spools_of_sdks_bring_nothing_back() {
    let (state, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let session = SessionId::derive("customer", "p");
    // Refused once: these are dead letters.
    let refuses = Refuses::start();
    let addr = refuses.addr;
    let sdk = client(addr, state.path());
    for n in 0..20 {
        sdk.publish(session.clone(), CustomEvent::new(format!("letter {n}"))).unwrap();
    }
    let patience = Instant::now() + Duration::from_secs(30);
    while refuses.refused.load(Ordering::Relaxed) < 20 {
        assert!(Instant::now() < patience, "the endpoint was not asked for all");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(sdk.flush(Duration::from_secs(10)).await);
    drop(refuses);
    // Nobody listens: these wait in the spool of a client that ends.
    for n in 0..30 {
        sdk.publish(session.clone(), CustomEvent::new(format!("waits {n}"))).unwrap();
    }
    drop(sdk.shutdown(Duration::from_millis(200)).await);
    drop(sdk);
    let running =
        Timeline::builder().data(folder.path().join("e.sqlite3")).listen(addr).start().await.unwrap();
    let collector = Collector::over(running, folder);
    // Forgotten before any of them has arrived.
    forget(&collector, &format!("/api/v1/sessions/{session}")).await;
    let sdk = client(addr, state.path());
    assert_eq!(sdk.resend_dead_letters().await, 20, "all of them are sent again");
    let stats = sdk.flush(Duration::from_secs(30)).await;
    assert_eq!((stats.adopted, stats.delivered, stats.pending), (50, 50, 0), "{stats:?}");
    assert_eq!(collector.session_ids("").await, [""; 0], "0 come back");
    assert_eq!(dropped(&collector).await, 50);
    sdk.publish(session.clone(), CustomEvent::new("new")).unwrap();
    drop(sdk.flush(Duration::from_secs(30)).await);
    assert_eq!(collector.session_ids("").await, [session.to_string()], "what happens now is recorded");
    drop(sdk.shutdown(Duration::from_secs(5)).await);
}
