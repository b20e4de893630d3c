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
        assert!(
            session.lines().nth(1).unwrap().contains("  x⚡") && session.contains("T: broke"),
            "{session}"
        );
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
    assert!(err(&shell(&["forget", "--url", url]).await).contains("--session"));
    let forget = ["forget", "--url", url, "--session", "s"];
    let shown = out(&shell(&[&forget[..], &["--dry-run"]].concat()).await);
    assert_eq!(shown, "session \"s\": 1 event and 1 session\n");
    let unasked = err(&shell(&forget).await);
    assert!(unasked.contains("--yes") && unasked.contains("nothing was removed"), "{unasked}");
    assert_eq!(collector.sessions("").await.len(), 1, "neither has removed anything");
    let done = out(&shell(&[&forget[..], &["--yes"]].concat()).await);
    assert_eq!(done, "session \"s\": 1 event and 1 session\n1 event and 1 session removed\n");
    assert!(collector.sessions("").await.is_empty());
    for id in [".", "..", ""] {
        assert!(
            err(&shell(&["forget", "--url", url, "--yes", "--session", id]).await).contains("can be called")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forget_counts_before_it_removes_for_each_kind_of_whose() {
    let collector = Collector::start().await;
    let url = collector.running.url();
    for (id, actor) in [("1", "ada"), ("2", "ada"), ("3", "bob")] {
        let mut event = custom(id, if id == "1" { "own" } else { "shared" }, "n");
        event["identify_actor_given_id"] = actor.into();
        collector.post(&event).await;
    }
    let dry = async |whose: &str, id: &str| {
        let shown = out(&shell(&["forget", "--url", url, whose, id, "--dry-run"]).await);
        shown.split_once(": ").unwrap().1.trim().to_owned()
    };
    assert_eq!(dry("--actor", "ada").await, "2 events and 1 session");
    assert_eq!(dry("--project", "proj_test").await, "3 events and 2 sessions");
    assert_eq!(dry("--project", "proj_other").await, "0 events and 0 sessions");
    assert_eq!(collector.get("/api/v1/about").await["store"]["sessions"], 2, "looking removes nothing");
    let done = out(&shell(&["forget", "--url", url, "--actor", "ada", "-y"]).await);
    assert!(done.ends_with("2 events and 1 session removed\n"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_filters_and_parameters_are_errors_that_name_the_nearest() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "n")).await;
    let url = collector.running.url();
    for (args, nearest) in [
        (&["query", "--where", "tol=add"][..], "`tool`"),
        (&["query", "--where", "not_tols=add"], "`not_tool`"),
        (&["query", "s", "--where", "nam=x"], "`name`"),
        (&["export", "--where", "sesion=s"], "`session`"),
        (&["export", "--format", "csv", "--where", "errrors=1"], "`errors`"),
    ] {
        let said = err(&shell(&[args, &["--url", url]].concat()).await);
        assert!(said.contains(nearest) && said.contains("did you mean"), "{args:?}: {said}");
    }
    assert!(err(&shell(&["query", "--where", "tool", "--url", url]).await).contains("NAME=VALUE"));
    for (path, nearest) in [
        ("/api/v1/sessions?tol=add", "`tool`"),
        ("/api/v1/sessions/s/events?lmit=1", "`limit`"),
        ("/api/v1/events?sesion=s", "`session`"),
        ("/api/v1/export.ndjson?sesion=s", "`session`"),
        ("/api/v1/export.csv?sesion=s", "`session`"),
        ("/api/v1/sessions/s/export.html?untl=1d", "`until`"),
        ("/api/v1/stream?afte=0", "`after`"),
        ("/api/v1/overview?sinc=1d", "`since`"),
    ] {
        let response = collector.request(reqwest::Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 400, "{path}");
        let said = response.text().await.unwrap();
        assert!(said.contains(nearest), "{path}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_nothing_says_so_and_a_file_is_not_replaced_unasked() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "n")).await;
    let (url, folder) = (collector.running.url(), tempfile::tempdir().unwrap());
    let file = folder.path().join("out");
    let name = file.to_str().unwrap();
    for format in ["ndjson", "csv"] {
        let args = ["export", "--url", url, "--format", format, "--session", "nope"];
        for args in [&args[..], &[&args[..], &["-o", name]].concat()] {
            let output = shell(args).await;
            assert!(err(&output).contains("nothing was exported"), "{format}");
            assert!(output.stdout.is_empty() && !file.exists(), "{format}");
        }
    }
    assert!(
        !err(&shell(&["export", "--url", url, "--format", "html", "--session", "nope"]).await).is_empty()
    );
    let args = ["export", "--url", url, "-o", name];
    out(&shell(&args).await);
    let first = std::fs::read_to_string(&file).unwrap();
    assert!(first.contains("evt_1"));
    collector.post(&custom("evt_2", "s", "n")).await;
    let kept = err(&shell(&args).await);
    assert!(kept.contains("--force") && kept.contains(name), "{kept}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    assert!(!err(&shell(&[&args[..], &["--force", "--session", "nope"]].concat()).await).is_empty());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first, "an export of nothing replaces nothing");
    out(&shell(&[&args[..], &["--force"]].concat()).await);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

/// Characters that act instead of being shown, and that JSON need not escape: DEL, C1, bidi, invisible ones.
const ACTING: &str = "\u{7f}\u{9b}31m\u{85}\u{202e}\u{2066}\u{200f}\u{61c}\u{feff}\u{2028}\u{e0041}";

#[tokio::test(flavor = "multi_thread")]
async fn hostile_events_leave_no_acting_character_in_any_format() {
    let collector = Collector::start().await;
    let url = collector.running.url().to_owned();
    let hostile = format!("a\u{1b}[2J\r\n\tb{ACTING}c");
    let mut event = custom(&format!("evt_{hostile}"), &format!("s{hostile}"), &hostile);
    for field in [
        "identify_actor_given_id",
        "identify_actor_name",
        "client_name",
        "client_version",
        "server_name",
        "server_version",
        "sdk_language",
        "user_intent",
    ] {
        event[field] = hostile.as_str().into();
    }
    event["is_error"] = true.into();
    event["error"] = serde_json::json!({ "type": hostile, "message": hostile });
    event["tags"] = serde_json::json!({ hostile.as_str(): hostile });
    event["parameters"] = serde_json::json!({ hostile.as_str(): [hostile] });
    let mut plain_error = event.clone();
    plain_error["id"] = "evt_text".into();
    plain_error["error"] = hostile.as_str().into();
    collector.post(&event).await;
    collector.post(&plain_error).await;
    let session = event["session_id"].as_str().unwrap();
    let acts = |c: char| (c.is_control() && c != '\n') || ACTING.contains(c) && !"31m".contains(c);
    for args in [
        &["query"][..],
        &["query", "--json"],
        &["query", session],
        &["query", session, "--json"],
        &["export"],
        &["export", "--format", "csv"],
        &["export", "--format", "html", "--session", session],
        &["catalogue", "--project", "proj_test"],
    ] {
        let printed = out(&shell(&[args, &["--url", &url]].concat()).await);
        let mut found = printed.chars().filter(|c| acts(*c) && !(*c == '\r' && args.contains(&"csv")));
        assert_eq!(found.next(), None, "{args:?}: {printed:?}");
    }
    // One line an event, whatever is in it.
    assert_eq!(out(&shell(&["query", session, "--url", &url]).await).lines().count(), 2);
    assert_eq!(out(&shell(&["export", "--format", "csv", "--url", &url]).await).lines().count(), 3);
    let lines = out(&shell(&["export", "--url", &url]).await);
    let kept: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(kept["user_intent"], hostile, "escaped text is the same text");
    let refused = err(&shell(&["query", "--where", &format!("{hostile}=1"), "--url", &url]).await);
    assert!(!refused.chars().any(acts), "{refused:?}");
    let tail = tokio::spawn(async move { shell(&["tail", "--url", &url, "--count", "1"]).await });
    while !tail.is_finished() {
        event["id"] = format!("evt_{:?}", std::time::Instant::now()).into();
        collector.post(&event).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!out(&tail.await.unwrap()).chars().any(acts));
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_in_the_readers_zone_or_in_utc_and_colour_is_for_terminals() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "n")).await;
    let query = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"));
        command.args(["query", "s", "--url", collector.running.url()]).args(more).env("TZ", "XXX-3");
        command.envs(variables.iter().copied());
        out(&command.output().unwrap())
    };
    tokio::task::block_in_place(|| {
        assert!(query(&[], &[]).starts_with("2026-11-22 13:00:00.000+03:00"), "{}", query(&[], &[]));
        assert!(query(&["--utc"], &[]).starts_with("2026-11-22 10:00:00.000Z"));
        assert!(!query(&[], &[]).contains('\u{1b}'), "a pipe gets no colour");
        assert!(query(&["--color", "always"], &[]).contains("\u{1b}[33m⚡"));
        assert!(!query(&["--color", "auto"], &[("NO_COLOR", "1")]).contains('\u{1b}'));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_what_the_user_gave_and_no_other_address() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "n")).await;
    let file = collector.data();
    let file = file.to_str().unwrap();
    for args in [&["query", "nope", "--data", file][..], &["query", "--where", "since=soon", "--data", file]]
    {
        let said = err(&shell(args).await);
        assert!(
            said.contains(file) && !said.contains("http") && !said.contains("127.0.0.1"),
            "{args:?}: {said}"
        );
    }
    // At the usual address somebody may have a timeline of their own.
    if std::net::TcpListener::bind("127.0.0.1:6228").is_ok() {
        let usual = err(&shell(&["tail"]).await);
        assert!(!usual.contains("http://"), "{usual}");
    }
    let named = err(&shell(&["tail", "--url", "http://user:secret@127.0.0.1:9/t/alsosecret"]).await);
    assert!(named.contains("127.0.0.1:9") && !named.contains("secret"), "{named}");
    let none = err(&shell(&["query", "--data", folder.path().join("x").to_str().unwrap()]).await);
    assert!(none.contains("there is no data file"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_indented_by_the_depth_of_their_nest() {
    let collector = Collector::start().await;
    for (at, (id, parent)) in [("a", ""), ("b", "a"), ("c", "b"), ("d", "a")].into_iter().enumerate() {
        let mut event = custom(id, "s", id);
        event["timestamp"] = format!("2026-11-22T10:00:0{at}Z").into();
        if !parent.is_empty() {
            event["parent_id"] = parent.into();
        }
        collector.post(&event).await;
    }
    let printed = out(&shell(&["query", "s", "--utc", "--url", collector.running.url()]).await);
    let columns: Vec<_> = printed.lines().map(|line| line.chars().position(|c| c == '⚡').unwrap()).collect();
    assert_eq!(
        columns.iter().map(|column| column - columns[0]).collect::<Vec<_>>(),
        [0, 2, 4, 2],
        "{printed}"
    );
}

/// A timeline that only counts what is sent to it, and is busy at first.
#[tokio::test(flavor = "multi_thread")]
async fn import_sends_batches_of_five_hundred_and_four_megabytes_and_tries_again_when_told_to() {
    use axum::http::StatusCode;
    use std::sync::{Arc, Mutex};
    let requests: Arc<Mutex<Vec<(usize, usize)>>> = Arc::default();
    let seen = Arc::clone(&requests);
    let busy = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let handler = move |body: String| async move {
        if busy.swap(false, std::sync::atomic::Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, "{\"error\":\"not now\"}".to_owned());
        }
        let lines = body.lines().count();
        seen.lock().unwrap().push((lines, body.len()));
        let results = vec![r#"{"status":"accepted"}"#; lines].join(",");
        (StatusCode::OK, format!("{{\"results\":[{results}]}}"))
    };
    let router = axum::Router::new()
        .route("/v1/public/events/batch", axum::routing::post(handler))
        .layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in.ndjson");
    let small = "{\"project_id\":\"p\"}\n\n".repeat(1201);
    let large = format!("{{\"x\":\"{}\"}}\n", "y".repeat(1_500_000)).repeat(5);
    std::fs::write(&file, format!("{small}{large}")).unwrap();
    let said = out(&shell(&["import", "--url", &url, file.to_str().unwrap()]).await);
    assert_eq!(said, "1206 accepted, 0 there already, 0 rejected\n");
    let requests = requests.lock().unwrap().clone();
    let counts: Vec<_> = requests.iter().map(|(lines, _)| *lines).collect();
    assert_eq!(counts, [500, 500, 203, 2, 1], "201 small and two large ones fit, then two, then one");
    assert!(requests.iter().all(|(_, bytes)| *bytes <= 4 * 1024 * 1024), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prune_removes_what_is_too_much_and_gives_the_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.sqlite3");
    let timeline = mcpcat_timeline::Timeline::builder().data(&file).start().await.unwrap();
    let http = reqwest::Client::new();
    for part in 0..8 {
        let lines: String = (0..500)
            .map(|n| {
                let mut event = custom(&format!("evt_{part}_{n}"), &format!("s{part}"), "n");
                event["response"] = "x".repeat(2000).into();
                format!("{event}\n")
            })
            .collect();
        let request = http.post(format!("{}/v1/public/events/batch", timeline.url()));
        let sent = request.header("content-type", "application/x-ndjson").body(lines).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    let name = file.to_str().unwrap();
    let open = err(&shell(&["prune", "--data", name, "--keep", "1d"]).await);
    assert!(open.contains("in use"), "{open}");
    timeline.shutdown().await;
    let before = std::fs::metadata(&file).unwrap().len();
    assert!(err(&shell(&["prune", "--data", name]).await).contains("--keep"));
    let said = out(&shell(&["prune", "--data", name, "--keep-size", "2MB"]).await);
    assert!(said.contains("sessions before"), "{said}");
    let after = std::fs::metadata(&file).unwrap().len();
    assert!(after < before / 2, "{before} bytes before, {after} after");
    let left = out(&shell(&["query", "--data", name]).await);
    assert!(left.contains("s7") && !left.contains("s0 "), "{left}");
}

#[test]
fn shells_and_man_learn_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = out(&run(&["completions", shell]));
        assert!(script.contains("mcpcat-timeline") && script.contains("forget"), "{shell}");
    }
    let page = out(&run(&["man"]));
    for word in [".TH mcpcat", "EXPORT", "\\-\\-force", "\\-\\-dry\\-run", "\\-\\-memory"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn serve_gives_sdks_a_token_that_only_sends() {
    use std::io::{BufRead, BufReader};
    let start = || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
            .args(["serve", "--in-memory", "--listen", "127.0.0.1:0", "--token", "manage-secret"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Vec<String> =
            BufReader::new(child.stdout.take().unwrap()).lines().take(4).map(|line| line.unwrap()).collect();
        let sdk = lines
            .iter()
            .find_map(|line| line.trim().strip_prefix("export MCPCAT_API_URL="))
            .unwrap()
            .to_owned();
        (child, sdk)
    };
    let (mut child, sdk) = start();
    assert!(!sdk.contains("manage-secret"), "{sdk}");
    let (base, token) = sdk.split_once("/t/").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let http = reqwest::Client::new();
        let post = http.post(format!("{sdk}/v1/public/events/")).header("content-type", "application/json");
        assert_eq!(post.body(custom("e", "s", "n").to_string()).send().await.unwrap().status(), 202);
        let read = http.get(format!("{base}/api/v1/sessions")).bearer_auth(token).send().await.unwrap();
        assert_eq!(read.status(), 401);
        let remove =
            http.delete(format!("{base}/api/v1/sessions/s")).bearer_auth(token).send().await.unwrap();
        assert_eq!(remove.status(), 401);
        let own =
            http.get(format!("{base}/api/v1/sessions")).bearer_auth("manage-secret").send().await.unwrap();
        assert_eq!(own.status(), 200);
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut again, other) = start();
    again.kill().unwrap();
    again.wait().unwrap();
    assert_eq!(other.split_once("/t/").unwrap().1, token, "an SDK's setting survives a restart");
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
