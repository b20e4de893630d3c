//! Says problems where somebody can see them: through `tracing` (target `mcpcat`), and in a process where no `tracing`
//! subscriber was ever set, on stderr, each distinct problem once.
//!
//! A host without a subscriber would otherwise never learn that its address is wrong or its collector is down. Stdout
//! is never written to: for a server on stdio it is the protocol.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// Distinct texts that are printed in one process; after them one line says that there are more.
const MOST: usize = 32;
/// The longest line, in characters.
const LINE_CHARS: usize = 600;
/// How long a caller waits for its line: a stderr that nobody reads must not stop the host.
const PATIENCE: Duration = Duration::from_millis(100);
/// Silences the line that says where events go, and nothing else.
pub(crate) const QUIET: &str = "MCPCAT_QUIET";

/// Something that needs attention.
pub(crate) fn warn(text: impl fmt::Display) {
    tracing::warn!(target: "mcpcat", "{text}");
    print("warning", &text);
}

/// Something that keeps events from being recorded or sent.
pub(crate) fn error(text: impl fmt::Display) {
    tracing::error!(target: "mcpcat", "{text}");
    print("error", &text);
}

/// Where events go, or that they go nowhere.
pub(crate) fn inform(text: impl fmt::Display, quiet: Option<&OsStr>) {
    tracing::info!(target: "mcpcat", "{text}");
    if !is_set(quiet) {
        print("note", &format_args!("{text} ({QUIET}=1 silences this line)"));
    }
}

/// What cannot be read counts as set: nobody sets this variable to hear more.
fn is_set(value: Option<&OsStr>) -> bool {
    let no =
        |text: &str| ["", "0", "false", "no", "off"].iter().any(|no| text.trim().eq_ignore_ascii_case(no));
    value.is_some_and(|value| !value.to_str().is_some_and(no))
}

fn print(kind: &str, text: &dyn fmt::Display) {
    // Whoever set a subscriber hears of it there, or has said that it is not wanted.
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let Some(line) = SAID.lock().unwrap_or_else(PoisonError::into_inner).line(kind, &text.to_string()) else {
        return;
    };
    // On a thread of its own, because stderr can be a full pipe; or a file that is as long as this process may make it.
    let (done, written) = mpsc::channel::<()>();
    let write = move || {
        crate::spool::no_file_size_signal();
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        drop(done);
    };
    if std::thread::Builder::new().name("mcpcat-notice".into()).spawn(write).is_ok() {
        // Ends when the line is written, since the sender is dropped then.
        let _ = written.recv_timeout(PATIENCE);
    }
}

static SAID: Mutex<Said> = Mutex::new(Said(HashSet::with_hasher(BuildHasherDefault::new())));

/// What has been printed, by hash.
struct Said(HashSet<u64, BuildHasherDefault<DefaultHasher>>);

impl Said {
    /// The line to print for a text, unless it or too much has been printed. Texts that differ in digits alone are one
    /// problem: counts and times.
    fn line(&mut self, kind: &str, text: &str) -> Option<String> {
        let plain: String = text.chars().filter(|character| !character.is_ascii_digit()).collect();
        if self.0.len() > MOST || !self.0.insert(self.0.hasher().hash_one(plain)) {
            return None;
        }
        if self.0.len() > MOST {
            return Some(
                "mcpcat: warning: further problems are not shown here; set a `tracing` subscriber to see them\n"
                    .to_owned(),
            );
        }
        let mut line = format!("mcpcat: {kind}: ");
        line.extend(text.chars().take(LINE_CHARS).map(|it| if it.is_control() { ' ' } else { it }));
        if text.chars().nth(LINE_CHARS).is_some() {
            line.push('…');
        }
        line.push('\n');
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distinct_problem_is_one_line_once_and_not_without_end() {
        let mut said = Said(HashSet::default());
        assert_eq!(
            said.line("warning", "12 lost\nso far").as_deref(),
            Some("mcpcat: warning: 12 lost so far\n")
        );
        assert_eq!(said.line("warning", "4711 lost\nso far"), None);
        let long = said.line("error", &"é".repeat(10_000)).unwrap();
        assert!(long.ends_with("…\n") && long.chars().count() < LINE_CHARS + 20);
        let mut lines = 2;
        let mut last = String::new();
        for n in 0..1_000_u32 {
            let name: String = n.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            if let Some(line) = said.line("warning", &name) {
                lines += 1;
                last = line;
            }
        }
        assert_eq!(lines, MOST + 1);
        assert!(last.contains("further problems"), "{last}");
    }

    #[test]
    fn only_a_clear_no_leaves_the_notice_on() {
        let set = |value: &str| is_set(Some(OsStr::new(value)));
        assert!(!is_set(None) && !set("") && !set("0") && !set(" False "));
        assert!(set("1") && set("yes") && set("please"));
    }
}
