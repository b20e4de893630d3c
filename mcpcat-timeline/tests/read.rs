//! What can be asked, and what comes live.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Collector, custom};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Three sessions that differ in everything a filter looks at.
async fn three() -> Collector {
    let collector = Collector::start().await;
    let event = |id: &str, session: &str, more: Value| {
        let mut event = custom(id, session, "n");
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    for event in [
        event(
            "1",
            "old",
            json!({"timestamp": "2026-01-01T00:00:00Z", "client_name": "cursor", "tags": {"env": "dev"}}),
        ),
        event(
            "2",
            "mid",
            json!({"timestamp": "2026-02-01T00:00:00Z", "identify_actor_given_id": "ada",
            "identify_actor_name": "Ada", "server_name": "billing", "tags": {"env": "prod", "tier": "gold"}, "duration": 90_000}),
        ),
        event(
            "3",
            "mid",
            json!({"timestamp": "2026-02-01T00:00:01Z", "event_type": "mcp:tools/call",
            "resource_name": "refund", "is_error": true, "error": {"message": "50% \"off\""}}),
        ),
        event(
            "4",
            "new",
            json!({"timestamp": "2026-03-01T00:00:00Z", "event_type": "mcp:tools/list", "resource_name": null}),
        ),
        event(
            "5",
            "new",
            json!({"timestamp": "2026-03-01T00:00:05Z", "project_id": "proj_test", "event_type": "mcp:tools/call",
            "resource_name": "lookup", "client_name": "cursor"}),
        ),
    ] {
        collector.post(&event).await;
    }
    collector
}

#[tokio::test]
async fn the_list_can_be_filtered_by_everything_it_shows() {
    let collector = three().await;
    for (query, expected) in [
        ("", vec!["new", "mid", "old"]),
        ("?sort=start&order=asc", vec!["old", "mid", "new"]),
        ("?sort=duration", vec!["mid", "new", "old"]),
        ("?sort=errors&limit=1", vec!["mid"]),
        ("?errors=1", vec!["mid"]),
        ("?custom=1", vec!["mid", "old"]),
        ("?identified=1", vec!["mid"]),
        ("?identified=0", vec!["new", "old"]),
        ("?actor=ada", vec!["mid"]),
        ("?client=cursor", vec!["new", "old"]),
        ("?client=cursor&tool=lookup", vec!["new"]),
        ("?not_client=cursor", vec!["mid"]),
        ("?server=billing", vec!["mid"]),
        ("?event=n", vec!["mid", "old"]),
        ("?type=mcp:tools/list", vec!["new"]),
        ("?tag=env%3Dprod", vec!["mid"]),
        ("?tag=env", vec!["mid", "old"]),
        ("?tag=env&not_tag=env%3Ddev", vec!["mid"]),
        ("?not_tag=env", vec!["new"]),
        ("?since=2026-01-15T00:00:00Z&until=2026-02-15T00:00:00Z", vec!["mid"]),
        ("?since=2026-02-01T00:01:00Z", vec!["new", "mid"]),
        ("?q=50%25%20%22off", vec!["mid"]),
        ("?q=5_%25", vec![]),
        ("?q=ADA", vec!["mid"]),
        ("?project=proj_test", vec!["new", "mid", "old"]),
        ("?project=other", vec![]),
    ] {
        assert_eq!(collector.session_ids(query).await, expected, "{query}");
    }
    for query in
        ["?sort=colour", "?since=whenever", "?limit=0", "?limit=x", "?errors=maybe", "?cursor=x", "?order=up"]
    {
        let response =
            collector.request(Method::GET, &format!("/api/v1/sessions{query}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let name = query[1..].split('=').next().unwrap();
        assert!(response.text().await.unwrap().contains(name), "{query}");
    }
}

#[tokio::test]
async fn pages_of_the_list_join_without_gap_or_overlap_in_every_order() {
    let collector = Collector::start().await;
    let lines: String = (0..25)
        .map(|n| {
            let mut event = custom(&format!("evt_{n}"), &format!("s{n:02}"), "n");
            // Equal values on purpose: ties must not lose anyone.
            event["timestamp"] = format!("2026-01-01T00:00:{:02}Z", n / 5).into();
            format!("{event}\n")
        })
        .collect();
    collector.batch(&lines).await;
    for order in ["", "&order=asc", "&sort=duration", "&sort=events&order=asc"] {
        let whole = collector.session_ids(&format!("?limit=100{order}")).await;
        let (mut cursor, mut parts) = (String::new(), Vec::new());
        loop {
            let page = collector.get(&format!("/api/v1/sessions?limit=4{order}{cursor}")).await;
            parts.extend(page["sessions"].as_array().unwrap().iter().map(|row| row["session_id"].clone()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(whole.len(), 25);
        assert_eq!(parts, whole, "{order}");
    }
}

#[tokio::test]
async fn a_session_row_sums_up_its_events() {
    let collector = three().await;
    let row = &collector.get("/api/v1/sessions/mid").await["sessions"][0];
    assert_eq!(row["event_count"], 2);
    assert_eq!(row["tool_call_count"], 1);
    assert_eq!(row["custom_event_count"], 1);
    assert_eq!(row["error_count"], 1);
    assert_eq!(row["duration_ms"], 90_000.0, "the end of the event that ends last");
    assert_eq!(row["started_at"], "2026-02-01T00:00:00.000000Z");
    assert_eq!((row["actor_name"].as_str(), row["last_label"].as_str()), (Some("Ada"), Some("refund")));
    let missing = collector.request(Method::GET, "/api/v1/sessions/none/events").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn events_of_all_sessions_can_be_searched_and_followed() {
    let collector = three().await;
    let ids = |answer: &Value| {
        let events = answer["events"].as_array().unwrap().clone();
        events.iter().map(|stored| stored["event"]["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&collector.get("/api/v1/events?errors=1").await), ["3"]);
    assert_eq!(ids(&collector.get("/api/v1/events?order=newest&limit=2").await), ["5", "4"]);
    assert_eq!(ids(&collector.get("/api/v1/events?after=3").await), ["4", "5"]);
    assert_eq!(ids(&collector.get("/api/v1/events?name=refund&session=mid").await), ["3"]);
    let page = collector.get("/api/v1/events?after=0&limit=2").await;
    let next = page["next"].as_str().unwrap();
    assert_eq!(ids(&collector.get(&format!("/api/v1/events?after=0&cursor={next}")).await), ["3", "4", "5"]);
    let one = collector.get("/api/v1/events/3").await;
    assert_eq!(one["filed_under"], "mid");
    assert_eq!(one["event"]["resource_name"], "refund");
}

#[tokio::test]
async fn the_stream_brings_what_is_committed_and_resumes_where_it_broke() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "before")).await;
    let mut stream = Stream::open(&collector, "?session=s", None).await;
    collector.post(&custom("evt_2", "s", "live")).await;
    collector.post(&custom("evt_3", "other", "not asked for")).await;
    collector.post(&custom("evt_4", "s", "live too")).await;
    assert_eq!(stream.take(2).await, ["evt_2", "evt_4"]);
    drop(stream);
    collector.post(&custom("evt_5", "s", "missed")).await;
    let mut again = Stream::open(&collector, "?session=s", Some("2")).await;
    assert_eq!(again.take(2).await, ["evt_4", "evt_5"]);
    let mut errors = Stream::open(&collector, "?errors=1&after=0", None).await;
    let mut bad = custom("evt_6", "s", "bad");
    bad["is_error"] = true.into();
    collector.post(&bad).await;
    assert_eq!(errors.take(1).await, ["evt_6"]);
    drop((again, errors));
    // Open streams do not hold up the end.
    let open = Stream::open(&collector, "", None).await;
    tokio::time::timeout(std::time::Duration::from_secs(4), collector.running.shutdown()).await.unwrap();
    drop(open);
}

/// Reads server-sent events off a response.
struct Stream {
    response: reqwest::Response,
    held: String,
    ids: std::collections::VecDeque<String>,
}

impl Stream {
    async fn open(collector: &Collector, query: &str, last: Option<&str>) -> Self {
        let mut request = collector.request(Method::GET, &format!("/api/v1/stream{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, held: String::new(), ids: std::collections::VecDeque::new() };
        while !stream.held.contains("hello") {
            stream.read().await;
        }
        stream
    }

    async fn read(&mut self) {
        let wait = std::time::Duration::from_secs(10);
        let chunk = tokio::time::timeout(wait, self.response.chunk()).await.unwrap().unwrap().unwrap();
        self.held.push_str(std::str::from_utf8(&chunk).unwrap());
    }

    async fn take(&mut self, count: usize) -> Vec<String> {
        while self.ids.len() < count {
            self.read().await;
            while let Some(end) = self.held.find("\n\n") {
                let message: String = self.held.drain(..end + 2).collect();
                let data = message.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or("{}");
                let data: Value = serde_json::from_str(data).unwrap();
                for stored in data["events"].as_array().into_iter().flatten() {
                    self.ids.push_back(stored["event"]["id"].as_str().unwrap().to_owned());
                }
            }
        }
        self.ids.drain(..count).collect()
    }
}

#[tokio::test]
async fn exports_hold_everything_and_spreadsheets_run_nothing() {
    let collector = three().await;
    let mut formula = custom("evt_f", "mid", "=HYPERLINK(\"http://x\")");
    formula["timestamp"] = "2026-02-01T00:00:02Z".into();
    collector.post(&formula).await;
    let text = |path: &'static str| {
        let request = collector.request(Method::GET, path);
        async move { request.send().await.unwrap().text().await.unwrap() }
    };
    let lines = text("/api/v1/export.ndjson").await;
    assert_eq!(lines.lines().count(), 6);
    for line in lines.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["id"].is_string());
    }
    assert_eq!(text("/api/v1/export.ndjson?session=mid").await.lines().count(), 3);
    let csv = text("/api/v1/export.csv?session=mid").await;
    assert!(csv.starts_with("timestamp,session_id,"));
    assert!(csv.contains("\"'=HYPERLINK(\"\"http://x\"\")\""), "{csv}");
    // What was exported can be taken in elsewhere.
    let other = Collector::start().await;
    let answer = other.batch(&lines).await;
    assert!(answer["results"].as_array().unwrap().iter().all(|result| result["status"] == "accepted"));
    assert_eq!(other.session_ids("").await, collector.session_ids("").await);
    let html = text("/api/v1/sessions/mid/export.html").await;
    assert!(html.contains("Content-Security-Policy") && html.contains("\"refund\""));
}

#[tokio::test]
async fn an_export_longer_than_one_page_is_whole() {
    let collector = Collector::start().await;
    for part in 0..5 {
        let lines: String =
            (0..500).map(|n| format!("{}\n", custom(&format!("evt_{part}_{n}"), "s", "n"))).collect();
        collector.batch(&lines).await;
    }
    for path in ["/api/v1/export.ndjson", "/api/v1/export.ndjson?session=s"] {
        let text = collector.request(Method::GET, path).send().await.unwrap().text().await.unwrap();
        let ids: std::collections::HashSet<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((text.lines().count(), ids.len()), (2500, 2500), "{path}");
    }
}

#[tokio::test]
async fn overview_metrics_and_filter_values_add_up() {
    let collector = three().await;
    let overview =
        collector.get("/api/v1/overview?since=2026-01-01T00:00:00Z&until=2026-04-01T00:00:00Z").await;
    assert_eq!((overview["events"].as_i64(), overview["errors"].as_i64()), (Some(5), Some(1)));
    let slots = overview["slots"].as_array().unwrap();
    assert!(slots.len() <= 120);
    assert_eq!(slots.iter().map(|slot| slot["events"].as_i64().unwrap()).sum::<i64>(), 5);
    let refund = overview["names"].as_array().unwrap().iter().find(|row| row["name"] == "refund").unwrap();
    assert_eq!((refund["events"].as_i64(), refund["errors"].as_i64()), (Some(1), Some(1)));
    let facets = collector.get("/api/v1/facets").await;
    assert_eq!(facets["clients"], json!(["cursor"]));
    assert_eq!(facets["tools"], json!(["lookup", "refund"]));
    assert_eq!(facets["tags"].as_array().unwrap().len(), 3);
    collector.post_raw("{").await;
    collector.post(&custom("1", "old", "again")).await;
    let metrics = collector.request(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "mcpcat_events_total{project=\"proj_test\",kind=\"tool\",name=\"refund\"} 1",
        "mcpcat_event_errors_total{project=\"proj_test\",kind=\"tool\",name=\"refund\"} 1",
        "mcpcat_duplicates_total 1",
        "mcpcat_rejected_total 1",
        "mcpcat_store_sessions 3",
        "mcpcat_ingest_lag_seconds_count 5",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn every_event_that_is_read_has_its_kind_and_label_and_an_export_is_as_it_was_sent() {
    let collector = Collector::start().await;
    let sent = json!({"id": "evt_1", "project_id": "proj_test", "session_id": "s", "event_type": "mcp:tools/call",
        "timestamp": "2026-01-01T00:00:00Z", "resource_name": "add", "kind": "mine", "parameters": {"label": "x"}});
    collector.post(&sent).await;
    let mut shown = sent.clone();
    shown["kind"] = "tool".into();
    shown["label"] = "add".into();
    assert_eq!(collector.get("/api/v1/sessions/s/events").await["events"], json!([shown]));
    assert_eq!(collector.get("/api/v1/events").await["events"][0]["event"], shown);
    assert_eq!(collector.get("/api/v1/events/evt_1").await["event"], shown);
    let export = collector.request(Method::GET, "/api/v1/export.ndjson").send().await.unwrap();
    assert_eq!(export.json::<Value>().await.unwrap(), sent);
}

#[tokio::test]
async fn a_catalogue_is_held_against_what_was_seen() {
    let collector = three().await;
    let path = "/api/v1/catalogue?project=proj_test";
    assert_eq!(collector.get(path).await["uploaded"], false);
    let put = collector
        .request(Method::PUT, path)
        .header("content-type", "application/json")
        .body(r#"{"version":1,"events":[{"name":"n"},{"name":"never"}]}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(put.json::<Value>().await.unwrap()["declared"], 2);
    let answer = collector.get(path).await;
    assert_eq!(answer["never_seen"], json!([{"name": "never"}]));
    assert_eq!(answer["seen"], json!([{"name": "n", "count": 2}]));
    let bad = collector
        .request(Method::PUT, path)
        .header("content-type", "application/json")
        .body("[1]")
        .send()
        .await
        .unwrap();
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_outline_holds_order_nesting_times_and_doubts_of_all_events_and_rows_come_by_number() {
    let collector = Collector::start().await;
    let event = |id: &str, at: &str, more: Value| {
        let mut event = custom(id, "s", id);
        event["timestamp"] = at.into();
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    for event in [
        event(
            "b",
            "2026-11-22T10:00:01",
            json!({"parent_id": "a", "duration": -5, "sdk_instance": "i", "sequence": 4}),
        ),
        event(
            "a",
            "2026-11-22T10:00:00Z",
            json!({"duration": 2000.5, "is_error": true, "sdk_instance": "i", "sequence": 1}),
        ),
        event(
            "c",
            "2026-11-22T10:00:60Z",
            json!({"parent_id": "gone", "parameters": {"big": "x".repeat(40_000)}}),
        ),
        event(
            "d",
            "2199-01-01T00:00:00Z",
            json!({"duration": 1e300, "properties": {"mcpcat_dropped": 3}, "sdk_instance": "i", "sequence": 9}),
        ),
    ] {
        collector.post(&event).await;
    }
    let outline = collector.get("/api/v1/sessions/s/outline").await;
    assert_eq!(outline["id"], json!(["a", "b", "c", "d"]));
    assert_eq!(outline["seq"], json!([2, 1, 3, 4]));
    assert_eq!(outline["parent"], json!([-1, 0, -2, -1]));
    assert_eq!(outline["took"], json!([2_000_500, -5000, null, 1_000_000_000_000_000_i64]));
    assert_eq!(outline["at"][1], 1_000_000);
    assert_eq!(outline["suspect"], json!([0, 1 | 8, 2, 4 | 16]));
    assert_eq!(outline["error"], json!([1, 0, 0, 0]));
    let sender = json!([{"id": "i", "lowest": 1, "highest": 9, "events": 3, "removed": 0, "dropped": 3}]);
    assert_eq!((&outline["total"], &outline["instances"]), (&json!(4), &sender));
    let rows = collector.get("/api/v1/sessions/s/rows?seq=1-2,4&q=dropped").await["events"].clone();
    assert_eq!(rows.as_array().unwrap().iter().map(|row| &row["seq"]).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(rows[0]["suspect"], json!(["no_zone", "negative_duration"]));
    assert_eq!(rows[2]["hit"][1], "dropped");
    let large = &collector.get("/api/v1/sessions/s/rows?seq=3").await["events"][0];
    assert!(large["cut"].as_i64().unwrap() > 40_000 && large["event"]["parameters"].is_null(), "{large}");
    let whole = &collector.get("/api/v1/sessions/s/rows?seq=3&whole=1").await["events"][0];
    assert_eq!(whole["event"]["parameters"]["big"].as_str().unwrap().len(), 40_000);
    assert_eq!(collector.get("/api/v1/sessions/s/matches?q=XXXX").await, json!({"seq": [3]}));
    for path in ["/api/v1/sessions/s/rows", "/api/v1/sessions/s/rows?seq=a", "/api/v1/sessions/s/matches"] {
        let response = collector.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    let none = collector.request(Method::GET, "/api/v1/sessions/nope/outline").send().await.unwrap();
    assert_eq!(none.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_list_tells_its_total_and_where_the_words_are_and_sorts_by_text() {
    let collector = three().await;
    let page = collector.get("/api/v1/sessions?limit=1").await;
    assert_eq!((&page["total"], page["sessions"].as_array().unwrap().len()), (&json!(3), 1));
    let found = collector.get("/api/v1/sessions?q=off").await;
    assert_eq!(found["total"], 1);
    let hits = &found["sessions"][0]["hits"];
    assert_eq!(
        (&hits["count"], &hits["event_id"], &hits["label"]),
        (&json!(1), &json!("3"), &json!("refund"))
    );
    assert_eq!(hits["snippet"][1], "off");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = collector.get(&format!("/api/v1/sessions?sort=client&order=asc&limit=1{cursor}")).await;
        seen.push(page["sessions"][0]["client_name"].clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, [json!(null), json!("cursor"), json!("cursor")]);
}

#[tokio::test]
async fn percentiles_sampling_and_failures_are_those_of_the_range() {
    let collector = Collector::start().await;
    let lines: String = (0..100)
        .map(|n| {
            let mut event = custom(&format!("e{n}"), "s", "charge");
            event["duration"] = if n == 99 { 600_000.into() } else { 120.into() };
            event["properties"] = json!({"mcpcat_sample_rate": 0.25});
            event["is_error"] = (n < 3).into();
            if n == 1 {
                event["parent_id"] = "e0".into();
            }
            event.to_string() + "\n"
        })
        .collect();
    collector.batch(&lines).await;
    let range = "since=2026-11-22T00:00:00Z&until=2026-11-23T00:00:00Z";
    let overview = collector.get(&format!("/api/v1/overview?{range}")).await;
    let charge = &overview["names"][0];
    for percentile in ["p50_ms", "p95_ms", "p99_ms"] {
        assert!((117.0..123.0).contains(&charge[percentile].as_f64().unwrap()), "{percentile} of {charge}");
    }
    assert_eq!(charge["weighted"], 400.0);
    assert_eq!((&overview["sampled_sessions"], &overview["events"]), (&json!(1), &json!(100)));
    let session = &collector.sessions("").await[0];
    assert_eq!((&session["error_count"], &session["failure_count"]), (&json!(3), &json!(2)));
    assert_eq!(session["sample_rate"], 0.25);
}
