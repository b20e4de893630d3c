//! Who is let in: names, origins, tokens, and what a browser is told.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Collector, custom};
use mcpcat_timeline::{Error, Right, Timeline, Token};
use reqwest::{Method, StatusCode};

async fn status(request: reqwest::RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn a_name_that_is_not_ours_is_refused_because_of_dns_rebinding() {
    let collector = Collector::with(|builder| builder.allowed_host("timeline.test:8080")).await;
    let port = collector.running.addr().port();
    for (host, expected) in [
        (format!("127.0.0.1:{port}"), StatusCode::OK),
        (format!("localhost:{port}"), StatusCode::OK),
        ("[::1]:1".into(), StatusCode::OK),
        ("timeline.test".into(), StatusCode::OK),
        ("evil.example".into(), StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example".into(), StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example:80".into(), StatusCode::MISDIRECTED_REQUEST),
        ("[::1].evil.example".into(), StatusCode::MISDIRECTED_REQUEST),
    ] {
        for path in ["/", "/api/v1/sessions", "/metrics", "/assets/app.js"] {
            let request = collector.request(Method::GET, path).header("host", &host);
            assert_eq!(status(request).await, expected, "{host} {path}");
        }
        let post = collector
            .request(Method::POST, "/v1/public/events/")
            .header("host", &host)
            .header("content-type", "application/json")
            .body(custom("e", "s", "n").to_string());
        assert_eq!(status(post).await == StatusCode::ACCEPTED, expected == StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn other_websites_are_refused_unless_invited() {
    let collector = Collector::with(|builder| builder.allowed_origin("https://app.test/")).await;
    let own = collector.running.url().to_owned();
    let get = |origin: &str| collector.request(Method::GET, "/api/v1/sessions").header("origin", origin);
    assert_eq!(status(get(&own)).await, StatusCode::OK);
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"] {
        assert_eq!(status(get(origin)).await, StatusCode::FORBIDDEN, "{origin}");
    }
    let invited = get("https://app.test").send().await.unwrap();
    assert_eq!(invited.status(), StatusCode::OK);
    assert_eq!(invited.headers()["access-control-allow-origin"], "https://app.test");
    let asked = collector
        .request(Method::OPTIONS, "/v1/public/events/")
        .header("origin", "https://app.test")
        .header("access-control-request-method", "POST");
    assert_eq!(status(asked).await, StatusCode::NO_CONTENT);
    let script = collector.request(Method::GET, "/api/v1/stream").header("sec-fetch-site", "cross-site");
    assert_eq!(status(script.header("sec-fetch-mode", "no-cors")).await, StatusCode::FORBIDDEN);
    let link = collector.request(Method::GET, "/").header("sec-fetch-site", "cross-site");
    assert_eq!(status(link.header("sec-fetch-mode", "navigate")).await, StatusCode::OK);
}

#[tokio::test]
async fn listening_to_other_machines_needs_a_token() {
    let open = Timeline::builder().listen("0.0.0.0:0".parse().unwrap());
    let refused = open.clone().start().await.unwrap_err();
    assert!(matches!(refused, Error::TokenNeeded { .. }));
    assert!(refused.to_string().contains("token"), "{refused}");
    let guarded = open.token("secret").start().await.unwrap();
    guarded.shutdown().await;
}

#[tokio::test]
async fn tokens_let_their_bearers_do_what_they_are_for_and_no_more() {
    let collector = Collector::with(|builder| {
        builder
            .token("all")
            .add_token(Token::new(Right::Ingest, "in").for_project("proj_test"))
            .add_token(Token::new(Right::Read, "out").for_project("proj_test"))
            .add_token(Token::new(Right::Read, "out-b").for_project("proj_b"))
    })
    .await;
    let send = |token: Option<&str>, event: &serde_json::Value| {
        let request = collector
            .request(Method::POST, "/v1/public/events/")
            .header("content-type", "application/json")
            .body(event.to_string());
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let event = custom("e1", "s", "n");
    let mut foreign = custom("e2", "s", "n");
    foreign["project_id"] = "proj_b".into();
    for (token, event, expected) in [
        (None, &event, StatusCode::UNAUTHORIZED),
        (Some("guess"), &event, StatusCode::UNAUTHORIZED),
        (Some("out"), &event, StatusCode::UNAUTHORIZED),
        (Some("in"), &event, StatusCode::ACCEPTED),
        (Some("in"), &foreign, StatusCode::FORBIDDEN),
        (Some("all"), &foreign, StatusCode::ACCEPTED),
    ] {
        assert_eq!(status(send(token, event)).await, expected, "{token:?}");
    }
    let get = |token: &str, path: &str| collector.request(Method::GET, path).bearer_auth(token).send();
    for path in [
        "/api/v1/sessions",
        "/api/v1/sessions/s",
        "/api/v1/sessions/s/events",
        "/api/v1/events",
        "/api/v1/facets",
        "/api/v1/overview",
        "/api/v1/export.ndjson",
        "/api/v1/export.csv",
        "/api/v1/about",
        "/metrics",
    ] {
        assert_eq!(get("in", path).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{path}");
        let seen = get("out", path).await.unwrap().text().await.unwrap();
        assert!(!seen.contains("proj_b") && !seen.contains("e2"), "{path} shows another project: {seen}");
    }
    assert_eq!(get("out", "/api/v1/events/e2").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(get("out-b", "/api/v1/events/e2").await.unwrap().status(), StatusCode::OK);
    let delete = |token: &str| collector.request(Method::DELETE, "/api/v1/sessions/s").bearer_auth(token);
    assert_eq!(status(delete("out")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(delete("in")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(delete("all")).await, StatusCode::OK);
}

#[tokio::test]
async fn an_sdk_that_sends_no_header_carries_the_token_in_its_base_url() {
    let collector = Collector::with(|builder| builder.token("s3cret")).await;
    for (path, expected) in [
        ("/t/s3cret/v1/public/events/", StatusCode::ACCEPTED),
        ("/t/s3cret/v1/public/events", StatusCode::ACCEPTED),
        ("/t/other/v1/public/events/", StatusCode::UNAUTHORIZED),
    ] {
        let request = collector
            .request(Method::POST, path)
            .header("content-type", "application/json")
            .body(custom("e", "s", "n").to_string());
        assert_eq!(status(request).await, expected, "{path}");
    }
    let batch = collector
        .request(Method::POST, "/t/s3cret/v1/public/events/batch")
        .header("content-type", "application/x-ndjson")
        .body(custom("e", "s", "n").to_string());
    assert_eq!(status(batch).await, StatusCode::OK);
}

#[tokio::test]
async fn the_page_moves_a_token_into_a_cookie_that_scripts_cannot_read() {
    let collector = Collector::with(|builder| builder.token("a b;c").base_path("/x")).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = collector.running.url();
    assert_eq!(http.get(format!("{url}/")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let moved = http.get(format!("{url}/sessions/s?token=a%20b%3Bc&event=e%261")).send().await.unwrap();
    assert_eq!(moved.status(), StatusCode::SEE_OTHER);
    assert_eq!(moved.headers()["location"], "/x/sessions/s?event=e%261");
    let cookie = moved.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/x/"),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    let with = http.get(format!("{url}/api/v1/sessions")).header("cookie", pair);
    assert_eq!(with.send().await.unwrap().status(), StatusCode::OK);
    let wrong = http.get(format!("{url}/?token=guess")).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert!(!wrong.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn a_doubled_slash_cannot_turn_the_token_redirect_to_another_host() {
    let collector = Collector::with(|builder| builder.token("t")).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for path in
        ["//evil.example/?token=t", "/%2F/evil.example?token=t", "/sessions/%2F%2Fevil.example?token=t"]
    {
        let response = http.get(collector.url(path)).send().await.unwrap();
        if let Some(location) = response.headers().get("location") {
            let location = location.to_str().unwrap();
            assert!(location.starts_with('/') && !location.starts_with("//"), "{path} leads to {location}");
        }
    }
}

#[tokio::test]
async fn every_answer_keeps_the_browser_strict() {
    let collector = Collector::start().await;
    for path in ["/", "/sessions/x", "/api/v1/sessions", "/assets/app.js", "/nowhere", "/api/v1/nowhere"] {
        let response = collector.request(Method::GET, path).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    for path in
        ["/assets/..%2fCargo.toml", "/assets/%2e%2e/%2e%2e/Cargo.toml", "/assets/app.js/../../src/lib.rs"]
    {
        let response = collector.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let first = collector.request(Method::GET, "/assets/style.css").send().await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = collector.request(Method::GET, "/assets/style.css").header("if-none-match", tag);
    assert_eq!(status(again).await, StatusCode::NOT_MODIFIED);
    // The page names its files by their edition, which a browser may keep; another edition it may not.
    let shell =
        collector.request(Method::GET, "/sessions/s?project=p").send().await.unwrap().text().await.unwrap();
    let edition = shell.split("assets/").nth(1).unwrap().split('/').next().unwrap();
    for (edition, kept) in [(edition, true), ("0123456789abcdef", false)] {
        let path = format!("/assets/{edition}/app.js");
        let response = collector.request(Method::GET, &path).send().await.unwrap();
        let control = response.headers()["cache-control"].to_str().unwrap();
        assert_eq!(control.contains("immutable"), kept, "{control}");
    }
    assert!(shell.contains("href=\"api/v1/sessions/s/outline?project=p\""));
    for path in ["/sessions/s?project=p%22%3E", "/sessions/%22%3E", "/overview"] {
        let shell = collector.request(Method::GET, path).send().await.unwrap().text().await.unwrap();
        assert!(!shell.contains("as=\"fetch\""), "{path}");
    }
}

#[tokio::test]
async fn a_read_only_timeline_takes_nothing_in_beside_the_one_that_writes() {
    let writer = Collector::start().await;
    writer.post(&custom("e", "s", "n")).await;
    let reader = Timeline::builder().data(writer.data()).read_only(true).start().await.unwrap();
    let http = reqwest::Client::new();
    let seen = http.get(format!("{}/api/v1/sessions/s/events", reader.url())).send().await.unwrap();
    assert!(seen.text().await.unwrap().contains("\"e\""));
    let post = http
        .post(format!("{}/v1/public/events/", reader.url()))
        .header("content-type", "application/json")
        .body(custom("e2", "s", "n").to_string());
    assert_eq!(status(post).await, StatusCode::FORBIDDEN);
    assert_eq!(
        status(http.delete(format!("{}/api/v1/sessions/s", reader.url()))).await,
        StatusCode::FORBIDDEN
    );
    reader.shutdown().await;
}

#[tokio::test]
async fn options_that_make_no_sense_are_explained() {
    let text = |builder: mcpcat_timeline::TimelineBuilder| builder.build().unwrap_err().to_string();
    assert!(text(Timeline::builder().base_path("timeline")).contains("/timeline"));
    assert!(text(Timeline::builder().base_path("/a//b")).contains("base_path"));
    assert!(text(Timeline::builder().trace_url("https://x/trace")).contains("{trace_id}"));
    assert!(text(Timeline::builder().trace_url("javascript:{trace_id}")).contains("http"));
    assert!(text(Timeline::builder().data("/proc/nowhere/x.sqlite3")).contains("/proc/nowhere"));
}

#[tokio::test]
async fn a_base_path_moves_everything() {
    let collector = Collector::with(|builder| builder.base_path("/team/timeline/")).await;
    let response = collector.post_raw(custom("e", "s", "n").to_string()).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(
        response.headers()["mcpcat-batch"]
            .to_str()
            .unwrap()
            .contains("path=/team/timeline/v1/public/events/batch")
    );
    let page = collector.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<base href=\"/team/timeline/\">"));
    assert_eq!(collector.events("s").await.len(), 1);
}
