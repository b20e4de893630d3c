//! What a collector owes its senders when it dies, or when its disk is full.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use common::SmallDisk;
use common::custom;

struct Binary {
    child: Child,
    addr: String,
}

impl Binary {
    fn start(data: &std::path::Path) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline")), data)
    }

    fn spawn(mut command: Command, data: &std::path::Path) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
        let addr = line.split("http://").nth(1).unwrap().to_owned();
        Self { child, addr }
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One request on a kept-alive connection; `None` when the server is gone.
fn request(stream: &mut TcpStream, head: &str, body: &str) -> Option<(u16, String)> {
    write!(stream, "{head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((status, String::from_utf8(body).ok()?))
}

#[test]
fn every_event_answered_with_202_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("events.sqlite3");
    let acked = Arc::new(Mutex::new(Vec::new()));
    for round in 0..5 {
        let mut binary = Binary::start(&data);
        let stop = Arc::new(AtomicBool::new(false));
        let before = acked.lock().unwrap().len();
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (addr, acked, stop) = (binary.addr.clone(), Arc::clone(&acked), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut stream = TcpStream::connect(addr).unwrap();
                    for n in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let id = format!("evt_{round}_{sender}_{n}");
                        let body = custom(&id, &format!("s{sender}"), "n").to_string();
                        match request(&mut stream, "POST /v1/public/events/", &body) {
                            Some((202, _)) => acked.lock().unwrap().push(id),
                            Some((status, body)) => panic!("{status}: {body}"),
                            None => break,
                        }
                    }
                })
            })
            .collect();
        // The kill comes in the middle of the work, whatever the machine's speed.
        let patience = Instant::now() + Duration::from_secs(60);
        while acked.lock().unwrap().len() < before + 100 + 37 * round {
            assert!(Instant::now() < patience, "the collector answers too slowly or not at all");
            std::thread::yield_now();
        }
        binary.child.kill().unwrap();
        binary.child.wait().unwrap();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().unwrap();
        }
    }
    let binary = Binary::start(&data);
    let mut stream = TcpStream::connect(&binary.addr).unwrap();
    let mut kept = std::collections::HashSet::new();
    let mut counted = 0;
    for sender in 0..4 {
        let (status, body) =
            request(&mut stream, &format!("GET /api/v1/sessions/s{sender}/events?limit=10000"), "").unwrap();
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        kept.extend(
            body["events"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()),
        );
        let (_, row) = request(&mut stream, &format!("GET /api/v1/sessions/s{sender}"), "").unwrap();
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        counted += row["sessions"][0]["event_count"].as_u64().unwrap();
    }
    let acked = acked.lock().unwrap();
    let lost: Vec<_> = acked.iter().filter(|id| !kept.contains(*id)).collect();
    assert!(acked.len() >= 500);
    assert!(lost.is_empty(), "{} of {} answered events are lost: {lost:?}", lost.len(), acked.len());
    assert_eq!(counted as usize, kept.len(), "the roll-up agrees with the events after {} kills", 5);
}

/// Fills a small file system, if this user may mount one; says so if not.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_503_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mount = folder.path().join("small");
    std::fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs"])
        .arg(&mount)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("no right to mount a file system here: the full disk was not tried");
        return;
    }
    struct Mounted(std::path::PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let unmount = Mounted(mount.clone());
    let ballast = mount.join("ballast");
    std::fs::write(&ballast, vec![1_u8; 1_000_000]).unwrap();
    let data = mount.join("events.sqlite3");
    let binary = Binary::start(&data);
    refuses_until(binary, &data, || std::fs::remove_file(&ballast).unwrap());
    drop(unmount);
}

/// The same for a user who may not mount anything: a limit on the size of files, lifted later.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_grow_is_a_503_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("events.sqlite3");
    let mut command = Command::new("sh");
    // 2,000 blocks are one or two megabytes, depending on the shell. The signal would end the process before it sees the error.
    command.args([
        "-c",
        "trap '' XFSZ; ulimit -S -f 2000; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_mcpcat-timeline"),
    ]);
    let binary = Binary::spawn(command, &data);
    let process = format!("--pid={}", binary.child.id());
    refuses_until(binary, &data, || {
        let lifted = Command::new("prlimit").args([&process, "--fsize=unlimited"]).status().unwrap();
        assert!(lifted.success());
    });
}

/// Sends until there is no room, makes room, and looks that nothing answered is lost or damaged.
#[cfg(target_os = "linux")]
fn refuses_until(binary: Binary, data: &std::path::Path, make_room: impl FnOnce()) {
    let mut stream = TcpStream::connect(&binary.addr).unwrap();
    let filler = "x".repeat(20_000);
    let mut send = |n: u32| {
        let mut event = custom(&format!("evt_{n}"), "s", "n");
        event["response"] = filler.clone().into();
        request(&mut stream, "POST /v1/public/events/", &event.to_string()).unwrap()
    };
    let mut accepted = 0;
    let refused = loop {
        let (status, body) = send(accepted);
        if status != 202 {
            break (status, body);
        }
        accepted += 1;
        assert!(accepted < 1000, "there was room for far more than there is");
    };
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("disk"), "{}", refused.1);
    assert!(accepted > 10, "the collector never worked");
    assert_eq!(send(accepted).0, 503);
    make_room();
    assert_eq!(send(accepted).0, 202, "space is back");
    assert_eq!(send(0).0, 202, "a resent event is no error");
    let (_, body) = request(&mut stream, "GET /api/v1/sessions/s/events", "").unwrap();
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["events"].as_array().unwrap().len() as u32, accepted + 1);
    let (_, row) = request(&mut stream, "GET /api/v1/sessions/s", "").unwrap();
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["sessions"][0]["event_count"], accepted + 1, "the roll-up took no refused event");
    drop(binary);
    let check = rusqlite::Connection::open(data).unwrap();
    let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// Fills the disk with events of `bytes` each, forgets a part of them and sends again.
#[cfg(target_os = "linux")]
fn forgets_on_a_full_disk(size: &str, bytes: usize) {
    let Some(disk) = SmallDisk::of(size) else { return };
    let data = disk.path.join("events.sqlite3");
    let binary = Binary::start(&data);
    let mut stream = TcpStream::connect(&binary.addr).unwrap();
    let mut send = |number: usize, session: &str| {
        let mut event = custom(&format!("evt_{number}"), session, "n");
        event["response"] = format!("MARK{}", "x".repeat(bytes)).into();
        request(&mut stream, "POST /v1/public/events/", &event.to_string()).unwrap().0
    };
    let mut number = 0;
    while send(number, if number % 3 == 0 { "gone" } else { "kept" }) == 202 {
        number += 1;
        assert!(number < 100_000, "there was room for far more than there is");
    }
    assert!(number > 2, "the disk of {size} took {number} events of {bytes} bytes");
    // Until not even a small one fits.
    let mut small = 0;
    let mut stream = TcpStream::connect(&binary.addr).unwrap();
    let mut ask = |head: &str, body: &str| request(&mut stream, head, body).unwrap();
    while ask("POST /v1/public/events/", &custom(&format!("evt_small_{small}"), "gone", "n").to_string()).0
        == 202
    {
        small += 1;
        assert!(small < 1_000_000, "small events always fit");
    }
    let (status, said) = ask("GET /readyz", "");
    assert_eq!(status, 503, "{said}");
    assert!(said.contains("not writable") && said.contains("disk"), "{said}");
    let (status, said) = ask("GET /healthz", "");
    assert!(status == 200 && said.contains("not writable"), "{status} {said}");
    let (status, said) = ask("DELETE /api/v1/sessions/gone", "");
    assert_eq!(status, 200, "events of {bytes} bytes on a full disk of {size}: {said}");
    let removed: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(removed["events"].as_u64().unwrap() as usize, number.div_ceil(3) + small, "{said}");
    // Room is back, and the store says so.
    assert_eq!(ask("POST /v1/public/events/", &custom("evt_again", "kept", "n").to_string()).0, 202);
    let patience = Instant::now() + Duration::from_secs(20);
    while ask("GET /readyz", "").0 != 200 {
        assert!(Instant::now() < patience, "the store can be written again and is not ready");
    }
    assert_eq!(ask("GET /api/v1/sessions/gone", "").0, 404);
    drop(binary);
    // What was forgotten is in no file, in free pages neither.
    for entry in std::fs::read_dir(&disk.path).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        assert!(!text.windows(11).any(|part| part == b"evt_small_1"), "{}", path.display());
        assert!(!text.windows(15).any(|part| part == b"\"id\":\"evt_0\",\""), "{}", path.display());
    }
    let check = rusqlite::Connection::open(data).unwrap();
    let verdict: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let kept: i64 = check.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(kept as usize, number - number.div_ceil(3) + 1);
}

#[cfg(target_os = "linux")]
#[test]
fn forgetting_works_on_a_full_disk() {
    forgets_on_a_full_disk("3m", 1500);
}

#[cfg(target_os = "linux")]
#[test]
fn forgetting_large_events_works_on_a_full_disk() {
    forgets_on_a_full_disk("24m", 1_500_000);
}

#[cfg(target_os = "linux")]
#[test]
fn retention_makes_room_on_a_full_disk() {
    let Some(disk) = SmallDisk::of("3m") else { return };
    let data = disk.path.join("events.sqlite3");
    {
        let binary = Binary::start(&data);
        let mut stream = TcpStream::connect(&binary.addr).unwrap();
        for number in 0.. {
            let mut event = custom(&format!("evt_{number}"), "s", "n");
            event["response"] = "x".repeat(1500).into();
            if request(&mut stream, "POST /v1/public/events/", &event.to_string()).unwrap().0 != 202 {
                break;
            }
        }
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"));
    command.args(["serve", "--keep-size", "1MB", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let binary = Binary { child, addr: line.split("http://").nth(1).unwrap().to_owned() };
    let patience = Instant::now() + Duration::from_secs(30);
    let mut stream = TcpStream::connect(&binary.addr).unwrap();
    let mut bytes = || {
        let (_, about) = request(&mut stream, "GET /api/v1/about", "").unwrap();
        serde_json::from_str::<serde_json::Value>(&about).unwrap()["store"]["bytes"].as_u64().unwrap()
    };
    while bytes() > 1_000_000 {
        assert!(Instant::now() < patience, "retention removes nothing: {} bytes are left", bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
}
