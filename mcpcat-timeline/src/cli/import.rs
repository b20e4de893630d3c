//! Sends the lines of files to a timeline, through the same checks and the same dedup as live events.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use indicatif::ProgressBar;
use serde_json::Value;

use super::Failure;
use super::args::Import;
use super::progress;
use super::remote::Client;
use super::text::plain;

/// Events and bytes of one request, below what a timeline announces.
const EVENTS: usize = 500;
const BYTES: usize = 4 * 1024 * 1024;
/// A longer line is no event, and is not read into memory.
const LINE: usize = crate::event::MAX_EVENT_BYTES + 1;
/// How often a timeline that has no room is asked again.
const TRIES: u32 = 10;

#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicate: u64,
    forgotten: u64,
    rejected: u64,
}

/// Lines that go in one request, with their numbers in the file.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    numbers: Vec<usize>,
}

impl Batch {
    fn has_room_for(&self, line: &[u8]) -> bool {
        self.numbers.is_empty() || (self.numbers.len() < EVENTS && self.text.len() + line.len() < BYTES)
    }

    fn push(&mut self, number: usize, line: &[u8]) {
        self.text.extend_from_slice(line);
        self.text.push(b'\n');
        self.numbers.push(number);
    }
}

pub(super) async fn run(args: Import) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let mut tally = Tally::default();
    for path in &args.files {
        let name = path.display().to_string();
        let (input, size): (Box<dyn Read>, _) = if path == Path::new("-") {
            (Box::new(std::io::stdin()), None)
        } else {
            let file = std::fs::File::open(path).map_err(|error| format!("{name}: {error}"))?;
            let size = file.metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
            (Box::new(file), size)
        };
        let bar = progress::bytes("importing", size);
        let sent = file(&client, &name, BufReader::new(input), &bar, &mut tally).await;
        bar.finish_and_clear();
        sent?;
    }
    let forgotten = match tally.forgotten {
        0 => String::new(),
        some => format!(", {some} dropped because they were forgotten"),
    };
    println!(
        "{} accepted, {} there already{forgotten}, {} rejected",
        tally.accepted, tally.duplicate, tally.rejected
    );
    if tally.rejected > 0 {
        return Err(format!("{} lines were rejected", tally.rejected).into());
    }
    Ok(())
}

async fn file(
    client: &Client,
    name: &str,
    mut input: impl BufRead,
    bar: &ProgressBar,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let (mut batch, mut line) = (Batch::default(), Vec::new());
    for number in 1.. {
        line.clear();
        let read = input.by_ref().take(LINE as u64 + 1).read_until(b'\n', &mut line);
        let length = read.map_err(|error| format!("{name}, line {number}: {error}"))?;
        if length == 0 {
            break;
        }
        bar.inc(length as u64);
        if length > LINE && line.last() != Some(&b'\n') {
            return Err(format!("{name}, line {number}: longer than any event ({LINE} bytes)").into());
        }
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if !batch.has_room_for(line) {
            send(client, name, std::mem::take(&mut batch), tally).await?;
        }
        batch.push(number, line);
    }
    if batch.numbers.is_empty() {
        return Ok(());
    }
    send(client, name, batch, tally).await
}

async fn send(client: &Client, file: &str, batch: Batch, tally: &mut Tally) -> Result<(), Failure> {
    let mut tries = 0;
    let answer = loop {
        let request = client
            .request(reqwest::Method::POST, "/v1/public/events/batch")
            .header("content-type", "application/x-ndjson")
            .body(batch.text.clone());
        match client.send_unless_busy(request).await? {
            Ok(answer) => break answer,
            Err(busy) if tries == TRIES => return Err(busy),
            Err(_) => {
                tries += 1;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    };
    let answer: Value = serde_json::from_str(&answer.text().await.map_err(|error| client.explain(error))?)?;
    for (result, line) in answer["results"].as_array().into_iter().flatten().zip(batch.numbers) {
        match result["status"].as_str() {
            Some("accepted") => tally.accepted += 1,
            Some("duplicate") => tally.duplicate += 1,
            Some("forgotten") => tally.forgotten += 1,
            _ => {
                tally.rejected += 1;
                eprintln!(
                    "{}, line {line}: {}",
                    plain(file),
                    plain(result["error"].as_str().unwrap_or("rejected"))
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_its_count_and_at_its_bytes() {
        let mut batch = Batch::default();
        for number in 0..EVENTS {
            assert!(batch.has_room_for(b"{}"), "{number}");
            batch.push(number, b"{}");
        }
        assert!(!batch.has_room_for(b"{}"));
        let mut batch = Batch::default();
        assert!(batch.has_room_for(&vec![b'x'; 2 * BYTES]), "a large line goes by itself");
        batch.push(1, &vec![b'x'; BYTES - 10]);
        assert!(batch.has_room_for(b"12345678") && !batch.has_room_for(b"123456789"));
    }
}
