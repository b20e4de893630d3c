//! Names alone: a server whose arguments, results, errors and names hold a marker, which must be in no request, no file
//! and no line of a log. What is left is listed in `docs/consent.md`.

#![allow(clippy::print_stdout, reason = "figures for people")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use crate::consent::{Running, command, holding, switched};

const MARKER: &str = "Mark4711";

/// Everything that a client can say.
async fn converse(server: &mut Running) {
    server.shake_hands(MARKER, "1.2.3").await;
    server.request("tools/list", json!({})).await;
    let meta =
        json!({ "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", MARKER: MARKER });
    let arguments = json!({ "text": MARKER, MARKER: MARKER, "context": MARKER, "agent_id": MARKER });
    for tool in ["work", "fail", "refuse", MARKER] {
        server.request("tools/call", json!({ "name": tool, "arguments": arguments, "_meta": meta })).await;
    }
    server.request("prompts/get", json!({ "name": MARKER, "arguments": { MARKER: MARKER } })).await;
    server.request("resources/read", json!({ "uri": format!("file:///{MARKER}") })).await;
    server.request(&format!("{MARKER}/secret"), json!({ MARKER: MARKER })).await;
}

/// The members that a body has, the keys of `error` and `properties` with them.
fn members(bodies: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for body in bodies {
        for (key, value) in body.as_object().unwrap() {
            match value.as_object().filter(|_| key == "error" || key == "properties") {
                Some(inside) => found.extend(inside.keys().map(|inner| format!("{key}.{inner}"))),
                None => {
                    found.insert(key.clone());
                }
            }
        }
    }
    found
}

/// With the option on the builder, on the tracked server, and with the variable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_marker_is_on_the_wire_on_disk_or_in_a_log() {
    let ways: [(&str, &[&str], bool); 3] = [
        ("builder", &["--names-only"], false),
        ("tracked", &["--tracked-names-only"], false),
        ("variable", &[], true),
    ];
    for (way, options, variable) in ways {
        let home = tempfile::tempdir().unwrap();
        let (collector, works) = switched().await;
        let start = |log: bool| {
            let mut arguments = vec!["serve", "--planted", MARKER];
            arguments.extend(options);
            arguments.extend(log.then_some("--log"));
            let mut server = command(home.path(), &collector.url, &arguments);
            server.envs(variable.then_some(("MCPCAT_PAYLOADS", "none")));
            Running::start(server)
        };
        // While the collector fails, everything waits on the disk; then the process is killed.
        let mut server = start(true);
        converse(&mut server).await;
        collector.wait(1).await;
        assert!(!holding(home.path(), "annotated").is_empty(), "{way}: events wait on the disk");
        assert_eq!(holding(home.path(), MARKER), [] as [PathBuf; 0], "{way}");
        let mut said = server.kill().await;
        assert!(said.iter().any(|line| line.contains("names of tools")), "{way}: {said:#?}");
        // The next one delivers it, and its own, and says on stderr what there is to say.
        works.store(true, Ordering::SeqCst);
        let failed = collector.received().len();
        let mut server = start(false);
        converse(&mut server).await;
        // Of 9 requests each (with `initialize`) one is of a method that the collector does not offer to take, and `work`
        // raises five events.
        collector.wait(failed + 2 * 13).await;
        said.extend(server.end().await);
        let bodies = collector.bodies().split_off(failed);
        for request in collector.received() {
            let head = format!("{:?} {:?}", request.uri, request.headers);
            let body = String::from_utf8_lossy(&request.bytes);
            assert!(!head.contains(MARKER) && !body.contains(MARKER), "{way}: {head} {body}");
        }
        assert_eq!(holding(home.path(), MARKER), [] as [PathBuf; 0], "{way}");
        assert!(!said.iter().any(|line| line.contains(MARKER)), "{way}: {said:#?}");

        let left = members(&bodies);
        println!("{way}: {} events; left: {left:?}", bodies.len());
        let names: BTreeSet<&str> = bodies.iter().filter_map(|body| body["resource_name"].as_str()).collect();
        let expected =
            ["annotated", "annotated.fails", "emitted", "emitted.fails", "fail", "refuse", "typed", "work"];
        assert_eq!(names, BTreeSet::from(expected), "{way}");
        let work = bodies.iter().find(|body| body["resource_name"] == "work").unwrap();
        assert!(work["properties"]["mcpcat_request_bytes"].as_u64().unwrap() > 100, "{work}");
        assert!(work["properties"]["mcpcat_response_bytes"].as_u64().unwrap() > 40, "{work}");
        assert_eq!((&work["client_version"], &work["is_error"]), (&json!("1.2.3"), &json!(false)), "{work}");
        let fails = bodies.iter().find(|body| body["resource_name"] == "annotated.fails").unwrap();
        assert_eq!(fails["error"]["message"], "not recorded", "{fails}");
        assert!(fails["error"]["type"].as_str().unwrap().ends_with("NoSuchCustomer"), "{fails}");
        assert_eq!(fails["parent_id"], work_of(&bodies, fails), "{fails}");
        let page = include_str!("../../docs/consent.md");
        let (_, table) = page.split_once("<!-- left -->").unwrap();
        let (table, _) = table.split_once("Not recorded:").unwrap();
        for member in left {
            let name = member.rsplit('.').next().unwrap();
            assert!(
                table.contains(&format!("`{name}`")) || name == "platform",
                "{way}: {member} is not in the table"
            );
        }
    }
}

/// The id of the call that an event was raised in, which is one of `work`.
fn work_of(bodies: &[Value], event: &Value) -> Value {
    let of = |body: &&Value| body["resource_name"] == "work" && body["id"] == event["parent_id"];
    bodies.iter().find(of).expect("the call of `work`")["id"].clone()
}

/// What an earlier process wrote in full, and what it was refused, is cut down before it is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_in_full_is_cut_down_before_it_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let (collector, works) = switched().await;
    let start = |options: &[&str]| {
        Running::start(command(home.path(), &collector.url, &[&["serve"], options].concat()))
    };
    let mut full = start(&["--planted", MARKER]);
    converse(&mut full).await;
    collector.wait(1).await;
    assert!(!holding(home.path(), MARKER).is_empty());
    full.kill().await;
    let failed = collector.received().len();
    works.store(true, Ordering::SeqCst);
    let server = start(&["--names-only"]);
    collector.wait(failed + 13).await;
    server.end().await;
    for body in collector.bodies().split_off(failed) {
        assert!(!body.to_string().contains(MARKER), "{body}");
    }
    assert_eq!(holding(home.path(), MARKER), [] as [PathBuf; 0], "it is gone when it has arrived");
}
