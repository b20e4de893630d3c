//! What proves to the endpoint who sends: a bearer token, from the settings or from a file that is read again when it
//! changes, and headers of the user's. Sent to the configured origin only; written nowhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// How often a token's file is looked at for a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A token's file is no larger than this.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;
/// Headers that the delivery or the HTTP client sets.
const RESERVED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// The headers that go with each request. Its `Debug` shows none of their values.
#[derive(Default)]
pub(crate) struct Credentials {
    headers: HeaderMap,
    file: Option<TokenFile>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("file", &self.file.as_ref().map(|file| &file.path))
            .finish()
    }
}

impl Credentials {
    /// # Errors
    /// The token could not be sent: empty, or with characters that no header holds.
    pub(crate) fn set_token(&mut self, token: &str) -> Result<(), &'static str> {
        let value = bearer(token)?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    pub(crate) fn set_token_file(&mut self, path: PathBuf) {
        self.file = Some(TokenFile::new(path));
    }

    /// # Errors
    /// No header, or one that is not the user's to set.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let name =
            HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| "this is not a header's name")?;
        if name == "proxy-authorization" {
            return Err(
                "a proxy is told by the user and password in its URL: `proxy(\"http://user:password@host\")`",
            );
        }
        if RESERVED.contains(&name.as_str()) {
            return Err("this header is set by the delivery itself");
        }
        let mut value = text(value.trim()).ok_or("its value has characters that no header can hold")?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.file.is_none()
    }

    /// Adds what a request needs.
    ///
    /// # Errors
    /// The token's file cannot be read or holds none.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) -> Result<(), String> {
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        match &self.file {
            Some(file) if !self.headers.contains_key(AUTHORIZATION) => {
                headers.insert(AUTHORIZATION, file.token()?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The endpoint did not take the credentials: the next request reads the file again.
    pub(crate) fn refused(&self) {
        if let Some(file) = &self.file {
            file.stale.store(true, Ordering::Relaxed);
        }
    }

    /// A text without any of the values.
    pub(crate) fn scrub(&self, text: String) -> String {
        let values = self.headers.values().filter_map(|value| value.to_str().ok().map(str::to_owned));
        let read = self.file.as_ref().and_then(TokenFile::last).into_iter();
        values.chain(read).fold(text, |text, value| {
            let token = value.strip_prefix("Bearer ").unwrap_or(&value);
            // A word so short is no secret, and would be cut out of every text.
            if token.len() < 4 { text } else { text.replace(token, "***") }
        })
    }
}

fn bearer(token: &str) -> Result<HeaderValue, &'static str> {
    let token = token.trim();
    if token.is_empty() {
        return Err("it is empty");
    }
    if token.bytes().any(|byte| byte.is_ascii_whitespace()) {
        return Err("it has a space or a line break in it");
    }
    let mut value = text(&format!("Bearer {token}")).ok_or("it has characters that no header can hold")?;
    value.set_sensitive(true);
    Ok(value)
}

/// A header's value of visible ASCII: what lies beyond it means something else to each server.
fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok().filter(|value| value.to_str().is_ok())
}

/// A file that holds the token, as orchestrators mount and rotate them.
struct TokenFile {
    path: PathBuf,
    /// It was refused: read it whatever its time says.
    stale: AtomicBool,
    read: Mutex<Option<Read>>,
}

struct Read {
    at: Instant,
    stamp: Option<(SystemTime, u64)>,
    token: HeaderValue,
}

impl TokenFile {
    fn new(path: PathBuf) -> Self {
        Self { path, stale: AtomicBool::new(false), read: Mutex::new(None) }
    }

    fn last(&self) -> Option<String> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.as_ref().and_then(|read| read.token.to_str().ok().map(str::to_owned))
    }

    fn token(&self) -> Result<HeaderValue, String> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = self.stale.swap(false, Ordering::Relaxed);
        if let Some(known) = read.as_mut().filter(|_| !stale) {
            if known.at.elapsed() < LOOK_EVERY {
                return Ok(known.token.clone());
            }
            known.at = Instant::now();
            // While it is being replaced it may be gone: what was read last goes on until it is refused.
            let now = stamp(&self.path);
            if now.is_none() || now == known.stamp {
                return Ok(known.token.clone());
            }
        }
        let shown = self.path.display();
        let fresh = Read {
            at: Instant::now(),
            stamp: stamp(&self.path),
            token: bearer(&contents(&self.path).map_err(|error| format!("the token file {shown}: {error}"))?)
                .map_err(|why| format!("the token file {shown}: {why}"))?,
        };
        Ok(read.insert(fresh).token.clone())
    }
}

/// When a file was written, and how long it is.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn contents(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let about = std::fs::metadata(path)?;
    if !about.is_file() || about.len() > MAX_TOKEN_BYTES {
        // A pipe would hold the delivery up.
        return Err(std::io::Error::other("it is not a small file"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_TOKEN_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// A text that no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) Arc<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(credentials: &Credentials) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        credentials.apply(&mut headers)?;
        assert!(headers.values().all(HeaderValue::is_sensitive));
        Ok(headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_token_is_sent_as_a_bearer_and_shown_nowhere() {
        let mut credentials = Credentials::default();
        credentials.set_token(" secret-word\n").unwrap();
        credentials.set_header("X-Key", "other-word").unwrap();
        assert_eq!(sent(&credentials).unwrap().as_deref(), Some("Bearer secret-word"));
        let text = format!("{credentials:?}");
        assert!(text.contains("x-key") && !text.contains("word"), "{text}");
        assert_eq!(credentials.scrub("no secret-word, no other-word".into()), "no ***, no ***");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_being_repeated() {
        let mut credentials = Credentials::default();
        for token in ["", "  ", "two words", "line\nbreak", "\u{1F512}"] {
            assert!(credentials.set_token(token).is_err(), "{token}");
        }
        for (name, value) in
            [("content-length", "1"), ("Host", "h"), ("a b", "x"), ("x", "a\r\nb"), ("x", "ä"), ("", "x")]
        {
            assert!(credentials.set_header(name, value).is_err(), "{name}");
        }
        assert!(credentials.set_header("Proxy-Authorization", "x").unwrap_err().contains("proxy("));
        assert!(credentials.is_empty());
    }

    #[test]
    fn a_token_file_is_read_again_when_it_was_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let mut credentials = Credentials::default();
        credentials.set_token_file(path.clone());
        assert!(sent(&credentials).unwrap_err().contains("token file"));
        std::fs::write(&path, "first\n").unwrap();
        assert_eq!(sent(&credentials).unwrap().as_deref(), Some("Bearer first"));
        std::fs::write(&path, "other").unwrap();
        credentials.refused();
        assert_eq!(sent(&credentials).unwrap().as_deref(), Some("Bearer other"));
        assert!(!credentials.scrub("the token other".into()).contains("other"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sent(&credentials).unwrap().as_deref(), Some("Bearer other"), "what was read goes on");
        credentials.refused();
        assert!(sent(&credentials).is_err());
    }

    #[test]
    fn a_token_file_is_read_again_when_it_changed() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path().join("token"));
        std::fs::write(&file.path, "first").unwrap();
        assert_eq!(file.token().unwrap(), "Bearer first");
        std::fs::write(&file.path, "second").unwrap();
        // As if it had been looked at long ago.
        file.read.lock().unwrap().as_mut().unwrap().at = Instant::now().checked_sub(2 * LOOK_EVERY).unwrap();
        assert_eq!(file.token().unwrap(), "Bearer second");
    }
}
