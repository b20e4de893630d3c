//! Bad input and bad endpoints: a clear error or a counted outcome, never a panic, a block or a lost result.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use mcpcat::{Client, ConfigError, CustomEvent, DropReason, PublishError, Status, publish_custom_event};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::support::{Collector, PATIENCE, PROJECT, Sample, call, connect, named, state_dir};

#[test]
fn an_empty_project_is_a_clear_error() {
    for project in ["", "  "] {
        let error = publish_custom_event("session", project, ()).unwrap_err();
        assert_eq!(error, PublishError::EmptyProject);
        assert!(error.to_string().contains("`project` is empty"), "{error}");
    }
    assert!(matches!(Client::builder("").build(), Err(ConfigError::EmptyProject)));
}

#[test]
fn an_invalid_base_url_names_the_field_and_the_way_out() {
    for url in ["", " ", "ftp://host", "localhost:1", "http://", "http://h/?q"] {
        match Client::builder(PROJECT).base_url(url).build() {
            Err(error @ ConfigError::BaseUrl { .. }) => {
                let text = error.to_string();
                assert!(text.contains("`base_url`") && text.contains("http://127.0.0.1:"), "{text}");
            }
            other => panic!("{url:?} was taken: {other:?}"),
        }
    }
}

#[tokio::test]
async fn another_project_than_the_tracked_one_is_refused() {
    let collector = Collector::start().await;
    let client = collector.client();
    let server = client.track(Sample);
    let error = publish_custom_event(&server, "proj_other", ()).unwrap_err();
    assert_eq!(error, PublishError::WrongProject { given: "proj_other".into(), tracked: PROJECT.into() });
    assert!(error.to_string().contains(PROJECT), "{error}");
    publish_custom_event(&server, PROJECT, ()).unwrap();
    assert_eq!(client.flush(PATIENCE).await.delivered, 1);
}

#[tokio::test]
async fn a_server_that_cannot_be_tracked_is_served_as_it_is() {
    let server = mcpcat::track(Sample, "");
    let Status::Untracked { reason } = server.status() else { panic!("{:?}", server.status()) };
    assert!(reason.contains("project id is empty"), "{reason}");
    let handle = server.handle();
    let agent = connect(server).await;
    let answer = agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "hello Ada");
    assert!(matches!(publish_custom_event(&handle, PROJECT, ()), Err(PublishError::Untracked { .. })));
}

#[tokio::test]
async fn an_unreachable_endpoint_keeps_events_and_blocks_nobody() {
    // A port that was free a moment ago and that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = Client::builder(PROJECT)
        .base_url(format!("http://127.0.0.1:{port}"))
        .drain(Duration::ZERO)
        .state_dir(state_dir())
        .build()
        .unwrap();
    let agent = connect(client.track(Sample)).await;
    let answer = agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    assert_eq!(answer.content[0].as_text().unwrap().text, "hello Ada");
    let before = Instant::now();
    let stats = client.flush(Duration::from_secs(2)).await;
    assert!(before.elapsed() < PATIENCE, "flush ends at its time");
    assert_eq!((stats.published, stats.delivered, stats.pending, stats.dropped), (3, 0, 3, 0), "{stats}");
    let failure = stats.last_failure.unwrap();
    assert!(failure.contains("refused") && failure.contains(&port.to_string()), "{failure}");
}

#[tokio::test]
async fn an_outage_loses_nothing() {
    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let collector = Collector::answering(move |_| {
        if answer.load(Ordering::SeqCst) { StatusCode::ACCEPTED } else { StatusCode::SERVICE_UNAVAILABLE }
            .into_response()
    })
    .await;
    let client = collector.client();
    let ids: Vec<String> = (0..100)
        .map(|n| client.publish("s", CustomEvent::new(format!("e{n}"))).unwrap().to_string())
        .collect();
    collector.wait(2).await;
    assert_eq!(client.stats().delivered, 0);
    let during = collector.received().len();
    assert!(during < 100, "one probe at a time, not a retry for each event: {during}");
    well.store(true, Ordering::SeqCst);
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (100, 0, 0), "{stats}");
    let bodies = collector.bodies();
    for id in ids {
        assert!(bodies.iter().any(|body| body["id"] == id), "{id} arrived under its first id");
    }
}

#[tokio::test]
async fn a_refused_event_is_one_request_and_counted() {
    for status in [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY] {
        let collector = Collector::answering(move |_| status.into_response()).await;
        let client = collector.client();
        client.publish("s", ()).unwrap();
        let stats = client.flush(PATIENCE).await;
        assert_eq!(stats.dropped_for(DropReason::Rejected), 1, "{stats}");
        assert_eq!((stats.delivered, stats.pending, stats.requests), (0, 0, 1), "{stats}");
        assert!(stats.last_failure.unwrap().contains(status.as_str()));
        assert_eq!(collector.received().len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_address_waits_and_says_so() {
    for status in [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED, StatusCode::FOUND] {
        let collector = Collector::answering(move |_| {
            (status, [(header::LOCATION, "http://127.0.0.1:1/elsewhere")]).into_response()
        })
        .await;
        let client = Client::builder(PROJECT)
            .base_url(&collector.url)
            .drain(Duration::ZERO)
            .state_dir(state_dir())
            .build()
            .unwrap();
        client.publish("s", ()).unwrap();
        collector.wait(1).await;
        let stats = client.flush(Duration::from_millis(200)).await;
        assert_eq!((stats.delivered, stats.pending, stats.dropped), (0, 1, 0), "{stats}");
        let failure = stats.last_failure.unwrap();
        assert!(failure.contains("base URL") && failure.contains(status.as_str()), "{failure}");
    }
}

#[tokio::test]
async fn a_success_with_an_empty_or_a_foreign_body_is_a_success() {
    for status in [StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT] {
        let collector = Collector::answering(move |n| {
            if n == 0 { status.into_response() } else { (StatusCode::OK, "this is not JSON").into_response() }
        })
        .await;
        let client = collector.client();
        client.publish("s", ()).unwrap();
        let _ = client.flush(PATIENCE).await;
        client.publish("s", ()).unwrap();
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.delivered, stats.requests), (2, 2), "{stats}");
    }
}

/// A value that fails, one that panics, and one that publishes while it is being serialised.
struct Hostile(&'static str, Option<Arc<Mutex<Option<Client>>>>);

impl Serialize for Hostile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            "fails" => Err(serde::ser::Error::custom("no words for this")),
            "panics" => panic!("a Serialize impl that panics"),
            _ => {
                if let Some(client) = self.1.as_ref().and_then(|client| client.lock().unwrap().clone()) {
                    client.publish("inner", CustomEvent::new("from within")).unwrap();
                }
                serializer.serialize_str("published")
            }
        }
    }
}

#[tokio::test]
async fn a_value_that_fails_to_serialise_costs_only_itself() {
    let collector = Collector::start().await;
    let client = collector.client();
    let client_inside = Arc::new(Mutex::new(Some(client.clone())));
    struct Event(Arc<Mutex<Option<Client>>>);
    impl mcpcat::EventData for Event {
        fn record(&self, fields: &mut mcpcat::Fields) {
            fields.name("hostile");
            fields.parameter("fails", &Hostile("fails", None));
            fields.parameter("panics", &Hostile("panics", None));
            fields.parameter("publishes", &Hostile("publishes", Some(Arc::clone(&self.0))));
            fields.parameter("good", &1);
            fields.tag("a key that is far too long to be a tag's key", "x");
        }
    }
    client.publish("s", Event(client_inside)).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped, stats.problems), (2, 0, 3), "{stats}");
    let bodies = collector.bodies();
    let parameters = &named(&bodies, "hostile")["parameters"];
    assert_eq!(*parameters, json!({ "fails": null, "panics": null, "publishes": "published", "good": 1 }));
    assert!(named(&bodies, "hostile").get("tags").is_none());
    named(&bodies, "from within");
}

#[tokio::test]
async fn a_record_function_that_panics_is_counted_and_does_not_reach_the_host() {
    struct Broken;
    impl mcpcat::EventData for Broken {
        fn record(&self, _: &mut mcpcat::Fields) {
            panic!("a record function that panics")
        }
    }
    let collector = Collector::start().await;
    let client = collector.client();
    assert_eq!(client.publish("s", Broken), Err(PublishError::Dropped(DropReason::Panicked)));
    client.publish("s", CustomEvent::new("after")).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!(
        (stats.published, stats.delivered, stats.dropped_for(DropReason::Panicked)),
        (2, 1, 1),
        "{stats}"
    );
}

#[tokio::test]
async fn a_payload_without_end_is_bounded_and_not_lost() {
    let mut deep = json!(1);
    for _ in 0..5_000 {
        deep = serde_json::Value::Array(vec![deep]);
    }
    let collector = Collector::start().await;
    let client = collector.client();
    let wide: Vec<u32> = (0..1_000_000).collect();
    client
        .publish(
            "s",
            CustomEvent::new("large")
                .parameter("deep", &deep)
                .parameter("wide", wide)
                .message("m".repeat(1 << 20)),
        )
        .unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped), (1, 0), "{stats}");
    let request = &collector.received()[0];
    assert!(request.bytes.len() < 110_000, "{} bytes", request.bytes.len());
    assert_eq!(request.json()["resource_name"], "large");
    // Dropping it recursively is the test's own problem.
    std::mem::forget(deep);
}

#[tokio::test]
async fn after_shutdown_events_are_dropped_and_counted() {
    let collector = Collector::start().await;
    let client = collector.client();
    client.publish("s", ()).unwrap();
    let stats = client.shutdown(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending), (1, 0), "{stats}");
    let error = client.publish("s", ()).unwrap_err();
    assert_eq!(error, PublishError::Dropped(DropReason::Closed));
    assert_eq!(client.stats().dropped_for(DropReason::Closed), 1);
    assert_eq!(client.shutdown(PATIENCE).await.delivered, 1, "a second shutdown answers too");
    assert_eq!(client.flush(PATIENCE).await.delivered, 1);
}

#[test]
fn publishing_needs_no_runtime_and_dropping_the_client_delivers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let collector = runtime.block_on(Collector::start());
    let client = collector.client();
    std::thread::spawn({
        let client = client.clone();
        move || client.publish("s", CustomEvent::new("from a thread")).map(|_| ())
    })
    .join()
    .unwrap()
    .unwrap();
    assert_eq!(client.flush_blocking(PATIENCE).delivered, 1);
    client.publish("s", CustomEvent::new("before the drop")).unwrap();
    drop(client);
    assert_eq!(collector.bodies().len(), 2);
}

#[tokio::test]
async fn recording_that_is_off_succeeds_and_does_nothing() {
    let collector = Collector::start().await;
    let client = Client::builder(PROJECT).base_url(&collector.url).enabled(false).build().unwrap();
    let server = client.track(Sample);
    assert!(matches!(server.status(), Status::Off { .. }));
    let agent = connect(server).await;
    agent.call_tool(call("greet", json!({ "name": "Ada" }))).await.unwrap();
    client.publish("s", ()).unwrap();
    let stats = client.shutdown(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered), (0, 0), "{stats}");
    assert!(collector.received().is_empty());
}
