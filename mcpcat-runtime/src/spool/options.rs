//! What a spool is opened with: bounds, policy, place, and whose events it holds.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::sizes::Sizes;
use super::{Backend, Overflow};

/// Whose events a run directory holds. A later start adopts only runs of its own application, project and endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Manifest {
    /// Name of the program.
    pub application: String,
    /// Project that the events are for.
    pub project: String,
    /// Where they are to be sent: without user, token, query and fragment, which change or must not be on a disk.
    pub endpoint: String,
    /// Another name of the program: what earlier versions took for it.
    pub(crate) former_application: Option<String>,
}

impl Manifest {
    /// A manifest from its three parts. Of the URL only what says where events go is kept.
    pub fn new(
        application: impl Into<String>,
        project: impl Into<String>,
        base_url: impl AsRef<str>,
    ) -> Self {
        Self {
            application: application.into(),
            project: project.into(),
            endpoint: endpoint(base_url.as_ref()),
            former_application: None,
        }
    }

    /// What earlier versions took for the program's name.
    pub(crate) fn formerly(mut self, application: String) -> Self {
        self.former_application = Some(application);
        self
    }

    /// Whether a run of version 1 with this manifest is one of these.
    pub(super) fn is_of_former(&self, former: &Self) -> bool {
        let names = [Some(&self.application), self.former_application.as_ref()];
        names.contains(&Some(&former.application))
            && self.project == former.project
            && self.endpoint == former.endpoint
    }

    /// What the run's name says of all that.
    pub(crate) fn identity(&self) -> u64 {
        let mut digest = Sha256::new();
        for part in [&self.application, &self.project, &self.endpoint] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part.as_bytes());
        }
        digest.finalize().iter().take(8).fold(0, |identity, byte| identity << 8 | u64::from(*byte))
    }
}

/// The part of a base URL that says where events go: scheme, host, port and path, without user information, query,
/// fragment and the token that stands in the path as `/t/TOKEN`.
fn endpoint(base_url: &str) -> String {
    let text = base_url.trim();
    let text = &text[..text.find(['?', '#']).unwrap_or(text.len())];
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let scheme = scheme.to_ascii_lowercase();
    let standard = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(standard).unwrap_or(&host);
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let mut endpoint = format!("{scheme}://{host}");
    while let Some(segment) = segments.next() {
        if segment == "t" && segments.peek().is_some() {
            segments.next();
            continue;
        }
        endpoint.push('/');
        endpoint.push_str(segment);
    }
    endpoint
}

/// How to open a spool. Every setting has a default; values out of range are moved to the nearest that works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Bytes of records that may wait. 64 MiB. The segments that they are in take at most one segment more.
    pub cap_bytes: u64,
    /// Bytes of a large segment. 4 MiB. While little flows, segments are a quarter or a sixteenth of it; a larger
    /// record gets a segment that fits.
    pub segment_bytes: u64,
    /// What happens when the cap is reached.
    pub overflow: Overflow,
    /// Where segments live.
    pub backend: Backend,
    /// Where `mcpcat/spool` is made. `None`: `MCPCAT_STATE_DIR`, else the platform's state directory.
    pub state_dir: Option<PathBuf>,
    /// Whose events these are.
    pub manifest: Manifest,
    /// Bytes of records that may wait in all run directories of this state directory together. 256 MiB. Over it new
    /// records are refused; nothing is deleted.
    pub total_bytes: u64,
    /// Age at which a run that no process holds is given up: see [`Orphan::is_expired`](super::Orphan::is_expired). 7
    /// days.
    pub max_age: Duration,
    /// How long a record that was reserved but not committed holds up those behind it. 50 ms. It is not lost:
    /// it is handed out late, once its producer commits it.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cap_bytes: 64 << 20,
            segment_bytes: 4 << 20,
            overflow: Overflow::default(),
            backend: Backend::default(),
            state_dir: None,
            manifest: Manifest::default(),
            total_bytes: 256 << 20,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            stall: Duration::from_millis(50),
        }
    }
}

impl Options {
    /// The defaults, for events of `manifest`.
    pub fn new(manifest: Manifest) -> Self {
        Self { manifest, ..Self::default() }
    }

    /// Sets [`cap_bytes`](Self::cap_bytes).
    #[must_use]
    pub fn cap_bytes(mut self, bytes: u64) -> Self {
        self.cap_bytes = bytes;
        self
    }

    /// Sets [`segment_bytes`](Self::segment_bytes).
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// Sets [`overflow`](Self::overflow).
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Sets [`backend`](Self::backend).
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Sets [`state_dir`](Self::state_dir).
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_dir = Some(path.into());
        self
    }

    /// Sets [`manifest`](Self::manifest).
    #[must_use]
    pub fn manifest(mut self, manifest: Manifest) -> Self {
        self.manifest = manifest;
        self
    }

    /// Sets [`total_bytes`](Self::total_bytes).
    #[must_use]
    pub fn total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }

    /// Sets [`max_age`](Self::max_age).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Sets [`stall`](Self::stall).
    #[must_use]
    pub fn stall(mut self, bound: Duration) -> Self {
        self.stall = bound;
        self
    }

    /// The sizes of segments that these bounds allow.
    pub(super) fn sizes(&self, most_file: Option<u64>) -> Option<Sizes> {
        Sizes::new(self.segment_bytes, self.cap_bytes, most_file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_same_whatever_its_credentials() {
        let same = [
            "https://collector.example",
            "https://collector.example/",
            "HTTPS://Collector.example:443",
            "https://user:pw@collector.example/t/one",
            "https://collector.example/t/two/?key=three#four",
        ];
        for url in same {
            assert_eq!(endpoint(url), "https://collector.example", "{url}");
        }
        assert_eq!(endpoint("http://[::1]:8080/base/t/one/more"), "http://[::1]:8080/base/more");
        assert_eq!(endpoint("http://host/t"), "http://host/t", "not a token");
        let of = |app: &str, url: &str| Manifest::new(app, "p", url).identity();
        assert_eq!(of("a", same[0]), of("a", same[4]));
        assert_ne!(of("a", same[0]), of("b", same[0]));
        assert_ne!(of("a", same[0]), of("a", "http://collector.example"));
    }
}
