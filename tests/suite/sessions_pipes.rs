//! Which session a request belongs to where the transport has one client: child processes over stdio, and pipes
//! inside a process. A session ends with its pipe, or when nobody has asked for anything for half an hour.

use std::collections::BTreeSet;
use std::time::Duration;

use rmcp::model::{ClientCapabilities, ClientConfig, Implementation};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

use crate::stdio::example;
use crate::support::{Collector, PATIENCE, Sample, call, connect, of_type};

/// How a client calls itself.
pub fn called(name: &str) -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new(name, "1.0"))
}

/// A client of this name over a pipe.
async fn pipe<H: ServerHandler>(
    server: mcpcat::Tracked<H>,
    name: &str,
) -> RunningService<RoleClient, ClientConfig> {
    let (client_io, server_io) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(running) = server.serve(server_io).await {
            let _ = running.waiting().await;
        }
    });
    called(name).serve(client_io).await.unwrap()
}

/// The session of a client's events; there is one.
fn session_of(bodies: &[Value], client: &str) -> String {
    let of_client = bodies.iter().filter(|body| body["client_name"] == client);
    let sessions: BTreeSet<_> = of_client.map(|body| body["session_id"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), 1, "{client}: {bodies:#?}");
    sessions.into_iter().next().unwrap().to_owned()
}

#[tokio::test]
async fn two_processes_are_two_sessions_which_end_with_their_stdin() {
    let collector = Collector::start().await;
    let start = async |name: &str| {
        let mut command = example();
        command.env("MCPCAT_API_URL", &collector.url);
        called(name).serve(TokioChildProcess::new(command).unwrap()).await.unwrap()
    };
    let (first, second) = tokio::join!(start("first"), start("second"));
    let roll = || call("roll", json!({ "sides": 6 }));
    let (one, two) = tokio::join!(first.call_tool(roll()), second.call_tool(roll()));
    assert_eq!((one.unwrap().is_error, two.unwrap().is_error), (Some(false), Some(false)));
    // Closes the child's stdin and waits for its end: it delivers before it goes.
    first.cancel().await.unwrap();
    second.cancel().await.unwrap();
    // Each a handshake, a call, the throw and the roll.
    collector.wait(8).await;
    let bodies = collector.bodies();
    let (first, second) = (session_of(&bodies, "first"), session_of(&bodies, "second"));
    assert_ne!(first, second);
    for session in [&first, &second] {
        let events: Vec<_> = bodies.iter().filter(|body| body["session_id"] == **session).collect();
        assert_eq!(events.len(), 4, "{events:#?}");
    }
    // The next process of the same program is the next session.
    let third = start("third").await;
    third.call_tool(roll()).await.unwrap();
    third.cancel().await.unwrap();
    collector.wait(12).await;
    let third = session_of(&collector.bodies(), "third");
    assert!(third != first && third != second);
}

#[tokio::test]
async fn two_pipes_at_once_are_two_sessions() {
    let collector = Collector::start().await;
    let client = collector.client();
    let make = || client.track(Sample);
    let (first, second) = tokio::join!(pipe(make(), "first"), pipe(make(), "second"));
    let greet = |name: &'static str| call("greet", json!({ "name": name }));
    for _ in 0..2 {
        let (one, two) = tokio::join!(first.call_tool(greet("one")), second.call_tool(greet("two")));
        assert!(one.is_ok() && two.is_ok());
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    assert_eq!(bodies.len(), 10, "a handshake each, two calls each with one event of its own");
    assert_ne!(session_of(&bodies, "first"), session_of(&bodies, "second"));
    for greeted in bodies.iter().filter(|body| body["resource_name"] == "greeted") {
        let expected = if greeted["parameters"]["name"] == "one" { "first" } else { "second" };
        assert_eq!(greeted["client_name"], expected, "{greeted}");
    }
}

/// The clock of the runtime goes on by itself, and jumps where the test says so.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn half_an_hour_without_a_request_ends_the_session_of_a_pipe() {
    const MINUTE: Duration = Duration::from_secs(60);
    let collector = Collector::start().await;
    let client = collector.client();
    let server = || client.track(Sample).server_info(("sample", "1"));
    let (idle, busy) = tokio::join!(pipe(server(), "idle"), pipe(server(), "busy"));
    let greet = |name: &'static str| call("greet", json!({ "name": name }));
    idle.call_tool(greet("before")).await.unwrap();
    for _ in 0..4 {
        // Nine minutes each: the busy one never rests for half an hour.
        pass(9 * MINUTE).await;
        busy.call_tool(greet("now and then")).await.unwrap();
    }
    idle.call_tool(greet("after")).await.unwrap();
    idle.call_tool(greet("and on")).await.unwrap();
    pass(29 * MINUTE).await;
    idle.call_tool(greet("within")).await.unwrap();
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    session_of(&bodies, "busy");
    let session = |name: &str| {
        let mut of = bodies.iter().filter(|body| body["parameters"] == json!({ "name": name }));
        let event = of.next().unwrap();
        let call = bodies.iter().find(|body| body["id"] == event["parent_id"]).unwrap();
        assert_eq!(call["session_id"], event["session_id"], "a call and its event stay together");
        // The new session knows its two ends: there is no handshake in it.
        assert_eq!((&event["client_name"], &event["server_name"]), (&json!("idle"), &json!("sample")));
        event["session_id"].clone()
    };
    assert_ne!(session("before"), session("after"));
    assert_eq!(session("after"), session("and on"));
    assert_eq!(session("after"), session("within"), "29 minutes are not half an hour");
    let opened = of_type(&bodies, "mcp:initialize");
    assert_eq!(opened.len(), 2, "nobody has connected again");
    assert!(opened.iter().any(|opened| opened["session_id"] == session("before")));
}

#[tokio::test]
async fn a_client_that_connects_again_to_a_pipe_begins_a_session() {
    let collector = Collector::start().await;
    let client = collector.client();
    for name in ["once", "again"] {
        let agent = connect(client.track(Sample)).await;
        agent.call_tool(call("greet", json!({ "name": name }))).await.unwrap();
        agent.cancel().await.unwrap();
    }
    let _ = client.flush(PATIENCE).await;
    let bodies = collector.bodies();
    let opened: BTreeSet<_> =
        of_type(&bodies, "mcp:initialize").iter().map(|body| body["session_id"].to_string()).collect();
    let called: BTreeSet<_> =
        of_type(&bodies, "mcp:tools/call").iter().map(|body| body["session_id"].to_string()).collect();
    assert_eq!((opened.len(), &opened), (2, &called));
}
