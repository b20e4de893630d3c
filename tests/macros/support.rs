//! A client that delivers to a real HTTP server in this process, and the events of one piece of code.

use std::collections::HashMap;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use mcpcat::{Client, Session, SessionId};
use serde_json::Value;

/// One event as it was posted.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) name: String,
    /// The error's message, if the event counts as failed.
    pub(crate) error: Option<String>,
    /// The whole body.
    pub(crate) body: Value,
}

impl Seen {
    fn new(body: Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let failed = body["is_error"] == true;
        let error = failed.then(|| text(&body["error"]["message"]).unwrap_or_default());
        Self { name: text(&body["resource_name"]).unwrap_or_default(), error, body }
    }
}

type Posted = Mutex<HashMap<String, Vec<Value>>>;

/// The bodies that were posted, by session.
fn posted() -> &'static Posted {
    static POSTED: OnceLock<Posted> = OnceLock::new();
    POSTED.get_or_init(Mutex::default)
}

const PROJECT: &str = "proj_macros";

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || listener.incoming().for_each(|stream| serve(stream.unwrap())));
        let folder = tempfile::tempdir().unwrap().keep();
        let client = Client::builder(PROJECT).base_url(url).state_dir(folder).build().unwrap();
        client.install();
        client
    })
}

/// Answers the posts of one connection.
fn serve(stream: TcpStream) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        loop {
            let mut length = 0;
            let mut line = String::new();
            loop {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line == "\r\n" {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("content-length")
                {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let session = body["session_id"].as_str().unwrap_or_default().to_owned();
            posted().lock().unwrap().entry(session).or_default().push(body);
            let answer = "{\"status\":\"accepted\"}";
            let head = "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: ";
            if write!(writer, "{head}{}\r\n\r\n{answer}", answer.len()).is_err() {
                return;
            }
        }
    });
}

/// A session that nobody else uses.
pub(crate) fn fresh_session() -> (String, Session) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let text = format!("macros-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let session = client().session(&text);
    (text, session)
}

/// Runs code in a session of its own; its value and its events, in the order in which they began.
pub(crate) fn seen<T>(code: impl FnOnce() -> T) -> (T, Vec<Seen>) {
    let (text, session) = fresh_session();
    let value = session.run(code);
    (value, events_of(&text))
}

/// The events of a session so far.
pub(crate) fn events_of(text: &str) -> Vec<Seen> {
    let before = client().stats().published;
    // Other tests publish meanwhile, and one of them may have counted an event that it has yet to write.
    let mut stats = client().flush_blocking(Duration::from_secs(20));
    for _ in 0..20 {
        if stats.delivered + stats.dropped >= before {
            break;
        }
        stats = client().flush_blocking(Duration::from_secs(20));
    }
    assert!(stats.delivered + stats.dropped >= before, "not delivered in time: {stats:?}");
    let id = SessionId::derive(text, PROJECT);
    let mut events = posted().lock().unwrap().remove(id.as_str()).unwrap_or_default();
    events.sort_by_key(|body| {
        (
            body["timestamp"].as_str().map(str::to_owned),
            body["properties"].get("mcpcat_seq").and_then(Value::as_u64),
        )
    });
    events.into_iter().map(Seen::new).collect()
}

/// The one event of some code.
#[track_caller]
pub(crate) fn one<T>(code: impl FnOnce() -> T) -> Value {
    let (_, mut events) = seen(code);
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0).body
}

/// Runs a future to its end, on a runtime of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
