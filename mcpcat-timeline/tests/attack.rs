//! Clients that mean harm, or are broken: what they can make the collector hold, and whether others still get through.
//!
//! Sizes are small by default. `MCPCAT_ATTACK=full` takes hundreds of clients and more, and
//! `MCPCAT_ATTACK_BINARY=FILE` another binary, to compare with; the figures are printed with `--nocapture`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are what it is run for")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::custom;

const MIB: u64 = 1024 * 1024;

fn full() -> bool {
    std::env::var_os("MCPCAT_ATTACK").is_some_and(|size| size == "full")
}

fn size(small: usize, whole: usize) -> usize {
    if full() { whole } else { small }
}

/// One attack at a time: they measure memory and time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A collector in a process of its own, whose memory is watched.
struct Victim {
    child: Child,
    addr: String,
    peak: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    base: u64,
    /// Sockets of its own, without any client.
    own: usize,
    _folder: tempfile::TempDir,
}

impl Victim {
    /// With a budget of 64 MiB in the small size; the full one has the default.
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let other = std::env::var_os("MCPCAT_ATTACK_BINARY");
        let mut command =
            Command::new(other.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_mcpcat-timeline").into()));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("events.sqlite3"));
        if other.is_none() {
            command.args(more);
            if !full() {
                command.args(["--memory", "64MiB"]);
            }
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let addr = line.split("http://").nth(1).unwrap().to_owned();
        let (peak, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let id = child.id();
        std::thread::spawn({
            let (peak, done) = (Arc::clone(&peak), Arc::clone(&done));
            move || {
                while !done.load(Ordering::Relaxed) {
                    peak.fetch_max(memory(id), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        });
        let mut victim = Self { child, addr, peak, done, base: memory(id), own: 0, _folder: folder };
        victim.own = victim.sockets();
        victim
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends a request and reads its whole answer.
    fn ask(&self, head: &str, more: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect();
        let _ = write!(
            stream,
            "{head} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        // A refusal can come before the body is sent.
        let _ = stream.write_all(body);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, text)
    }

    fn post(&self, body: &[u8]) -> u16 {
        self.ask("POST /v1/public/events/", "content-type: application/json\r\n", body).0
    }

    /// Seven events of nine megabytes.
    fn fill(&self) {
        for n in 0..7 {
            let mut event = custom(&format!("evt_large_{n}"), "s", "large");
            event["parameters"] = serde_json::json!({ "x": "y".repeat(9_000_000) });
            assert_eq!(self.post(event.to_string().as_bytes()), 202);
        }
    }

    /// How long an honest sender and an honest reader wait, sending again when they are told to.
    fn honest(&self) -> Duration {
        let started = Instant::now();
        let mut number = 0;
        let patience =
            |what: &str| assert!(started.elapsed() < Duration::from_secs(60), "{what} gets no turn");
        while self.post(custom(&format!("evt_honest_{number}"), "honest", "n").to_string().as_bytes()) != 202
        {
            number += 1;
            patience("a sender");
            std::thread::sleep(Duration::from_millis(100));
        }
        while self.ask("GET /api/v1/sessions?limit=1", "", b"").0 != 200 {
            patience("a reader");
            std::thread::sleep(Duration::from_millis(100));
        }
        started.elapsed()
    }

    fn sockets(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Waits until so many sockets are left at most.
    fn falls_to(&self, sockets: usize, patience: Duration) -> Option<Duration> {
        let started = Instant::now();
        while self.sockets() > sockets {
            if started.elapsed() > patience {
                return None;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(started.elapsed())
    }

    /// Megabytes beyond what it had at its start.
    fn grown(&self) -> u64 {
        self.peak.load(Ordering::Relaxed).saturating_sub(self.base) / MIB
    }

    fn report(&self, what: &str, honest: Duration, cut: Option<Duration>) {
        let cut = cut.map_or_else(|| "-".into(), |cut| format!("{:.1} s", cut.as_secs_f64()));
        println!(
            "{what:<44} | {:>6} MiB | an honest client waits {honest:>8.2?} | all cut after {cut}",
            self.grown()
        );
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of a process's own memory.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The most that the process may grow: with the default budget all of it, with what the store and the allocator hold
/// beside what is paid for.
fn allowed() -> u64 {
    if full() { 256 } else { 200 }
}

fn readers_that_do_not_read(path: &str, count: usize) {
    let _turn = turn();
    let victim = Victim::start(&[]);
    victim.fill();
    let mut readers: Vec<TcpStream> = Vec::new();
    for _ in 0..count {
        let mut stream = victim.connect();
        // Those that are refused go; the others stay until they are cut.
        write!(stream, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").unwrap();
        readers.push(stream);
    }
    // The first ones have begun to be answered.
    let honest = victim.honest();
    std::thread::sleep(Duration::from_secs(1));
    let cut = victim.falls_to(victim.own, Duration::from_secs(if full() { 120 } else { 60 }));
    victim.report(&format!("{count} readers of {path} that do not read"), honest, cut);
    if std::env::var_os("MCPCAT_ATTACK_BINARY").is_none() {
        assert!(victim.grown() <= allowed(), "{} MiB for readers of {path}", victim.grown());
        assert!(cut.is_some(), "readers of {path} that do not read stay for ever");
    }
    drop(readers);
}

#[test]
fn readers_of_the_stream_that_do_not_read_are_cut_and_cost_no_more_than_the_budget() {
    readers_that_do_not_read("/api/v1/stream?after=0", size(24, 500));
}

#[test]
fn readers_of_events_that_do_not_read_are_cut_and_cost_no_more_than_the_budget() {
    readers_that_do_not_read("/api/v1/events?limit=100", size(12, 40));
}

#[test]
fn readers_of_exports_that_do_not_read_are_cut_and_cost_no_more_than_the_budget() {
    readers_that_do_not_read("/api/v1/export.ndjson", size(12, 40));
}

#[test]
fn unfinished_bodies_cost_no_more_than_the_budget_and_the_rest_is_told_to_come_back() {
    let _turn = turn();
    let victim = Victim::start(&[]);
    let (count, announced, sent) = (size(24, 300), 9_800_000, 9_700_000);
    let part = vec![b' '; 100_000];
    let mut senders = Vec::new();
    let mut refused = 0;
    for _ in 0..count {
        let mut stream = victim.connect();
        let head = format!(
            "POST /v1/public/events/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {announced}\r\n\r\n"
        );
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| (0..sent / part.len()).try_for_each(|_| stream.write_all(&part)));
        refused += usize::from(sent.is_err());
        senders.push(stream);
    }
    let readers = Instant::now();
    while victim.ask("GET /api/v1/sessions?limit=1", "", b"").0 != 200 {
        assert!(readers.elapsed() < Duration::from_secs(30), "bodies keep readers out");
    }
    let honest = victim.honest();
    let cut = victim.falls_to(victim.own, Duration::from_secs(45));
    victim.report(&format!("{count} unfinished bodies of 9.8 MB, {refused} refused"), honest, cut);
    if std::env::var_os("MCPCAT_ATTACK_BINARY").is_none() {
        assert!(refused > 0 && victim.grown() <= allowed(), "{refused} refused, {} MiB", victim.grown());
        assert!(cut.is_some(), "unfinished bodies stay for ever");
    }
}

#[test]
fn half_open_heads_do_not_keep_others_out_and_end_after_ten_seconds() {
    let _turn = turn();
    let victim = Victim::start(if full() { &[] } else { &["--connections", "64"] });
    let count = size(200, 5000);
    let mut heads: Vec<TcpStream> = Vec::new();
    for n in 0..count {
        let mut stream = victim.connect();
        // Some send nothing, some a part.
        if n % 2 == 0 {
            stream.write_all(b"POST /v1/public/events/ HTTP/1.1\r\nhost: 127.0.0.1\r\n").unwrap();
        }
        heads.push(stream);
    }
    let honest = victim.honest();
    let cut = victim.falls_to(victim.own, Duration::from_secs(30));
    victim.report(&format!("{count} half-open heads"), honest, cut);
    if std::env::var_os("MCPCAT_ATTACK_BINARY").is_none() {
        assert!(honest < Duration::from_secs(9), "honest clients wait for the heads' time: {honest:?}");
        assert!(cut.is_some(), "half-open heads stay for ever");
    }
}

#[test]
fn a_large_head_is_bounded_and_answered() {
    let _turn = turn();
    let victim = Victim::start(&[]);
    let (status, _) = victim.ask(&format!("GET /api/v1/sessions?q={}", "x".repeat(60_000)), "", b"");
    assert_eq!(status, 400);
    let (status, _) = victim.ask("GET /api/v1/sessions", &format!("x: {}\r\n", "y".repeat(200_000)), b"");
    assert_eq!(status, 431);
}

#[test]
fn empty_members_of_packed_bodies_are_refused_at_once() {
    let _turn = turn();
    let victim = Victim::start(&[]);
    let packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for (encoding, member) in
        [("gzip", packer.finish().unwrap()), ("zstd", zstd::encode_all(&b""[..], 1).unwrap())]
    {
        let body = member.repeat(9_900_000 / member.len());
        let started = Instant::now();
        let head = format!("content-type: application/json\r\ncontent-encoding: {encoding}\r\n");
        let mut stream = victim.connect();
        write!(
            stream,
            "POST /v1/public/events/ HTTP/1.1\r\nhost: 127.0.0.1\r\n{head}content-length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        stream.write_all(&body).unwrap();
        let honest = victim.honest();
        let mut text = String::new();
        BufReader::new(stream).read_line(&mut text).unwrap();
        victim.report(
            &format!("9.9 MB of empty {encoding} members: {}", &text[9..12]),
            honest,
            Some(started.elapsed()),
        );
        if std::env::var_os("MCPCAT_ATTACK_BINARY").is_none() {
            assert!(text.contains(" 400 "), "{encoding}: {text}");
        }
    }
}

#[test]
fn events_that_unfold_in_memory_are_refused_or_read_flat() {
    let _turn = turn();
    let victim = Victim::start(&[]);
    let fields: String = (0..800_000).map(|n| format!("\"{n:x}\":1,")).collect();
    let started = Instant::now();
    assert_eq!(victim.post(format!("{{{fields}\"project_id\":\"p\"}}").as_bytes()), 400);
    let tags = format!("{{\"project_id\":\"p\",\"tags\":{{\"a\":[{}{{}}]}}}}", "{},".repeat(3_000_000));
    assert_eq!(victim.post(tags.as_bytes()), 202);
    victim.report("events of many fields and of nested tags", started.elapsed(), None);
    assert!(victim.grown() < 80, "{} MiB for two events of 9 MB", victim.grown());
}
