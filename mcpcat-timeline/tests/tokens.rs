//! Tokens that are handed out: what they let their bearer do, for how long and how much.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::{Collector, custom};
use reqwest::{Method, StatusCode};
use serde_json::Value;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
        .args(args)
        .env_remove("MCPCAT_TIMELINE_TOKEN")
        .env_remove("MCPCAT_TIMELINE_DATA")
        .output()
        .unwrap()
}

async fn shell(args: &[&str]) -> String {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let output =
        tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
            .await
            .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn of_project(id: &str, project: &str) -> String {
    let mut event = custom(id, "s", "n");
    event["project_id"] = project.into();
    event.to_string()
}

/// Sends one event with a token in the header, or in the path.
async fn send(collector: &Collector, token: &str, in_path: bool, body: String) -> reqwest::Response {
    let path =
        if in_path { format!("/t/{token}/v1/public/events/") } else { "/v1/public/events/".to_owned() };
    let mut request =
        collector.request(Method::POST, &path).header("content-type", "application/json").body(body);
    if !in_path {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_token_writes_its_project_reads_nothing_and_can_be_revoked() {
    let collector = Collector::with(|builder| builder.token("boss")).await;
    let data = collector.data();
    let data = data.to_str().unwrap();
    let made = shell(&[
        "token",
        "create",
        "--ingest",
        "--project",
        "a",
        "--label",
        "eu \u{1b}[31m cluster",
        "--data",
        data,
    ])
    .await;
    assert!(made.starts_with("mctl_ingest_") && made.len() > 50, "{made}");
    for in_path in [false, true] {
        let id = format!("e{in_path}");
        assert_eq!(
            send(&collector, &made, in_path, of_project(&id, "a")).await.status(),
            StatusCode::ACCEPTED
        );
        assert_eq!(
            send(&collector, &made, in_path, of_project("b", "b")).await.status(),
            StatusCode::FORBIDDEN
        );
    }
    let batch = collector
        .request(Method::POST, "/v1/public/events/batch")
        .bearer_auth(&made)
        .header("content-type", "application/x-ndjson")
        .body(format!("{}\n{}\n", of_project("c", "a"), of_project("d", "b")));
    let answer: Value = batch.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&answer["results"][0]["status"], &answer["results"][1]["status"]),
        (&"accepted".into(), &"rejected".into())
    );
    for (method, path) in [
        (Method::GET, "/api/v1/sessions"),
        (Method::GET, "/api/v1/events"),
        (Method::GET, "/api/v1/stream"),
        (Method::GET, "/api/v1/about"),
        (Method::GET, "/api/v1/tokens"),
        (Method::GET, "/metrics"),
        (Method::DELETE, "/api/v1/projects/a"),
        (Method::POST, "/api/v1/tokens?project=a"),
    ] {
        let refused = collector.request(method.clone(), path).bearer_auth(&made).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let login = collector.request(Method::POST, "/api/v1/login").json(&serde_json::json!({ "token": made }));
    assert_eq!(login.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let listed = shell(&["token", "list", "--data", data]).await;
    let id = listed.split(' ').next().unwrap().to_owned();
    assert!(listed.contains(" a ") && listed.contains("cluster") && !listed.contains('\u{1b}'), "{listed}");
    // The secret is nowhere: not in the list, not in the file, not in its journal.
    assert!(!listed.contains(&made));
    for ending in ["", "-wal"] {
        let bytes = std::fs::read(format!("{data}{ending}")).unwrap();
        assert!(!bytes.windows(made.len()).any(|part| part == made.as_bytes()), "in FILE{ending}");
    }
    shell(&["token", "revoke", &id, "--data", data]).await;
    let patience = Instant::now() + Duration::from_secs(10);
    while send(&collector, &made, false, of_project("late", "a")).await.status() != StatusCode::UNAUTHORIZED {
        assert!(Instant::now() < patience, "a revoked token goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        send(&collector, &made, true, of_project("late", "a")).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert!(!run(&["token", "revoke", &id, "--data", data]).status.success(), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_over_http_work_at_once_and_within_the_scope_of_who_hands_them_out() {
    let collector = Collector::with(|builder| {
        builder
            .token("boss")
            .add_token(mcpcat_timeline::Token::new(mcpcat_timeline::Right::Manage, "of a").for_project("a"))
    })
    .await;
    let url = collector.running.url();
    let made =
        shell(&["token", "create", "--ingest", "--project", "b", "--url", url, "--token", "boss"]).await;
    assert_eq!(send(&collector, &made, false, of_project("e1", "b")).await.status(), StatusCode::ACCEPTED);
    let ask = |method: Method, path: &str| {
        let request = collector.request(method, path).bearer_auth("of a");
        async { request.send().await.unwrap() }
    };
    assert_eq!(ask(Method::POST, "/api/v1/tokens?project=b").await.status(), StatusCode::FORBIDDEN);
    let own: Value = ask(Method::POST, "/api/v1/tokens").await.json().await.unwrap();
    assert_eq!(own["project"], "a");
    let listed: Value = ask(Method::GET, "/api/v1/tokens").await.json().await.unwrap();
    assert_eq!(listed["tokens"].as_array().unwrap().len(), 1, "{listed}");
    assert!(listed["tokens"][0].get("hash").is_none());
    let all = shell(&["token", "list", "--json", "--url", url, "--token", "boss"]).await;
    let all: Value = serde_json::from_str(&all).unwrap();
    let others = all["tokens"].as_array().unwrap().iter().find(|token| token["project"] == "b").unwrap();
    let others = others["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ask(Method::DELETE, &format!("/api/v1/tokens/{others}")).await.status(),
        StatusCode::NOT_FOUND
    );
    shell(&["token", "revoke", &others, "--url", url, "--token", "boss"]).await;
    assert_eq!(
        send(&collector, &made, false, of_project("e2", "b")).await.status(),
        StatusCode::UNAUTHORIZED
    );
    for wrong in ["events_per_minute=0", "bytes_per_minute=many", "limit=3"] {
        let refused = ask(Method::POST, &format!("/api/v1/tokens?{wrong}")).await;
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    // Removing a project removes what it sent, not who may send.
    let own = own["token"].as_str().unwrap();
    assert_eq!(ask(Method::DELETE, "/api/v1/projects/a").await.status(), StatusCode::OK);
    assert_ne!(send(&collector, own, false, of_project("e3", "a")).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_answers_429_with_the_time_to_wait_and_others_go_on() {
    let collector = Collector::start().await;
    let data = collector.data();
    let data = data.to_str().unwrap();
    let few = shell(&[
        "token",
        "create",
        "--ingest",
        "--project",
        "a",
        "--events-per-minute",
        "60",
        "--data",
        data,
    ])
    .await;
    let bytes = shell(&[
        "token",
        "create",
        "--ingest",
        "--project",
        "b",
        "--bytes-per-minute",
        "1KB",
        "--data",
        data,
    ])
    .await;
    let batch = |token: &str, project: &str| {
        let lines: String = (0..100).map(|n| of_project(&format!("{project}{n}"), project) + "\n").collect();
        let request = collector
            .request(Method::POST, "/v1/public/events/batch")
            .header("content-type", "application/x-ndjson")
            .bearer_auth(token)
            .body(lines);
        async { request.send().await.unwrap() }
    };
    for (token, project) in [(&few, "a"), (&bytes, "b")] {
        assert_eq!(batch(token, project).await.status(), StatusCode::OK, "a batch may overdraw it once");
        let refused = batch(token, project).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((20..2000).contains(&seconds), "{seconds} s");
        let one = send(&collector, token, true, of_project("more", project)).await;
        assert_eq!(one.status(), StatusCode::TOO_MANY_REQUESTS);
    }
    // Nothing was kept of what was refused, and who has no quota is not held up.
    assert_eq!(collector.get("/api/v1/sessions/s?project=a").await["sessions"][0]["event_count"], 100);
    collector.post(&custom("free", "other", "n")).await;
    let metrics = collector.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("mcpcat_throttled_total 4"), "{metrics}");
    // Two events a second: one comes back within a second or two of when it was said.
    let quick = shell(&[
        "token",
        "create",
        "--ingest",
        "--project",
        "c",
        "--events-per-minute",
        "120",
        "--data",
        data,
    ])
    .await;
    let lines: String = (0..121).map(|n| of_project(&format!("c{n}"), "c") + "\n").collect();
    let request = collector
        .request(Method::POST, "/v1/public/events/batch")
        .header("content-type", "application/x-ndjson")
        .bearer_auth(&quick)
        .body(lines);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let refused = send(&collector, &quick, false, of_project("c_more", "c")).await;
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds} s");
    let patience = Instant::now() + Duration::from_secs(seconds + 5);
    while send(&collector, &quick, false, of_project("c_more", "c")).await.status() != StatusCode::ACCEPTED {
        assert!(Instant::now() < patience, "the quota does not fill up again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_sdk_waits_as_long_as_it_is_told_and_loses_nothing() {
    let collector = Collector::with(|builder| builder.token("boss")).await;
    let data = collector.data();
    let data = data.to_str().unwrap();
    let token = shell(&[
        "token",
        "create",
        "--ingest",
        "--project",
        "a",
        "--events-per-minute",
        "1200",
        "--data",
        data,
    ])
    .await;
    // A new token is known at once, also to many requests at the same time.
    let first = futures_util::future::join_all(
        (0..8).map(|n| send(&collector, &token, n % 2 == 0, of_project(&format!("first {n}"), "a"))),
    );
    assert!(first.await.iter().all(|answer| answer.status() == StatusCode::ACCEPTED));
    let state = tempfile::tempdir().unwrap();
    let sdk = mcpcat::Client::builder("a")
        .base_url(collector.running.url())
        .token(&token)
        .state_dir(state.path())
        .build()
        .unwrap();
    let session = mcpcat::SessionId::derive("customer", "a");
    for n in 0..1300 {
        sdk.publish(session.clone(), mcpcat::CustomEvent::new(format!("event {n}"))).unwrap();
    }
    drop(sdk.flush(Duration::from_secs(60)).await);
    // Whatever the machine's speed, these meet a quota that is used up or are the ones that use it up.
    for n in 0..600 {
        sdk.publish(session.clone(), mcpcat::CustomEvent::new(format!("more {n}"))).unwrap();
    }
    let patience = Instant::now() + Duration::from_secs(120);
    let stats = loop {
        let stats = sdk.flush(Duration::from_secs(10)).await;
        if stats.pending == 0 {
            break stats;
        }
        assert!(Instant::now() < patience, "{stats:?}");
    };
    assert_eq!((stats.delivered, stats.dropped), (1900, 0), "{stats:?}");
    let metrics = collector
        .request(Method::GET, "/metrics")
        .bearer_auth("boss")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let throttled = metrics.lines().find_map(|line| line.strip_prefix("mcpcat_throttled_total ")).unwrap();
    assert!(throttled.parse::<u64>().unwrap() > 0, "the quota was never used up");
    let row = collector.request(Method::GET, &format!("/api/v1/sessions/{session}")).bearer_auth("boss");
    let row: Value = row.send().await.unwrap().json().await.unwrap();
    assert_eq!(row["sessions"][0]["event_count"], 1900);
    drop(sdk.shutdown(Duration::from_secs(5)).await);
}
