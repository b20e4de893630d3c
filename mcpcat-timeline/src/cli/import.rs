//! Sends the lines of files to a timeline, through the same checks and the same dedup as live events.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use super::Failure;
use super::args::Import;
use super::remote::Client;

/// Events and bytes of one request, below what a timeline announces.
const EVENTS: usize = 500;
const BYTES: usize = 4 * 1024 * 1024;

#[derive(Default)]
struct Tally {
    accepted: u64,
    duplicate: u64,
    rejected: u64,
}

pub(super) async fn run(args: Import) -> Result<(), Failure> {
    let client = Client::new(&args.remote)?;
    let mut tally = Tally::default();
    for path in &args.files {
        let name = path.display().to_string();
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(path).map_err(|error| format!("{name}: {error}"))?)
        };
        let (mut batch, mut first) = (Vec::new(), 1);
        for (at, line) in BufReader::new(input).lines().enumerate() {
            let line = line.map_err(|error| format!("{name}, line {}: {error}", at + 1))?;
            if batch.len() == EVENTS || (!batch.is_empty() && size(&batch) + line.len() > BYTES) {
                send(&client, &name, first, std::mem::take(&mut batch), &mut tally).await?;
                first = at + 1;
            }
            batch.push(line);
        }
        send(&client, &name, first, batch, &mut tally).await?;
    }
    println!("{} accepted, {} there already, {} rejected", tally.accepted, tally.duplicate, tally.rejected);
    if tally.rejected > 0 {
        return Err(format!("{} lines were rejected", tally.rejected).into());
    }
    Ok(())
}

fn size(batch: &[String]) -> usize {
    batch.iter().map(|line| line.len() + 1).sum()
}

async fn send(
    client: &Client,
    file: &str,
    first: usize,
    batch: Vec<String>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let numbers: Vec<usize> = batch
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, _)| first + at)
        .collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let request = client
        .request(reqwest::Method::POST, "/v1/public/events/batch")
        .header("content-type", "application/x-ndjson")
        .body(batch.join("\n"));
    let answer: Value = serde_json::from_str(&client.send(request).await?.text().await?)?;
    for (result, line) in answer["results"].as_array().into_iter().flatten().zip(numbers) {
        match result["status"].as_str() {
            Some("accepted") => tally.accepted += 1,
            Some("duplicate") => tally.duplicate += 1,
            _ => {
                tally.rejected += 1;
                eprintln!("{file}, line {line}: {}", result["error"].as_str().unwrap_or("rejected"));
            }
        }
    }
    Ok(())
}
