//! A real timeline on a free port, and the requests that the tests make of it.

#![allow(dead_code, reason = "each test file uses its own part")]

use mcpcat_timeline::{Running, Timeline, TimelineBuilder};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

pub(crate) struct Collector {
    pub(crate) running: Running,
    pub(crate) http: Client,
    /// Keeps the data file until the test ends.
    pub(crate) folder: tempfile::TempDir,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// Over a data file of its own, with settings.
    pub(crate) async fn with(settings: impl FnOnce(TimelineBuilder) -> TimelineBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = Timeline::builder().data(folder.path().join("events.sqlite3"));
        let running = settings(builder).start().await.unwrap();
        Self { running, http: Client::new(), folder }
    }

    /// Around one that runs already.
    pub(crate) fn over(running: Running, folder: tempfile::TempDir) -> Self {
        Self { running, http: Client::new(), folder }
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("events.sqlite3")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// Sends a body as the SDKs do.
    pub(crate) async fn post_raw(&self, body: impl Into<reqwest::Body>) -> Response {
        self.request(Method::POST, "/v1/public/events/")
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, event: &Value) {
        let response = self.post_raw(event.to_string()).await;
        let status = response.status();
        assert_eq!(status, StatusCode::ACCEPTED, "{}", response.text().await.unwrap());
    }

    pub(crate) async fn batch(&self, lines: &str) -> Value {
        let response = self.batch_raw(lines.to_owned(), None).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub(crate) async fn batch_raw(&self, body: impl Into<reqwest::Body>, encoding: Option<&str>) -> Response {
        let mut request = self
            .request(Method::POST, "/v1/public/events/batch")
            .header("content-type", "application/x-ndjson");
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.body(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn sessions(&self, query: &str) -> Vec<Value> {
        self.get(&format!("/api/v1/sessions{query}")).await["sessions"].as_array().unwrap().clone()
    }

    pub(crate) async fn session_ids(&self, query: &str) -> Vec<String> {
        self.sessions(query).await.iter().map(|row| row["session_id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn events(&self, session: &str) -> Vec<Value> {
        self.get(&format!("/api/v1/sessions/{session}/events")).await["events"].as_array().unwrap().clone()
    }
}

/// Starts over a data file that was in use a moment ago. A process that another test starts at this moment holds a copy of the
/// lock until it runs its own program.
pub(crate) async fn start_again(builder: TimelineBuilder) -> Running {
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match builder.clone().start().await {
            Err(mcpcat_timeline::Error::InUse { .. }) if std::time::Instant::now() < patience => {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            other => return other.unwrap(),
        }
    }
}

/// A custom event with a name.
pub(crate) fn custom(id: &str, session: &str, name: &str) -> Value {
    json!({
        "id": id, "project_id": "proj_test", "session_id": session, "event_type": "mcpcat:custom",
        "resource_name": name, "timestamp": "2026-11-22T10:00:00.000000Z",
    })
}

/// Every captured request body of the official SDKs, with the file it is from.
pub(crate) fn captures() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/captures");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut bodies = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let request: Value = serde_json::from_str(line).unwrap();
            if request["path"] == "/v1/public/events/" {
                bodies.push((name.clone(), request["body"].clone()));
            }
        }
    }
    assert!(bodies.len() >= 60, "only {} captured requests", bodies.len());
    bodies
}

/// A small file system of its own, or `None` where this user may mount none.
#[cfg(target_os = "linux")]
pub(crate) struct SmallDisk {
    pub(crate) path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

#[cfg(target_os = "linux")]
impl SmallDisk {
    pub(crate) fn of(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small");
        std::fs::create_dir(&path).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "tmpfs"])
            .arg(&path)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("no right to mount a file system here: the full disk was not tried");
            return None;
        }
        Some(Self { path, _folder: folder })
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

/// Gives a data file at rest the tables that format 4 had, in which the text of an event stood beside its columns.
pub(crate) fn as_format_4(data: &std::path::Path) {
    let db = rusqlite::Connection::open(data).unwrap();
    db.execute_batch(
        "DROP TRIGGER event_gone;
         DROP INDEX event_id; DROP INDEX event_order; DROP INDEX event_error; DROP INDEX event_failure;
         ALTER TABLE event RENAME TO later;
         CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, project TEXT NOT NULL, session INTEGER NOT NULL,
           at INTEGER NOT NULL, instance TEXT NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL, type TEXT NOT NULL,
           name TEXT, error INTEGER NOT NULL, received INTEGER NOT NULL, parent TEXT, took INTEGER,
           suspect INTEGER NOT NULL, body TEXT NOT NULL);
         CREATE UNIQUE INDEX event_id ON event(id, project);
         CREATE INDEX event_outline ON event(session, at, instance, sequence, id, parent, took, error, suspect, type, name);
         CREATE INDEX event_error ON event(seq) WHERE error = 1;
         CREATE INDEX event_failure ON event(session, parent, project) WHERE error = 1;
         INSERT INTO event SELECT later.*, text FROM later JOIN body USING (seq);
         DROP TABLE later; DROP TABLE body; PRAGMA user_version = 4; VACUUM;",
    )
    .unwrap();
}
