//! The binary as a user runs it, in a process of its own, so that its memory and processor time are its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

pub(crate) struct Collector {
    child: Child,
    pub(crate) addr: String,
    folder: tempfile::TempDir,
}

impl Collector {
    pub(crate) fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcpcat-timeline"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(folder.path().join("events.sqlite3"))
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let line = out.lines().next().expect("a first line").expect("text");
        let addr = line.split("http://").nth(1).expect("an address").to_owned();
        Self { child, addr, folder }
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap_or_default()
    }

    /// Seconds of processor time so far; 0 where there is no `/proc`.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = self.proc("stat");
        let mut fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
        // Linux counts a hundred ticks a second for all programs.
        (ticks() + ticks()) / 100.0
    }

    /// Memory and files.
    pub(crate) fn weight(&self) -> String {
        let status = self.proc("status");
        let memory = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
            format!("{} MiB", kib / 1024)
        };
        let files: Vec<String> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let bytes = entry.metadata().ok()?.len();
                (bytes > 1_000_000).then(|| format!("{name} {} MB", bytes / 1_000_000))
            })
            .collect();
        format!(
            "resident {} ({} of it its own, {} mapped from the file), {}",
            memory("VmRSS"),
            memory("RssAnon"),
            memory("RssFile"),
            files.join(", ")
        )
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
