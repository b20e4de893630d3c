//! An HTTP/1.1 endpoint made of a socket, because no framework answers as badly as the tests need.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mcpcat_runtime::{Client, ClientBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Long enough for a loaded machine; reached only by a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// With a whole answer: status line, header lines, body.
    Says(u16, &'static str, String),
    /// Later, with a 202.
    Late(Duration),
    /// Not at all, and the connection stays.
    Hangs,
    /// The connection is reset.
    Resets,
    /// The connection ends without an answer.
    Closes,
    /// 202 with less body than its length says, then the end.
    ClosesMidBody,
    /// 202, and a body that comes byte by byte and never ends.
    DripsBody,
    /// A head that comes byte by byte and never ends.
    DripsHead,
    /// 202, and a body that comes as fast as it is read and never ends.
    FloodsBody,
    /// A head of one header after another that never ends.
    FloodsHead,
    /// Interim answers (1xx) as fast as they are read, and never the answer.
    FloodsInterim,
}

impl Way {
    pub(crate) fn ok() -> Self {
        Self::Says(202, "content-type: application/json\r\n", r#"{"status":"accepted"}"#.to_owned())
    }

    pub(crate) fn status(code: u16) -> Self {
        Self::Says(code, "", String::new())
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    /// The other end of its connection.
    pub(crate) from: SocketAddr,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) media: String,
    /// Its request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Post {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(':').is_some_and(|(it, _)| it.eq_ignore_ascii_case(name));
        self.head.lines().find(|line| of(line)).and_then(|line| Some(line.split_once(':')?.1.trim()))
    }

    /// The ids of the events in it, one a line.
    pub(crate) fn ids(&self) -> Vec<String> {
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        self.body.lines().map(id).collect()
    }
}

type Plan = dyn Fn(usize, &Post) -> Way + Send + Sync;

/// The endpoint. Its plan is asked for each request, with its number from 0.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    posts: Arc<Mutex<Vec<Post>>>,
    count: Arc<tokio::sync::watch::Sender<usize>>,
    plan: Arc<Plan>,
}

impl Endpoint {
    pub(crate) async fn start(plan: impl Fn(usize, &Post) -> Way + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), plan)
    }

    pub(crate) fn on(
        listener: TcpListener,
        plan: impl Fn(usize, &Post) -> Way + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(tokio::sync::watch::Sender::new(0));
        let it = Self { url, posts: Arc::default(), count, plan: Arc::new(plan) };
        let endpoint = it.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(endpoint.clone().serve(stream));
            }
        });
        it
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// Waits until at least `count` requests have arrived.
    pub(crate) async fn wait(&self, count: usize) {
        let mut counted = self.count.subscribe();
        within(counted.wait_for(|so_far| *so_far >= count)).await.unwrap();
    }

    /// How often each event arrived in a request for which `of` holds.
    pub(crate) fn arrivals(&self, of: impl Fn(usize, &Post) -> bool) -> BTreeMap<String, usize> {
        let mut arrivals = BTreeMap::new();
        for (_, post) in self.posts().iter().enumerate().filter(|(n, post)| of(*n, post)) {
            for id in post.ids() {
                *arrivals.entry(id).or_default() += 1;
            }
        }
        arrivals
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        let state = tempfile::Builder::new().prefix("mcpcat-delivery-").tempdir().unwrap().keep();
        Client::builder("proj_delivery")
            .base_url(&self.url)
            .state_dir(state)
            // All clients of this process are on one thread: a busy machine answers late, not never.
            .request_timeout(Duration::from_millis(1_500))
            .drain(Duration::ZERO)
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(post) = read(&mut stream, &mut buffer).await {
            let (n, way) = {
                let mut posts = self.posts.lock().unwrap();
                posts.push(post.clone());
                (posts.len() - 1, (self.plan)(posts.len() - 1, &post))
            };
            self.count.send_modify(|count| *count = (*count).max(n + 1));
            if answer(&mut stream, way).await.is_err() {
                return;
            }
        }
    }
}

/// Fails the test instead of hanging it.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it ends in time")
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Post> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        Some(line[name.len()..].trim_start_matches(':').trim().to_owned())
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    Some(Post {
        at: Instant::now(),
        from: stream.peer_addr().ok()?,
        method: head.split(' ').next().unwrap().to_owned(),
        path: head.split(' ').nth(1).unwrap().to_owned(),
        media: header("content-type").unwrap(),
        head: head.clone(),
        body: String::from_utf8(buffer.drain(..length).collect()).unwrap(),
    })
}

/// `Err` when the connection is over.
async fn answer(stream: &mut TcpStream, way: Way) -> std::io::Result<()> {
    let over = || Err(std::io::Error::other("over"));
    match way {
        Way::Says(code, headers, body) => {
            let head = format!("HTTP/1.1 {code} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await
        }
        Way::Late(time) => {
            tokio::time::sleep(time).await;
            stream.write_all(b"HTTP/1.1 202 X\r\ncontent-length: 0\r\n\r\n").await
        }
        Way::Hangs => {
            // Until the other side gives up.
            let _ = stream.read_u8().await;
            over()
        }
        Way::Resets => {
            stream.set_zero_linger()?;
            over()
        }
        Way::Closes => over(),
        Way::ClosesMidBody => {
            stream.write_all(b"HTTP/1.1 202 X\r\ncontent-length: 100\r\n\r\n{\"s").await?;
            over()
        }
        Way::DripsBody => {
            stream.write_all(b"HTTP/1.1 202 X\r\ncontent-length: 100000\r\n\r\n").await?;
            drip(stream).await
        }
        Way::FloodsBody => {
            stream.write_all(b"HTTP/1.1 202 X\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            flood(stream, b"400\r\n", &[b'x'; 1024], b"\r\n").await
        }
        Way::FloodsHead => {
            stream.write_all(b"HTTP/1.1 202 X\r\n").await?;
            flood(stream, b"x-more: ", &[b'x'; 1024], b"\r\n").await
        }
        Way::FloodsInterim => flood(stream, b"HTTP/1.1 102 X\r\n", b"x: y\r\n", b"\r\n").await,
        Way::DripsHead => {
            stream.write_all(b"HTTP/1.1 202 X\r\nx-slow: ").await?;
            drip(stream).await
        }
    }
}

async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Writes the same again and again, until the other side gives up.
async fn flood(stream: &mut TcpStream, first: &[u8], middle: &[u8], last: &[u8]) -> std::io::Result<()> {
    let many = [first, middle, last].concat().repeat(64);
    loop {
        stream.write_all(&many).await?;
    }
}
