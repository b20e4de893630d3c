//! What the collector takes in, and what it says about the rest.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;

use common::{Collector, captures, custom};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn every_captured_request_of_the_official_sdks_is_in_the_right_session() {
    let collector = Collector::start().await;
    let captures = captures();
    for (_, body) in &captures {
        collector.post(body).await;
    }
    for (file, body) in &captures {
        let project = body["project_id"].as_str().unwrap();
        let session = match body["session_id"].as_str() {
            Some(session) if !session.is_empty() => session.to_owned(),
            _ => format!("no-session:{project}"),
        };
        let events = collector.events(&session).await;
        let stored = events
            .iter()
            .find(|event| event["id"] == body["id"])
            .unwrap_or_else(|| panic!("{file}: {} is not in {session}", body["id"]));
        for (key, value) in body.as_object().unwrap() {
            if key.chars().any(char::is_uppercase) {
                assert!(stored.get(key).is_none(), "{file}: {key} is kept in two spellings");
            } else {
                assert_eq!(&stored[key], value, "{file}: {key}");
            }
        }
    }
    let sum: i64 = collector.sessions("").await.iter().map(|row| row["event_count"].as_i64().unwrap()).sum();
    let ids: std::collections::HashSet<_> = captures.iter().map(|(_, body)| body["id"].as_str()).collect();
    assert_eq!(sum as usize, ids.len());
    let stateless: Vec<_> =
        collector.sessions("").await.into_iter().filter(|row| row["stateless"] == true).collect();
    assert_eq!(stateless.len(), 1);
    assert_eq!(stateless[0]["session_id"], "no-session:proj_wire");
}

#[tokio::test]
async fn an_accepted_event_is_answered_as_the_sdks_need_it_and_offers_batches() {
    let collector = Collector::start().await;
    for path in ["/v1/public/events/", "/v1/public/events", "//v1/public/events/"] {
        let response = collector
            .request(Method::POST, path)
            .header("content-type", "application/json; charset=utf-8")
            .body(custom(path, "s", "n").to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{path}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(
            response.headers()["mcpcat-batch"],
            "v1; path=/v1/public/events/batch; max-events=500; max-bytes=4194304; encodings=zstd,gzip"
        );
        assert_eq!(response.headers()["mcpcat-event-types"], "any");
        assert_eq!(response.text().await.unwrap(), r#"{"status":"accepted"}"#);
    }
    assert_eq!(collector.events("s").await.len(), 3);
}

/// A sender with nothing but events of its own types asks before it sends them.
#[tokio::test]
async fn what_may_be_sent_is_told_to_who_asks_and_may_send() {
    let collector = Collector::start().await;
    for path in ["/v1/public/events/", "/v1/public/events", "//v1/public/events/"] {
        let response = collector.request(Method::OPTIONS, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        assert_eq!(response.headers()["mcpcat-event-types"], "any");
        assert_eq!(response.headers()["allow"], "POST, OPTIONS");
        assert!(response.headers()["mcpcat-batch"].to_str().unwrap().starts_with("v1; "));
    }
    assert_eq!(collector.sessions("").await.len(), 0);
    let guarded = Collector::with(|builder| builder.token("secret")).await;
    let stranger = guarded.request(Method::OPTIONS, "/v1/public/events/").send().await.unwrap();
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    assert!(stranger.headers().get("mcpcat-event-types").is_none());
}

#[tokio::test]
async fn the_same_id_twice_is_one_event_and_the_first_one_stays() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_1", "s", "first")).await;
    collector.post(&custom("evt_1", "s", "second")).await;
    collector.post(&custom("evt_1", "other", "third")).await;
    let events = collector.events("s").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["resource_name"], "first");
    assert_eq!(collector.session_ids("").await, ["s"], "a duplicate makes no session");
    let mut elsewhere = custom("evt_1", "s2", "mine");
    elsewhere["project_id"] = "proj_other".into();
    collector.post(&elsewhere).await;
    assert_eq!(collector.events("s2").await.len(), 1, "one project cannot take another's ids");
}

#[tokio::test]
async fn events_are_sorted_by_time_then_by_the_senders_number_then_by_id() {
    let collector = Collector::start().await;
    let at = |id: &str, time: &str, instance: &str, sequence: i64| {
        let mut event = custom(id, "s", id);
        event["timestamp"] = time.into();
        event["sdk_instance"] = instance.into();
        event["sequence"] = sequence.into();
        event
    };
    for event in [
        at("e", "2026-11-22T10:00:00.000002Z", "a", 1),
        at("d", "2026-11-22T10:00:00.000001Z", "b", 7),
        at("a", "2026-11-22T10:00:00.000001Z", "a", 10),
        at("z", "2026-11-22T10:00:00.000001Z", "a", 9),
        at("c", "2026-11-22T10:00:00.000001+00:00", "b", 7),
        at("first", "2026-11-22T15:29:59+05:30", "c", 99),
    ] {
        collector.post(&event).await;
    }
    let order: Vec<_> = collector.events("s").await.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(order, ["first", "z", "a", "c", "d", "e"]);
    // The same order when it is read in parts.
    let (mut cursor, mut parts) = (String::new(), Vec::new());
    loop {
        let page = collector.get(&format!("/api/v1/sessions/s/events?limit=2{cursor}")).await;
        parts.extend(page["events"].as_array().unwrap().iter().map(|event| event["id"].clone()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace('~', "%7E")),
            None => break,
        }
    }
    assert_eq!(parts, order);
}

#[tokio::test]
async fn bad_requests_get_an_answer_that_names_the_problem_and_disturb_nothing() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_ok", "s", "before")).await;
    let deep = |depth: usize| {
        format!(r#"{{"project_id":"p","parameters":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let huge = format!(r#"{{"project_id":"p","x":"{}"}}"#, "a".repeat(10_000_000));
    let mut broken = br#"{"project_id":"p","x":""#.to_vec();
    broken.extend_from_slice(b"\xff\xfe\"}");
    let cases: Vec<(Vec<u8>, StatusCode, &str)> = vec![
        (b"".to_vec(), StatusCode::BAD_REQUEST, "empty"),
        (b"{".to_vec(), StatusCode::BAD_REQUEST, "not JSON"),
        (b"[]".to_vec(), StatusCode::BAD_REQUEST, "one JSON object"),
        (b"{}".to_vec(), StatusCode::BAD_REQUEST, "project_id"),
        (br#"{"project_id":"p","duration":"1"}"#.to_vec(), StatusCode::BAD_REQUEST, "duration"),
        (br#"{"project_id":"p","sessionId":[]}"#.to_vec(), StatusCode::BAD_REQUEST, "session_id"),
        (broken, StatusCode::BAD_REQUEST, "UTF-8"),
        (deep(128).into_bytes(), StatusCode::BAD_REQUEST, "128"),
        (deep(200_000).into_bytes(), StatusCode::BAD_REQUEST, "128"),
        (huge.into_bytes(), StatusCode::PAYLOAD_TOO_LARGE, "larger than"),
    ];
    for (body, status, word) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let response = collector.post_raw(body).await;
        assert_eq!(response.status(), status, "{shown}");
        assert_eq!(response.headers()["content-type"], "application/json", "{shown}");
        let answer: Value = response.json().await.unwrap();
        let said = answer["error"].as_str().unwrap();
        assert!(said.contains(word), "{shown}: {said}");
    }
    let plain = collector.request(Method::POST, "/v1/public/events/").body("{}").send().await.unwrap();
    assert_eq!(
        plain.status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "a form's or a script's text/plain is not taken"
    );
    let put = collector.request(Method::PUT, "/v1/public/events/").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(collector.post_raw(deep(127)).await.status(), StatusCode::ACCEPTED, "128 levels are allowed");
    let csv =
        collector.request(Method::GET, "/api/v1/export.csv").send().await.unwrap().text().await.unwrap();
    assert!(csv.contains(&"[".repeat(127)), "what is taken in is given out");
    assert_eq!(collector.events("s").await.len(), 1);
}

#[tokio::test]
async fn texts_cut_in_the_middle_of_a_character_are_kept() {
    let collector = Collector::start().await;
    let response = collector
        .post_raw(r#"{"id":"evt_cut","project_id":"p","session_id":"s","user_intent":"smile \ud83d"}"#)
        .await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert_eq!(collector.events("s").await[0]["user_intent"], "smile \u{fffd}");
}

#[tokio::test]
async fn a_batch_answers_line_by_line_after_the_commit() {
    let collector = Collector::start().await;
    collector.post(&custom("evt_old", "s", "old")).await;
    let lines = [
        custom("evt_a", "s", "a").to_string(),
        String::new(),
        custom("evt_old", "s", "again").to_string(),
        r#"{"id":"evt_bad","project_id":"p","duration":"long"}"#.into(),
        "nonsense".into(),
        custom("evt_a", "s", "twice in one batch").to_string(),
    ]
    .join("\n");
    let answer = collector.batch(&lines).await;
    let results = answer["results"].as_array().unwrap();
    let said: Vec<_> =
        results.iter().map(|result| (result["id"].clone(), result["status"].clone())).collect();
    assert_eq!(
        said,
        [
            (json!("evt_a"), json!("accepted")),
            (json!("evt_old"), json!("duplicate")),
            (json!("evt_bad"), json!("rejected")),
            (json!(null), json!("rejected")),
            (json!("evt_a"), json!("duplicate")),
        ]
    );
    assert!(results[2]["error"].as_str().unwrap().contains("duration"));
    assert_eq!(collector.events("s").await.len(), 2);
    assert_eq!(collector.batch("").await, json!({"results": []}));
}

#[tokio::test]
async fn batches_come_plain_gzipped_or_as_zstd_and_bombs_are_refused() {
    let collector = Collector::start().await;
    let gzip = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    };
    let zstd = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
    for (encoding, body) in [
        ("gzip", gzip(custom("evt_gzip", "s", "gzip").to_string().as_bytes())),
        ("zstd", zstd(custom("evt_zstd", "s", "zstd").to_string().as_bytes())),
    ] {
        let response = collector.batch_raw(body, Some(encoding)).await;
        assert_eq!(response.status(), StatusCode::OK, "{encoding}");
    }
    assert_eq!(collector.events("s").await.len(), 2);
    let zeros = vec![b' '; 80_000_000];
    for (encoding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        assert!(body.len() < 1_000_000);
        let response = collector.batch_raw(body, Some(encoding)).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
    }
    for (encoding, status) in [
        ("gzip", StatusCode::BAD_REQUEST),
        ("zstd", StatusCode::BAD_REQUEST),
        ("br", StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let response = collector.batch_raw("not packed at all", Some(encoding)).await;
        assert_eq!(response.status(), status, "{encoding}");
    }
    let many: String = (0..501).map(|n| format!("{}\n", custom(&format!("evt_{n}"), "many", "n"))).collect();
    let response = collector.batch_raw(many, None).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(response.text().await.unwrap().contains("500"));
}

#[tokio::test]
async fn many_senders_at_once_lose_nothing() {
    let collector = std::sync::Arc::new(Collector::start().await);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..20 {
        let collector = std::sync::Arc::clone(&collector);
        senders.spawn(async move {
            for n in 0..50 {
                collector.post(&custom(&format!("evt_{sender}_{n}"), &format!("s{sender}"), "n")).await;
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.unwrap();
    }
    let rows = collector.sessions("").await;
    assert_eq!(rows.len(), 20);
    assert!(rows.iter().all(|row| row["event_count"] == 50 && row["custom_event_count"] == 50));
    assert_eq!(collector.get("/api/v1/about").await["store"]["last_seq"], 1000);
}

#[tokio::test]
async fn events_survive_a_restart_and_the_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/events.sqlite3");
    let builder = mcpcat_timeline::Timeline::builder().data(&path);
    let first = builder.clone().start().await.unwrap();
    let http = reqwest::Client::new();
    let sent = http
        .post(format!("{}/v1/public/events/", first.url()))
        .header("content-type", "application/json")
        .body(custom("evt_1", "s", "kept").to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), StatusCode::ACCEPTED);
    let second = builder.clone().start().await.unwrap_err().to_string();
    assert!(second.contains("in use") && second.contains(first.url()), "{second}");
    first.shutdown().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    }
    let again = builder.start().await.unwrap();
    let body: Value = http
        .get(format!("{}/api/v1/sessions/s/events", again.url()))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(body["events"][0]["resource_name"], "kept");
    again.shutdown().await;
}

#[tokio::test]
async fn a_timeline_in_memory_works_the_same() {
    let timeline = mcpcat_timeline::Timeline::builder().in_memory().start().await.unwrap();
    let http = reqwest::Client::new();
    for n in 0..10 {
        let sent = http
            .post(format!("{}/v1/public/events/", timeline.ingest_url()))
            .header("content-type", "application/json")
            .body(custom(&format!("evt_{n}"), "s", "n").to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), StatusCode::ACCEPTED);
    }
    let body: Value =
        http.get(format!("{}/api/v1/sessions", timeline.url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(body["sessions"][0]["event_count"], 10);
    timeline.shutdown().await;
}

#[tokio::test]
async fn ids_that_no_address_can_name_are_refused() {
    let collector = Collector::start().await;
    for field in ["id", "session_id", "project_id", "identify_actor_given_id", "actor_id"] {
        for id in [".", ".."] {
            let mut event = custom("e", "s", "n");
            event[field] = id.into();
            let response = collector.post_raw(event.to_string()).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{field} {id}");
            assert_eq!(response.json::<Value>().await.unwrap()["field"], field);
        }
    }
    for id in ["...", "a/..", " .", "%2e%2e"] {
        collector.post(&custom(&format!("e{id}"), id, "n")).await;
    }
    assert_eq!(collector.session_ids("").await.len(), 4);
}

#[tokio::test]
async fn too_many_filters_and_too_long_texts_are_bad_requests() {
    let collector = Collector::start().await;
    collector.post(&custom("e", "s", "n")).await;
    let filters = |count: usize| vec!["tag=a%3Db"; count].join("&");
    let long = |count: usize| format!("q={}", "%25".repeat(count));
    for (query, expected) in [
        (filters(100), StatusCode::OK),
        (filters(101), StatusCode::BAD_REQUEST),
        (filters(1200), StatusCode::BAD_REQUEST),
        (long(4096), StatusCode::OK),
        (long(4097), StatusCode::BAD_REQUEST),
        (format!("q={}", "x".repeat(60_000)), StatusCode::BAD_REQUEST),
        (format!("q={}", "%01".repeat(4096)), StatusCode::OK),
        (format!("tool={}", "x".repeat(5000)), StatusCode::BAD_REQUEST),
    ] {
        for path in ["/api/v1/sessions", "/api/v1/events"] {
            let query = if path.ends_with("events") {
                query.replace("tag=", "name=").replace("tool=", "name=")
            } else {
                query.clone()
            };
            let response = collector.request(Method::GET, &format!("{path}?{query}")).send().await.unwrap();
            assert_eq!(response.status(), expected, "{path} {}", &query[..40.min(query.len())]);
        }
    }
}

#[tokio::test]
async fn an_answer_in_pieces_is_the_same_as_one_in_pages() {
    let collector = Collector::start().await;
    let mut lines = String::new();
    for n in 0..60 {
        let mut event = custom(&format!("evt_{n:03}"), "s", "n");
        event["timestamp"] = format!("2026-11-22T10:00:{:02}Z", n % 60).into();
        event["response"] = "x".repeat(if n == 30 { 1_500_000 } else { 40_000 }).into();
        lines.push_str(&format!("{event}\n"));
    }
    collector.batch(&lines).await;
    let ids = |page: &Value| -> Vec<String> {
        let id = |event: &Value| event.get("event").unwrap_or(event)["id"].as_str().unwrap().to_owned();
        page["events"].as_array().unwrap().iter().map(id).collect()
    };
    for path in [
        "/api/v1/sessions/s/events?",
        "/api/v1/events?",
        "/api/v1/events?after=0&",
        "/api/v1/events?order=newest&",
    ] {
        let whole = collector.get(&format!("{path}limit=100")).await;
        assert_eq!(
            (ids(&whole).len(), &whole["last_seq"], whole.get("next")),
            (60, &json!(60), None),
            "{path}"
        );
        let (mut cursor, mut parts) = (String::new(), Vec::new());
        loop {
            let page = collector.get(&format!("{path}limit=25{cursor}")).await;
            assert!(page["events"].as_array().unwrap().len() <= 25);
            parts.extend(ids(&page));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", next.replace('~', "%7E")),
                None => break,
            }
        }
        assert_eq!(parts, ids(&whole), "{path}");
    }
    let lines =
        collector.request(Method::GET, "/api/v1/export.ndjson").send().await.unwrap().text().await.unwrap();
    assert_eq!(lines.lines().count(), 60);
    let empty = collector.get("/api/v1/events?name=other").await;
    assert_eq!(empty, json!({"events": [], "last_seq": 60}));
}

#[tokio::test]
async fn the_stream_comes_in_messages_of_at_most_a_megabyte() {
    let collector = Collector::start().await;
    let lines: String = (0..40)
        .map(|n| {
            let mut event = custom(&format!("evt_{n}"), "s", "n");
            event["response"] = "x".repeat(90_000).into();
            format!("{event}\n")
        })
        .collect();
    collector.batch(&lines).await;
    let mut response = collector.request(Method::GET, "/api/v1/stream?after=0").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut text, mut seen) = (String::new(), 0);
    while seen < 40 {
        let chunk = response.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((message, rest)) = text.split_once("\n\n") {
            assert!(message.len() <= 1024 * 1024, "a message of {} bytes", message.len());
            if let Some(data) = message.lines().find_map(|line| line.strip_prefix("data: ")) {
                let data: Value = serde_json::from_str(data).unwrap();
                seen += data["events"].as_array().map_or(0, Vec::len);
            }
            text = rest.to_owned();
        }
    }
    assert_eq!(seen, 40);
}
