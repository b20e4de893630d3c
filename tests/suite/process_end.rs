//! The end of a process: whatever way it ends by itself, its events have arrived by then, with no flush, no shutdown
//! and no second start; and the end never waits in vain.
//!
//! `MCPCAT_ROUNDS=20 cargo test --release --test suite process_end::exit_times -- --nocapture` prints how long the ends
//! take beside an untracked server's.

#![allow(clippy::print_stdout, reason = "figures for people")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::{PATIENCE, program, with_default_signals};
use crate::ways_out::Secure;

static GUIDE: LazyLock<PathBuf> = LazyLock::new(|| program("guide"));
static ENDER: LazyLock<PathBuf> = LazyLock::new(|| program("ender"));

/// What a program that cannot wait in vain is given: a test that waited for it would fail.
const FOREVER_MS: &str = "120000";
/// Far less than that, far more than any end needs on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// How many times as long as on a quiet machine things take here now, by what the system says of its load.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let runnable: f64 = text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    (runnable / cores).max(1.0)
}

/// An endpoint, and the events that have arrived at it.
struct Endpoint {
    url: String,
    environment: Vec<(&'static str, String)>,
    events: Box<dyn Fn() -> Vec<Value> + Send + Sync>,
}

impl Endpoint {
    /// One that takes `takes` for each answer.
    async fn http(takes: Duration) -> Self {
        Self::answering(takes, StatusCode::ACCEPTED, HeaderMap::new()).await
    }

    async fn answering(takes: Duration, status: StatusCode, headers: HeaderMap) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&kept);
        let router = axum::Router::new().fallback(move |body: Bytes| async move {
            kept.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or(Value::Null));
            tokio::time::sleep(takes).await;
            (status, headers).into_response()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, environment: Vec::new(), events: Box::new(move || events.lock().unwrap().clone()) }
    }

    /// The same over TLS, with a certificate of an authority of the test's own, and the way to it `way` long.
    async fn https(takes: Duration, way: Duration) -> Self {
        let secure =
            Secure::start_slow(&[b"http/1.1"], takes, |_| StatusCode::ACCEPTED.into_response()).await;
        let port = distant(secure.address.port(), way).await;
        Self {
            url: format!("https://localhost:{port}"),
            environment: vec![secure.trust()],
            events: Box::new(move || {
                let bodies = secure.seen();
                bodies.iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect()
            }),
        }
    }

    fn names(&self) -> Vec<String> {
        let name = |event: &Value| {
            let name = event["resource_name"].as_str().unwrap_or_default();
            format!("{} {name}", event["event_type"].as_str().unwrap_or_default()).trim().to_owned()
        };
        let mut names: Vec<_> = (self.events)().iter().map(name).collect();
        names.sort();
        names
    }
}

/// A port that leads to another one, where each byte takes `way` in each direction.
async fn distant(port: u16, way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            tokio::spawn(slowly(from_near, to_far, way));
            tokio::spawn(slowly(from_far, to_near, way));
        }
    });
    here
}

async fn slowly(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    way: Duration,
) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(tokio::time::Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if sender.send((tokio::time::Instant::now() + way, bytes[..read].to_vec())).is_err() {
            return;
        }
    }
}

/// A program in a fresh state directory.
fn command(program: &Path, endpoint: &Endpoint, state: &Path) -> Command {
    let mut command = Command::from(with_default_signals(program));
    command.env_remove("AGENTCAT_API_URL").env_remove("MCPCAT_DRAIN_MS");
    command.env("MCPCAT_STATE_DIR", state).env("MCPCAT_API_URL", &endpoint.url);
    command.envs(endpoint.environment.iter().map(|(name, value)| (*name, value)));
    // The default of 1.5 s is for a machine that has that much time for its programs.
    let load = load();
    if load > 1.0 {
        command.env("MCPCAT_DRAIN_MS", format!("{:.0}", 1_500.0 * 2.0 * load));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// A conversation over the pipes of a server.
struct Conversation {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Conversation {
    /// The handshake, a listing, and the call of a tool, of which the answer has come unless it never does.
    async fn hold(mut command: Command, tool: &str, answers: bool) -> Self {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut it = Self { child, stdin, lines };
        it.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "t", "version": "1" } } }))
            .await;
        it.hear(1).await;
        it.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        it.say(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })).await;
        it.hear(2).await;
        it.say(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
            "name": tool, "arguments": { "plan": "pro" } } }))
            .await;
        if answers {
            it.hear(3).await;
        }
        it
    }

    async fn say(&mut self, message: &Value) {
        self.stdin.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn hear(&mut self, id: u64) {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("it answers");
        let line = line.unwrap().expect("the server lives");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["id"], id, "{line}");
    }

    /// Closes its stdin; with `told` it gets SIGTERM two seconds later, as official clients do. How long it took.
    async fn close(mut self, told: bool) -> Duration {
        drop(self.stdin);
        let began = Instant::now();
        let patience = Duration::from_secs(2).mul_f64(3.0 * load() - 2.0);
        if told && tokio::time::timeout(patience, self.child.wait()).await.is_err() {
            signal(&self.child, "TERM");
        }
        end(&mut self.child).await;
        began.elapsed()
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it lives").to_string();
    assert!(std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

async fn end(child: &mut Child) -> std::process::ExitStatus {
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap()
}

const SESSION: [&str; 5] = [
    "agentcat:custom invoice.charge",
    "agentcat:custom subscription_upgraded",
    "mcp:initialize",
    "mcp:tools/call upgrade",
    "mcp:tools/list",
];

#[test]
fn the_guides_program_is_the_one_that_is_tested() {
    let guide = include_str!("../../docs/guide.md");
    let (_, from) = guide.split_once("```no_run\n").unwrap();
    let (program, _) = from.split_once("```").unwrap();
    assert_eq!(program, include_str!("../../examples/guide.rs"));
}

/// Forty short conversations with the guide's server at each endpoint, a fresh state directory each; the client closes
/// stdin as soon as it has its last answer, and sends half of them a SIGTERM two seconds later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_of_the_guides_server_has_arrived_when_it_has_ended() {
    let guide = tokio::task::spawn_blocking(|| GUIDE.clone()).await.unwrap();
    let way = Duration::from_millis(50);
    for (takes, secure) in [(20, false), (200, false), (20, true), (200, true)] {
        let takes = Duration::from_millis(takes);
        let rounds = futures_util::stream::iter(0..40).map(|round| {
            let guide = guide.clone();
            async move {
                let endpoint = match secure {
                    true => Endpoint::https(takes, way).await,
                    false => Endpoint::http(takes).await,
                };
                let state = tempfile::tempdir().unwrap();
                let server = command(&guide, &endpoint, state.path());
                Conversation::hold(server, "upgrade", true).await.close(round % 2 == 0).await;
                endpoint.names()
            }
        });
        let sessions: Vec<_> = rounds.buffer_unordered(4).collect().await;
        let complete = sessions.iter().filter(|names| **names == SESSION).count();
        assert_eq!(complete, 40, "{takes:?}, TLS {secure}: {sessions:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_from_a_tool_that_exits_from_one_thread_and_from_two_clients() {
    let ender = tokio::task::spawn_blocking(|| ENDER.clone()).await.unwrap();
    let begun = ["mcp:initialize", "mcp:tools/list"];
    for (way, tool, expected) in [
        ("serve", "work", vec!["agentcat:custom worked", "mcp:tools/call work"]),
        ("serve-current-thread", "work", vec!["agentcat:custom worked", "mcp:tools/call work"]),
        // The call itself has not ended when its process does.
        ("serve", "leave", vec!["agentcat:custom worked"]),
        ("serve-current-thread", "leave", vec!["agentcat:custom worked"]),
        ("serve-two", "work", vec!["agentcat:custom other", "agentcat:custom worked", "mcp:tools/call work"]),
    ] {
        for _ in 0..5 {
            let endpoint = Endpoint::http(Duration::from_millis(20)).await;
            let state = tempfile::tempdir().unwrap();
            let mut server = command(&ender, &endpoint, state.path());
            server.arg(way);
            Conversation::hold(server, tool, tool == "work").await.close(false).await;
            let mut expected: Vec<_> = expected.iter().chain(&begun).map(|name| (*name).to_owned()).collect();
            expected.sort();
            assert_eq!(endpoint.names(), expected, "{way}, {tool}");
        }
    }
}

/// In a container the server is the first process of its namespace. Needs a right that not every machine gives.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_from_the_first_process_of_a_container() {
    let unshare = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let can = Command::new("unshare").args(unshare).arg("true").stderr(Stdio::null()).status().await;
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("not run: this user may not make a process namespace");
        return;
    }
    let guide = tokio::task::spawn_blocking(|| GUIDE.clone()).await.unwrap();
    for _ in 0..5 {
        let endpoint = Endpoint::http(Duration::from_millis(20)).await;
        let state = tempfile::tempdir().unwrap();
        let mut server = command(Path::new("unshare"), &endpoint, state.path());
        server.args(unshare).arg(&guide);
        Conversation::hold(server, "upgrade", true).await.close(false).await;
        assert_eq!(endpoint.names(), SESSION);
    }
}

/// Events leave at once, so that a signal which comes a moment after the last answer finds them gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_shortly_after_the_last_answer_finds_the_events_gone() {
    let guide = tokio::task::spawn_blocking(|| GUIDE.clone()).await.unwrap();
    for name in ["INT", "TERM"] {
        let rounds = futures_util::stream::iter(0..20).map(|_| {
            let guide = guide.clone();
            async move {
                let endpoint = Endpoint::http(Duration::from_millis(20)).await;
                let state = tempfile::tempdir().unwrap();
                let server = command(&guide, &endpoint, state.path());
                let mut conversation = Conversation::hold(server, "upgrade", true).await;
                // The moment is what is tested.
                tokio::time::sleep(Duration::from_millis(100).mul_f64(load().powi(2))).await;
                signal(&conversation.child, name);
                end(&mut conversation.child).await;
                endpoint.names()
            }
        });
        let sessions: Vec<_> = rounds.buffer_unordered(2).collect().await;
        let complete = sessions.iter().filter(|names| **names == SESSION).count();
        assert_eq!(complete, 20, "SIG{name}: {sessions:#?}");
    }
}

/// A program that publishes three events and ends; the ids that it was promised, and how long it took.
async fn ends(
    endpoint: &Endpoint,
    state: &Path,
    way: &str,
    drain: Option<&str>,
) -> (BTreeSet<String>, Duration) {
    let ender = tokio::task::spawn_blocking(|| ENDER.clone()).await.unwrap();
    let mut program = command(&ender, endpoint, state);
    program.arg(way).stdin(Stdio::null());
    if let Some(drain) = drain {
        program.env("MCPCAT_DRAIN_MS", drain);
    }
    let began = Instant::now();
    let output = tokio::time::timeout(PATIENCE + SOON, program.output()).await.expect("it ends").unwrap();
    let took = began.elapsed();
    assert!(output.status.success(), "{way}: {}", output.status);
    let lines = String::from_utf8(output.stdout).unwrap();
    (lines.lines().filter(|line| line.starts_with("evt_")).map(str::to_owned).collect(), took)
}

fn ids(endpoint: &Endpoint) -> BTreeSet<String> {
    (endpoint.events)().iter().filter_map(|event| Some(event["id"].as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_the_program_its_events_have_arrived() {
    for (way, events) in [
        ("return", 3),
        ("exit", 3),
        ("exit-in-thread", 3),
        ("exit-in-two-threads", 3),
        ("exit-in-runtime", 3),
        ("runtime-dropped", 4),
        ("exit-in-on-loss", 3),
        ("block-in-on-loss", 3),
        // Said by the destructor of a thread-local of `main`, when that has returned.
        ("thread-local", 4),
        ("fork", 3),
    ] {
        for _ in 0..3 {
            let endpoint = Endpoint::http(Duration::from_millis(20)).await;
            let state = tempfile::tempdir().unwrap();
            let (promised, _) = ends(&endpoint, state.path(), way, None).await;
            assert_eq!(promised.len(), events, "{way}");
            assert_eq!(ids(&endpoint), promised, "{way}");
        }
    }
}

/// What is read by a hook when the process ends in that hook is not waited for; the rest is on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_inside_a_hook_ends() {
    let endpoint = Endpoint::http(Duration::from_millis(20)).await;
    let state = tempfile::tempdir().unwrap();
    ends(&endpoint, state.path(), "exit-in-hook", None).await;
}

/// A child that was forked returns from `exit` at once: the delivery is its parent's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forked_child_does_not_wait() {
    let endpoint = black_hole().await;
    let state = tempfile::tempdir().unwrap();
    let ender = tokio::task::spawn_blocking(|| ENDER.clone()).await.unwrap();
    let mut program = command(&ender, &endpoint, state.path());
    program.arg("fork").stdin(Stdio::null()).env("MCPCAT_DRAIN_MS", FOREVER_MS);
    let mut parent = program.spawn().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let child = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it says who its child is");
            if let Some(child) = line.strip_prefix("child ") {
                return child.to_owned();
            }
        }
    };
    let child = tokio::time::timeout(PATIENCE, child).await.unwrap();
    let ended = || {
        // A zombie until its parent ends, which waits for the endpoint.
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    let wait = async {
        while !ended() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("the child ends while its parent waits");
    assert!(parent.try_wait().unwrap().is_none(), "the parent waits");
    parent.kill().await.unwrap();
}

/// An endpoint that takes connections and never looks at them.
async fn black_hole() -> Endpoint {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Endpoint {
        url,
        environment: Vec::new(),
        events: Box::new(move || {
            let _open = &listener;
            Vec::new()
        }),
    }
}

fn nobody(url: &str) -> Endpoint {
    Endpoint { url: url.to_owned(), environment: Vec::new(), events: Box::new(Vec::new) }
}

/// An endpoint that fails has nobody wait for it, and one that does not answer has one process wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_in_vain_for_an_endpoint_that_fails() {
    let retry_after = HeaderMap::from_iter([(header::RETRY_AFTER, "60".parse().unwrap())]);
    let zero = Duration::ZERO;
    for (what, endpoint) in [
        ("refused", nobody("http://127.0.0.1:9")),
        ("no TLS there", nobody(&Endpoint::http(zero).await.url.replace("http:", "https:"))),
        ("503", Endpoint::answering(zero, StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new()).await),
        ("503 later", Endpoint::answering(zero, StatusCode::SERVICE_UNAVAILABLE, retry_after.clone()).await),
        ("429 later", Endpoint::answering(zero, StatusCode::TOO_MANY_REQUESTS, retry_after).await),
        ("404", Endpoint::answering(zero, StatusCode::NOT_FOUND, HeaderMap::new()).await),
    ] {
        let state = tempfile::tempdir().unwrap();
        let (promised, took) = ends(&endpoint, state.path(), "return", Some(FOREVER_MS)).await;
        assert!(took < SOON && promised.len() == 3, "{what}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_does_not_answer_is_remembered_and_one_that_does_again_is_waited_for() {
    let hole = black_hole().await;
    let state = tempfile::tempdir().unwrap();
    // It waits until an answer is overdue, which is a little before its limit.
    let waits = Duration::from_millis(250);
    let (_, took) = ends(&hole, state.path(), "return", Some("300")).await;
    assert!(took >= waits, "the first waits: {took:?}");
    let (_, took) = ends(&hole, state.path(), "return", Some(FOREVER_MS)).await;
    assert!(took < SOON, "the second knows: {took:?}");
    let (_, took) = ends(&hole, tempfile::tempdir().unwrap().path(), "return", Some("300")).await;
    assert!(took >= waits, "another state directory does not: {took:?}");
}

/// What has arrived by kind of end, and what a next start brings. `MCPCAT_EVENTS` events instead of 200 make the
/// README's table: `MCPCAT_EVENTS=2000 cargo test --release --test suite by_kind_of_end -- --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_arrives_by_kind_of_end() {
    let count: usize = std::env::var("MCPCAT_EVENTS").map_or(200, |count| count.parse().unwrap());
    let ender = tokio::task::spawn_blocking(|| ENDER.clone()).await.unwrap();
    println!("| end | arrived when the process had ended | arrived after the next start |\n|---|---:|---:|");
    for (what, way, sent, at_the_end) in [
        ("return from `main`", "return", None, true),
        ("`std::process::exit`", "exit", None, true),
        ("a panic of the main thread", "panic", None, true),
        ("SIGTERM at once", "wait", Some("TERM"), false),
        ("SIGINT at once", "wait", Some("INT"), false),
        ("SIGKILL at once", "wait", Some("KILL"), false),
        ("`abort`", "abort", None, false),
        ("return, endpoint down", "return", None, false),
    ] {
        let up = Endpoint::http(Duration::from_millis(20)).await;
        let down =
            Endpoint::answering(Duration::ZERO, StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new()).await;
        let state = tempfile::tempdir().unwrap();
        // One address for both, of which somebody decides later: a run belongs to its endpoint.
        let switch = Switch::start(if what.contains("down") { &down } else { &up }).await;
        let mut program = command(&ender, &switch.endpoint, state.path());
        program.args([way, &count.to_string()]).stdin(Stdio::null());
        let mut child = program.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut promised = BTreeSet::new();
        while promised.len() < count {
            let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
            promised.insert(line.unwrap_or_else(|| panic!("{what}: it says what it promises")));
        }
        if let Some(name) = sent {
            signal(&child, name);
        }
        end(&mut child).await;
        let before = ids(&up);
        switch.lead_to(&up);
        let mut next = command(&ender, &switch.endpoint, state.path());
        let next = next.args(["deliver", "0"]).stdin(Stdio::null()).output();
        assert!(tokio::time::timeout(PATIENCE, next).await.expect("it ends").unwrap().status.success());
        let after = ids(&up);
        println!("| {what} | {} of {count} | {} of {count} |", before.len(), after.len());
        assert_eq!(after, promised, "{what}");
        assert!(!at_the_end || before == promised, "{what}: {} of {count}", before.len());
    }
}

/// An address that leads to one endpoint, and later to another.
struct Switch {
    endpoint: Endpoint,
    there: Arc<Mutex<u16>>,
}

impl Switch {
    async fn start(first: &Endpoint) -> Self {
        let there = Arc::new(Mutex::new(port(first)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = nobody(&format!("http://{}", listener.local_addr().unwrap()));
        let asked = Arc::clone(&there);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let port = *asked.lock().unwrap();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { endpoint, there }
    }

    fn lead_to(&self, other: &Endpoint) {
        *self.there.lock().unwrap() = port(other);
    }
}

fn port(endpoint: &Endpoint) -> u16 {
    endpoint.url.rsplit(':').next().unwrap().parse().unwrap()
}

/// How long ends take: `MCPCAT_ROUNDS` each. What is asserted is only that each ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_times() {
    let rounds: usize = std::env::var("MCPCAT_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let retry_after = HeaderMap::from_iter([(header::RETRY_AFTER, "60".parse().unwrap())]);
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let healthy = Duration::from_millis(20);
    let ender = tokio::task::spawn_blocking(|| ENDER.clone()).await.unwrap();
    for (what, way, endpoint, remembers) in [
        ("untracked", "untracked", nobody("http://127.0.0.1:9"), false),
        ("healthy, 20 ms", "serve", Endpoint::http(healthy).await, false),
        ("refused port", "serve", nobody("http://127.0.0.1:9"), false),
        ("a listener that never accepts", "serve", black_hole().await, false),
        ("the same, later", "serve", black_hole().await, true),
        ("a name that does not resolve", "serve", nobody("http://collector.invalid"), false),
        ("503", "serve", Endpoint::answering(Duration::ZERO, unavailable, HeaderMap::new()).await, false),
        (
            "503, Retry-After",
            "serve",
            Endpoint::answering(Duration::ZERO, unavailable, retry_after).await,
            false,
        ),
    ] {
        let shared = tempfile::tempdir().unwrap();
        let mut times = Vec::new();
        for round in 0..rounds + usize::from(remembers) {
            let own = tempfile::tempdir().unwrap();
            let mut server = command(&ender, &endpoint, if remembers { shared.path() } else { own.path() });
            server.arg(way);
            let took = Conversation::hold(server, "work", true).await.close(false).await;
            if !(remembers && round == 0) {
                times.push(took.as_secs_f64() * 1e3);
            }
        }
        times.sort_by(f64::total_cmp);
        println!(
            "{what:32} median {:7.1} ms, most {:7.1} ms",
            times[times.len() / 2],
            times[times.len() - 1]
        );
    }
}
