//! Who says no or yes, and what comes of it: real programs, a real collector, a home directory of the test's own.

#![allow(clippy::print_stdout, reason = "figures for people")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::support::{Collector, PATIENCE, program};

static CONSENTER: LazyLock<PathBuf> = LazyLock::new(|| program("consenter"));

/// Variables that the shell which started the tests may have set.
const OURS: [&str; 14] = [
    "AGENTCAT_API_URL",
    "CI",
    "DO_NOT_TRACK",
    "MCPCAT_DRAIN_MS",
    "MCPCAT_DRY_RUN",
    "MCPCAT_ENABLED",
    "MCPCAT_PAYLOADS",
    "MCPCAT_PROXY",
    "MCPCAT_QUIET",
    "MCPCAT_STATE_DIR",
    "MCPCAT_TOKEN",
    "MCPCAT_TOKEN_FILE",
    "XDG_STATE_HOME",
    "RUST_LOG",
];

/// The program, for a user whose home is `home`.
pub fn command(home: &Path, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(&*CONSENTER);
    OURS.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command.args(arguments).env("HOME", home).env("MCPCAT_API_URL", url).env("MCPCAT_DRAIN_MS", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A program that runs.
pub struct Running {
    pub child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
    pub said: Vec<String>,
    next_id: u64,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            errors: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
            said: Vec::new(),
            next_id: 1,
        }
    }

    async fn write(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The answer to a line.
    pub async fn say(&mut self, line: &str) -> String {
        self.write(line).await;
        next(&mut self.output).await.expect("it answers")
    }

    /// Waits for a line on stderr.
    pub async fn hears(&mut self, part: &str) -> String {
        loop {
            let line = next(&mut self.errors).await.unwrap_or_else(|| panic!("{part}: {:#?}", self.said));
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The answer to a request of the protocol.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string())
            .await;
        loop {
            let line = next(&mut self.output).await.expect("the server lives");
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                return answer;
            }
        }
    }

    pub async fn shake_hands(&mut self, client: &str, version: &str) {
        let client = json!({ "name": client, "version": version });
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        self.request("initialize", hello).await;
        self.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()).await;
    }

    async fn work(&mut self, text: &str) {
        let answer =
            self.request("tools/call", json!({ "name": "work", "arguments": { "text": text } })).await;
        assert_eq!(answer["result"]["isError"], false, "{answer}");
    }

    /// Lets it end; all that it said on stderr.
    pub async fn end(mut self) -> Vec<String> {
        drop(self.input);
        while let Some(line) = next(&mut self.errors).await {
            self.said.push(line);
        }
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        self.said
    }

    /// Kills it; all that it said on stderr.
    pub async fn kill(mut self) -> Vec<String> {
        self.child.kill().await.unwrap();
        while let Some(line) = next(&mut self.errors).await {
            self.said.push(line);
        }
        self.said
    }
}

async fn next<R: AsyncBufRead + Unpin>(lines: &mut Lines<R>) -> Option<String> {
    tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line comes").unwrap()
}

/// A collector that fails until it is told to work.
pub async fn switched() -> (Collector, Arc<AtomicBool>) {
    let works = Arc::new(AtomicBool::new(false));
    let at_work = Arc::clone(&works);
    let collector = Collector::answering(move |_| match at_work.load(Ordering::SeqCst) {
        true => StatusCode::ACCEPTED.into_response(),
        false => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    })
    .await;
    (collector, works)
}

/// The files below a directory that hold a text, in their names or inside; what is freed and cleared counts as it is.
pub fn holding(directory: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.to_string_lossy().contains(text) {
            found.push(path.clone());
        }
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
        {
            found.push(path);
        }
    }
    found
}

/// Runs that are on the disk of a state directory.
fn runs(state: &Path) -> usize {
    std::fs::read_dir(state.join("mcpcat/runs")).into_iter().flatten().count()
}

fn platform(home: &Path) -> PathBuf {
    match cfg!(target_os = "macos") {
        true => home.join("Library/Application Support"),
        false => home.join(".local/state"),
    }
}

fn plant(state: &Path, file: &str) {
    std::fs::create_dir_all(state.join("mcpcat")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(state.join("mcpcat"), std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    std::fs::write(state.join("mcpcat").join(file), "").unwrap();
}

/// Three servers of one user, each of a name of its own, one of them with a state directory of its own and one that
/// scrubs before it writes. Events wait in all of them, and some in the log of one that was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_stops_three_servers_that_run_and_a_yes_brings_them_back() {
    let home = tempfile::tempdir().unwrap();
    let (state, own) = (platform(home.path()), home.path().join("own"));
    let (collector, works) = switched().await;
    let start = |options: &[&str]| {
        let arguments: Vec<&str> = ["serve", "--application"].iter().chain(options).copied().collect();
        Running::start(command(home.path(), &collector.url, &arguments))
    };
    let mut killed = start(&["four"]);
    killed.shake_hands("t", "1").await;
    killed.work("BEFORE-killed").await;
    killed.kill().await;
    let own_dir = own.to_str().unwrap();
    let mut servers =
        [start(&["one"]), start(&["two", "--scrubbed"]), start(&["three", "--state-dir", own_dir])];
    for (n, server) in servers.iter_mut().enumerate() {
        server.shake_hands("t", "1").await;
        server.work(&format!("BEFORE-{n}")).await;
    }
    collector.wait(4).await;
    // They wait on the disk: all but what is being scrubbed at this moment.
    let began = Instant::now();
    while ["BEFORE-killed", "BEFORE-0", "BEFORE-1"].iter().any(|text| holding(&state, text).is_empty())
        || holding(&own, "BEFORE-2").is_empty()
    {
        assert!(began.elapsed() < PATIENCE, "events are on the disk");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let began = Instant::now();
    std::fs::write(state.join("mcpcat/telemetry-off"), "").unwrap();
    let mut heard = Vec::new();
    for server in &mut servers {
        let line = server.hears("nothing is recorded any more").await;
        assert!(line.contains("telemetry-off"), "{line}");
        heard.push(began.elapsed());
    }
    println!("noticed by three servers after {heard:?}");
    works.store(true, Ordering::SeqCst);
    // What is given up is given up by the worker, behind the line.
    let began = Instant::now();
    while runs(&state) + runs(&own) > 0 {
        assert!(began.elapsed() < PATIENCE, "{} and {} runs are left", runs(&state), runs(&own));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = collector.received().len();
    for (n, server) in servers.iter_mut().enumerate() {
        for round in 0..50 {
            server.work(&format!("AFTER-{n}-{round}")).await;
        }
    }
    for text in ["BEFORE-", "AFTER-", "session_id"] {
        assert_eq!(holding(home.path(), text), [] as [PathBuf; 0], "{text}");
    }
    assert_eq!((runs(&state), runs(&own)), (0, 0));
    assert_eq!(collector.received().len(), before, "nothing has left");

    // Somebody says yes in another process: `consent::set(true)`.
    let mut asked = Running::start(command(home.path(), &collector.url, &["lines"]));
    let answer = asked.say("set on").await;
    assert!(answer.starts_with("telemetry is on"), "{answer}");
    asked.end().await;
    for (n, server) in servers.iter_mut().enumerate() {
        server.hears("recorded again").await;
        server.work(&format!("BACK-{n}")).await;
    }
    collector.wait(before + 3 * 6).await;
    for server in servers {
        server.end().await;
    }
    let bodies: Vec<Value> = collector.bodies().split_off(before);
    for n in 0..3 {
        let texts = bodies.iter().filter(|body| body.to_string().contains(&format!("BACK-{n}"))).count();
        assert!(texts >= 5, "{n}: {texts}");
    }
    for body in &bodies {
        let text = body.to_string();
        assert!(!text.contains("BEFORE-") && !text.contains("AFTER-"), "{text}");
        assert!(body["session_id"].is_string(), "each log has the definition of its session: {text}");
    }
    println!("{before} requests before the no, 150 calls under it, {} events after the yes", bodies.len());
}

/// A way of saying no or yes.
struct Row {
    name: &'static str,
    options: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// Files of the user, in the platform's directory.
    files: &'static [&'static str],
    /// What is said to the running program first.
    said: &'static [&'static str],
    records: bool,
    decided: &'static str,
}

const DEFAULT: Row = Row {
    name: "default",
    options: &[],
    environment: &[],
    files: &[],
    said: &[],
    records: true,
    decided: "Default",
};
const NO: Row = Row { records: false, ..DEFAULT };

const ROWS: [Row; 23] = [
    DEFAULT,
    Row { name: "option-off", options: &["--disabled"], decided: "Option(\"enabled\")", ..NO },
    Row {
        name: "option-off-variable-on",
        options: &["--disabled"],
        environment: &[("MCPCAT_ENABLED", "true")],
        decided: "Option(\"enabled\")",
        ..NO
    },
    Row {
        name: "do-not-track",
        options: &["--enabled"],
        environment: &[("DO_NOT_TRACK", "1")],
        decided: "Variable(\"DO_NOT_TRACK\")",
        ..NO
    },
    Row {
        name: "do-not-track-unclear",
        environment: &[("DO_NOT_TRACK", "please")],
        decided: "Variable(\"DO_NOT_TRACK\")",
        ..NO
    },
    Row { name: "do-not-track-0", environment: &[("DO_NOT_TRACK", "0")], ..DEFAULT },
    Row {
        name: "variable-off",
        options: &["--enabled"],
        environment: &[("MCPCAT_ENABLED", "false")],
        decided: "Variable(\"MCPCAT_ENABLED\")",
        ..NO
    },
    Row {
        name: "variable-unclear",
        environment: &[("MCPCAT_ENABLED", "treu")],
        decided: "Variable(\"MCPCAT_ENABLED\")",
        ..NO
    },
    Row { name: "variable-on", environment: &[("MCPCAT_ENABLED", "true")], ..DEFAULT },
    Row { name: "file-off", files: &["telemetry-off"], decided: "telemetry-off", ..NO },
    Row {
        name: "file-off-everything-on",
        options: &["--enabled"],
        environment: &[("MCPCAT_ENABLED", "true"), ("DO_NOT_TRACK", "0")],
        files: &["telemetry-off", "telemetry-on"],
        decided: "telemetry-off",
        ..NO
    },
    Row {
        name: "file-off-state-dir-elsewhere",
        environment: &[("MCPCAT_STATE_DIR", "elsewhere")],
        files: &["telemetry-off"],
        decided: "telemetry-off",
        ..NO
    },
    Row {
        name: "file-off-in-state-dir",
        environment: &[("MCPCAT_STATE_DIR", "elsewhere")],
        files: &["elsewhere/telemetry-off"],
        decided: "telemetry-off",
        ..NO
    },
    Row { name: "set-off", said: &["set off"], decided: "telemetry-off", ..NO },
    Row { name: "set-off-then-on", said: &["set off", "set on"], ..DEFAULT },
    Row { name: "file-off-then-set-on", files: &["telemetry-off"], said: &["set on"], ..DEFAULT },
    Row { name: "opt-in", options: &["--opt-in"], decided: "Option(\"opt_in\")", ..NO },
    Row {
        name: "opt-in-variable-on",
        options: &["--opt-in", "--enabled"],
        environment: &[("MCPCAT_ENABLED", "true")],
        decided: "Option(\"opt_in\")",
        ..NO
    },
    Row {
        name: "opt-in-set-on",
        options: &["--opt-in"],
        said: &["set on"],
        decided: "telemetry-on",
        ..DEFAULT
    },
    Row {
        name: "opt-in-set-on-then-off",
        options: &["--opt-in"],
        said: &["set on", "set off"],
        decided: "telemetry-off",
        ..NO
    },
    Row {
        name: "ci-left-out",
        options: &["--not-in-ci"],
        environment: &[("CI", "true")],
        decided: "Variable(\"CI\")",
        ..NO
    },
    Row { name: "ci", environment: &[("CI", "true")], ..DEFAULT },
    Row {
        name: "ci-left-out-elsewhere",
        options: &["--not-in-ci"],
        environment: &[("CI", "false")],
        ..DEFAULT
    },
];

impl Row {
    /// What waits of an earlier process is delivered by a yes and deleted by a no, and so is what comes now.
    async fn holds(&self) {
        let name = self.name;
        let home = tempfile::tempdir().unwrap();
        let (collector, works) = switched().await;
        let elsewhere = home.path().join("elsewhere");
        let environment: Vec<(&str, PathBuf)> = self
            .environment
            .iter()
            .map(|(variable, value)| match *value {
                "elsewhere" => (*variable, elsewhere.clone()),
                value => (*variable, value.into()),
            })
            .collect();
        let state = if environment.iter().any(|(variable, _)| *variable == "MCPCAT_STATE_DIR") {
            elsewhere.clone()
        } else {
            platform(home.path())
        };
        let mut earlier = command(home.path(), &collector.url, &["lines"]);
        earlier.envs(environment.iter().filter(|(variable, _)| *variable == "MCPCAT_STATE_DIR").cloned());
        let mut earlier = Running::start(earlier);
        assert!(earlier.say("publish EARLIER").await.starts_with("evt_"), "{name}");
        earlier.kill().await;
        assert!(!holding(&state, "EARLIER").is_empty(), "{name}: it waits");
        works.store(true, Ordering::SeqCst);
        let earlier = collector.received().len();

        for file in self.files {
            match file.split_once('/') {
                Some((_, file)) => plant(&elsewhere, file),
                None => plant(&platform(home.path()), file),
            }
        }
        let arguments: Vec<&str> = ["lines"].iter().chain(self.options).copied().collect();
        let mut server = command(home.path(), &collector.url, &arguments);
        server.envs(environment);
        let mut server = Running::start(server);
        for line in self.said {
            server.say(line).await;
        }
        server.say("publish NOW").await;
        let status = server.say("status").await;
        let enabled = server.say("enabled").await;
        server.say("flush").await;
        let stats = server.say("stats").await;
        assert!(stats.contains("balanced true") && stats.contains(" 0 pending"), "{name}: {stats}");
        server.end().await;

        assert!(status.starts_with(&format!("{} ", self.records)), "{name}: {status}");
        assert!(status.contains(self.decided), "{name}: {status}");
        assert!(enabled.starts_with(&self.records.to_string()), "{name}: {enabled}");
        let arrived = collector.bodies().split_off(earlier);
        let mut texts: Vec<_> =
            arrived.iter().map(|body| body["parameters"]["text"].as_str().unwrap()).collect();
        texts.sort_unstable();
        let set_off_first = self.said.first() == Some(&"set off");
        match (self.records, self.files.is_empty() && !self.options.contains(&"--opt-in")) {
            (true, true) if !set_off_first => assert_eq!(texts, ["EARLIER", "NOW"], "{name}"),
            // A no came before the yes: what waited is gone.
            (true, false) => assert_eq!(texts, ["NOW"], "{name}"),
            (true, true) => assert_eq!(texts.last(), Some(&"NOW"), "{name}"),
            // What was sent before it was said to the running program has left.
            (false, _) => assert!(!texts.contains(&"NOW") && (texts.is_empty() || set_off_first), "{name}"),
        }
        // A process that ends by itself leaves its run empty, for the next one to take away.
        assert!(self.records || runs(&state) == 0, "{name}: nothing waits");
        // What was delivered is cleared when the process has time for it, or by the next start.
        for text in ["EARLIER", "NOW"].iter().filter(|_| !self.records) {
            assert_eq!(holding(home.path(), text), [] as [PathBuf; 0], "{name}: {text}");
        }
        println!("{name}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_of_saying_no_and_yes() {
    for row in &ROWS {
        row.holds().await;
    }
}

#[test]
fn each_row_of_the_guides_table_is_a_test() {
    let page = include_str!("../../docs/consent.md");
    let (_, table) = page.split_once("<!-- rows -->").expect("the table is marked");
    let rows: Vec<_> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].trim_matches('`').to_owned(), cells[2] == "yes")
        })
        .collect();
    let tested: Vec<_> = ROWS.iter().map(|row| (row.name.to_owned(), row.records)).collect();
    assert_eq!(rows, tested);
}

#[tokio::test]
async fn a_no_that_cannot_be_written_down_holds_for_the_process() {
    let home = tempfile::tempdir().unwrap();
    let collector = Collector::start().await;
    // A file stands where the directory should be.
    std::fs::write(home.path().join(".local"), "").unwrap();
    let elsewhere = home.path().join("elsewhere");
    let mut server = command(home.path(), &collector.url, &["lines"]);
    server.env("MCPCAT_STATE_DIR", &elsewhere);
    let mut server = Running::start(server);
    let answer = server.say("set off").await;
    assert!(answer.starts_with("error: "), "{answer}");
    server.say("publish NOW").await;
    let status = server.say("status").await;
    assert!(status.starts_with("false Call"), "{status}");
    server.end().await;
    assert!(collector.received().is_empty());
}

#[tokio::test]
async fn a_notice_says_what_is_recorded_where_it_goes_and_how_to_stop_it() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Running::start(command(home.path(), "https://api.agentcat.com", &["lines", "--opt-in"]));
    let notice = server.say("notice").await;
    let off = platform(home.path()).join("mcpcat/telemetry-off").display().to_string();
    for part in [
        "Telemetry is off",
        "opt_in",
        "arguments and answers",
        "https://api.agentcat.com",
        &off,
        "DO_NOT_TRACK=1",
    ] {
        assert!(notice.contains(part), "{part}: {notice}");
    }
    let said = server.end().await;
    assert_eq!(said, [] as [String; 0], "nothing goes anywhere");

    let mut server = Running::start(command(home.path(), "https://api.agentcat.com", &["lines"]));
    server.say("stats").await;
    let said = server.end().await;
    for part in [
        "mcpcat: note: events of project `proj_desk` go to https://api.agentcat.com directly (proxy settings of the \
         system are not read): requests with their arguments and answers",
        "to this machine only: MCPCAT_API_URL=http://127.0.0.1:6228",
        "names only: MCPCAT_PAYLOADS=none",
        "nothing: DO_NOT_TRACK=1",
    ] {
        assert!(said[0].contains(part), "{part}: {said:#?}");
    }
}
