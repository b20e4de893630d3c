//! Copies of a data file: made beside a collector under load, brought back elsewhere, and refused when they are not whole.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::Collector;
use mcpcat_timeline::{Running, Timeline};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
        .args(args)
        .env_remove("MCPCAT_TIMELINE_DATA")
        .env_remove("MCPCAT_API_URL")
        .output()
        .unwrap()
}

fn out(args: &[&str]) -> String {
    let patience = Instant::now() + Duration::from_secs(10);
    let mut output = run(args);
    // A process that another test starts at this moment holds a copy of the lock until it runs its own program.
    while String::from_utf8_lossy(&output.stderr).contains("is in use by") && Instant::now() < patience {
        output = run(args);
    }
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn err(args: &[&str]) -> String {
    let output = run(args);
    assert!(
        !output.status.success(),
        "{args:?} should have failed: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr).unwrap()
}

fn event(sender: usize, n: usize) -> Value {
    let mut event = json!({
        "id": format!("evt_{sender}_{n}"), "project_id": format!("p{}", sender % 2), "session_id": format!("s{sender}_{}", n / 50),
        "event_type": if n.is_multiple_of(3) { "mcp:tools/call" } else { "mcpcat:custom" }, "resource_name": format!("name{}", n % 7),
        "timestamp": format!("2026-11-22T10:{:02}:{:02}Z", n / 60 % 60, n % 60), "duration": n % 400,
        "is_error": n.is_multiple_of(11), "sdk_instance": format!("i{sender}"), "sequence": n, "tags": {"env": format!("e{}", n % 3)},
        "parameters": {"text": "x".repeat(300)}, "client_name": "c", "client_version": "1",
    });
    if n % 5 == 4 {
        event["parent_id"] = format!("evt_{sender}_{}", n - 1).into();
    }
    event
}

async fn get(running: &Running, path: &str) -> String {
    let response = reqwest::get(format!("{}{path}", running.url())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    response.text().await.unwrap()
}

/// Every answer of the API that tells of events, without the collector's clock.
async fn answers(running: &Running) -> Vec<(String, Value)> {
    let mut paths: Vec<String> = [
        "/api/v1/sessions?limit=1000",
        "/api/v1/sessions?tool=name3&tag=env=e1&limit=1000",
        "/api/v1/sessions?q=xxx&limit=1000",
        "/api/v1/events?limit=10000",
        "/api/v1/events?errors=1&limit=10000",
        "/api/v1/facets",
        "/api/v1/overview?since=2026-11-22T00:00:00Z&until=2026-11-23T00:00:00Z",
        "/api/v1/catalogue?project=p0",
        "/api/v1/catalogue?project=p1",
    ]
    .map(str::to_owned)
    .to_vec();
    let list: Value = serde_json::from_str(&get(running, &paths[0]).await).unwrap();
    for row in list["sessions"].as_array().unwrap().iter().take(20) {
        let id = row["session_id"].as_str().unwrap();
        for part in ["", "/events", "/outline", "/matches?q=name3"] {
            paths.push(format!("/api/v1/sessions/{id}{part}"));
        }
    }
    let mut all = Vec::new();
    for path in paths {
        let mut answer: Value = serde_json::from_str(&get(running, &path).await).unwrap();
        if let Some(answer) = answer.as_object_mut() {
            answer.remove("now_us");
        }
        all.push((path, answer));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_made_under_load_gives_the_same_answers_elsewhere() {
    let collector = Arc::new(Collector::start().await);
    let data = collector.data();
    let data = data.to_str().unwrap();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let (collector, stop, sent) = (Arc::clone(&collector), Arc::clone(&stop), Arc::clone(&sent));
            tokio::spawn(async move {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let lines: String =
                        (0..100).map(|n| format!("{}\n", event(sender, round * 100 + n))).collect();
                    collector.batch(&lines).await;
                    sent.fetch_add(100, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let patience = Instant::now() + Duration::from_secs(60);
    while sent.load(Ordering::Relaxed) < 1500 {
        assert!(Instant::now() < patience, "the load does not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str| elsewhere.path().join(name).to_str().unwrap().to_owned();
    let (loaded, still) = (file("loaded.backup"), file("still.backup"));
    let before = sent.load(Ordering::Relaxed);
    let said = tokio::task::block_in_place(|| out(&["backup", &loaded, "--data", data]));
    let during = sent.load(Ordering::Relaxed) - before;
    assert!(during > 0, "nothing came in during the copy");
    assert!(said.contains("read back and the same") && said.contains("checksum"), "{said}");
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.unwrap();
    }
    // Under load: what had arrived by then, no more and no less, and its sums are those of its events.
    let at = file("loaded.sqlite3");
    let said = tokio::task::block_in_place(|| out(&["restore", &loaded, "--data", &at]));
    assert!(said.contains("as it was written"), "{said}");
    let said = tokio::task::block_in_place(|| out(&["doctor", "--data", &at]));
    assert!(said.contains("nothing is wrong"), "{said}");
    let rows = |path: &str, most: i64| {
        let db = rusqlite::Connection::open(path).unwrap();
        let rows: Vec<(i64, String)> = db
            .prepare("SELECT seq, text FROM event JOIN body USING (seq) WHERE seq <= ?1 ORDER BY seq")
            .unwrap()
            .query_map([most], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        rows
    };
    let copied = rows(&at, i64::MAX);
    let last = copied.last().unwrap().0;
    assert!(copied.len() >= before, "{} of {before} acknowledged events", copied.len());
    assert!(copied == rows(data, last), "the copy has other events");
    // At rest: every answer is the same.
    collector
        .request(Method::PUT, "/api/v1/catalogue?project=p0")
        .json(&json!(["name1", "never"]))
        .send()
        .await
        .unwrap();
    tokio::task::block_in_place(|| out(&["backup", &still, "--data", data]));
    let at = file("still.sqlite3");
    tokio::task::block_in_place(|| out(&["restore", &still, "--data", &at]));
    let running = Timeline::builder().data(&at).start().await.unwrap();
    let (here, there) = (answers(&collector.running).await, answers(&running).await);
    assert!(here.len() > 40 && here[0].1["total"].as_u64().unwrap() > 10);
    for (here, there) in here.iter().zip(&there) {
        assert!(here == there, "{}", here.0);
    }
    running.shutdown().await;
    assert_eq!(
        std::fs::metadata(&still).map(|meta| std::os::unix::fs::MetadataExt::mode(&meta) & 0o077).unwrap(),
        0
    );
}

/// A data file with some events, at rest, and a copy of it.
async fn copied(folder: &Path) -> (String, String) {
    let data = folder.join("events.sqlite3");
    let running = common::start_again(Timeline::builder().data(&data)).await;
    let lines: String = (0..300).map(|n| format!("{}\n", event(0, n))).collect();
    let http = reqwest::Client::new();
    let sent = http.post(format!("{}/v1/public/events/batch", running.url())).body(lines);
    assert_eq!(sent.header("content-type", "application/x-ndjson").send().await.unwrap().status(), 200);
    running.shutdown().await;
    let (data, copy) = (data.to_str().unwrap().to_owned(), folder.join("copy").to_str().unwrap().to_owned());
    tokio::task::block_in_place(|| out(&["backup", &copy, "--data", &data]));
    (data, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_not_whole_is_refused_and_nothing_is_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = copied(folder.path()).await;
    let other = folder.path().join("other.sqlite3");
    let other = other.to_str().unwrap();
    tokio::task::block_in_place(|| {
        assert!(err(&["restore", &copy, "--data", &data]).contains("--force"));
        assert!(err(&["backup", &copy, "--data", &data]).contains("--force"));
        assert!(err(&["restore", "/nowhere/copy", "--data", other]).contains("copy"));
        let whole = std::fs::read(&copy).unwrap();
        // A letter of an event, a number of a sum, a cut.
        let at = whole.windows(5).position(|part| part == b"xxxxx").unwrap();
        let mut letter = whole.clone();
        letter[at] = b'y';
        std::fs::write(&copy, &letter).unwrap();
        let said = err(&["restore", &copy, "--data", other]);
        assert!(said.contains("not what was copied") && said.contains("checksum"), "{said}");
        std::fs::write(&copy, &whole).unwrap();
        rusqlite::Connection::open(&copy)
            .unwrap()
            .execute_batch("UPDATE session SET events = events + 1")
            .unwrap();
        assert!(err(&["restore", &copy, "--data", other]).contains("not what was copied"));
        std::fs::write(&copy, &whole[..whole.len() - 8192]).unwrap();
        let said = err(&["restore", &copy, "--data", other]);
        assert!(said.contains("damaged") || said.contains("malformed"), "{said}");
        assert!(!Path::new(other).exists(), "nothing is left of a copy that was refused");
        std::fs::write(&copy, &whole).unwrap();
        out(&["restore", &copy, "--data", other]);
        out(&["restore", &copy, "--data", &data, "--force"]);
        assert!(out(&["doctor", "--data", &data]).contains("nothing is wrong"));
    });
    let running = common::start_again(Timeline::builder().data(&data)).await;
    let said = tokio::task::block_in_place(|| err(&["restore", &copy, "--data", &data, "--force"]));
    assert!(said.contains("in use by the timeline"), "{said}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_named_to_who_forgets_and_brings_nothing_forgotten_back() {
    forgotten_stays_forgotten(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_former_format_brings_nothing_forgotten_back_either() {
    forgotten_stays_forgotten(true).await;
}

async fn forgotten_stays_forgotten(former_copy: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = copied(folder.path()).await;
    if former_copy {
        // What a copy says of itself is said of the tables that it has.
        let db = rusqlite::Connection::open(&copy).unwrap();
        db.execute("DELETE FROM setting WHERE name = 'contents'", []).unwrap();
        drop(db);
        common::as_format_4(Path::new(&copy));
    }
    let running = common::start_again(Timeline::builder().data(&data)).await;
    let http = reqwest::Client::new();
    let asked = http.delete(format!("{}/api/v1/sessions/s0_1", running.url())).send().await.unwrap();
    let answer: Value = asked.json().await.unwrap();
    assert_eq!(answer["events"], 50);
    let copies = answer["copies"].as_array().unwrap();
    assert!(copies.iter().any(|place| place["place"].as_str().unwrap().starts_with(&copy)), "{answer}");
    running.shutdown().await;
    let said = tokio::task::block_in_place(|| out(&["restore", &copy, "--data", &data, "--force"]));
    assert!(said.contains("50 of them were forgotten since"), "{said}");
    let running = common::start_again(Timeline::builder().data(&data)).await;
    let missing = reqwest::get(format!("{}/api/v1/sessions/s0_1", running.url())).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let list: Value = serde_json::from_str(&get(&running, "/api/v1/sessions").await).unwrap();
    assert_eq!(list["total"], 5);
    running.shutdown().await;
    let said = tokio::task::block_in_place(|| out(&["doctor", "--data", &data]));
    assert!(said.contains("250 events in 5 sessions") && said.contains("nothing is wrong"), "{said}");
}
