//! The spool from outside: what a later start finds, and what is left alone, refused, expired or survived.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use mcpcat_runtime::internals::spool::{
    Backend, Manifest, Opened, Options, Orphan, OrphanRecord, Refused, open,
};

const ON_DISK: [Backend; 2] = [Backend::Mapped, Backend::Written];

fn manifest() -> Manifest {
    Manifest::new("app", "proj", "https://one.example")
}

fn options(dir: &Path, backend: Backend) -> Options {
    Options::new(manifest()).backend(backend).state_dir(dir).segment_bytes(16 << 10).cap_bytes(256 << 10)
}

fn quiet(options: Options) -> Opened {
    let wanted = options.backend;
    let opened = open(options);
    assert_eq!(opened.backend, wanted);
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    opened
}

/// Leaves a run with these numbers behind, as a killed process would.
fn leave(options: Options, numbers: std::ops::Range<u32>) {
    let opened = quiet(options);
    for n in numbers {
        opened.spool.append(n as u8, &[&n.to_le_bytes(), &[7; 60]]).unwrap();
    }
}

fn number(record: &OrphanRecord) -> u32 {
    assert_eq!(record.bytes[4..], [7; 60]);
    let number = u32::from_le_bytes(record.bytes[..4].try_into().unwrap());
    assert_eq!(record.kind, number as u8);
    number
}

fn numbers(orphan: &mut Orphan) -> Vec<u32> {
    orphan.records().map(|record| number(&record)).collect()
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<_> =
        fs::read_dir(dir.join("mcpcat/runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.sort();
    runs
}

fn segments(run: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

fn disk_bytes(run: &Path) -> u64 {
    fs::read_dir(run).unwrap().map(|entry| entry.unwrap().metadata().unwrap().blocks() * 512).sum()
}

fn age(run: &Path, by: Duration) {
    for entry in fs::read_dir(run).unwrap() {
        let file = File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }
}

#[test]
fn a_later_start_finds_what_was_left_in_order_and_removes_it() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        leave(options(dir.path(), backend), 0..1000);
        assert!(segments(&runs(dir.path())[0]).len() > 3);
        let mut later = quiet(options(dir.path(), backend));
        let mut orphan = later.adopter.next().expect("the run");
        assert_eq!(numbers(&mut orphan), (0..1000).collect::<Vec<_>>());
        assert_eq!((orphan.torn(), orphan.damaged()), (0, 0));
        assert!(later.adopter.next().is_none());
        orphan.remove();
        assert_eq!(runs(dir.path()).len(), 1);
        drop(later);
        assert_eq!(runs(dir.path()).len(), 0, "a run with nothing pending is deleted");
    }
}

#[test]
fn what_was_completed_is_not_found_again_and_its_bytes_are_gone() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        {
            let mut opened = quiet(options(dir.path(), backend));
            for n in 0..100_u32 {
                opened.spool.append(n as u8, &[&n.to_le_bytes(), &[7; 60]]).unwrap();
            }
            for _ in 0..100 {
                let record = opened.reader.next().unwrap();
                let (at, even) = (record.at, record.bytes[0].is_multiple_of(2));
                if even {
                    opened.reader.complete(at);
                }
            }
        }
        let run = runs(dir.path()).remove(0);
        let sevens = |path: &PathBuf| fs::read(path).unwrap().iter().filter(|byte| **byte == 7).count();
        let held: usize = segments(&run).iter().map(sevens).sum();
        assert!((50 * 60..51 * 60).contains(&held), "{backend:?}: {held}");
        let mut later = quiet(options(dir.path(), backend));
        let mut orphan = later.adopter.next().unwrap();
        assert_eq!(numbers(&mut orphan), (0..100).filter(|n| n % 2 == 1).collect::<Vec<_>>());
    }
}

#[test]
fn a_run_that_lives_is_not_adopted() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        let first = quiet(options(dir.path(), backend));
        first.spool.append(0, &[b"mine"]).unwrap();
        let mut second = quiet(options(dir.path(), backend));
        assert!(second.adopter.next().is_none());
        drop(first);
        let adopted = second.adopter.next();
        assert!(adopted.is_some(), "asked again, it looks again");
        drop(adopted);
        assert!(second.adopter.next().is_none(), "and gives each run once");
    }
}

#[test]
fn an_adopter_that_stops_leaves_the_rest_to_the_next() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        leave(options(dir.path(), backend), 0..500);
        {
            let mut killed = quiet(options(dir.path(), backend));
            let mut orphan = killed.adopter.next().unwrap();
            let first: Vec<_> = orphan.records().take(300).collect();
            for record in &first {
                orphan.complete(record.at);
                orphan.complete(record.at);
            }
            let mut other = quiet(options(dir.path(), backend));
            assert!(other.adopter.next().is_none(), "held by the first adopter");
        }
        let mut later = quiet(options(dir.path(), backend));
        let mut orphan = later.adopter.next().unwrap();
        assert_eq!(numbers(&mut orphan), (300..500).collect::<Vec<_>>());
    }
}

#[test]
fn runs_of_others_and_of_later_formats_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let others = [
        Manifest::new("other", "proj", "https://one.example"),
        Manifest::new("app", "other", "https://one.example"),
        Manifest::new("app", "proj", "https://two.example"),
    ];
    for other in &others {
        leave(options(dir.path(), Backend::Mapped).manifest(other.clone()), 0..10);
    }
    let before = runs(dir.path());
    leave(options(dir.path(), Backend::Mapped), 0..10);
    let own = runs(dir.path()).into_iter().find(|run| !before.contains(run)).unwrap();
    let name = own.file_name().unwrap().to_str().unwrap();
    let later_format = own.with_file_name(name.replacen("2-", "3-", 1));
    fs::rename(&own, &later_format).unwrap();
    let mut later = quiet(options(dir.path(), Backend::Mapped));
    assert!(later.adopter.next().is_none());

    // each is found by its own program
    for other in &others {
        let mut own = quiet(options(dir.path(), Backend::Mapped).manifest(other.clone()));
        assert_eq!(numbers(&mut own.adopter.next().unwrap()), (0..10).collect::<Vec<_>>());
    }
    // a later format never expires here
    age(&later_format, WEEK + Duration::from_secs(600));
    assert!(later.adopter.next().is_none());
    assert!(later_format.exists());
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[test]
fn what_nobody_touched_for_a_week_is_given_to_whoever_finds_it_and_nothing_younger() {
    let dir = tempfile::tempdir().unwrap();
    leave(options(dir.path(), Backend::Mapped).manifest(Manifest::new("other", "p", "https://x")), 0..10);
    leave(options(dir.path(), Backend::Mapped), 0..5);
    let mut later = quiet(options(dir.path(), Backend::Mapped));
    let living = quiet(options(dir.path(), Backend::Mapped));
    living.spool.append(0, &[b"mine"]).unwrap();
    let own: Vec<_> = runs(dir.path());
    for run in &own {
        age(run, WEEK - Duration::from_secs(600));
    }
    {
        let young = later.adopter.next().expect("its own, which is not too old");
        assert!(!young.is_expired());
        assert!(later.adopter.next().is_none());
    }
    for run in &own {
        age(run, WEEK + Duration::from_secs(600));
    }
    let mut later = quiet(options(dir.path(), Backend::Mapped));
    let mut counts = Vec::new();
    for mut orphan in later.adopter.by_ref() {
        assert!(orphan.is_expired());
        counts.push(orphan.records().count());
        orphan.remove();
    }
    counts.sort_unstable();
    assert_eq!(counts, [5, 10]);
    assert_eq!(runs(dir.path()).len(), 3, "those that live");
}

#[test]
fn all_runs_together_are_bounded_by_what_waits_and_the_newest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..4_u32 {
        let other = Manifest::new(format!("other {n}"), "proj", "https://one.example");
        leave(options(dir.path(), Backend::Mapped).manifest(other), 0..400);
    }
    // Idle neighbours hold blocks and no data.
    let idle: Vec<_> = (0..40).map(|_| quiet(options(dir.path(), Backend::Mapped))).collect();
    let waiting = 4 * 400 * 80;
    let limit = waiting + (64 << 10);
    let mut later = quiet(options(dir.path(), Backend::Mapped).total_bytes(limit));
    assert!(later.adopter.next().is_none());
    let mut appended = 0;
    let refused = loop {
        match later.spool.append(0, &[&[1; 1000]]) {
            Ok(_) => appended += 1,
            Err(refused) => break refused,
        }
        later.reader.prepare();
    };
    assert_eq!(refused, Refused::Full);
    assert!((20..=80).contains(&appended), "{appended}");
    assert_eq!(runs(dir.path()).len(), 4 + 40 + 1, "nobody's run was deleted");
    drop(idle);
}

#[test]
fn a_run_of_version_1_is_adopted_whatever_the_credentials_in_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let run = former_run(dir.path());
    let mine = Manifest::new("oldpub", "proj_fixture", "http://user:other@127.0.0.1:9/t/rotated");
    let mut other = quiet(options(dir.path(), Backend::Mapped));
    assert!(other.adopter.next().is_none());
    let mut later = quiet(options(dir.path(), Backend::Mapped).manifest(mine.clone()));
    let mut orphan = later.adopter.next().expect("the run of an earlier version");
    let records: Vec<_> = orphan.records().collect();
    assert_eq!(records.iter().filter(|record| record.kind == 1).count(), 20);
    assert_eq!((orphan.torn(), orphan.damaged()), (0, 0));
    drop(orphan);
    // A version between the two, unknown here, is left alone.
    let manifest = run.join("manifest");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"format\":1", "\"format\":7")).unwrap();
    age(&run, WEEK + Duration::from_secs(600));
    let mut later = quiet(options(dir.path(), Backend::Mapped).manifest(mine));
    assert!(later.adopter.next().is_none());
    assert!(run.exists());
}

/// What a process of version 1 left when it was killed, as it made it.
fn former_run(state: &Path) -> PathBuf {
    use std::os::unix::fs::DirBuilderExt as _;
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spool-1/6a8eef9d8f29fdfc");
    let run = state.join("mcpcat/spool/6a8eef9d8f29fdfc");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&run).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let from = entry.unwrap().path();
        let to = run.join(from.file_name().unwrap());
        fs::copy(&from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
    }
    run
}

#[test]
fn damage_to_any_field_costs_no_other_record_and_no_crash() {
    for backend in ON_DISK {
        // the header's words, then those of the second frame, whose payload is 64 bytes
        for word in (0..64).step_by(8).chain((64 + 80..64 + 160).step_by(8)) {
            let dir = tempfile::tempdir().unwrap();
            leave(options(dir.path(), backend), 0..300);
            let path = segments(&runs(dir.path())[0])[0].clone();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, word).unwrap();
            file.write_all_at(&bytes.map(|byte| byte ^ 0xA5), word).unwrap();
            let mut later = quiet(options(dir.path(), backend));
            let mut orphan = later.adopter.next().unwrap();
            let mut found = numbers(&mut orphan);
            found.sort_unstable();
            let hit = word >= 64;
            assert_eq!(found, (0..300).filter(|n| !hit || *n != 1).collect::<Vec<_>>(), "{backend:?} {word}");
            assert_eq!(orphan.damaged(), u64::from(hit), "{backend:?} {word}");
        }
    }
}

#[test]
fn directories_and_files_are_for_their_user_alone() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        let opened = quiet(options(dir.path(), backend));
        opened.spool.append(0, &[b"private"]).unwrap();
        let run = runs(dir.path()).remove(0);
        for path in [dir.path().join("mcpcat"), dir.path().join("mcpcat/runs"), run.clone()] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700, "{path:?}");
        }
        let mut files = 0;
        for entry in fs::read_dir(run).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
            files += 1;
        }
        assert_eq!(files, 4, "lock, manifest, count, segment");
    }
}

#[test]
fn a_directory_that_is_a_link_or_open_to_others_is_refused() {
    for part in ["mcpcat", "mcpcat/runs"] {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(dir.path().join(part).parent().unwrap()).unwrap();
        if part == "mcpcat/runs" {
            fs::set_permissions(dir.path().join("mcpcat"), fs::Permissions::from_mode(0o700)).unwrap();
        }
        symlink(elsewhere.path(), dir.path().join(part)).unwrap();
        let opened = open(options(dir.path(), Backend::Auto));
        assert_eq!(opened.backend, Backend::Memory);
        assert_eq!(opened.warnings.len(), 1);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

        fs::remove_file(dir.path().join(part)).unwrap();
        fs::create_dir(dir.path().join(part)).unwrap();
        fs::set_permissions(dir.path().join(part), fs::Permissions::from_mode(0o770)).unwrap();
        let opened = open(options(dir.path(), Backend::Auto));
        assert_eq!((opened.backend, opened.warnings.len()), (Backend::Memory, 1));
        assert!(opened.warnings[0].contains("chmod"), "{:?}", opened.warnings);
    }
}

#[test]
fn planted_runs_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    leave(options(dir.path(), Backend::Mapped), 0..10);
    let run = runs(dir.path()).remove(0);
    let moved = dir.path().join("moved");

    // the whole run is a link
    fs::rename(&run, &moved).unwrap();
    symlink(&moved, &run).unwrap();
    let mut later = quiet(options(dir.path(), Backend::Mapped));
    assert!(later.adopter.next().is_none());
    fs::remove_file(&run).unwrap();
    fs::rename(&moved, &run).unwrap();

    // one of its files is a link, or has another name
    {
        let name = "lock";
        fs::rename(run.join(name), &moved).unwrap();
        symlink(&moved, run.join(name)).unwrap();
        assert!(later.adopter.next().is_none(), "{name} is a link");
        fs::remove_file(run.join(name)).unwrap();
        fs::hard_link(&moved, run.join(name)).unwrap();
        assert!(later.adopter.next().is_none(), "{name} has two names");
        fs::remove_file(&moved).unwrap();
    }
    fs::rename(run.join("000.seg"), &moved).unwrap();
    symlink(&moved, run.join("000.seg")).unwrap();
    let mut orphan = later.adopter.next().unwrap();
    assert_eq!(orphan.next(), None);
    assert_eq!(orphan.damaged(), 1);
    orphan.remove();
    assert!(moved.exists());
}

#[test]
fn what_cannot_be_a_directory_leaves_the_spool_in_memory_with_one_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for state in [file.as_path(), Path::new("/proc/nothing/here")] {
        for backend in [Backend::Auto, Backend::Mapped, Backend::Written] {
            let mut opened = open(options(state, backend));
            assert_eq!(opened.backend, Backend::Memory);
            assert_eq!(opened.warnings.len(), 1, "{:?}", opened.warnings);
            assert!(opened.warnings[0].contains("MCPCAT_STATE_DIR"));
            opened.spool.append(1, &[b"kept"]).unwrap();
            assert_eq!(opened.reader.next().unwrap().bytes, b"kept");
            assert!(opened.adopter.next().is_none());
        }
    }
}

#[test]
fn a_written_file_that_others_cut_costs_its_records_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut opened = quiet(options(dir.path(), Backend::Written));
    for n in 0..50_u32 {
        opened.spool.append(0, &[&n.to_le_bytes()]).unwrap();
    }
    let first = opened.reader.next().unwrap().at;
    opened.reader.complete(first);
    let path = segments(&runs(dir.path())[0]).remove(0);
    File::options().write(true).open(&path).unwrap().set_len(64 + 32 * 10).unwrap();
    for n in 50..2000_u32 {
        opened.spool.append(0, &[&n.to_le_bytes()]).unwrap();
    }
    let mut found = vec![0];
    while let Some(record) = opened.reader.next() {
        let at = record.at;
        found.push(u32::from_le_bytes(record.bytes.try_into().unwrap()));
        opened.reader.complete(at);
    }
    assert_eq!(found, (0..10).chain(50..2000).collect::<Vec<_>>());
    assert_eq!(opened.reader.lost(), 40);
    assert_eq!(opened.spool.pending(), 0);
}

#[test]
fn a_closed_spool_deletes_its_run_as_soon_as_nothing_is_pending() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = quiet(options(dir.path(), backend));
        opened.spool.append(0, &[b"one"]).unwrap();
        opened.spool.close();
        assert_eq!(runs(dir.path()).len(), 1, "something is pending");
        let at = opened.reader.next().unwrap().at;
        opened.reader.complete(at);
        opened.spool.close();
        assert_eq!(runs(dir.path()).len(), 0);
    }
}

#[test]
fn half_made_and_half_deleted_runs_are_cleaned_up() {
    let dir = tempfile::tempdir().unwrap();
    leave(options(dir.path(), Backend::Written), 0..10);
    let run = runs(dir.path()).remove(0);
    let spool = run.parent().unwrap();
    fs::create_dir(spool.join("0123456789abcdef.gone")).unwrap();
    fs::write(spool.join("0123456789abcdef.gone/000.seg"), "x").unwrap();
    for (name, by) in [("1111111111111111.new", 60), ("2222222222222222.new", 3600)] {
        fs::create_dir(spool.join(name)).unwrap();
        fs::write(spool.join(name).join("lock"), "").unwrap();
        age(&spool.join(name), Duration::from_secs(by));
    }
    let mut later = quiet(options(dir.path(), Backend::Written));
    later.adopter.next().unwrap().remove();
    let left = runs(dir.path());
    assert_eq!(left.len(), 2, "its own, and the one that may still be being made: {left:?}");
    assert!(left.iter().any(|path| path.ends_with("1111111111111111.new")));
}

#[test]
fn a_burst_is_given_back_to_the_system() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        let mut opened = quiet(options(dir.path(), backend).segment_bytes(64 << 10).cap_bytes(1 << 20));
        while opened.spool.append(0, &[&[9; 1000]]).is_ok() {}
        let run = runs(dir.path()).remove(0);
        assert!(disk_bytes(&run) >= 15 * (64 << 10));
        while let Some(record) = opened.reader.next() {
            let at = record.at;
            opened.reader.complete(at);
        }
        // An idle process keeps one small segment.
        let until = Instant::now() + Duration::from_secs(30);
        while disk_bytes(&run) > 4096 + (16 << 10) {
            opened.reader.prepare();
            assert!(Instant::now() < until, "{backend:?}: {}", disk_bytes(&run));
            std::thread::yield_now();
        }
        // and all of it can be used again
        let mut again = 0;
        while opened.spool.append(0, &[&[9; 1000]]).is_ok() {
            again += 1;
        }
        assert!(again > 900, "{again}");
        let mut read = 0;
        while let Some(record) = opened.reader.next() {
            assert_eq!(record.bytes, [9; 1000]);
            read += 1;
        }
        assert_eq!(read, again);
    }
}

#[test]
fn a_single_segment_is_its_own_successor() {
    for backend in ON_DISK {
        let dir = tempfile::tempdir().unwrap();
        // The limit of all runs together leaves room for one.
        let mut opened = quiet(options(dir.path(), backend).segment_bytes(4096).total_bytes(1));
        let mut total = 0;
        for round in 1..=20 {
            let mut appended = 0;
            while opened.spool.append(0, &[&[5; 1000]]).is_ok() {
                appended += 1;
            }
            assert_eq!(appended, 3, "{backend:?} round {round}");
            assert_eq!(opened.spool.segment(), round);
            opened.reader.prepare();
            while let Some(record) = opened.reader.next() {
                let at = record.at;
                opened.reader.complete(at);
                total += 1;
            }
            assert_eq!((opened.spool.pending(), opened.spool.used_bytes()), (0, 0));
        }
        assert_eq!(total, 3 * 20);
        assert_eq!(segments(&runs(dir.path())[0]).len(), 1);
    }
}
