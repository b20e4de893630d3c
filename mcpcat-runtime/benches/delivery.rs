//! What delivery costs and how fast it goes: one event a request and in batches, to an endpoint that answers at
//! once and to one that takes 20 ms, beside bare requests of reqwest with the same body in the same run; and the memory
//! held while an endpoint hangs.
//!
//! `cargo bench -p mcpcat-runtime --no-default-features --features reqwest --bench delivery`. Loopback only. CPU is that of the
//! sending thread alone, as Linux counts it.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench, not a library")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::{Client, ClientBuilder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const PATIENCE: Duration = Duration::from_secs(120);
const OFFER: &str = "mcpcat-batch: v1; path=/b; max-events=500; max-bytes=4194304\r\n";

#[derive(Clone)]
struct Endpoint {
    takes: Duration,
    hangs: bool,
    offers: bool,
    body: Arc<Mutex<Option<Bytes>>>,
}

impl Endpoint {
    /// Serves on a thread of its own until the process ends; its URL.
    fn start(self) -> String {
        let (url, is_up) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                url.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    tokio::spawn(self.clone().serve(stream));
                }
            });
        });
        is_up.recv().unwrap()
    }

    async fn serve(self, mut stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut buffer = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length =
                head.split("content-length:").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
            while buffer.len() < end + length {
                stream.read_buf(&mut buffer).await.ok()?;
            }
            let body = buffer[end..end + length].to_vec();
            let batch = head.starts_with("post /b ");
            buffer.drain(..end + length);
            if self.hangs {
                std::future::pending::<()>().await;
            }
            if !self.takes.is_zero() {
                tokio::time::sleep(self.takes).await;
            }
            let answer = if batch { results(&body) } else { r#"{"status":"accepted"}"#.to_owned() };
            let offer = if self.offers { OFFER } else { "" };
            let head = format!("HTTP/1.1 202 Accepted\r\n{offer}content-length: {}\r\n\r\n", answer.len());
            stream.write_all((head + &answer).as_bytes()).await.ok()?;
            if !batch {
                self.body.lock().unwrap().get_or_insert_with(|| body.into());
            }
        }
    }
}

/// `{"id":"evt_` and 27 characters begin each line.
fn results(body: &[u8]) -> String {
    let mut out = String::from("{\"results\":[");
    for line in body.split(|byte| *byte == b'\n').filter(|line| line.len() > 39) {
        let id = std::str::from_utf8(&line[7..38]).unwrap();
        let comma = if out.ends_with('[') { "" } else { "," };
        out.push_str(&format!("{comma}{{\"id\":\"{id}\",\"status\":\"accepted\"}}"));
    }
    out + "]}"
}

/// Time on a CPU of the thread with this name.
fn cpu(thread: &str) -> Duration {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").trim() == thread {
            total += read("schedstat").split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0_u64);
        }
    }
    Duration::from_nanos(total)
}

/// Resident memory in MiB, now and at most so far.
fn resident() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    (field("VmRSS:").unwrap_or(0.0) / 1024.0, field("VmHWM:").unwrap_or(0.0) / 1024.0)
}

fn report(name: &str, events: usize, took: Duration, cpu: Duration) {
    let rate = events as f64 / took.as_secs_f64();
    let each = cpu.as_secs_f64() * 1e6 / events as f64;
    println!("{name:<34} {events:>7} events  {rate:>9.0}/s  {each:>7.1} us CPU each");
}

fn builder(url: &str) -> ClientBuilder {
    let state = std::env::temp_dir().join(format!("mcpcat-bench-{}", std::process::id()));
    Client::builder("proj_bench").base_url(url).state_dir(state).drain(Duration::ZERO)
}

fn event(n: usize) -> CustomEvent {
    CustomEvent::new("invoice.charge")
        .parameter("customer", "cus_8812")
        .parameter("amount", n)
        .parameter("currency", "eur")
        .parameter("retry", false)
}

fn ours(name: &str, endpoint: &Endpoint, events: usize) {
    let client = builder(&endpoint.clone().start()).build().unwrap();
    // The connections and the offer are there before the clock starts.
    for n in 0..64 {
        client.publish("s", event(n)).unwrap();
    }
    let warm = client.flush_blocking(PATIENCE);
    let (start, before) = (Instant::now(), cpu("mcpcat"));
    for n in 0..events {
        client.publish("s", event(n)).unwrap();
    }
    let stats = client.flush_blocking(PATIENCE);
    let (took, spent) = (start.elapsed(), cpu("mcpcat") - before);
    assert_eq!(stats.delivered, 64 + events as u64, "{stats}");
    report(name, events, took, spent);
    println!("{:<34} {} requests", "", stats.requests - warm.requests);
    let _ = client.shutdown_blocking(PATIENCE);
}

/// Requests made with reqwest alone, `window` at a time.
fn bare(name: &str, endpoint: &Endpoint, events: usize, window: usize) {
    let body = endpoint.body.lock().unwrap().clone().unwrap();
    let url = endpoint.clone().start() + "/v1/public/events/";
    let (took, spent) = std::thread::Builder::new()
        .name("bare".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let post = || {
                    let request =
                        client.post(&url).header("content-type", "application/json").body(body.clone());
                    async move { request.send().await.unwrap().bytes().await.unwrap() }
                };
                let (start, before) = (Instant::now(), cpu("bare"));
                let mut flying: FuturesUnordered<_> = (0..window).map(|_| post()).collect();
                let mut left = events - window;
                while flying.next().await.is_some() {
                    if left > 0 {
                        left -= 1;
                        flying.push(post());
                    }
                }
                (start.elapsed(), cpu("bare") - before)
            })
        })
        .unwrap()
        .join()
        .unwrap();
    report(name, events, took, spent);
}

fn memory() {
    let body = Arc::default();
    let endpoint = Endpoint { takes: Duration::ZERO, hangs: true, offers: false, body };
    let client = builder(&endpoint.start()).build().unwrap();
    let before = resident().0;
    let mut refused = 0;
    for n in 0..50_000 {
        refused += usize::from(client.publish("s", event(n).message("x".repeat(4_096))).is_err());
    }
    let stats = client.flush_blocking(Duration::from_secs(1));
    let (after, most) = resident();
    println!(
        "hanging endpoint, 50,000 x 4 KiB     {:+.1} MiB resident (peak {:.1} in all); {refused} refused, {} wait",
        after - before,
        most,
        stats.pending
    );
    let _ = client.shutdown_blocking(Duration::ZERO);
}

fn main() {
    memory();
    for (label, takes, single, batched) in [("0 ms", 0, 20_000, 50_000), ("20 ms", 20, 5_000, 50_000)] {
        let takes = Duration::from_millis(takes);
        let endpoint = Endpoint { takes, hangs: false, offers: false, body: Arc::default() };
        ours(&format!("one a request, {label}"), &endpoint, single);
        bare(&format!("bare reqwest, 64 at a time, {label}"), &endpoint, single, 64);
        let endpoint = Endpoint { offers: true, ..endpoint };
        ours(&format!("in batches, {label}"), &endpoint, batched);
    }
    let _ =
        std::fs::remove_dir_all(std::env::temp_dir().join(format!("mcpcat-bench-{}", std::process::id())));
}
