//! What happens to events over the lives of processes: kills beside an endpoint that comes and goes, restarts in an
//! outage, neighbours on one state directory, limits that the system sets, another version of the spool.
//!
//! Children are this test binary, run with `child` as the only test and a role in the environment. They write the id of
//! each event to standard output once `publish` has returned.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests and their children")]
#![allow(unsafe_code, reason = "limits of a process have no safe form")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use mcpcat_runtime::{Client, ClientBuilder, ConfigError, PublishError};
use mcpcat_runtime::{CustomEvent, EventId};
use mcpcat_runtime::{DropReason, Stats};

/// Reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(180);
const ROLE: &str = "LIFETIMES_ROLE";

// ---- an endpoint

/// A hundred thousand events are not to take a hundred thousand requests.
const OFFER: &str = "mcpcat-batch: v1; path=/batch; max-events=500; max-bytes=1048576";

/// Takes every event while it is up, and closes connections while it is down.
#[derive(Clone, Default)]
struct Endpoint {
    address: String,
    up: Arc<AtomicBool>,
    /// How often each event was taken.
    taken: Arc<Mutex<BTreeMap<String, u32>>>,
    sessions: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    fn start(up: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let it = Self { address: listener.local_addr().unwrap().to_string(), ..Self::default() };
        it.up.store(up, Ordering::SeqCst);
        let endpoint = it.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let endpoint = endpoint.clone();
                std::thread::spawn(move || endpoint.serve(stream));
            }
        });
        it
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut input = BufReader::new(stream.try_clone().ok()?);
        loop {
            let (mut line, mut length) = (String::new(), 0);
            while input.read_line(&mut line).ok()? > 2 {
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().ok()?;
                }
                line.clear();
            }
            let mut body = vec![0; length];
            input.read_exact(&mut body).ok()?;
            if !self.up.load(Ordering::SeqCst) || length == 0 {
                return None;
            }
            // One event, or a batch: one a line.
            let mut results = Vec::new();
            for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let event: serde_json::Value = serde_json::from_slice(line).ok()?;
                let id = event["id"].as_str()?.to_owned();
                results.push(serde_json::json!({ "id": id, "status": "accepted" }));
                *self.taken.lock().unwrap().entry(id).or_default() += 1;
                self.sessions.lock().unwrap().push(event["session_id"].as_str().unwrap_or("none").to_owned());
            }
            let answer = serde_json::json!({ "results": results }).to_string();
            let head =
                format!("HTTP/1.1 202 Accepted\r\n{OFFER}\r\ncontent-length: {}\r\n\r\n", answer.len());
            (&stream).write_all((head + &answer).as_bytes()).ok()?;
        }
    }

    /// Which of these it has not taken.
    fn missing<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> usize {
        let taken = self.taken.lock().unwrap();
        ids.into_iter().filter(|id| !taken.contains_key(*id)).count()
    }

    fn twice(&self) -> usize {
        self.taken.lock().unwrap().values().filter(|times| **times > 1).count()
    }
}

// ---- children

struct Started {
    child: Child,
    /// Some children wait for its end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

fn command_of(program: &Path, role: &str, url: &str, state: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env("LIFETIMES_URL", url)
        .env("MCPCAT_STATE_DIR", state)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn start_program(program: &Path, role: &str, url: &str, state: &Path) -> Started {
    Started::of(command_of(program, role, url, state))
}

fn start(role: &str, url: &str, state: &Path) -> Started {
    start_program(&std::env::current_exe().unwrap(), role, url, state)
}

impl Started {
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// The next line with this beginning, without it; the harness of the child prints lines of its own.
    fn said(&mut self, what: &str) -> Option<String> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if self.output.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            let text = String::from_utf8_lossy(&line);
            // The harness says the test's name on the line that the child begins with.
            if let Some((_, rest)) = text.split_once(what)
                && rest.ends_with('\n')
            {
                return Some(rest.trim().to_owned());
            }
        }
    }

    fn ids(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.said("id ")).collect()
    }

    /// Lets it end by itself.
    fn end(self) -> std::process::ExitStatus {
        let Self { mut child, input, mut output } = self;
        drop(input);
        // Its harness wants to say how the test went.
        let _ = output.read_to_end(&mut Vec::new());
        child.wait().unwrap()
    }
}

fn builder() -> ClientBuilder {
    let project = std::env::var("LIFETIMES_PROJECT").unwrap_or_else(|_| "proj_lifetimes".to_owned());
    Client::builder(project).base_url(std::env::var("LIFETIMES_URL").unwrap())
}

fn publish(client: &Client, n: u64) {
    say_id(try_publish(client, n).unwrap());
}

fn try_publish(client: &Client, n: u64) -> Result<EventId, PublishError> {
    // Two threads' sessions at most, and a size that differs.
    let text = "x".repeat((n % 200) as usize);
    client.publish("one session", CustomEvent::new("numbered").parameter("n", n).parameter("text", text))
}

fn say_id(id: EventId) {
    writeln!(std::io::stdout().lock(), "id {id}").unwrap();
}

fn numbers(stats: &Stats) -> String {
    let expired = stats.dropped_for(DropReason::Expired);
    format!("{} {} {} {} {expired}", stats.adopted, stats.delivered, stats.dropped, stats.pending)
}

fn wait_for_the_end_of_input() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn limit(resource: libc::__rlimit_resource_t, value: u64) {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the call reads `limit`.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0);
}

#[test]
fn child() {
    // Without a role this is not a child: the other tests start it.
    let Ok(role) = std::env::var(ROLE) else { return };
    let (name, argument) = role.split_once(' ').unwrap_or((&role, "0"));
    let count: u64 = argument.parse().unwrap();
    match name {
        // Two threads publish to one session until the kill.
        "burst" => {
            let client = builder().build().unwrap();
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    let client = &client;
                    // Until it is killed.
                    scope.spawn(move || (0..u64::MAX / 2).for_each(|n| publish(client, 2 * n + thread)));
                }
            });
        }
        "leave" => {
            let client = builder().build().unwrap();
            (0..count).for_each(|n| publish(&client, n));
            std::process::abort();
        }
        "crowd" => {
            let client = builder().build().unwrap();
            for n in 0.. {
                publish(&client, n);
                std::thread::sleep(Duration::from_micros(500));
            }
        }
        "idle" => {
            let client = builder().build().unwrap();
            println!("\nready 1");
            wait_for_the_end_of_input();
            drop(client);
        }
        // 18 MB that wait, in events of 4 KiB; then the endpoint comes back.
        "busy" => {
            let client = builder().build().unwrap();
            for n in 0..count {
                let event = CustomEvent::new("busy").parameter("n", n).parameter("text", "y".repeat(4096));
                client.publish("busy", event).unwrap();
            }
            println!("\nnumbers {}", numbers(&client.stats()));
            wait_for_the_end_of_input();
            println!("\nnumbers {}", numbers(&client.flush_blocking(PATIENCE)));
        }
        "short" => {
            let client = builder().drain(Duration::ZERO).build().unwrap();
            (0..count).for_each(|n| publish(&client, n));
        }
        "deliver" => {
            let (told, tell) = std::sync::mpsc::channel();
            let client = builder()
                .on_loss(move |loss| {
                    let _ = told.send(loss.reason);
                })
                .build()
                .unwrap();
            let stats = client.shutdown_blocking(PATIENCE);
            // It is told on a thread of its own.
            let first = (stats.dropped > 0).then(|| tell.recv_timeout(PATIENCE).unwrap());
            let told: Vec<_> = first.into_iter().chain(tell.try_iter()).collect();
            println!("\nnumbers {} told {told:?}", numbers(&stats));
        }
        "limited-file" => {
            limit(libc::RLIMIT_FSIZE, count);
            limited_child();
        }
        "limited-files" => {
            limit(libc::RLIMIT_NOFILE, count);
            limited_child();
        }
        "umask" => {
            // SAFETY: changes this process's mask and nothing else.
            unsafe { libc::umask(count as libc::mode_t) };
            let client = builder().drain(Duration::ZERO).build().unwrap();
            (0..5).for_each(|n| publish(&client, n));
        }
        other => panic!("no role {other}"),
    }
}

/// Says how it went under a limit: delivered, or refused at the start.
fn limited_child() {
    match builder().build() {
        Ok(client) => {
            for n in 0..2_000 {
                // Without a descriptor for another segment it is refused, and counted as such.
                match try_publish(&client, n) {
                    Ok(id) => say_id(id),
                    Err(error) => assert_eq!(error, PublishError::Dropped(DropReason::SpoolFull)),
                }
            }
            println!("\nnumbers {}", numbers(&client.flush_blocking(PATIENCE)));
        }
        Err(ConfigError::Thread(error)) => println!("\nrefused {error}"),
        Err(error) => panic!("{error}"),
    }
}

// ---- the tests

struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed =
            std::env::var("LIFETIMES_SEED").map_or(now.as_nanos() as u64 | 1, |it| it.parse().unwrap());
        eprintln!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn delivered_by_the_next_start(endpoint: &Endpoint, state: &Path) -> String {
    let mut last = start("deliver", &endpoint.url(), state);
    let said = last.said("numbers ").expect("it ended without a word");
    assert!(last.end().success());
    said
}

#[test]
fn kills_beside_an_endpoint_that_is_down_half_of_the_time_lose_nothing() {
    const ROUNDS: usize = 20;
    const EVENTS: usize = 100_000;
    let mut random = Random::new();
    let (endpoint, state) = (Endpoint::start(false), tempfile::tempdir().unwrap());
    let mut promised = Vec::new();
    for round in 0..ROUNDS {
        endpoint.up.store(round % 2 == 1, Ordering::SeqCst);
        let mut child = start("burst", &endpoint.url(), state.path());
        let count = EVENTS / ROUNDS + 1 + random.below(200) as usize;
        promised.extend((0..count).map(|_| child.said("id ").expect("it ended by itself")));
        child.child.kill().unwrap();
        promised.extend(child.ids());
        child.end();
    }
    endpoint.up.store(true, Ordering::SeqCst);
    // One start, or on a slow machine a few: what one has no time for is left to the next.
    let mut starts = 0;
    let said = loop {
        let said = delivered_by_the_next_start(&endpoint, state.path());
        starts += 1;
        if said.split(' ').nth(3) == Some("0") {
            break said;
        }
        assert!(starts < 20, "{said}");
    };
    let lost = endpoint.missing(&promised);
    eprintln!(
        "{} promised, {lost} lost, {} taken twice; the last of {starts} starts: {said}",
        promised.len(),
        endpoint.twice()
    );
    assert!(promised.len() >= EVENTS);
    assert_eq!(lost, 0);
    let numbers: Vec<u64> = said.split(' ').take(4).map(|text| text.parse().unwrap()).collect();
    assert_eq!((numbers[0], numbers[2], numbers[3]), (numbers[1], 0, 0), "{said}");
    let strays = endpoint.sessions.lock().unwrap().iter().filter(|session| *session == "none").count();
    assert_eq!(strays, 0, "events without their definition");
}

/// Eight processes for five seconds, or as many and as long as the longer checks ask for.
#[test]
fn a_crowd_with_random_kills_beside_an_endpoint_that_restarts_loses_nothing() {
    let asked = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (processes, seconds) = (asked("LIFETIMES_CROWD", 8), asked("LIFETIMES_SECONDS", 5));
    let mut random = Random::new();
    let (endpoint, state) = (Endpoint::start(true), tempfile::tempdir().unwrap());
    // Each child's output is drained by a thread of its own, so that no child waits for the test.
    let launch = || {
        let Started { child, input, output } = start("crowd", &endpoint.url(), state.path());
        let drain = std::thread::spawn(move || {
            let mut lines = Vec::new();
            let mut output = output;
            let _ = output.read_to_end(&mut lines);
            lines
        });
        (child, input, drain)
    };
    let mut living: Vec<_> = (0..processes).map(|_| launch()).collect();
    let mut texts = Vec::new();
    let mut kills = 0;
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20 + random.below(120)));
        if random.below(10) == 0 {
            endpoint.up.fetch_xor(true, Ordering::SeqCst);
        }
        let (mut child, input, drain) = living.swap_remove(random.below(processes) as usize);
        child.kill().unwrap();
        child.wait().unwrap();
        drop(input);
        kills += 1;
        texts.push(drain.join().unwrap());
        living.push(launch());
    }
    for (mut child, _input, drain) in living {
        child.kill().unwrap();
        child.wait().unwrap();
        texts.push(drain.join().unwrap());
    }
    // The last line of each may be cut off.
    let promised: Vec<String> = texts
        .iter()
        .map(|text| {
            String::from_utf8_lossy(&text[..text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)])
        })
        .flat_map(|text| {
            text.lines()
                .filter_map(|line| Some(line.split_once("id ")?.1.trim().to_owned()))
                .collect::<Vec<_>>()
        })
        .collect();
    endpoint.up.store(true, Ordering::SeqCst);
    let said = delivered_by_the_next_start(&endpoint, state.path());
    let (lost, twice) = (endpoint.missing(&promised), endpoint.twice());
    eprintln!(
        "{processes} processes, {kills} kills, {} promised, {lost} lost, {twice} taken twice; {said}",
        promised.len()
    );
    assert_eq!(lost, 0);
    assert!(promised.len() > 500 && kills > 5);
}

#[test]
fn neighbours_cost_nobody_an_event_and_little_disk() {
    let neighbours: u64 = std::env::var("LIFETIMES_NEIGHBOURS").map_or(40, |text| text.parse().unwrap());
    let (endpoint, state) = (Endpoint::start(false), tempfile::tempdir().unwrap());
    let mut idle: Vec<_> = (0..neighbours).map(|_| start("idle", &endpoint.url(), state.path())).collect();
    for child in &mut idle {
        child.said("ready ").unwrap();
    }
    let disk = disk_bytes(state.path());
    eprintln!("{neighbours} idle processes hold {disk} bytes of disk");
    assert!(disk * 200 < neighbours * (64 << 20), "200 of them would hold more than 64 MiB");

    let mut killed = start("leave 45", &endpoint.url(), state.path());
    let promised = killed.ids();
    assert!(!killed.end().success());
    let mut busy = start("busy 4500", &endpoint.url(), state.path());
    assert_eq!(busy.said("numbers ").unwrap().split(' ').nth(2), Some("0"), "none was dropped");
    endpoint.up.store(true, Ordering::SeqCst);
    busy.input = None;
    let said = busy.said("numbers ").unwrap();
    assert!(busy.end().success());
    let numbers: Vec<u64> = said.split(' ').map(|text| text.parse().unwrap()).collect();
    // It may have found the killed one's events too.
    assert_eq!((numbers[1] - numbers[0], numbers[2], numbers[3]), (4500, 0, 0), "{said}");
    let said = delivered_by_the_next_start(&endpoint, state.path());
    assert_eq!((promised.len(), endpoint.missing(&promised)), (45, 0), "{said}");
    for child in idle {
        assert!(child.end().success());
    }
}

fn disk_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            meta.blocks() * 512 + if meta.is_dir() { disk_bytes(&entry.path()) } else { 0 }
        })
        .sum()
}

#[test]
fn restarts_in_an_outage_leave_their_events_to_whoever_comes_after_it() {
    let (endpoint, state) = (Endpoint::start(false), tempfile::tempdir().unwrap());
    let mut promised = Vec::new();
    for _ in 0..100 {
        let mut child = start("short 20", &endpoint.url(), state.path());
        promised.extend(child.ids());
        assert!(child.end().success());
    }
    assert_eq!(promised.len(), 2_000);
    endpoint.up.store(true, Ordering::SeqCst);
    let said = delivered_by_the_next_start(&endpoint, state.path());
    assert!(said.starts_with("2000 2000 0 0 0 "), "{said}");
    assert_eq!((endpoint.missing(&promised), endpoint.twice()), (0, 0));
}

#[test]
fn a_rotated_token_and_a_renamed_folder_orphan_nothing() {
    let (endpoint, home) = (Endpoint::start(false), tempfile::tempdir().unwrap());
    let (one, two, state) = (home.path().join("v1"), home.path().join("v2"), home.path().join("state"));
    std::fs::create_dir(&one).unwrap();
    std::fs::copy(std::env::current_exe().unwrap(), one.join("server")).unwrap();
    let url = |token: &str| format!("{}/t/{token}", endpoint.url());
    let mut left = start_program(&one.join("server"), "leave 1000", &url("secret-one"), &state);
    let promised = left.ids();
    assert!(!left.end().success());
    assert_eq!(promised.len(), 1000);
    assert!(!anywhere(&state, "secret-one"), "a token is on the disk");
    std::fs::rename(&one, &two).unwrap();
    endpoint.up.store(true, Ordering::SeqCst);
    let mut later = start_program(&two.join("server"), "deliver", &url("secret-two"), &state);
    let said = later.said("numbers ").unwrap();
    assert!(later.end().success());
    assert!(said.starts_with("1000 1000 0 0 0 "), "{said}");
    assert_eq!(endpoint.missing(&promised), 0);
}

fn anywhere(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        let named = path.to_string_lossy().contains(text);
        named
            || if path.is_dir() {
                anywhere(&path, text)
            } else {
                std::fs::read(&path)
                    .is_ok_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
            }
    })
}

#[test]
fn a_limit_on_the_size_of_files_costs_no_event_and_never_the_process() {
    for bytes in [1_024_000_u64, 300_000, 100_000, 5_000, 4_095, 1, 0] {
        let (endpoint, state) = (Endpoint::start(true), tempfile::tempdir().unwrap());
        let mut command = command_of(
            &std::env::current_exe().unwrap(),
            &format!("limited-file {bytes}"),
            &endpoint.url(),
            state.path(),
        );
        // Its stderr is a file that is longer than it may make one, as where a log has grown.
        let log = state.path().join("log");
        std::fs::write(&log, vec![b'\n'; bytes as usize + 1]).unwrap();
        command.stderr(std::fs::File::options().append(true).open(&log).unwrap());
        let mut child = Started::of(command);
        let said = child.said("numbers ").unwrap_or_else(|| panic!("{bytes}: it died"));
        assert!(child.end().success(), "{bytes}");
        assert_eq!(said, "0 2000 0 0 0", "{bytes}");
        assert_eq!(endpoint.taken.lock().unwrap().len(), 2_000, "{bytes}");
    }
}

#[test]
fn a_limit_on_open_files_is_an_error_or_memory_and_never_a_panic() {
    for files in [4, 5, 6, 7, 8, 10, 12, 14, 16, 24] {
        let (endpoint, state) = (Endpoint::start(true), tempfile::tempdir().unwrap());
        let mut command = command_of(
            &std::env::current_exe().unwrap(),
            &format!("limited-files {files}"),
            &endpoint.url(),
            state.path(),
        );
        let output = command.stderr(Stdio::piped()).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && !err.contains("panicked"), "{files}: {err}");
        // Connections take descriptors too: where none is left for another segment, new events are refused and counted.
        let numbers = out.lines().find_map(|line| line.strip_prefix("numbers "));
        let numbers: Option<Vec<u64>> =
            numbers.map(|line| line.split(' ').map(|number| number.parse().unwrap()).collect());
        let all = numbers.is_some_and(|n| n[0] == 0 && n[1] + n[2] == 2_000 && n[3] == 0);
        assert!(out.contains("\nrefused ") || all, "{files}: {out}");
        assert!(files < 24 || out.contains("\nnumbers"), "{files}: {out}");
    }
}

#[test]
fn a_missing_state_directory_is_made_for_its_user_alone_whatever_the_mask() {
    for mask in [0o000, 0o022, 0o077, 0o277, 0o777] {
        let (endpoint, home) = (Endpoint::start(false), tempfile::tempdir().unwrap());
        let state = home.path().join("a/b/c");
        let mut child = start(&format!("umask {mask}"), &endpoint.url(), &state);
        assert_eq!(child.ids().len(), 5);
        assert!(child.end().success());
        for part in ["a", "a/b", "a/b/c", "a/b/c/mcpcat", "a/b/c/mcpcat/runs"] {
            let mode = std::fs::metadata(home.path().join(part)).unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700, "{part} under {mask:o}");
        }
        endpoint.up.store(true, Ordering::SeqCst);
        let said = delivered_by_the_next_start(&endpoint, &state);
        assert!(said.starts_with("5 5 0 0 0 "), "{mask:o}: {said}");
    }
}

#[test]
fn an_empty_state_directory_is_an_error_that_names_the_setting() {
    let error = Client::builder("p").state_dir("").build().unwrap_err();
    assert!(
        error.to_string().contains("state_dir") && error.to_string().contains("MCPCAT_STATE_DIR"),
        "{error}"
    );
}

#[test]
fn what_is_too_old_is_counted_and_told_by_who_deletes_it() {
    let (endpoint, state) = (Endpoint::start(false), tempfile::tempdir().unwrap());
    let mut left = start("leave 30", &endpoint.url(), state.path());
    assert_eq!(left.ids().len(), 30);
    left.end();
    let week = Duration::from_secs(7 * 24 * 60 * 60 + 60);
    for run in std::fs::read_dir(state.path().join("mcpcat/runs")).unwrap() {
        for file in std::fs::read_dir(run.unwrap().path()).unwrap() {
            let file = std::fs::File::options().write(true).open(file.unwrap().path()).unwrap();
            file.set_modified(SystemTime::now() - week).unwrap();
        }
    }
    endpoint.up.store(true, Ordering::SeqCst);
    let said = delivered_by_the_next_start(&endpoint, state.path());
    assert_eq!(said, "30 0 30 0 30 told [Expired]");
    assert_eq!(std::fs::read_dir(state.path().join("mcpcat/runs")).unwrap().count(), 0);
}

#[test]
fn what_an_earlier_version_left_is_delivered() {
    let (endpoint, state) = (Endpoint::start(true), tempfile::tempdir().unwrap());
    let run = state.path().join("mcpcat/spool/6a8eef9d8f29fdfc");
    std::fs::create_dir_all(&run).unwrap();
    for part in ["mcpcat", "mcpcat/spool", "mcpcat/spool/6a8eef9d8f29fdfc"] {
        let open = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(state.path().join(part), open).unwrap();
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-1/6a8eef9d8f29fdfc");
    for file in std::fs::read_dir(fixture).unwrap() {
        let from: PathBuf = file.unwrap().path();
        let to = run.join(from.file_name().unwrap());
        std::fs::write(&to, std::fs::read(&from).unwrap()).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // Its address now leads here; its token is another one by now.
    let manifest = std::fs::read_to_string(run.join("manifest")).unwrap();
    let manifest = manifest.replace("127.0.0.1:9", &endpoint.address);
    std::fs::write(run.join("manifest"), manifest).unwrap();
    let client = Client::builder("proj_fixture")
        .application("oldpub")
        .base_url(format!("{}/t/rotated", endpoint.url()))
        .state_dir(state.path())
        .build()
        .unwrap();
    let stats = client.shutdown_blocking(PATIENCE);
    assert_eq!((stats.adopted, stats.delivered, stats.dropped, stats.pending), (20, 20, 0, 0), "{stats}");
    assert!(!run.exists());
    let sessions = endpoint.sessions.lock().unwrap().clone();
    assert!(
        sessions.len() == 20 && sessions.iter().all(|session| session.starts_with("ses_")),
        "{sessions:?}"
    );
    let until = Instant::now() + PATIENCE;
    while std::fs::read_dir(state.path().join("mcpcat/runs")).unwrap().count() > 0 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}
