//! Files that the collector opens: its own ones, and no others.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mcpcat_timeline::Timeline;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Everything that is there: names, contents, modes.
    fn all(&self) -> Vec<(String, Vec<u8>, u32)> {
        let mut all: Vec<_> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let meta = std::fs::symlink_metadata(&path).unwrap();
                let bytes = if meta.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                (path.file_name().unwrap().to_string_lossy().into_owned(), bytes, meta.mode())
            })
            .collect();
        all.sort();
        all
    }

    /// Neither a collector nor one that only looks opens the file, and nothing changes.
    fn refuses(&self, data: &Path, why: &str) {
        let before = self.all();
        for read_only in [false, true] {
            let said = Timeline::builder().data(data).read_only(read_only).build().unwrap_err().to_string();
            assert!(said.contains(why) && said.contains(&data.display().to_string()), "{said}");
            assert_eq!(self.all(), before, "{why}: something was changed (read only: {read_only})");
        }
    }
}

fn opens(data: &Path) {
    drop(Timeline::builder().data(data).build().unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn a_database_of_another_program_stays_as_it_is() {
    for (journal, mark) in [("DELETE", 0), ("WAL", 0), ("DELETE", 4711), ("WAL", 4711)] {
        let place = Place::new();
        let file = place.file("notes.sqlite3");
        let db = rusqlite::Connection::open(&file).unwrap();
        db.pragma_update(None, "journal_mode", journal).unwrap();
        db.execute_batch(&format!(
            "PRAGMA application_id = {mark}; CREATE TABLE note(text); INSERT INTO note VALUES ('mine')"
        ))
        .unwrap();
        drop(db);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        place.refuses(&file, "database of another program");
    }
}

#[test]
fn a_database_of_another_program_with_a_hot_journal_stays_as_it_is() {
    let place = Place::new();
    let file = place.file("notes.sqlite3");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE note(text); INSERT INTO note VALUES ('mine')")
        .unwrap();
    // Kept open, so that its journal and its index stay beside it.
    place.refuses(&file, "database of another program");
    drop(db);
}

#[test]
fn a_file_that_is_no_database_stays_as_it_is() {
    let place = Place::new();
    for (name, text) in [("short", &b"x"[..]), ("long", &[b'x'; 5000]), ("zeroes", &[0; 4096])] {
        std::fs::write(place.file(name), text).unwrap();
        place.refuses(&place.file(name), "not a database");
    }
}

#[test]
fn links_and_other_things_than_files_are_not_opened() {
    let place = Place::new();
    let own = place.file("own.sqlite3");
    opens(&own);
    symlink(&own, place.file("link")).unwrap();
    place.refuses(&place.file("link"), "symbolic link");
    symlink(place.file("nowhere"), place.file("dangling")).unwrap();
    place.refuses(&place.file("dangling"), "symbolic link");
    std::fs::create_dir(place.file("folder")).unwrap();
    assert!(Timeline::builder().data(place.file("folder")).build().is_err());
    std::fs::hard_link(&own, place.file("second")).unwrap();
    let said = Timeline::builder().data(place.file("second")).build().unwrap_err().to_string();
    assert!(said.contains("hard link"), "{said}");
}

#[test]
fn a_pipe_in_the_place_of_the_file_is_refused_without_waiting() {
    let place = Place::new();
    let pipe = place.file("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let said = Timeline::builder().data(&pipe).build().unwrap_err().to_string();
    assert!(said.contains("regular file"), "{said}");
}

#[test]
fn the_lock_file_follows_no_link_and_overwrites_nothing() {
    let place = Place::new();
    let (data, lock, target) = (place.file("e.sqlite3"), place.file("e.sqlite3.lock"), place.file("target"));
    let refused = |why: &str| {
        let said = Timeline::builder().data(&data).build().unwrap_err().to_string();
        assert!(said.contains(why) && said.contains("e.sqlite3.lock"), "{said}");
    };
    std::fs::write(&target, "precious").unwrap();
    symlink(&target, &lock).unwrap();
    refused("symbolic link");
    std::fs::remove_file(&lock).unwrap();
    std::fs::hard_link(&target, &lock).unwrap();
    refused("hard link");
    std::fs::remove_file(&lock).unwrap();
    std::fs::write(&lock, "precious").unwrap();
    refused("something else");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "precious");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    std::fs::remove_file(&lock).unwrap();
    opens(&data);
}

#[test]
fn links_beside_the_data_file_are_not_followed() {
    for ending in ["-wal", "-shm", ".new", ".reserve"] {
        let place = Place::new();
        let (data, target) = (place.file("e.sqlite3"), place.file("target"));
        std::fs::write(&target, "precious").unwrap();
        symlink(&target, place.file(&format!("e.sqlite3{ending}"))).unwrap();
        let _ = Timeline::builder().data(&data).build();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious", "{ending}");
    }
}

#[test]
fn what_is_made_is_private_and_marked_and_a_wider_mode_is_taken_back() {
    let place = Place::new();
    let data = place.file("e.sqlite3");
    let timeline = Timeline::builder().data(&data).build().unwrap();
    for (name, _, mode) in place.all() {
        assert_eq!(mode & 0o077, 0, "{name} is open to others: {mode:o}");
    }
    drop(timeline);
    let head = std::fs::read(&data).unwrap();
    assert_eq!(&head[68..72], b"mcat");
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o644)).unwrap();
    opens(&data);
    assert_eq!(std::fs::metadata(&data).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_file_of_a_version_without_a_mark_and_an_empty_one_are_taken() {
    let place = Place::new();
    let data = place.file("e.sqlite3");
    std::fs::write(&data, "").unwrap();
    opens(&data);
    rusqlite::Connection::open(&data)
        .unwrap()
        .execute_batch("PRAGMA application_id = 0; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    assert_eq!(&std::fs::read(&data).unwrap()[68..72], [0; 4]);
    opens(&data);
    assert_eq!(&std::fs::read(&data).unwrap()[68..72], b"mcat");
}

#[test]
fn what_a_start_that_was_killed_left_behind_is_no_hindrance() {
    let place = Place::new();
    let data = place.file("e.sqlite3");
    std::fs::write(place.file("e.sqlite3.new"), [7; 5000]).unwrap();
    std::fs::write(place.file("e.sqlite3.new-journal"), [7; 5000]).unwrap();
    opens(&data);
    let names: Vec<_> = place.all().into_iter().map(|(name, _, _)| name).collect();
    assert!(!names.iter().any(|name| name.contains(".new")), "{names:?}");
}
