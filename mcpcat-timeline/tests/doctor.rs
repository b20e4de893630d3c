//! What `doctor` finds: each kind of damage by itself, and nothing where nothing is wrong.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use mcpcat_timeline::Timeline;
use serde_json::{Value, json};

/// What it says as JSON, and whether all is well.
fn doctor(data: &Path, more: &[&str]) -> (Value, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
        .args(["doctor", "--json", "--data"])
        .arg(data)
        .args(more)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with('{'));
    let line = line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (serde_json::from_str(line).unwrap(), output.status.success())
}

/// A file with events of several sessions, some of which retention, a person's wish and a project's have passed over.
async fn healthy(data: &Path) {
    let running = common::start_again(Timeline::builder().data(data)).await;
    let lines: String = (0..900)
        .map(|n| {
            let mut event = json!({
                "id": format!("evt_{n}"), "project_id": if n % 9 == 0 { "gone" } else { "p" }, "session_id": format!("s{}", n % 12),
                "event_type": if n % 2 == 0 { "mcp:tools/call" } else { "mcpcat:custom" }, "resource_name": format!("name{}", n % 7),
                "timestamp": format!("2026-11-22T10:{:02}:{:02}.5Z", n / 60 % 60, n % 60), "duration": n % 400,
                "is_error": n % 11 == 0, "sdk_instance": format!("i{}", n % 3), "sequence": n, "tags": {"env": format!("e{}", n % 3)},
                "client_name": "c", "client_version": "1", "user_intent": format!("find {n}"),
            });
            if n % 6 == 5 {
                event["identify_actor_given_id"] = if n % 4 == 1 { "ada" } else { "bob" }.into();
            }
            format!("{event}\n")
        })
        .collect();
    let http = reqwest::Client::new();
    for part in lines.split_inclusive('\n').collect::<Vec<_>>().chunks(450) {
        let sent = http
            .post(format!("{}/v1/public/events/batch", running.url()))
            .header("content-type", "application/x-ndjson")
            .body(part.concat());
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }
    for path in ["actors/ada", "projects/gone", "sessions/s7"] {
        let asked = http.delete(format!("{}/api/v1/{path}", running.url())).send().await.unwrap();
        assert_eq!(asked.status(), 200);
    }
    running.shutdown().await;
}

/// Overwrites the text of an event in the file, past SQLite.
fn overwrite(data: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(data).unwrap();
    let at = bytes.windows(from.len()).rposition(|part| part == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    std::fs::write(data, bytes).unwrap();
}

enum Damage {
    Sql(&'static str),
    Bytes(&'static [u8], &'static [u8]),
    Page,
    Mode,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_damage_is_found_and_what_can_be_mended_is() {
    use Damage::{Bytes, Mode, Page, Sql};
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.sqlite3");
    healthy(&whole).await;
    let (said, well) = tokio::task::block_in_place(|| doctor(&whole, &[]));
    assert!(well && said["findings"] == json!([]), "{said}");
    assert!(said["events"].as_i64().unwrap() > 500);
    // Damage, where it is found, whether the events are enough to mend it.
    let damages = [
        (Sql("UPDATE session SET errors = errors + 1 WHERE id = 's3'"), "session", true),
        (Sql("DELETE FROM session WHERE id = 's4'"), "event", true),
        (
            Sql(
                "INSERT INTO session(project, id, stateless, first_at, last_at) VALUES ('p', 'ghost', 0, 1, 2)",
            ),
            "session",
            true,
        ),
        (Sql("UPDATE stat SET events = events + 7 WHERE name = 'name2'"), "stat", true),
        (Sql("UPDATE stat SET spread = x'0102' WHERE name = 'name2'"), "stat", true),
        (Sql("DELETE FROM term WHERE term = 'tool:name4'"), "term", true),
        (Sql("INSERT INTO term SELECT key, 'tool:never', 999999 FROM session WHERE id = 's6'"), "term", true),
        (Sql("UPDATE usage SET bytes = bytes / 2"), "usage", true),
        (Sql("UPDATE instance SET events = 1 WHERE id = 'i1'"), "instance", true),
        (Sql("UPDATE arrived SET seq = 3"), "arrived", true),
        (Sql("DROP INDEX event_order"), "indexes", true),
        (
            Sql("UPDATE event SET session = (SELECT key FROM session WHERE id = 's1') WHERE id = 'evt_2'"),
            "event",
            false,
        ),
        (Sql("UPDATE event SET error = 1 - error WHERE id = 'evt_2'"), "event", false),
        (
            Sql("UPDATE body SET text = 'not json' WHERE seq = (SELECT seq FROM event WHERE id = 'evt_2')"),
            "event",
            false,
        ),
        (Sql("DELETE FROM body WHERE seq = (SELECT seq FROM event WHERE id = 'evt_2')"), "event", false),
        (Sql("INSERT INTO body VALUES (1000000, '{}')"), "body", true),
        (Sql("DROP TRIGGER event_gone"), "indexes", true),
        (Bytes(b"\"id\":\"evt_400\"", b"\"id\":\"evt_40X\""), "event", false),
        (Sql("DROP TABLE instance"), "tables", false),
        (Page, "file", false),
        (Mode, "file", false),
    ];
    for (number, (damage, place, mends)) in damages.into_iter().enumerate() {
        let data = folder.path().join(format!("{number}.sqlite3"));
        std::fs::copy(&whole, &data).unwrap();
        match damage {
            Sql(sql) => {
                let db = rusqlite::Connection::open(&data).unwrap();
                db.execute_batch(sql).unwrap();
                assert!(sql.starts_with("DROP") || db.changes() > 0, "{sql} changed nothing");
                db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            }
            Bytes(from, to) => overwrite(&data, from, to),
            // The second half of a page of an index, as a disk loses it.
            Page => {
                let db = rusqlite::Connection::open(&data).unwrap();
                let page: i64 = db
                    .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'event_id'", [], |row| {
                        row.get(0)
                    })
                    .unwrap();
                drop(db);
                let mut bytes = std::fs::read(&data).unwrap();
                let end = page as usize * 4096;
                bytes[end - 1024..end].fill(0xA5);
                std::fs::write(&data, bytes).unwrap();
            }
            Mode => std::fs::set_permissions(&data, PermissionsExt::from_mode(0o644)).unwrap(),
        }
        let (said, well) = tokio::task::block_in_place(|| doctor(&data, &[]));
        let found = said["findings"].as_array().unwrap();
        assert!(!well && found.iter().any(|finding| finding["place"] == place), "{number}, {place}: {said}");
        assert!(found.iter().all(|finding| !finding["mend"].as_str().unwrap().is_empty()));
        if mends {
            let (said, well) = tokio::task::block_in_place(|| doctor(&data, &["--mend"]));
            assert!(well, "{number}, {place}, after mending: {said}");
        }
    }
    let (said, well) = tokio::task::block_in_place(|| doctor(&whole, &[]));
    assert!(well, "looking changes nothing: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_beside_a_running_collector_and_mends_only_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("events.sqlite3");
    healthy(&data).await;
    let running = common::start_again(Timeline::builder().data(&data)).await;
    let (said, well) = tokio::task::block_in_place(|| doctor(&data, &[]));
    assert!(well, "{said}");
    let output = tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
            .args(["doctor", "--mend", "--data"])
            .arg(&data)
            .output()
            .unwrap()
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("in use by the timeline"), "{said}");
    running.shutdown().await;
    let former = folder.path().join("former.sqlite3");
    let packed =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-2.sqlite3.zst"))
            .unwrap();
    std::fs::write(&former, zstd::decode_all(&packed[..]).unwrap()).unwrap();
    std::fs::set_permissions(&former, PermissionsExt::from_mode(0o600)).unwrap();
    let (said, well) = tokio::task::block_in_place(|| doctor(&former, &[]));
    assert!(!well && said["findings"][0]["place"] == "format", "{said}");
}
