//! Writes events as lines, as a spreadsheet or as a page, to a file or to standard output.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Failure;
use super::args::{Export, Format};
use super::progress;
use super::source::{Reader, filters};
use super::text::segment;
use crate::http::params;
use crate::inert;

pub(super) async fn run(args: Export) -> Result<(), Failure> {
    let mut query = filters(&args.filters, params::EVENTS)?;
    let path = match (args.format, &args.session) {
        (Format::Html, None) => return Err("an HTML export shows one session: give --session".into()),
        (Format::Html, Some(session)) => format!("/api/v1/sessions/{}/export.html", segment(session)?),
        (Format::Ndjson, _) => "/api/v1/export.ndjson".into(),
        (Format::Csv, _) => "/api/v1/export.csv".into(),
    };
    if let (Some(session), Format::Ndjson | Format::Csv) = (&args.session, args.format) {
        query.push(("session".into(), session.clone()));
    }
    let mut out = Target::new(args.output.as_deref(), args.force)?;
    let reader = Reader::open(&args.source).await?;
    let mut response = reader.get(&path, &query).await?;
    let mut text = Text::default();
    // A spreadsheet's first line is there without any event.
    let mut head = (args.format == Format::Csv).then(String::new);
    let bar = progress::bytes("exporting", None);
    while let Some(part) = reader.part(&mut response).await? {
        bar.inc(part.len() as u64);
        let mut part = text.push(&part)?;
        if let Some(held) = &mut head {
            held.push_str(&part);
            if held.find('\n').is_none_or(|end| end + 1 == held.len()) {
                continue;
            }
            part = std::mem::take(held);
            head = None;
        }
        // CSV and HTML come without such characters, and may not be changed.
        let safe = if args.format == Format::Ndjson { lines(&part) } else { part };
        out.write(safe.as_bytes())?;
    }
    bar.finish_and_clear();
    if !out.begun() {
        return Err("no event matches; nothing was exported".into());
    }
    out.finish()
}

/// Escapes what a terminal would obey, and keeps the line ends.
fn lines(part: &str) -> String {
    part.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => format!("{}\n", inert::escaped(line)),
            None => inert::escaped(line).into_owned(),
        })
        .collect()
}

/// Text out of bytes that were cut anywhere.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn push(&mut self, part: &[u8]) -> Result<String, Failure> {
        self.0.extend_from_slice(part);
        let end = match std::str::from_utf8(&self.0) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(error.into()),
        };
        let rest = self.0.split_off(end);
        Ok(String::from_utf8(std::mem::replace(&mut self.0, rest))?)
    }
}

/// Where the export goes. A file has its name when it is complete, and not before.
enum Target {
    Out { begun: bool },
    File { path: PathBuf, part: PathBuf, file: Option<File>, force: bool },
}

impl Target {
    fn new(path: Option<&Path>, force: bool) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Out { begun: false }) };
        if !force && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let part = crate::private::beside(path, ".part");
        Ok(Self::File { path: path.to_owned(), part, file: None, force })
    }

    fn begun(&self) -> bool {
        match self {
            Self::Out { begun } => *begun,
            Self::File { file, .. } => file.is_some(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        match self {
            Self::Out { begun } => {
                *begun = true;
                std::io::stdout().lock().write_all(bytes)?;
            }
            Self::File { part, file, .. } => {
                let file = match file {
                    Some(file) => file,
                    None => {
                        // One that a broken-off export left behind.
                        let _ = std::fs::remove_file(&*part);
                        let created = crate::private::create(part);
                        file.insert(created.map_err(|error| format!("{}: {error}", part.display()))?)
                    }
                };
                file.write_all(bytes).map_err(|error| format!("{}: {error}", part.display()))?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        match &mut self {
            Self::Out { .. } => Ok(std::io::stdout().lock().flush()?),
            Self::File { path, part, file, force } => {
                if !*force && path.symlink_metadata().is_ok() {
                    return Err(exists(path));
                }
                std::fs::rename(&*part, &*path).map_err(|error| format!("{}: {error}", path.display()))?;
                *file = None;
                Ok(())
            }
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Self::File { part, file: Some(_), .. } = self {
            let _ = std::fs::remove_file(part);
        }
    }
}

fn exists(path: &Path) -> Failure {
    format!("{} is there already; choose another name, or give --force to replace it", path.display()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_any_cut() {
        let whole = "{\"a\":\"⚡ü\u{9b}\"}\n{}\n";
        for cut in 0..whole.len() {
            let mut text = Text::default();
            let parts =
                [text.push(&whole.as_bytes()[..cut]).unwrap(), text.push(&whole.as_bytes()[cut..]).unwrap()];
            assert_eq!(parts.concat(), whole, "cut at {cut}");
            assert_eq!(
                parts.map(|part| lines(&part)).concat(),
                "{\"a\":\"⚡ü\\u009b\"}\n{}\n",
                "cut at {cut}"
            );
        }
        assert!(Text::default().push(b"\xff").is_err());
    }
}
