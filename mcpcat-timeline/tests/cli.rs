//! The commands, run as a shell runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::process::{Command, Output};

use common::{Collector, custom};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
        .args(args)
        .env_remove("MCPCAT_API_URL")
        .env_remove("MCPCAT_PROJECT_ID")
        .output()
        .unwrap()
}

async fn shell(args: &[&str]) -> Output {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    tokio::task::spawn_blocking(move || run(&args.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_script_publishes_into_the_session_of_a_server() {
    let collector = Collector::start().await;
    let url = collector.running.url();
    let args = ["publish", "deploy.done", "--url", url, "--project", "proj_1", "--session", "customer-abc"];
    let id =
        out(&shell(&[&args[..], &["-p", "took=12", "-t", "env=prod", "-m", "rolled out"]].concat()).await);
    assert!(id.starts_with("evt_"));
    let events = collector.events("ses_2cOHEO0LYGADMzRvWTXXVbbgxgm").await;
    assert_eq!(events.len(), 1, "the session is derived as every SDK derives it");
    assert_eq!(events[0]["parameters"]["took"], 12);
    let refused = err(&shell(&["publish", "x", "--url", "http://127.0.0.1:9", "--project", "p"]).await);
    assert!(refused.contains("no timeline answers"), "{refused}");
    let empty = err(&shell(&["publish", "x", "--url", url, "--project", ""]).await);
    assert!(empty.contains("project"), "{empty}");
}

#[tokio::test(flavor = "multi_thread")]
async fn query_and_export_read_a_running_timeline_and_a_file_alike() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s one", "first")).await;
    let mut child = custom("evt_2", "s one", "se\u{1b}[31mcond");
    child["parent_id"] = "evt_1".into();
    child["timestamp"] = "2026-11-22T10:00:01Z".into();
    child["is_error"] = true.into();
    child["error"] = serde_json::json!({"type": "T", "message": "broke"});
    collector.post(&child).await;
    let file = collector.data();
    let file = file.to_str().unwrap();
    for source in [["--url", collector.running.url()], ["--data", file]] {
        let list = out(&shell(&[&["query"], &source[..]].concat()).await);
        assert!(list.contains("s one") && list.contains("2 events"), "{list}");
        let session = out(&shell(&[&["query", "s one"], &source[..]].concat()).await);
        assert!(session.lines().next().unwrap().contains("first"), "{session}");
        assert!(session.lines().nth(1).unwrap().contains("  x") && session.contains("T: broke"), "{session}");
        assert!(!session.contains('\u{1b}'), "a terminal obeys nothing that an event says");
        let none = out(&shell(&[&["query", "--where", "event=other"], &source[..]].concat()).await);
        assert_eq!(none, "");
        let json: serde_json::Value =
            serde_json::from_str(&out(&shell(&[&["query", "--json"], &source[..]].concat()).await)).unwrap();
        assert_eq!(json["sessions"][0]["session_id"], "s one");
        let lines = out(&shell(&[&["export"], &source[..]].concat()).await);
        assert_eq!(lines.lines().count(), 2);
        let html =
            out(&shell(&[&["export", "--format", "html", "--session", "s one"], &source[..]].concat()).await);
        assert!(html.starts_with("<!doctype html>"));
    }
    let missing = err(&shell(&["query", "--data", "/nowhere/at/all.sqlite3"]).await);
    assert!(missing.contains("there is no data file"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_tells_what_it_did_and_which_lines_were_wrong() {
    let collector = Collector::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.ndjson");
    let mut text: String =
        (0..1200).map(|n| format!("{}\n", custom(&format!("evt_{n}"), "s", "n"))).collect();
    text.push_str("\nnonsense\n");
    text.push_str(&custom("evt_0", "s", "again").to_string());
    std::fs::write(&file, text).unwrap();
    let output = shell(&["import", "--url", collector.running.url(), file.to_str().unwrap()]).await;
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1200 accepted, 1 there already, 1 rejected\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line 1202: the body is not JSON"), "{said}");
    assert_eq!(collector.sessions("").await[0]["event_count"], 1200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_prints_what_arrives() {
    let collector = Collector::start().await;
    let url = collector.running.url().to_owned();
    let tail =
        tokio::spawn(
            async move { shell(&["tail", "--url", &url, "--json", "--count", "1", "--custom"]).await },
        );
    // Sent until the tail has joined and seen one.
    let mut n = 0;
    while !tail.is_finished() {
        collector.post(&custom(&format!("evt_{n}"), "s", "n")).await;
        n += 1;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let printed = out(&tail.await.unwrap());
    let event: serde_json::Value = serde_json::from_str(printed.trim()).unwrap();
    assert_eq!(event["resource_name"], "n");
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_and_catalogue_work_from_the_shell() {
    let collector = Collector::start().await;
    let url = collector.running.url();
    collector.post(&custom("evt_1", "s", "seen")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.json");
    std::fs::write(&file, r#"{"version":1,"events":[{"name":"never"}]}"#).unwrap();
    let args = ["catalogue", "--url", url, "--project", "proj_test"];
    out(&shell(&[&args[..], &[file.to_str().unwrap()]].concat()).await);
    let compared = out(&shell(&args).await);
    assert_eq!(compared, "never seen    never\nnot declared  seen\n");
    assert_eq!(
        out(&shell(&["forget", "--url", url, "--session", "s"]).await),
        "1 events and 1 sessions removed\n"
    );
    assert!(collector.sessions("").await.is_empty());
    assert!(err(&shell(&["forget", "--url", url]).await).contains("--session"));
}

#[test]
fn bad_settings_are_explained() {
    let error = |args: &[&str]| err(&run(args));
    assert!(error(&["serve", "--in-memory", "--listen", "0.0.0.0:0"]).contains("token"));
    assert!(error(&["serve", "--in-memory", "--grant", "write:x:y"]).contains("ingest, read or manage"));
    assert!(error(&["serve", "--in-memory", "--trace-url", "http://x"]).contains("{trace_id}"));
    assert!(error(&["serve", "--in-memory", "--keep", "soon"]).contains("30d"));
    assert!(error(&["--data", "/proc/x/y"]).contains("/proc/x/y"));
}
