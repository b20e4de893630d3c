//! What the collector holds: ingest by one and in batches, lists and timelines over a million events, ingest while
//! old events are removed, and many clients for a while.
//!
//! `cargo bench -p mcpcat-timeline` runs all with small numbers; `-- --events 1000000 --seconds 600` the real ones.
//! Everything is on loopback and bounded. Client and collector share the machine, so figures are lower bounds.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

use std::time::{Duration, Instant};

use mcpcat_timeline::{Running, Timeline};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One kept-alive connection.
struct Client {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Client {
    async fn connect(running: &Running) -> Self {
        let stream = TcpStream::connect(running.addr()).await.expect("the collector listens");
        stream.set_nodelay(true).expect("no-delay");
        Self { stream, held: Vec::new() }
    }

    /// Sends one request and reads its answer; returns status and length of the body.
    async fn ask(&mut self, head: &str, media: &str, body: &str) -> (u16, usize) {
        let request = format!(
            "{head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await.expect("write");
        self.held.clear();
        let end = loop {
            if let Some(end) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.stream.read_buf(&mut self.held).await.expect("read") > 0, "the collector hung up");
        };
        let head = String::from_utf8_lossy(&self.held[..end]).to_ascii_lowercase();
        let status = head[9..12].parse().expect("a status");
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .and_then(|length| length.trim().parse().ok())
            .expect("a length");
        while self.held.len() < end + length {
            assert!(self.stream.read_buf(&mut self.held).await.expect("read") > 0, "the collector hung up");
        }
        (status, length)
    }
}

const MINUTE: i64 = 60_000_000;

/// A tool call or a custom event of about 1.5 KB, as a server sends it.
fn event(number: usize, sessions: usize) -> String {
    let session = number % sessions;
    let at = 1_795_000_000_000_000 + (number / sessions) as i64 * 1_000_000 + (session as i64 % 600) * MINUTE;
    let seconds = at / 1_000_000;
    let time = format!("{}.{:06}Z", civil(seconds), number % 1_000_000);
    let (kind, name) = match number % 4 {
        0 => ("mcpcat:custom", format!("event_{}", number % 40)),
        _ => ("mcp:tools/call", format!("tool_{}", number % 25)),
    };
    let error = if number.is_multiple_of(50) {
        r#","is_error":true,"error":{"message":"the gateway did not answer","type":"Gateway"}"#
    } else {
        ""
    };
    format!(
        "{{\"id\":\"evt_{number:027}\",\"project_id\":\"proj_bench\",\"session_id\":\"ses_{session:027}\",\
         \"event_type\":\"{kind}\",\"resource_name\":\"{name}\",\"timestamp\":\"{time}\",\"duration\":{},\
         \"identify_actor_given_id\":\"user-{}\",\"client_name\":\"client-{}\",\"server_name\":\"billing\",\
         \"server_version\":\"1.0\",\"sdk_language\":\"Rust\",\"tags\":{{\"env\":\"prod\",\"region\":\"r{}\"}},\
         \"parameters\":{{\"filler\":\"{}\"}}{error}}}",
        number % 900,
        session % 500,
        session % 5,
        session % 3,
        "lorem ipsum ".repeat(85)
    )
}

/// Seconds since 1970 as `YYYY-MM-DDTHH:MM:SS`.
fn civil(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest % 3600 / 60, rest % 60)
}

/// Times of one kind of request.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn at(&mut self, share: f64) -> Duration {
        self.0.sort_unstable();
        self.0[((self.0.len() - 1) as f64 * share) as usize]
    }

    fn line(&mut self) -> String {
        format!("p50 {:.2?}  p99 {:.2?}  max {:.2?}", self.at(0.5), self.at(0.99), self.at(1.0))
    }
}

/// Sends events numbered from `from` with `clients` connections, `batch` in a request; stops at `to` or `until`.
async fn send(
    running: &Running,
    from: usize,
    to: usize,
    clients: usize,
    batch: usize,
    until: Option<Instant>,
) -> (usize, Times) {
    let mut tasks = JoinSet::new();
    for lane in 0..clients {
        let mut client = Client::connect(running).await;
        tasks.spawn(async move {
            let (mut sent, mut times) = (0, Vec::new());
            let mut at = from + lane * batch;
            while at < to && until.is_none_or(|until| Instant::now() < until) {
                let end = (at + batch).min(to);
                let body = (at..end).map(|number| event(number, SESSIONS)).collect::<Vec<_>>().join("\n");
                let started = Instant::now();
                let (status, _) = if batch == 1 {
                    client.ask("POST /v1/public/events/", "application/json", &body).await
                } else {
                    client.ask("POST /v1/public/events/batch", "application/x-ndjson", &body).await
                };
                times.push(started.elapsed());
                assert_eq!(status, if batch == 1 { 202 } else { 200 });
                sent += end - at;
                at += clients * batch;
            }
            (sent, times)
        });
    }
    let (mut sent, mut times) = (0, Times::default());
    while let Some(done) = tasks.join_next().await {
        let (count, more) = done.expect("a client");
        sent += count;
        times.0.extend(more);
    }
    (sent, times)
}

const SESSIONS: usize = 2000;

async fn ask_many(running: &Running, name: &str, paths: &[String]) {
    let mut client = Client::connect(running).await;
    let (mut times, mut bytes) = (Times::default(), 0);
    for path in paths {
        let started = Instant::now();
        let (status, length) = client.ask(&format!("GET {path}"), "application/json", "").await;
        times.0.push(started.elapsed());
        assert_eq!(status, 200, "{path}");
        bytes += length;
    }
    println!("{name:<44} {}  ({} bytes each)", times.line(), bytes / paths.len());
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown");
    line.split_once(':').map_or(String::new(), |(_, rest)| rest.trim().to_owned())
}

fn option(name: &str, default: usize) -> usize {
    let args: Vec<String> = std::env::args().collect();
    args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    let events = option("--events", 40_000);
    let seconds = option("--seconds", 5) as u64;
    let folder = tempfile::tempdir().expect("a folder");
    let start = async |name: &str, keep: Option<u64>| {
        let builder = Timeline::builder().data(folder.path().join(name));
        let builder = match keep {
            Some(bytes) => builder.keep_bytes(bytes),
            None => builder,
        };
        builder.start().await.expect("a collector")
    };

    let running = start("single.sqlite3", None).await;
    for clients in [1, 50] {
        let count = (events / 8).clamp(1000, 20_000);
        let from = clients * 10_000_000;
        let started = Instant::now();
        let (sent, mut times) = send(&running, from, from + count, clients, 1, None).await;
        let rate = sent as f64 / started.elapsed().as_secs_f64();
        println!("{:<44} {rate:.0} events/s  {}", format!("single events, {clients} clients"), times.line());
    }
    running.shutdown().await;

    let running = start("main.sqlite3", None).await;
    let started = Instant::now();
    let (sent, mut times) = send(&running, 0, events, 2, 500, None).await;
    let rate = sent as f64 / started.elapsed().as_secs_f64();
    println!(
        "{:<44} {rate:.0} events/s  {}",
        format!("batches of 500, 2 clients, {events} events"),
        times.line()
    );
    let sessions: Vec<String> = (0..100).map(|n| format!("ses_{:027}", n * (SESSIONS / 100))).collect();
    let repeat = |path: &str| vec![path.to_owned(); 100];
    ask_many(&running, "session list, newest 50", &repeat("/api/v1/sessions?limit=50")).await;
    ask_many(
        &running,
        "session list, tool and tag",
        &repeat("/api/v1/sessions?limit=50&tool=tool_3&tag=env%3Dprod"),
    )
    .await;
    ask_many(
        &running,
        "session list, text (newest 100,000 events)",
        &repeat("/api/v1/sessions?limit=50&q=nowhere")[..5],
    )
    .await;
    let timeline: Vec<String> =
        sessions.iter().map(|id| format!("/api/v1/sessions/{id}/events?limit=500")).collect();
    ask_many(&running, "timeline of one session, 500 events at most", &timeline).await;
    ask_many(
        &running,
        "overview of 24 h",
        &repeat("/api/v1/overview?since=2026-11-18T06:00:00Z&until=2026-11-19T06:00:00Z")[..20],
    )
    .await;
    ask_many(&running, "facets", &repeat("/api/v1/facets")[..20]).await;
    println!("{:<44} {}", "resident memory, clients included", memory());
    running.shutdown().await;

    let running = start("prune.sqlite3", Some(40_000_000)).await;
    let until = Instant::now() + Duration::from_secs(seconds.min(60));
    let (sent, mut times) = send(&running, 0, usize::MAX / 2, 4, 1, Some(until)).await;
    println!("{:<44} {sent} events  {}", "single events while 40 MB are kept", times.line());
    running.shutdown().await;

    let running = start("load.sqlite3", Some(2_000_000_000)).await;
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    let (sent, mut times) = send(&running, 0, usize::MAX / 2, 50, 1, Some(until)).await;
    let rate = sent as f64 / started.elapsed().as_secs_f64();
    println!(
        "{:<44} {rate:.0} events/s  {}  {}",
        format!("50 clients for {seconds} s"),
        times.line(),
        memory()
    );
    running.shutdown().await;
}
