//! A sender that costs little itself: one kept-alive connection, no HTTP library.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    held: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(addr: &str) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the collector listens");
        stream.set_nodelay(true).expect("no-delay");
        Self { stream, request: Vec::new(), held: Vec::new() }
    }

    /// Sends one request and reads its answer; returns status and length of the body.
    pub(crate) async fn ask(&mut self, head: &str, media: &str, body: &str) -> (u16, usize) {
        self.request.clear();
        let head = format!(
            "{head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {media}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await.expect("write");
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

/// Upper bounds grow by an eighth from 10 us, so that hours of requests fit a few numbers.
const STEP: f64 = 1.125;
const BUCKETS: usize = 128;

/// Times of one kind of request.
pub(crate) struct Times {
    buckets: [u64; BUCKETS],
    count: u64,
    longest: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], count: 0, longest: Duration::ZERO }
    }
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        let place = (time.as_secs_f64() * 1e5).max(1.0).log(STEP).ceil() as usize;
        self.buckets[place.min(BUCKETS - 1)] += 1;
        self.count += 1;
        self.longest = self.longest.max(time);
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (own, more) in self.buckets.iter_mut().zip(other.buckets) {
            *own += more;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// The bound of the bucket in which this share of all times lies.
    fn at(&self, share: f64) -> Duration {
        let wanted = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (place, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_secs_f64(1e-5 * STEP.powi(place as i32)).min(self.longest);
            }
        }
        self.longest
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "p50 {:.2?}  p99 {:.2?}  max {:.2?}", self.at(0.5), self.at(0.99), self.longest)
    }
}
