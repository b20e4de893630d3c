//! `delivery(FlushBeforeResponse(..))`: an answer waits for its events, for as long as was allowed, and holds up nothing else.

use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use mcpcat::{Client, Delivery};
use serde_json::json;

use crate::sessions::{agent, serve};
use crate::support::{Collector, PATIENCE, PROJECT, Sample, call, connect, named, of_type, state_dir};

fn waiting(url: &str, most: Duration) -> Client {
    let builder = Client::builder(PROJECT).base_url(url).state_dir(state_dir()).drain(Duration::ZERO);
    builder.delivery(Delivery::FlushBeforeResponse(most)).build().unwrap()
}

/// An endpoint that takes connections and never answers.
async fn hanging() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn the_collector_has_a_calls_events_before_the_client_has_its_answer() {
    let collector = Collector::start().await;
    let client = waiting(&collector.url, PATIENCE);
    let agent = connect(client.track(Sample)).await;
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    let bodies = collector.bodies();
    assert_eq!(named(&bodies, "greeted")["parameters"], json!({ "name": "Ada" }));
    assert_eq!(named(&bodies, "greet")["event_type"], "mcp:tools/call");

    agent.call_tool(call("fail", json!({}))).await.unwrap();
    assert_eq!(named(&collector.bodies(), "fail")["is_error"], true);
    agent.call_tool(call("refuse", json!({}))).await.unwrap_err();
    assert_eq!(named(&collector.bodies(), "refuse")["is_error"], true);
    agent.list_tools(None).await.unwrap();
    assert_eq!(of_type(&collector.bodies(), "mcp:tools/list").len(), 1);
    let stats = client.stats();
    assert_eq!((stats.published, stats.delivered, stats.pending), (6, 6, 0), "{stats}");
}

#[tokio::test]
async fn what_is_raised_in_a_request_that_is_not_recorded_is_delivered_too() {
    let collector = Collector::start().await;
    let client = waiting(&collector.url, PATIENCE);
    let agent = connect(client.track(Sample).record(|_| false)).await;
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    let bodies = collector.bodies();
    assert_eq!(bodies.len(), 1);
    named(&bodies, "greeted");
}

#[tokio::test]
async fn a_request_of_a_server_of_ones_own_waits_too() {
    let collector = Collector::start().await;
    let client = waiting(&collector.url, PATIENCE);
    let answer = client.call_in("own", "tools/call", "search").run(async { Ok::<_, std::io::Error>(7) });
    assert_eq!(answer.await.unwrap(), 7);
    named(&collector.bodies(), "search");
}

/// On a runtime of one thread: whoever blocked it would stop the clock beside.
#[tokio::test(flavor = "current_thread")]
async fn a_hanging_collector_costs_the_time_that_was_allowed_and_no_event() {
    let (_listener, url) = hanging().await;
    let most = Duration::from_millis(600);
    let client = waiting(&url, most);
    let agent = connect(client.track(Sample)).await;
    let began = Instant::now();
    let mut ticks = 0;
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    let answer = agent.call_tool(call("greet", json!({ "name": "Ada" })));
    tokio::pin!(answer);
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            _ = clock.tick() => ticks += 1,
        }
    };
    let took = began.elapsed();
    assert!(answer.is_ok());
    assert!(took >= most && took < PATIENCE, "{took:?}");
    assert!(ticks >= 5, "the runtime went on meanwhile: {ticks} ticks in {took:?}");
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, stats.published), "{stats}");
    assert!(stats.published >= 2, "{stats}");
}

#[tokio::test]
async fn while_the_endpoint_asked_for_silence_answers_do_not_wait() {
    let collector = Collector::answering(|_| {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "120")]).into_response()
    })
    .await;
    let client = waiting(&collector.url, 2 * PATIENCE);
    let agent = connect(client.track(Sample)).await;
    for _ in 0..3 {
        let began = Instant::now();
        agent.call_tool(call("fail", json!({}))).await.unwrap();
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    }
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, stats.published), "{stats}");
}

/// Over stateful HTTP the session has its name only after `initialize`: its answer does not wait for the name, and
/// the events are in the session that is named then.
#[tokio::test]
async fn a_handshake_over_http_is_answered_at_once_and_keeps_its_session() {
    let collector = Collector::start().await;
    let client = waiting(&collector.url, PATIENCE);
    let tracker = client.clone();
    let url = serve(move || Ok(tracker.track(Sample)), Default::default()).await;
    let began = Instant::now();
    let agent = agent(&url).await;
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let bodies = collector.bodies();
    let session = &named(&bodies, "greeted")["session_id"];
    assert_eq!(&of_type(&bodies, "mcp:initialize")[0]["session_id"], session);
    assert_eq!(&named(&bodies, "greet")["session_id"], session);
}

#[tokio::test]
async fn an_answer_waits_for_its_own_events_before_those_of_earlier_processes() {
    let (listener, url) = hanging().await;
    let state = state_dir();
    let builder = || {
        let builder = Client::builder(PROJECT).base_url(&url).state_dir(&state);
        builder.drain(Duration::ZERO).delivery(Delivery::FlushBeforeResponse(PATIENCE))
    };
    let earlier = builder().build().unwrap();
    for n in 0..40 {
        earlier.publish("left", mcpcat::CustomEvent::new(format!("left {n}"))).unwrap();
    }
    let _ = earlier.shutdown(Duration::ZERO).await;
    drop((earlier, listener));
    // The same address, taking one request in a quarter of a second.
    let address = url.trim_start_matches("http://").to_owned();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let names = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let slow = axum::Router::new().fallback({
        let (names, turn) = (names.clone(), std::sync::Arc::new(tokio::sync::Mutex::new(())));
        move |axum::Json(body): axum::Json<serde_json::Value>| async move {
            let _turn = turn.lock().await;
            tokio::time::sleep(Duration::from_millis(250)).await;
            names.lock().unwrap().push(body["resource_name"].as_str().unwrap_or_default().to_owned());
            StatusCode::ACCEPTED
        }
    });
    tokio::spawn(async move { axum::serve(listener, slow).await });
    let client = builder().build().unwrap();
    let run = client.call("tools/call", "now").run(async { Ok::<_, std::io::Error>(()) });
    run.await.unwrap();
    let arrived = names.lock().unwrap().clone();
    assert!(arrived.iter().any(|name| name == "now"), "{arrived:?}");
    assert!(arrived.len() < 41, "not for all that was left: {arrived:?}");
    assert_eq!(client.stats().dropped, 0);
}
