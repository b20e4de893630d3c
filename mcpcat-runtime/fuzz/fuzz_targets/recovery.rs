//! A start that finds run directories of any content, through the public API.
#![no_main]

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mcpcat_runtime::internals::spool::{Backend, Manifest, Options, open};

#[derive(Arbitrary, Debug)]
struct Input {
    written: bool,
    records: Vec<(u8, Vec<u8>)>,
    changes: Vec<(u8, u16, u8)>,
    truncate: Option<(u8, u16)>,
    manifest: Option<Vec<u8>>,
    extra: Vec<(String, Vec<u8>)>,
    stop_after: u8,
}

fn segments(run: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

fuzz_target!(|input: Input| {
    let dir = tempfile::tempdir().unwrap();
    let backend = if input.written { Backend::Written } else { Backend::Mapped };
    let options = || {
        Options::new(Manifest::new("a", "b", "c"))
            .backend(backend)
            .state_dir(dir.path())
            .segment_bytes(4096)
            .cap_bytes(32 << 10)
    };
    {
        let opened = open(options());
        for (kind, payload) in &input.records {
            let _ = opened.spool.append(*kind, &[payload]);
        }
        if opened.spool.pending() == 0 {
            let _ = opened.spool.append(0, &[b"one"]);
        }
    }
    let root = dir.path().join("mcpcat/runs");
    let run = fs::read_dir(&root).unwrap().next().unwrap().unwrap().path();
    let files = segments(&run);
    for (index, at, byte) in &input.changes {
        let file = OpenOptions::new().write(true).open(&files[usize::from(*index) % files.len()]).unwrap();
        file.write_all_at(&[*byte], u64::from(*at % 4096)).unwrap();
    }
    if let Some((index, len)) = input.truncate {
        let file = OpenOptions::new().write(true).open(&files[usize::from(index) % files.len()]).unwrap();
        file.set_len(u64::from(len)).unwrap();
    }
    if let Some(manifest) = &input.manifest {
        fs::write(run.join("manifest"), manifest).unwrap();
    }
    let other = root.join(run.file_name().unwrap().to_str().unwrap().rsplit_once('-').unwrap().0.to_owned() + "-00000000000000aa");
    DirBuilder::new().mode(0o700).create(&other).unwrap();
    fs::copy(run.join("manifest"), other.join("manifest")).unwrap();
    for (name, content) in input.extra.iter().take(4) {
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '.').take(20).collect();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(other.join(name));
        if let Ok(mut file) = file {
            file.write_all(content).unwrap();
        }
    }

    let mut later = open(options());
    for mut orphan in later.adopter.by_ref() {
        let mut done = 0;
        while let Some(record) = orphan.next() {
            assert!(record.bytes.len() <= 4096);
            if done < input.stop_after {
                orphan.complete(record.at);
                done += 1;
            }
        }
        let _ = (orphan.torn(), orphan.damaged());
        if input.stop_after % 2 == 0 {
            orphan.remove();
        }
    }
    later.spool.append(0, &[b"still works"]).unwrap();
    assert_eq!(later.reader.next().unwrap().bytes, b"still works");
});
