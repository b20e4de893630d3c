//! Starts this program again as a child with a home and a state directory of its own, and reads what it measured.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// Where a child keeps its files; a restart uses the same.
pub fn home() -> TempDir {
    tempfile::Builder::new().prefix("peers-").tempdir().expect("a temporary directory")
}

/// The command line of a child.
pub fn command(home: &Path, peer: &str, url: &str, task: &[&str]) -> Command {
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new(program);
    command.arg("child").arg(peer).arg(url).args(task);
    prepare(&mut command, home);
    command
}

/// Environment in which nothing of the user's own is read or written.
pub fn prepare(command: &mut Command, home: &Path) {
    command
        .env("HOME", home)
        .env("MCPCAT_STATE_DIR", home)
        .env("NO_PROXY", "127.0.0.1")
        .env_remove("DO_NOT_TRACK")
        .env_remove("MCPCAT_ENABLED")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
}

/// What a child measured; `None` if it ended without a word.
pub fn measured<T: DeserializeOwned>(mut command: Command) -> Option<T> {
    let mut child = command.spawn().expect("the child starts");
    let line = first_line(&mut child);
    let _ = child.wait();
    serde_json::from_str(&line?).ok()
}

/// Waits for a child's first line.
pub fn first_line(child: &mut Child) -> Option<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    Some(line).filter(|line| !line.is_empty())
}

/// Instructions of each of 1,000 events on the thread that raises them; `None` without valgrind.
pub fn instructions(peer: &str, url: &str) -> Option<u64> {
    let home = home();
    let out = home.path().join("callgrind.out");
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg("--collect-atstart=no")
        .arg("--toggle-collect=*counted_for_instructions*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("this program has a path"))
        .args(["child", peer, url, "instructions"]);
    prepare(&mut command, home.path());
    command.stdout(Stdio::null()).status().ok()?;
    let text = std::fs::read_to_string(out).ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
    Some(total.trim().parse::<u64>().ok()? / 1_000)
}
