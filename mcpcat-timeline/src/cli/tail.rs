//! Prints events as they arrive.

use std::io::Write;

use serde_json::Value;

use super::Failure;
use super::args::Tail;
use super::remote::{Client, parse};
use super::text;
use crate::http::percent_encode;

pub(super) async fn run(args: Tail) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let mut query = Vec::new();
    if let Some(session) = &args.session {
        query.push(format!("session={}", percent_encode(session)));
    }
    if let Some(project) = &args.project {
        query.push(format!("project={}", percent_encode(project)));
    }
    if args.errors {
        query.push("errors=1".into());
    }
    if args.custom {
        query.push("custom=1".into());
    }
    let path = format!("/api/v1/stream?{}", query.join("&"));
    let mut response = client.send(client.request(reqwest::Method::GET, &path)).await?;
    let mut lines = Lines::default();
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = response.chunk().await? {
        for message in lines.messages(&chunk) {
            let body = parse(&message)?;
            for stored in body.get("events").and_then(Value::as_array).into_iter().flatten() {
                let event = &stored["event"];
                if args.json {
                    writeln!(out, "{event}")?;
                } else {
                    let depth = usize::from(event.get("parent_id").is_some());
                    let session = stored["filed_under"].as_str().unwrap_or("");
                    writeln!(out, "{}  [{}]", text::event(event, depth), text::plain(session))?;
                }
                out.flush()?;
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
        }
    }
    Err("the timeline closed the stream".into())
}

/// Cuts a stream of server-sent events into the data of its messages.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    data: String,
}

impl Lines {
    fn messages(&mut self, chunk: &[u8]) -> Vec<String> {
        self.held.extend_from_slice(chunk);
        let mut messages = Vec::new();
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.held.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if !self.data.is_empty() {
                    messages.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_cut() {
        let stream = b": hi\n\nevent: events\nid: 3\ndata: {\"a\":1}\n\ndata: {}\r\n\r\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut messages = lines.messages(&stream[..cut]);
            messages.extend(lines.messages(&stream[cut..]));
            assert_eq!(messages, ["{\"a\":1}", "{}"], "cut at {cut}");
        }
    }
}
