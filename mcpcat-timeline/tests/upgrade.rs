//! Data files of former formats: shown as they are, brought up to date, and whole whenever the process dies.
//!
//! The files under `fixtures` were written by the versions of those formats, and the lists of sessions are those versions'
//! own answers. `MCPCAT_UPGRADE_BYTES=1000000000` makes the file that is killed over as large as that, and
//! `MCPCAT_UPGRADE_BINARY=FILE` takes another binary.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures of the large run")]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::custom;
use mcpcat_timeline::{Running, Timeline};
use rusqlite::Connection;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A data file of a former format in a folder of its own.
struct Former {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Former {
    fn of(format: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("events.sqlite3");
        unpack(format, &data);
        Self { folder, data }
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn unpack(format: u32, to: &Path) {
    let packed = std::fs::read(fixture(&format!("format-{format}.sqlite3.zst"))).unwrap();
    std::fs::write(to, zstd::decode_all(&packed[..]).unwrap()).unwrap();
}

/// The sessions as the version that wrote the file has listed them.
fn listed_then(format: u32) -> Vec<Value> {
    let text = std::fs::read_to_string(fixture(&format!("format-{format}.sessions.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What is in a file of any format: number, arrival, project and text of each event.
fn rows(data: &Path) -> Vec<(i64, i64, String, String)> {
    let db = Connection::open(data).unwrap();
    let has = |table: &str| {
        db.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1").unwrap().exists([table]).unwrap()
    };
    let more = if has("unread") { "UNION ALL SELECT seq, received, project, body FROM unread" } else { "" };
    let events = if has("body") { "text FROM event JOIN body USING (seq)" } else { "body FROM event" };
    db.prepare(&format!("SELECT seq, received, project, {events} {more} ORDER BY 1"))
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

fn version(data: &Path) -> i64 {
    Connection::open(data).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

/// Events in the file, those set aside among them; and by the sums of sessions and projects and those set aside.
fn counts(data: &Path) -> (i64, i64, i64) {
    let db = Connection::open(data).unwrap();
    db.query_row(
        "SELECT (SELECT count(*) FROM event) + u, (SELECT sum(events) FROM session) + u, (SELECT sum(events) FROM usage) + u
         FROM (SELECT count(*) AS u FROM unread)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
    .unwrap()
}

async fn get(running: &Running, path: &str) -> Value {
    let response = reqwest::get(format!("{}{path}", running.url())).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

/// The list of sessions, each with what the list of then has, without the sessions named.
async fn listed(running: &Running, then: &[Value], without: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let shown = |rows: &[Value], keys: &Value| {
        let mut rows: Vec<Value> = rows
            .iter()
            .filter(|row| !without.contains(&row["session_id"].as_str().unwrap()))
            .map(|row| keys.as_object().unwrap().keys().map(|key| (key.clone(), row[key].clone())).collect())
            .collect();
        rows.sort_by_key(|row| format!("{}{}", row["project_id"], row["session_id"]));
        rows
    };
    let now = get(running, "/api/v1/sessions?limit=500").await;
    (shown(now["sessions"].as_array().unwrap(), &then[0]), shown(then, &then[0]))
}

#[tokio::test]
async fn who_only_looks_sees_a_former_file_and_changes_nothing() {
    for format in [1, 2] {
        let former = Former::of(format);
        let before = std::fs::read(&former.data).unwrap();
        let events = rows(&former.data);
        let running = Timeline::builder().data(&former.data).read_only(true).start().await.unwrap();
        let (now, then) = listed(&running, &listed_then(format), &[]).await;
        assert_eq!(now, then, "format {format}");
        let export = reqwest::get(format!("{}/api/v1/export.ndjson", running.url())).await.unwrap();
        let mut lines: Vec<String> = export.text().await.unwrap().lines().map(str::to_owned).collect();
        let mut bodies: Vec<String> = events.into_iter().map(|(_, _, _, body)| body).collect();
        lines.sort();
        bodies.sort();
        assert!(lines == bodies, "format {format}: an export has other events");
        let outline = get(&running, "/api/v1/sessions/ses_2/outline").await;
        assert!(outline["total"].as_u64().unwrap() > 20, "{outline}");
        assert!(outline["parent"].as_array().unwrap().iter().any(|parent| parent.as_i64().unwrap() >= 0));
        assert!(outline["took"].as_array().unwrap().iter().any(|took| took.as_i64() == Some(40_500)));
        let found = get(&running, "/api/v1/sessions?actor=ada&tool=alpha").await;
        assert_eq!(found["sessions"][0]["session_id"], "ses_3");
        assert!(found["sessions"][0]["failure_count"].as_u64().is_some());
        let overview =
            get(&running, "/api/v1/overview?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z").await;
        assert!(overview["events"].as_u64().unwrap() > 300, "{}", overview["events"]);
        for path in
            ["/api/v1/facets", "/api/v1/catalogue?project=proj_a", "/api/v1/events?limit=5", "/api/v1/about"]
        {
            get(&running, path).await;
        }
        running.shutdown().await;
        assert!(std::fs::read(&former.data).unwrap() == before, "format {format}: the file was changed");
    }
}

#[tokio::test]
async fn a_former_file_keeps_every_event_and_stays_beside_the_new_one() {
    for format in [1, 2] {
        let former = Former::of(format);
        let (file, before) = (std::fs::read(&former.data).unwrap(), rows(&former.data));
        let running = Timeline::builder().data(&former.data).start().await.unwrap();
        // The one event that this version would refuse is kept aside, and its session with it.
        let (now, then) = listed(&running, &listed_then(format), &["ses_wide", ".."]).await;
        assert_eq!(now, then, "format {format}");
        let session = get(&running, "/api/v1/sessions/ses_3").await;
        assert!(session["sessions"][0]["intent"].as_str().unwrap().starts_with("find the"));
        assert_eq!(get(&running, "/api/v1/catalogue?project=proj_a").await["never_seen"][0]["name"], "never");
        let last = before.last().unwrap().0;
        let client = reqwest::Client::new();
        let sent = client
            .post(format!("{}/v1/public/events/", running.url()))
            .header("content-type", "application/json")
            .body(custom("evt_new", "ses_new", "n").to_string());
        assert_eq!(sent.send().await.unwrap().status(), 202);
        let event = get(&running, "/api/v1/events/evt_new").await;
        assert!(event["seq"].as_i64().unwrap() > last, "numbers are not given out twice");
        running.shutdown().await;
        let mut after = rows(&former.data);
        after.pop();
        assert!(after == before, "format {format}: events differ");
        assert_eq!(version(&former.data), 5);
        let (events, sessions, projects) = counts(&former.data);
        assert_eq!((events, sessions, projects), (before.len() as i64 + 1, events, events));
        let kept = former.folder.path().join(format!("events.sqlite3.format-{format}"));
        assert!(std::fs::read(&kept).unwrap() == file, "format {format}: the kept file is another one");
        let names = former.names();
        drop(Timeline::builder().data(&former.data).build().unwrap());
        assert_eq!(former.names(), names, "it is done once");
        assert!(!names.iter().any(|name| name.contains("upgrade")), "{names:?}");
    }
}

#[test]
fn the_old_file_is_not_kept_where_nobody_wants_it() {
    for format in [1, 2] {
        let former = Former::of(format);
        drop(Timeline::builder().data(&former.data).keep_old_format(false).build().unwrap());
        assert!(!former.names().iter().any(|name| name.contains("format")), "{:?}", former.names());
    }
}

/// A file of a later format, made of that of format 2.
fn later(format: u32) -> Former {
    let former = Former::of(2);
    drop(Timeline::builder().data(&former.data).keep_old_format(false).build().unwrap());
    common::as_format_4(&former.data);
    let db = Connection::open(&former.data).unwrap();
    db.execute_batch(
        "INSERT INTO token VALUES ('tok_1', x'01', 'proj_a', 'laptop', 7, 60, NULL);
         INSERT INTO forgotten VALUES (x'02', NULL, 9000000000000000);
         INSERT INTO setting VALUES ('contents', '{}');",
    )
    .unwrap();
    if format == 3 {
        db.execute_batch(
            "DROP TABLE usage; DROP TABLE token; DROP TABLE forgotten; DROP TABLE unread; DROP TABLE setting; DROP TABLE backup;
             PRAGMA user_version = 3;",
        )
        .unwrap();
    }
    former
}

#[tokio::test]
async fn formats_3_and_4_keep_every_row_and_have_their_texts_apart() {
    for format in [3, 4] {
        let former = later(format);
        let (file, before) = (std::fs::read(&former.data).unwrap(), rows(&former.data));
        let exported = async |running: &Running| {
            let export = reqwest::get(format!("{}/api/v1/export.ndjson", running.url())).await.unwrap();
            export.text().await.unwrap()
        };
        let asked = async |running: &Running| {
            let mut answers = Vec::new();
            for path in
                ["sessions/ses_2/outline", "sessions?q=find&limit=500", "sessions/ses_3/matches?q=find"]
            {
                let mut answer = get(running, &format!("/api/v1/{path}")).await;
                answer.as_object_mut().unwrap().remove("now_us");
                answers.push(answer);
            }
            answers
        };
        let running = Timeline::builder().data(&former.data).read_only(true).start().await.unwrap();
        let (then, sessions) = (exported(&running).await, asked(&running).await);
        assert!(sessions[1]["sessions"].as_array().is_some_and(|found| !found.is_empty()), "{}", sessions[1]);
        running.shutdown().await;
        assert!(std::fs::read(&former.data).unwrap() == file, "format {format}: the file was changed");
        let running = Timeline::builder().data(&former.data).start().await.unwrap();
        assert!(exported(&running).await == then, "format {format}: an export has other events");
        assert_eq!(asked(&running).await, sessions, "format {format}");
        running.shutdown().await;
        assert_eq!(version(&former.data), 5);
        assert!(rows(&former.data) == before, "format {format}: events differ");
        let (events, sessions, projects) = counts(&former.data);
        assert_eq!((events, sessions, projects), (before.len() as i64, events, events));
        let kept = former.folder.path().join(format!("events.sqlite3.format-{format}"));
        assert!(std::fs::read(&kept).unwrap() == file, "format {format}: the kept file is another one");
        let added = |data: &Path, sql: &str| -> Vec<Vec<rusqlite::types::Value>> {
            let db = Connection::open(data).unwrap();
            let mut read = db.prepare(sql).unwrap();
            let columns = read.column_count();
            read.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap()
        };
        let tables = ["session", "arrived", "term", "stat", "instance", "catalogue"];
        let since_4 = ["usage", "token", "forgotten", "unread"];
        for table in tables.iter().chain(if format == 4 { &since_4[..] } else { &[] }) {
            let sql = format!("SELECT * FROM {table} ORDER BY 1, 2");
            let rows = added(&kept, &sql);
            assert!(!rows.is_empty() && rows == added(&former.data, &sql), "format {format}: {table}");
        }
        let settings = added(&former.data, "SELECT name FROM setting");
        assert_eq!(settings, [["forget_key".to_owned().into()]], "format {format}");
        let output = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
            .args(["doctor", "--data"])
            .arg(&former.data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        // A text goes with its event.
        let db = Connection::open(&former.data).unwrap();
        db.execute("DELETE FROM event", []).unwrap();
        let left: i64 = db.query_row("SELECT count(*) FROM body", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0);
    }
}

#[test]
fn a_start_killed_between_its_last_steps_is_made_good() {
    // The old file has its second name already, and the new one is not in its place.
    let former = Former::of(2);
    let kept = former.folder.path().join("events.sqlite3.format-2");
    std::fs::hard_link(&former.data, &kept).unwrap();
    let before = rows(&former.data);
    std::fs::write(former.folder.path().join("events.sqlite3.upgrade"), "cut short").unwrap();
    drop(Timeline::builder().data(&former.data).build().unwrap());
    assert!(rows(&former.data) == before && rows(&kept) == before);
    assert_eq!(
        former.names().iter().filter(|name| name.contains("format")).count(),
        1,
        "{:?}",
        former.names()
    );
    // What another file's upgrade left is not taken for this one's.
    let one = Former::of(1);
    let part = one.folder.path().join("events.sqlite3.upgrade");
    std::fs::copy(&former.data, &part).unwrap();
    let db = Connection::open(&part).unwrap();
    db.execute_batch("INSERT INTO setting VALUES ('upgrade_of', 'another'), ('upgrade_last', '100')")
        .unwrap();
    drop(db);
    let before = rows(&one.data);
    drop(Timeline::builder().data(&one.data).build().unwrap());
    assert!(rows(&one.data) == before);
    assert_eq!(counts(&one.data).0, before.len() as i64);
}

#[test]
fn a_newer_file_is_refused_with_the_way_out() {
    let former = Former::of(2);
    Connection::open(&former.data).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let before = std::fs::read(&former.data).unwrap();
    for read_only in [false, true] {
        let said =
            Timeline::builder().data(&former.data).read_only(read_only).build().unwrap_err().to_string();
        assert!(said.contains("newer mcpcat-timeline") && said.contains(".format-5"), "{said}");
    }
    assert!(std::fs::read(&former.data).unwrap() == before);
}

fn serve(data: &Path) -> Child {
    let other = std::env::var_os("MCPCAT_UPGRADE_BINARY");
    Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_mcpcat-timeline").into()))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until it listens; `None` when it has ended before.
fn listens(child: &mut Child) -> Option<String> {
    BufReader::new(child.stdout.take().unwrap()).lines().next()?.ok()
}

fn ended(mut child: Child) -> String {
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Makes a file of format 1 or 2 larger, by events like those that it has.
fn grow(data: &Path, bytes: u64) -> i64 {
    let db = Connection::open(data).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;").unwrap();
    let mut round = 0;
    loop {
        let (pages, size): (i64, i64) = (
            db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap(),
            db.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap(),
        );
        if pages * size >= bytes as i64 {
            break;
        }
        round += 1;
        // The id in the text has to be the one in the column.
        db.execute(
            "INSERT INTO event(id, project, session, at, instance, sequence, kind, type, name, error, received, body)
             SELECT e.id || '-' || ?1, project, session, at + ?1, instance, sequence + ?1 * 1000, kind, type, name, error, received,
               json_set(body, '$.id', e.id || '-' || ?1, '$.response', hex(randomblob(600)))
             FROM event e WHERE e.id LIKE 'evt_%' AND e.id NOT LIKE '%-%' AND e.id <> 'evt_wide'",
            [round],
        )
        .unwrap();
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    db.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap()
}

#[test]
fn whatever_kills_the_upgrade_every_event_is_there() {
    let bytes = std::env::var("MCPCAT_UPGRADE_BYTES").map_or(3_000_000, |bytes| bytes.parse().unwrap());
    let mut seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below.max(1)
    };
    for format in [4, 2, 1] {
        let origin = Former::of(format.min(2));
        let mut total = grow(&origin.data, bytes);
        if format == 4 {
            drop(Timeline::builder().data(&origin.data).keep_old_format(false).build().unwrap());
            common::as_format_4(&origin.data);
            // The one that was set aside is none of the events of this file.
            total -=
                Connection::open(&origin.data).unwrap().execute("DELETE FROM unread", []).unwrap() as i64;
        }
        let copy = |name: &str| {
            let to = origin.folder.path().join(name);
            std::fs::copy(&origin.data, &to).unwrap();
            to
        };
        // How long it takes when nothing kills it.
        let whole = copy("whole.sqlite3");
        let started = Instant::now();
        let mut child = serve(&whole);
        assert!(listens(&mut child).is_some(), "{}", ended(child));
        let takes = started.elapsed();
        ended(child);
        assert_eq!(counts(&whole), (total, total, total));
        println!(
            "format {format}: {total} events, {} bytes, {takes:?}",
            std::fs::metadata(&origin.data).unwrap().len()
        );
        // A small file is killed over twenty times anew, a large one twenty times on its way.
        let (mut kills, mut resumed, mut data) = (0, 0, copy("killed.sqlite3"));
        let kept = |data: &Path| PathBuf::from(format!("{}.format-{format}", data.display()));
        while kills < 20 {
            let mut child = serve(&data);
            let most = if bytes > 100_000_000 { takes / 12 } else { takes };
            let deadline = Instant::now() + Duration::from_micros(random(most.as_micros() as u64));
            while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            resumed += usize::from(PathBuf::from(format!("{}.upgrade", data.display())).exists());
            if bytes <= 100_000_000 || kept(&data).exists() {
                complete(&data, total, &kept(&data));
                data = copy(&format!("killed-{kills}.sqlite3"));
            }
        }
        complete(&data, total, &kept(&data));
        println!("format {format}: 20 kills, {resumed} of them in the middle");
    }
}

/// Lets the upgrade come to its end, and counts.
fn complete(data: &Path, total: i64, kept: &Path) {
    let mut child = serve(data);
    let said = listens(&mut child);
    assert!(said.is_some(), "{}", ended(child));
    ended(child);
    assert_eq!(counts(data), (total, total, total));
    let db = Connection::open(data).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    drop(db);
    let old = Connection::open(kept).unwrap();
    let count: i64 = old.query_row("SELECT count(*) FROM event", [], |row| row.get(0)).unwrap();
    assert_eq!(count, total, "the kept file");
    drop(old);
    for file in [data, kept] {
        std::fs::remove_file(file).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_in_the_middle_leaves_the_file_untouched_and_says_so() {
    let Some(disk) = common::SmallDisk::of("64m") else { return };
    let data = disk.path.join("events.sqlite3");
    unpack(2, &data);
    let total = grow(&data, 12_000_000);
    let before = std::fs::read(&data).unwrap();
    let (ballast, part) = (disk.path.join("ballast"), disk.path.join("events.sqlite3.upgrade"));
    // Too little from the start: it is not begun.
    std::fs::write(&ballast, vec![1; 45_000_000]).unwrap();
    let said = Timeline::builder().data(&data).build().unwrap_err().to_string();
    assert!(said.contains("MB are free") && said.contains("Nothing was changed"), "{said}");
    assert!(std::fs::read(&data).unwrap() == before && !part.exists());
    std::fs::remove_file(&ballast).unwrap();
    // Taken by somebody else while it goes on.
    let other = std::thread::spawn({
        let (ballast, part) = (ballast.clone(), part.clone());
        move || {
            let patience = Instant::now() + Duration::from_secs(60);
            while std::fs::metadata(&part).map_or(0, |meta| meta.len()) < 100_000 {
                assert!(Instant::now() < patience, "the upgrade never begins");
                std::thread::yield_now();
            }
            assert!(std::fs::write(&ballast, vec![1; 70_000_000]).is_err(), "the disk is not full");
        }
    });
    let said = Timeline::builder().data(&data).build().unwrap_err().to_string();
    other.join().unwrap();
    assert!(said.contains("full") && said.contains("it is as it was"), "{said}");
    assert!(std::fs::read(&data).unwrap() == before, "the file was changed");
    assert!(!part.exists(), "what was written is still there");
    let running = Timeline::builder().data(&data).read_only(true).build();
    assert!(running.is_ok(), "it can still be looked at");
    drop(running);
    std::fs::remove_file(&ballast).unwrap();
    drop(Timeline::builder().data(&data).build().unwrap());
    assert_eq!(counts(&data), (total, total, total));
}
