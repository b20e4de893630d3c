//! How far a command has come, on standard error and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

fn style(template: &str) -> ProgressStyle {
    // Templates are constants of this file, and a test reads them all.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

const SPIN: &str = "{spinner} {msg}  {elapsed}";
const BYTES: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left";
const UNKNOWN: &str = "{spinner} {msg} {bytes}, {bytes_per_sec}";
const PART: &str = "{msg} {wide_bar} {human_pos} of {human_len}, {eta} left";
const COUNT: &str = "{spinner} {msg} {human_pos}";

/// Something is being done and nobody knows for how long.
pub(super) fn spinner(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(style(SPIN)).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Bytes of a whole, or of what has no known end.
pub(super) fn bytes(what: &'static str, total: Option<u64>) -> ProgressBar {
    match total {
        Some(total) => ProgressBar::new(total).with_style(style(BYTES)),
        None => ProgressBar::new_spinner().with_style(style(UNKNOWN)),
    }
    .with_message(what)
}

/// Some of a known number.
pub(super) fn part(what: &'static str, total: u64) -> ProgressBar {
    ProgressBar::new(total).with_style(style(PART)).with_message(what)
}

/// A number that grows.
pub(super) fn count(what: &'static str) -> ProgressBar {
    ProgressBar::new_spinner().with_style(style(COUNT)).with_message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_well_formed() {
        for template in [SPIN, BYTES, UNKNOWN, PART, COUNT] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
