//! The two ways in which code of a user's type runs inside this library, so that no value can change what the host
//! does: [`user_code`] turns a panic into `None`, and [`text`] writes what a value displays up to a limit.
//!
//! What can be bounded: a `Display` that returns when it is told to (as `write!(…)?` does) costs the limit. One that
//! ignores the error is refused [`REFUSALS`] more pieces and then unwound, where panics unwind. One that loops without
//! writing anything cannot be stopped by anybody.

use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Bytes of one text that are held before the publishing client's own limit is known.
pub(crate) const HELD_BYTES: usize = 64 * 1024;
/// Bytes that are counted past a limit, so that the marker says how much is missing, before a text is stopped.
const COUNTED_BYTES: usize = 64 * 1024;
/// Pieces of no length that are taken in one text.
const EMPTY_PIECES: usize = 64 * 1024;
/// Pieces that a stopped text may still try to write.
const REFUSALS: usize = 64 * 1024;

/// Stands where a `Display` or `Debug` returned an error.
pub(crate) const FAILED: &str = "[formatting failed]";
/// Stands where one panicked.
pub(crate) const PANICKED: &str = "[formatting panicked]";

/// Runs a user's code; `None` if it panicked. The payload's own destructor may panic too.
#[inline]
pub(crate) fn user_code<R>(code: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

#[cold]
fn discard(payload: Box<dyn std::any::Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// When a text has to end: what both writers of texts count.
#[derive(Default)]
pub(crate) struct Budget {
    empty: usize,
    refused: usize,
    stopped: bool,
}

impl Budget {
    /// Asks for one more piece, `beyond` being the bytes that are past the limit already.
    pub(crate) fn piece(&mut self, piece: &str, beyond: usize) -> fmt::Result {
        if piece.is_empty() {
            self.empty += 1;
        }
        if !self.stopped && beyond <= COUNTED_BYTES && self.empty <= EMPTY_PIECES {
            return Ok(());
        }
        self.stopped = true;
        self.refused += 1;
        if self.refused > REFUSALS && cfg!(panic = "unwind") {
            // No panic hook runs, and `user_code` is below on the stack.
            resume_unwind(Box::new(Stopped));
        }
        Err(fmt::Error)
    }

    /// Whether the text had more than was counted.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
}

/// What unwinds a `Display` that does not stop.
struct Stopped;

/// How a text came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, or at the limit.
    Well,
    Failed,
    Panicked,
}

impl Ended {
    /// Formats a value into a writer that keeps a [`Budget`].
    pub(crate) fn of<W: fmt::Write>(
        writer: &mut W,
        budget: impl Fn(&W) -> &Budget,
        value: fmt::Arguments<'_>,
    ) -> Self {
        match user_code(|| writer.write_fmt(value)) {
            Some(Ok(())) => Self::Well,
            _ if budget(writer).is_stopped() => Self::Well,
            Some(Err(_)) => Self::Failed,
            None => Self::Panicked,
        }
    }

    /// What stands at the end of a text that did not end well.
    pub(crate) fn placeholder(self) -> Option<&'static str> {
        match self {
            Self::Well => None,
            Self::Failed => Some(FAILED),
            Self::Panicked => Some(PANICKED),
        }
    }
}

/// The text of a value, at most `limit` bytes of it and a marker that says how much is missing. Never fails: what
/// there was before an error or a panic stays, with a placeholder behind it.
pub(crate) fn text(value: &(impl fmt::Display + ?Sized), limit: usize) -> String {
    written(format_args!("{value}"), limit)
}

/// The same for `format_args!`, which `{:?}` needs.
pub(crate) fn written(value: fmt::Arguments<'_>, limit: usize) -> String {
    let mut held = Held { text: String::new(), limit, total: 0, budget: Budget::default() };
    let ended = Ended::of(&mut held, |held| &held.budget, value);
    let Held { mut text, total, budget, .. } = held;
    mark_cut(&mut text, total, budget.is_stopped());
    text.extend(ended.placeholder());
    text
}

/// What a conversion into text makes, or the placeholder.
pub(crate) fn owned(text: impl Into<String>) -> String {
    user_code(|| text.into()).unwrap_or_else(|| PANICKED.to_owned())
}

/// Cuts a text at a character boundary, and says by how much.
pub(crate) fn cut_to(text: &mut String, limit: usize) {
    if text.len() > limit {
        let total = text.len();
        let more = text.ends_with(MORE_MARK);
        text.truncate(boundary(text, limit));
        mark_cut(text, total, more);
    }
}

/// How the marker of a text ends that was stopped.
const MORE_MARK: &str = " bytes or more]";

fn mark_cut(text: &mut String, total: usize, stopped: bool) {
    if total > text.len() || stopped {
        let missing = total - text.len();
        // Writing into a String does not fail.
        let _ = write!(text, "…[+{missing}{}", if stopped { MORE_MARK } else { " bytes]" });
    }
}

fn boundary(text: &str, limit: usize) -> usize {
    let limit = limit.min(text.len());
    (0..=limit).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

/// A text that is being written: kept up to its limit, counted a little further.
struct Held {
    text: String,
    limit: usize,
    total: usize,
    budget: Budget,
}

impl fmt::Write for Held {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.budget.piece(piece, self.total.saturating_sub(self.limit))?;
        // Once cut, nothing is kept: a shorter piece must not follow a gap.
        if self.total == self.text.len() {
            let fits = boundary(piece, self.limit - self.text.len());
            self.text.push_str(&piece[..fits]);
        }
        self.total = self.total.saturating_add(piece.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Says(fn(&mut fmt::Formatter<'_>) -> fmt::Result);

    impl fmt::Display for Says {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (self.0)(f)
        }
    }

    #[test]
    fn a_text_is_kept_and_a_long_one_is_cut_and_says_by_how_much() {
        assert_eq!(text("short", 10), "short");
        assert_eq!(text(&"é".repeat(10), 5), "éé…[+16 bytes]");
        assert_eq!(written(format_args!("{}{}", "abc", "def"), 4), "abcd…[+2 bytes]");
        let huge = "x".repeat(1 << 20);
        assert_eq!(text(&huge, 3), "xxx…[+1048573 bytes]");
    }

    #[test]
    fn a_failing_display_leaves_what_it_wrote_and_a_placeholder() {
        assert_eq!(text(&Says(|_| Err(fmt::Error)), 10), FAILED);
        assert_eq!(text(&Says(|f| f.write_str("a").and(Err(fmt::Error))), 10), format!("a{FAILED}"));
        assert_eq!(text(&Says(|f| panic!("{:?}", f.write_str("a"))), 10), format!("a{PANICKED}"));
    }

    #[test]
    fn an_endless_display_costs_the_limit() {
        fn patient(f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("abc")?;
            }
        }
        fn silent(f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("")?;
            }
        }
        fn stubborn(f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                let _ = f.write_str("abc");
            }
        }
        for endless in [patient, stubborn] {
            let text = text(&Says(endless), 6);
            assert!(text.starts_with("abcabc…[+") && text.ends_with(MORE_MARK), "{text}");
        }
        assert_eq!(text(&Says(silent), 6), "…[+0 bytes or more]");
    }

    #[test]
    fn a_text_that_was_stopped_says_so_when_it_is_cut_again() {
        let mut text = format!("{}…[+65536{MORE_MARK}", "a".repeat(100));
        cut_to(&mut text, 10);
        assert!(text.starts_with("aaaaaaaaaa…[+") && text.ends_with(MORE_MARK), "{text}");
    }

    #[test]
    fn a_payload_whose_destructor_panics_is_no_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a payload's destructor");
            }
        }
        assert_eq!(user_code(|| std::panic::panic_any(Bomb)), None::<()>);
    }
}
