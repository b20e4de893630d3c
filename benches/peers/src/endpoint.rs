//! An HTTP endpoint on loopback that every peer can deliver to. It knows events by a marker that each of them
//! carries in a text (`EVT` and eight digits), so that one count holds for every wire format.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a request meets.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// An answer after this long.
    Answers(Duration),
    /// As `Answers`, and the offer to take batches.
    Batches(Duration),
    /// The request is read and never answered.
    Hangs,
    /// The connection is closed until this moment; then an answer at once.
    Refuses(Instant),
}

#[derive(Clone)]
pub struct Endpoint {
    way: Way,
    address: SocketAddr,
    seen: Arc<Mutex<HashSet<u32>>>,
    sample: Arc<Mutex<Option<String>>>,
}

const OFFER: &str = "mcpcat-batch: v1; path=/b; max-events=500; max-bytes=4194304\r\n";

impl Endpoint {
    /// Serves on a thread of its own until the process ends.
    pub fn start(way: Way) -> Self {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
                let address = listener.local_addr().expect("an address");
                let endpoint = Self { way, address, seen: Arc::default(), sample: Arc::default() };
                send.send(endpoint.clone()).expect("the caller waits");
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(endpoint.clone().serve(stream));
                    }
                }
            });
        });
        receive.recv().expect("the endpoint starts")
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many different events have arrived.
    pub fn distinct(&self) -> usize {
        self.seen.lock().expect("no panic held the lock").len()
    }

    /// The body of the first request with event 0 in it.
    pub fn sample(&self) -> Option<String> {
        self.sample.lock().expect("no panic held the lock").clone()
    }

    async fn serve(self, mut stream: TcpStream) -> Option<()> {
        if matches!(self.way, Way::Refuses(until) if Instant::now() < until) {
            return None;
        }
        stream.set_nodelay(true).ok()?;
        let mut buffer = Vec::with_capacity(64 * 1024);
        loop {
            let end = loop {
                if let Some(end) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length = head
                .split("content-length:")
                .nth(1)
                .and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok())
                .unwrap_or(0);
            while buffer.len() < end + length {
                if stream.read_buf(&mut buffer).await.ok()? == 0 {
                    return None;
                }
            }
            let delay = match self.way {
                Way::Hangs => std::future::pending().await,
                Way::Answers(delay) | Way::Batches(delay) => delay,
                Way::Refuses(_) => Duration::ZERO,
            };
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let body = &buffer[end..end + length];
            self.note(body);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (kind, answer) = match path {
                "/b" => ("application/json", results(body)),
                "/v1/traces" | "/v1/logs" => ("application/x-protobuf", String::new()),
                _ => ("application/json", r#"{"id":"x","status":"accepted"}"#.to_owned()),
            };
            let offer = if matches!(self.way, Way::Batches(_)) { OFFER } else { "" };
            let answer = format!(
                "HTTP/1.1 200 OK\r\n{offer}content-type: {kind}\r\ncontent-length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(answer.as_bytes()).await.ok()?;
            buffer.drain(..end + length);
        }
    }

    fn note(&self, body: &[u8]) {
        let mut seen = self.seen.lock().expect("no panic held the lock");
        for at in memchr::memmem::find_iter(body, b"EVT") {
            let digits = body.get(at + 3..at + 11).and_then(|digits| std::str::from_utf8(digits).ok());
            let number = digits.and_then(|digits| digits.parse::<u32>().ok());
            if number == Some(0) {
                *self.sample.lock().expect("no panic held the lock") = String::from_utf8(body.to_vec()).ok();
            }
            seen.extend(number);
        }
    }
}

/// One result for each line of a batch; `{"id":"evt_` and 27 characters begin each.
fn results(body: &[u8]) -> String {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| line.len() > 39);
    let results: Vec<String> = lines
        .map(|line| format!(r#"{{"id":"{}","status":"accepted"}}"#, String::from_utf8_lossy(&line[7..38])))
        .collect();
    format!(r#"{{"results":[{}]}}"#, results.join(","))
}
