//! Refused events, kept aside: a bounded NDJSON file in the state directory, for people to read and for another
//! attempt once whatever refused them has been mended.
//!
//! A line is a body as it would have left, so redaction has seen it. The file belongs to one program, project
//! and endpoint; processes of the same share it under a file lock.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use bytes::Bytes;
use mcpcat_wire::event_type::{MCP_PREFIX, is_product_method};
use serde::Deserialize;

use super::beside::{Beside, hash_name};
use crate::event::EventId;
use crate::spool::{self, Manifest};

/// Bytes of one file. What is refused beyond it is counted and not kept.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
const DIRECTORY: &str = "dead-letters";

/// The dead letters of one program, project and endpoint.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetters {
    /// `None` where nothing may be on disk.
    place: Option<Place>,
}

#[derive(Debug, Clone)]
struct Place {
    file: Beside,
    former: Option<String>,
}

impl DeadLetters {
    /// Kept nowhere.
    pub(crate) fn nowhere() -> Self {
        Self { place: None }
    }

    pub(crate) fn of(state_dir: Option<PathBuf>, manifest: &Manifest) -> Self {
        let name = format!("{:016x}.ndjson", manifest.identity());
        Self { place: Some(Place { file: Beside::new(state_dir, "dead-letters", name), former: None }) }
    }

    /// The same, found also under the name that earlier versions gave it, which depended on the whole base URL.
    pub(crate) fn or_of(mut self, application: &str, project: &str, base_url: &str) -> Self {
        if let Some(place) = &mut self.place {
            let mut text = Vec::new();
            for part in [application, project, base_url] {
                text.extend((part.len() as u64).to_le_bytes());
                text.extend(part.as_bytes());
            }
            place.former = Some(format!("{}.ndjson", hash_name(&text)));
        }
        self
    }

    /// Keeps a refused event; `false` if it may not be kept, or there is no room.
    pub(crate) fn keep(&self, body: &[u8]) -> io::Result<bool> {
        let Some(place) = &self.place else { return Ok(false) };
        let Some(mut file) = place.open(true)? else { return Ok(false) };
        let end = file.seek(SeekFrom::End(0))?;
        if end + body.len() as u64 + 2 > MOST_BYTES {
            return Ok(false);
        }
        // Begun on a line of its own: the line before may have been cut off by a kill.
        let mut line = Vec::with_capacity(body.len() + 2);
        if end > 0 && !ends_a_line(&mut file, end)? {
            line.push(b'\n');
        }
        line.extend(body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        line.push(b'\n');
        file.seek(SeekFrom::End(0))?;
        file.write_all(&line)?;
        Ok(true)
    }

    /// What is kept. Lines that cannot be read are left where they are.
    pub(crate) fn read(&self) -> Vec<(EventId, Bytes)> {
        let read = || -> io::Result<Vec<u8>> {
            let Some(place) = &self.place else { return Ok(Vec::new()) };
            let Some(mut file) = place.open(false)? else { return Ok(Vec::new()) };
            read_all(&mut file)
        };
        match read() {
            Ok(text) => lines(&text).map(|(id, line)| (id, Bytes::copy_from_slice(line))).collect(),
            Err(error) => {
                crate::notice::warn(format_args!("dead letters cannot be read: {error}"));
                Vec::new()
            }
        }
    }

    /// Takes out those that have arrived; the file goes with the last of them.
    pub(crate) fn remove(&self, arrived: &HashSet<EventId>) -> io::Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        if arrived.is_empty() {
            return Ok(());
        }
        let Some(mut file) = place.open(false)? else { return Ok(()) };
        let text = read_all(&mut file)?;
        let left: Vec<&[u8]> =
            lines(&text).filter(|(id, _)| !arrived.contains(id)).map(|(_, line)| line).collect();
        if left.is_empty() {
            return std::fs::remove_file(place.path()?);
        }
        // Another file under the lock, then its name: a kill in between leaves one of the two, whole.
        let path = place.path()?;
        let shorter = path.with_extension("new");
        let mut new = spool::open_private(&shorter, true)?;
        new.set_len(0)?;
        new.write_all(&left.join(&b'\n'))?;
        new.write_all(b"\n")?;
        std::fs::rename(&shorter, &path)
    }

    /// Deletes what is kept: the user has opted out.
    pub(crate) fn forget(&self) {
        let gone = || -> io::Result<()> {
            let Some(place) = &self.place else { return Ok(()) };
            let Some(_locked) = place.open(false)? else { return Ok(()) };
            std::fs::remove_file(place.path()?)
        };
        if let Err(error) = gone() {
            crate::notice::warn(format_args!("dead letters cannot be deleted: {error}"));
        }
    }
}

/// Deletes the dead letters of every program: their user has said no to all. Those of a live process are its own to delete.
pub(crate) fn forget_all(state_dir: Option<PathBuf>) {
    let Some(dir) = spool::own_dir_beside(state_dir, DIRECTORY) else { return };
    for found in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = found.path();
        if path.extension().is_some_and(|extension| extension == "ndjson" || extension == "new") {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Place {
    fn path(&self) -> io::Result<PathBuf> {
        let path = self.file.path()?;
        if let Some(former) = &self.former
            && former != self.file.name()
            && !path.exists()
        {
            // Not there, as a rule.
            let _ = std::fs::rename(path.with_file_name(former), &path);
        }
        Ok(path)
    }

    /// The file, locked; `None` if there is none and `create` does not ask for one.
    fn open(&self, create: bool) -> io::Result<Option<File>> {
        if !create && !self.file.has_folder() {
            return Ok(None);
        }
        let path = self.path()?;
        loop {
            let file = match spool::open_private(&path, create) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !create => return Ok(None),
                Err(error) => return Err(error),
            };
            file.lock()?;
            // Another process may have deleted it while this one waited.
            if spool::is_still_named(&file, &path) {
                return Ok(Some(file));
            }
        }
    }
}

fn ends_a_line(file: &mut File, end: u64) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::Start(end - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn read_all(file: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(2 * MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// The lines that are whole events, with their ids.
fn lines(text: &[u8]) -> impl Iterator<Item = (EventId, &[u8])> {
    #[derive(Deserialize)]
    struct Identity<'a> {
        id: &'a str,
    }
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let identity: Identity<'_> = serde_json::from_slice(line).ok()?;
        Some((identity.id.parse().ok()?, line))
    })
}

/// Whether a body is a request of a method that the product has no event type for.
pub(super) fn is_foreign_type(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        event_type: Cow<'a, str>,
    }
    serde_json::from_slice::<Typed<'_>>(body)
        .is_ok_and(|typed| typed.event_type.strip_prefix(MCP_PREFIX).is_some_and(|it| !is_product_method(it)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::id::generate;

    #[test]
    fn a_type_is_foreign_when_the_product_has_no_method_of_that_name() {
        for (body, foreign) in [
            (r#"{"id":"e","event_type":"mcp:shop/open","parameters":{"event_type":"mcp:ping"}}"#, true),
            (r#"{"event_type":"mcp:tools/call"}"#, false),
            (r#"{"event_type":"agentcat:custom"}"#, false),
            (r#"{"parameters":{"event_type":"mcp:shop/open"}}"#, false),
            ("{", false),
        ] {
            assert_eq!(is_foreign_type(body.as_bytes()), foreign, "{body}");
        }
    }

    fn body(n: u64, size: usize) -> (EventId, Vec<u8>) {
        let id = generate(n * 1_000_000, 0);
        (id, format!("{{\"id\":\"{id}\",\"x\":\"{}\"}}", "x".repeat(size)).into_bytes())
    }

    fn letters(dir: &tempfile::TempDir, project: &str) -> DeadLetters {
        DeadLetters::of(Some(dir.path().to_owned()), &Manifest::new("app", project, "http://h"))
    }

    #[test]
    fn what_is_kept_is_read_until_it_has_arrived() {
        let dir = tempfile::tempdir().unwrap();
        let (letters, other) = (letters(&dir, "p"), letters(&dir, "q"));
        assert!(letters.read().is_empty());
        let kept: Vec<_> = (0..3).map(|n| body(n, 10)).collect();
        for (_, body) in &kept {
            assert!(letters.keep(body).unwrap());
        }
        assert!(other.read().is_empty(), "another project's letters are another file");
        let ids = |letters: &DeadLetters| letters.read().into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(ids(&letters), kept.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        letters.remove(&HashSet::from([kept[0].0, kept[2].0])).unwrap();
        assert_eq!(ids(&letters), [kept[1].0]);
        letters.remove(&HashSet::from([kept[1].0])).unwrap();
        assert!(!letters.place.as_ref().unwrap().path().unwrap().exists());
    }

    #[test]
    fn a_line_that_was_cut_off_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let letters = letters(&dir, "p");
        let (first, second) = (body(1, 5), body(2, 5));
        letters.keep(&first.1).unwrap();
        let path = letters.place.as_ref().unwrap().path().unwrap();
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 4]).unwrap();
        letters.keep(&second.1).unwrap();
        let read = letters.read();
        assert_eq!(read, [(second.0, Bytes::from(second.1))]);
    }

    #[test]
    fn the_file_is_bounded_private_and_goes_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let letters = letters(&dir, "p");
        let mut kept = 0;
        while letters.keep(&body(kept, 100_000).1).unwrap() {
            kept += 1;
        }
        let path = letters.place.as_ref().unwrap().path().unwrap();
        let meta = std::fs::metadata(&path).unwrap();
        assert!(meta.len() <= MOST_BYTES && kept > 30, "{kept}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(meta.permissions().mode() & 0o777, 0o600);
        }
        letters.forget();
        assert!(!path.exists());
        assert!(!DeadLetters::nowhere().keep(b"{}").unwrap());
    }
}
