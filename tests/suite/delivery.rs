//! Batches to the collector of this repository: its offer is taken up, and every event is on its timeline once.

use std::collections::BTreeSet;

use mcpcat::{Client, CustomEvent};
use mcpcat_timeline::Timeline;

use crate::support::{PATIENCE, PROJECT, state_dir};

/// Requests of the server's own, which the product has no event type for: our timeline offers to take them, whether
/// it is told by the answer to another event or has to be asked.
#[tokio::test]
async fn our_own_timeline_takes_events_of_any_type() {
    for alone in [true, false] {
        let timeline = Timeline::builder().in_memory().start().await.unwrap();
        let client =
            Client::builder(PROJECT).base_url(timeline.ingest_url()).state_dir(state_dir()).build().unwrap();
        for method in ["shop/open", "skills/list"] {
            client.call_in("any type", method, "").finish(None);
        }
        if !alone {
            client.publish("any type", CustomEvent::new("known")).unwrap();
        }
        let stats = client.flush(PATIENCE).await;
        let events = if alone { 2 } else { 3 };
        assert_eq!((stats.delivered, stats.not_offered, stats.pending), (events, 0, 0), "{stats}");
        let session = client.session("any type").id().unwrap().to_string();
        let url = format!("{}/api/v1/sessions/{session}/events", timeline.url().trim_end_matches('/'));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let shown: serde_json::Value = http.get(url).send().await.unwrap().json().await.unwrap();
        let types: BTreeSet<_> = shown["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["event_type"].as_str().unwrap())
            .collect();
        assert!(types.contains("mcp:shop/open") && types.contains("mcp:skills/list"), "{types:?}");
        timeline.shutdown().await;
    }
}

#[tokio::test]
async fn our_own_timeline_gets_batches_and_shows_each_event_once() {
    let timeline = Timeline::builder().in_memory().start().await.unwrap();
    let client =
        Client::builder(PROJECT).base_url(timeline.ingest_url()).state_dir(state_dir()).build().unwrap();
    let mut promised = BTreeSet::new();
    promised.insert(client.publish("batches", CustomEvent::new("first")).unwrap().to_string());
    assert_eq!(client.flush(PATIENCE).await.delivered, 1);
    for n in 0..400 {
        let event = CustomEvent::new("numbered").parameter("n", n);
        promised.insert(client.publish("batches", event).unwrap().to_string());
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending), (401, 401, 0), "{stats}");
    assert!(stats.requests < 200, "most went in company: {stats}");

    let session = client.session("batches").id().unwrap().to_string();
    let url = format!("{}/api/v1/sessions/{session}/events?limit=1000", timeline.url().trim_end_matches('/'));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let events: serde_json::Value = http.get(url).send().await.unwrap().json().await.unwrap();
    let id = |event: &serde_json::Value| event["id"].as_str().unwrap().to_owned();
    let shown: Vec<String> = events["events"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(shown.len(), 401);
    assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), promised);
    timeline.shutdown().await;
}
