//! Credentials of a program that runs: a token that is rotated while a thousand events wait, and where tokens must not be.

#![allow(clippy::print_stdout, reason = "figures for people")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::sync::watch;

use crate::consent::{Running, command, holding};
use crate::support::PATIENCE;

const OLD: &str = "old-token-9f3a";
const NEW: &str = "new-token-77c1";
const OWN: &str = "own-header-51be";

/// A collector that asks for a token, which can change.
struct Guarded {
    url: String,
    wanted: Arc<Mutex<&'static str>>,
    /// How often each event was taken.
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
    refused: watch::Receiver<usize>,
}

impl Guarded {
    async fn start(wanted: &'static str) -> Self {
        let wanted = Arc::new(Mutex::new(wanted));
        let taken = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let (refuse, refused) = watch::channel(0);
        let answer = {
            let (wanted, taken) = (Arc::clone(&wanted), Arc::clone(&taken));
            move |headers: HeaderMap, body: Bytes| -> Response {
                let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                let is_good = token == Some(&format!("Bearer {}", *wanted.lock().unwrap()));
                if !is_good || headers.get("x-own").is_none_or(|value| value != OWN) {
                    refuse.send_modify(|count| *count += 1);
                    return StatusCode::UNAUTHORIZED.into_response();
                }
                let body: Value = serde_json::from_slice(&body).unwrap();
                *taken.lock().unwrap().entry(body["id"].as_str().unwrap().to_owned()).or_default() += 1;
                StatusCode::ACCEPTED.into_response()
            }
        };
        let router = axum::Router::new().fallback(move |headers, body| async move { answer(headers, body) });
        Self { url: serve(router).await, wanted, taken, refused }
    }

    fn taken(&self) -> BTreeMap<String, usize> {
        self.taken.lock().unwrap().clone()
    }
}

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// The file is replaced as orchestrators do it: another one takes its name. The collector wants the new token before the
/// file has it, so that it answers 401 in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_rotated_while_a_thousand_events_wait_loses_and_doubles_none() {
    let home = tempfile::tempdir().unwrap();
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("token");
    std::fs::write(&file, format!("{OLD}\n")).unwrap();
    let mut collector = Guarded::start(OLD).await;
    let start = |ways: &[&str]| {
        let arguments = [&["lines", "--header", OWN], ways].concat();
        let mut program = command(home.path(), &collector.url, &arguments);
        program.env("MCPCAT_TOKEN_FILE", &file);
        Running::start(program)
    };
    let mut quiet = start(&[]);
    let mut loud = start(&["--log", "--application", "other"]);
    // With the old token something arrives.
    for program in [&mut quiet, &mut loud] {
        program.say("publish first").await;
        assert!(program.say("flush").await.contains("delivered 1 "), "the old token is taken");
    }
    *collector.wanted.lock().unwrap() = NEW;
    quiet.say("many 500").await;
    loud.say("many 500").await;
    let refused = collector.refused.wait_for(|count| *count >= 4);
    tokio::time::timeout(PATIENCE, refused).await.expect("401 in between").unwrap();
    assert_eq!(collector.taken().len(), 2, "nothing is taken with the old token");
    // While they wait: the tokens are in no file of ours.
    for word in [OLD, NEW, OWN] {
        assert_eq!(holding(home.path(), word), [] as [PathBuf; 0], "{word}");
    }
    assert!(!holding(home.path(), "numbered").is_empty(), "a thousand events wait on the disk");
    let replaced = secrets.path().join("token.new");
    std::fs::write(&replaced, format!("{NEW}\n")).unwrap();
    std::fs::rename(&replaced, &file).unwrap();
    let mut said = Vec::new();
    for mut program in [quiet, loud] {
        let flushed = program.say("flush").await;
        assert!(flushed.contains("delivered 501 "), "{flushed}");
        said.push(program.say("stats").await);
        said.push(program.say("status").await);
        said.extend(program.end().await);
    }
    let taken = collector.taken();
    assert_eq!((taken.len(), taken.values().max()), (1_002, Some(&1)), "all of them, each once");
    assert!(said.iter().any(|line| line.contains("answered 401")), "{said:#?}");
    for word in [OLD, NEW, OWN] {
        assert!(!said.iter().any(|line| line.contains(word)), "{word}: {said:#?}");
        assert_eq!(holding(home.path(), word), [] as [PathBuf; 0], "{word}");
    }
    let refused = *collector.refused.borrow();
    println!("{} events taken once each, {refused} answers of 401 in between", taken.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_another_origin_gets_no_credentials_and_neither_does_a_log() {
    let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
    let kept = Arc::clone(&seen);
    let other = serve(axum::Router::new().fallback(move |headers: HeaderMap| async move {
        kept.lock().unwrap().push(headers);
        StatusCode::ACCEPTED
    }))
    .await;
    let (asked, mut asks) = watch::channel(0);
    let url = serve(axum::Router::new().fallback(move || async move {
        asked.send_modify(|count| *count += 1);
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{other}/v1/public/events/"))])
    }))
    .await;
    let home = tempfile::tempdir().unwrap();
    let mut program = command(home.path(), &url, &["lines", "--header", OWN, "--log"]);
    program.env("MCPCAT_TOKEN", OLD);
    let mut program = Running::start(program);
    program.say("publish redirected").await;
    tokio::time::timeout(PATIENCE, asks.wait_for(|count| *count >= 2)).await.expect("it is asked").unwrap();
    let mut said = vec![program.say("stats").await, program.say("status").await];
    said.extend(program.kill().await);
    assert!(seen.lock().unwrap().is_empty(), "the other origin has seen nothing");
    assert!(said[0].contains("1 pending"), "{said:#?}");
    for word in [OLD, OWN] {
        assert!(!said.iter().any(|line| line.contains(word)), "{word}: {said:#?}");
        assert_eq!(holding(home.path(), word), [] as [PathBuf; 0], "{word}");
    }
    assert!(!holding(home.path(), "redirected").is_empty(), "the event waits");
}

/// A token in the path of the address is no part of what tells one program's events from another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_token_in_the_path_orphans_nothing_and_is_in_no_file() {
    let home = tempfile::tempdir().unwrap();
    let taken = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&taken);
    let url = serve(axum::Router::new().fallback(move |uri: axum::http::Uri| async move {
        let path = uri.path().to_owned();
        match path.starts_with(&format!("/t/{NEW}/")) {
            true => {
                kept.lock().unwrap().push(path);
                StatusCode::ACCEPTED
            }
            false => StatusCode::UNAUTHORIZED,
        }
    }))
    .await;
    let mut program = Running::start(command(home.path(), &format!("{url}/t/{OLD}"), &["lines", "--log"]));
    program.say("publish waits").await;
    program.hears("answered 401").await;
    let mut said = vec![program.say("status").await, program.say("stats").await];
    said.extend(program.kill().await);
    assert!(!holding(home.path(), "waits").is_empty());
    let mut program = Running::start(command(home.path(), &format!("{url}/t/{NEW}"), &["lines", "--log"]));
    let flushed = program.say("flush").await;
    assert!(flushed.contains("delivered 1 "), "{flushed}");
    said.extend(program.end().await);
    assert_eq!(taken.lock().unwrap().len(), 1);
    for word in [OLD, NEW] {
        assert!(!said.iter().any(|line| line.contains(word)), "{word}: {said:#?}");
        assert_eq!(holding(home.path(), word), [] as [PathBuf; 0], "{word}");
    }
}

/// The proxy in use is named, without its password; that none is, is said too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_is_named_in_the_status_and_in_the_first_line() {
    let home = tempfile::tempdir().unwrap();
    let far = "http://collector.invalid";
    let ask = async |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut program = command(home.path(), far, &[&["lines"], arguments].concat());
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            program.env_remove(variable).env_remove(variable.to_ascii_lowercase());
        }
        let mut program = Running::start({
            program.envs(environment.iter().copied());
            program
        });
        let status = program.say("status").await;
        let said = program.end().await;
        (status, said.first().cloned().unwrap_or_default())
    };
    let secret = "http://user:proxy-word@127.0.0.1:9";
    for (arguments, environment, way) in [
        (&["--dead-proxy", secret][..], &[][..], "through the proxy http://***@127.0.0.1:9"),
        (&[], &[("MCPCAT_PROXY", secret)], "through the proxy http://***@127.0.0.1:9"),
        (&[], &[("http_proxy", "http://127.0.0.1:9")], "through the proxy http://127.0.0.1:9"),
        (&[], &[("ALL_PROXY", "http://127.0.0.1:9")], "through the proxy http://127.0.0.1:9"),
        (
            &[],
            &[("http_proxy", "http://127.0.0.1:9"), ("NO_PROXY", "collector.invalid")],
            "directly (proxy settings of the system are not read)",
        ),
        (&[], &[], "directly (proxy settings of the system are not read)"),
    ] {
        let (status, first) = ask(arguments, environment).await;
        println!("{arguments:?} {environment:?}: {way}");
        for line in [status, first] {
            assert!(line.contains(way), "{line}");
            assert!(!line.contains("proxy-word"), "{line}");
        }
    }
}
