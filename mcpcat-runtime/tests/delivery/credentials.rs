//! Who sends is told to the configured origin, and to nobody else.

use std::time::Duration;

use mcpcat_runtime::CustomEvent;

use crate::endpoint::{Endpoint, PATIENCE, Way, within};

#[tokio::test]
async fn token_and_headers_go_with_every_request() {
    let offer = "mcpcat-batch: v1; path=/b; max-events=500; max-bytes=1048576\r\n";
    let endpoint = Endpoint::start(move |_, post| match post.path.as_str() {
        "/b" => {
            let results: Vec<_> =
                post.ids().iter().map(|id| serde_json::json!({ "id": id, "status": "accepted" })).collect();
            Way::Says(200, "", serde_json::json!({ "results": results }).to_string())
        }
        _ => Way::Says(202, offer, String::new()),
    })
    .await;
    let client = endpoint.builder().token("token-word").header("X-Tenant", "tenant-word").build().unwrap();
    for n in 0..200 {
        client.publish("s", CustomEvent::new("e").parameter("n", n)).unwrap();
    }
    let stats = within(client.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.pending), (200, 0), "{stats}");
    let posts = endpoint.posts();
    assert!(posts.iter().any(|post| post.path == "/b"), "batches carry them too");
    for post in posts {
        assert_eq!(post.header("authorization"), Some("Bearer token-word"), "{}", post.path);
        assert_eq!(post.header("x-tenant"), Some("tenant-word"), "{}", post.path);
    }
    assert!(!format!("{client:?}").contains("-word"));
}

#[tokio::test]
async fn a_redirect_does_not_carry_them_to_another_origin() {
    let other = Endpoint::start(|_, _| Way::ok()).await;
    let location: &'static str = format!("location: {}/v1/public/events/\r\n", other.url).leak();
    let endpoint = Endpoint::start(move |_, _| Way::Says(307, location, String::new())).await;
    let client = endpoint.builder().token("token-word").build().unwrap();
    client.publish("s", CustomEvent::new("e")).unwrap();
    endpoint.wait(2).await;
    assert!(other.posts().is_empty());
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, 1), "{stats}");
}

#[tokio::test]
async fn a_token_that_was_rotated_is_read_after_a_401() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "old-word\n").unwrap();
    let endpoint = Endpoint::start({
        let file = file.clone();
        move |_, post| match post.header("authorization") {
            Some("Bearer new-word") => Way::ok(),
            _ => {
                std::fs::write(&file, "new-word\n").unwrap();
                Way::status(401)
            }
        }
    })
    .await;
    let client = endpoint.builder().token_file(&file).build().unwrap();
    client.publish("s", CustomEvent::new("e")).unwrap();
    let stats = within(client.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (1, 0, 0), "{stats}");
    assert_eq!(endpoint.posts().len(), 2, "refused once");
    let failure = stats.last_failure.unwrap();
    assert!(failure.contains("401") && !failure.contains("-word"), "{failure}");
}

#[tokio::test]
async fn a_token_file_that_is_not_there_yet_keeps_events_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let client = endpoint.builder().token_file(&file).build().unwrap();
    client.publish("s", CustomEvent::new("e")).unwrap();
    let stats = within(client.flush(Duration::from_millis(300))).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, 1), "{stats}");
    assert!(stats.last_failure.is_some_and(|why| why.contains("token file")));
    assert!(endpoint.posts().is_empty(), "nothing leaves without it");
    std::fs::write(&file, "word-of-now").unwrap();
    let stats = within(client.flush(PATIENCE)).await;
    assert_eq!((stats.delivered, stats.pending), (1, 0), "{stats}");
    assert_eq!(endpoint.posts()[0].header("authorization"), Some("Bearer word-of-now"));
}

#[tokio::test]
async fn a_token_in_the_address_is_in_no_message() {
    let endpoint = Endpoint::start(|_, _| Way::status(404)).await;
    let client = endpoint.builder().base_url(format!("{}/t/path-word", endpoint.url)).build().unwrap();
    client.publish("s", CustomEvent::new("e")).unwrap();
    endpoint.wait(1).await;
    let stats = within(client.flush(Duration::from_millis(100))).await;
    assert_eq!(endpoint.posts()[0].path, "/t/path-word/v1/public/events/");
    let failure = stats.last_failure.clone().unwrap();
    assert!(failure.contains("404") && failure.contains("/t/***"), "{failure}");
    for text in [failure, format!("{stats:?}"), format!("{client:?}")] {
        assert!(!text.contains("path-word"), "{text}");
    }
}
