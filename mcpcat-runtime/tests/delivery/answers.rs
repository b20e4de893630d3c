//! One event against each kind of answer, and many against an outage: exact counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcpcat_runtime::CustomEvent;
use mcpcat_runtime::DropReason;

use crate::endpoint::{Endpoint, PATIENCE, Way, within};

/// What one event costs and what becomes of it when the first requests are answered by `bad` and the rest well.
async fn one(name: &str, bad: Vec<Way>, posts: usize, delivered: u64) -> Vec<Duration> {
    let plan = bad.clone();
    let endpoint = Endpoint::start(move |n, _| plan.get(n).cloned().unwrap_or_else(Way::ok)).await;
    let client = endpoint.client();
    let id = client.publish("s", CustomEvent::new("one")).unwrap().to_string();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.published, stats.delivered, stats.pending), (1, delivered, 0), "{name}: {stats}");
    assert_eq!(stats.dropped_for(DropReason::Rejected), 1 - delivered, "{name}: {stats}");
    let sent = endpoint.posts();
    assert_eq!((sent.len(), stats.requests), (posts, posts as u64), "{name}: {stats}");
    assert!(sent.iter().all(|post| post.ids() == [id.clone()]), "{name}: one id for all attempts");
    sent.windows(2).map(|pair| pair[1].at - pair[0].at).collect()
}

#[tokio::test]
async fn successes_are_one_request_whatever_their_body() {
    one("202, empty", vec![Way::status(202)], 1, 1).await;
    one("202, no JSON", vec![Way::Says(202, "", "<html>".into())], 1, 1).await;
    one("202, closed mid-body", vec![Way::ClosesMidBody], 1, 1).await;
    one("202, a body that drips", vec![Way::DripsBody], 1, 1).await;
}

#[tokio::test]
async fn refusals_are_one_request() {
    for code in [400, 413, 422] {
        one(&code.to_string(), vec![Way::status(code)], 1, 0).await;
    }
}

#[tokio::test]
async fn failures_are_repeated_until_one_attempt_succeeds() {
    one("hangs", vec![Way::Hangs], 2, 1).await;
    one("resets", vec![Way::Resets, Way::Resets], 3, 1).await;
    one("closes", vec![Way::Closes], 2, 1).await;
    one("a head that drips", vec![Way::DripsHead], 2, 1).await;
    one("500, 502, 408", [500, 502, 408].map(Way::status).to_vec(), 4, 1).await;
}

#[tokio::test]
async fn retry_after_is_kept() {
    for code in [503, 429] {
        let asked = Way::Says(code, "retry-after: 3\r\n", String::new());
        let gaps = one(&code.to_string(), vec![asked], 2, 1).await;
        assert!(gaps[0] >= Duration::from_secs(3), "{code}: {gaps:?}");
        assert!(gaps[0] < Duration::from_secs(20), "{code}: {gaps:?}");
    }
}

#[tokio::test]
async fn retry_after_with_a_date_is_kept() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let endpoint = Endpoint::start(move |_, _| match first.swap(false, Ordering::SeqCst) {
        true => {
            // Dates count whole seconds: more than three from now.
            let until = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(4));
            Way::Says(503, format!("retry-after: {until}\r\n").leak(), String::new())
        }
        false => Way::ok(),
    })
    .await;
    let client = endpoint.client();
    client.publish("s", CustomEvent::new("one")).unwrap();
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.pending, stats.requests), (1, 0, 2), "{stats}");
    let posts = endpoint.posts();
    let gap = posts[1].at - posts[0].at;
    assert!(gap >= Duration::from_secs(3) && gap < Duration::from_secs(20), "{gap:?}");
}

#[tokio::test]
async fn a_wrong_address_is_probed_and_mended() {
    for code in [301, 401, 403, 404] {
        let gaps = one(&code.to_string(), vec![Way::status(code)], 2, 1).await;
        assert!(gaps[0] >= Duration::from_secs(1), "{code}: {gaps:?}");
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_gets_one_request_once_it_is_there() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let endpoint = Endpoint::start(|_, _| Way::ok()).await;
    let client = endpoint.builder().base_url(format!("http://{address}")).build().unwrap();
    client.publish("s", CustomEvent::new("early")).unwrap();
    let stats = client.flush(Duration::from_millis(600)).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (0, 0, 1), "{stats}");
    assert!(stats.last_failure.unwrap().contains("refused"));
    let endpoint = Endpoint::on(tokio::net::TcpListener::bind(address).await.unwrap(), |_, _| Way::ok());
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (1, 0, 0), "{stats}");
    assert_eq!(endpoint.posts().len(), 1);
}

#[tokio::test]
async fn an_outage_of_every_kind_loses_and_repeats_nothing_that_was_taken() {
    let kinds = [Way::Hangs, Way::Resets, Way::Closes, Way::status(503), Way::status(429), Way::DripsHead];
    for bad in kinds {
        let well = Arc::new(AtomicBool::new(false));
        let (answer, way) = (Arc::clone(&well), bad.clone());
        let endpoint =
            Endpoint::start(move |_, _| if answer.load(Ordering::SeqCst) { Way::ok() } else { way.clone() })
                .await;
        let client = endpoint.client();
        for n in 0..200 {
            client.publish("s", CustomEvent::new(format!("e{n}"))).unwrap();
        }
        // A first volley and two probes: the outage is known by then.
        endpoint.wait(4).await;
        let during = client.stats();
        assert_eq!((during.delivered, during.dropped, during.pending), (0, 0, 200), "{bad:?}: {during}");
        let failed = endpoint.posts().len();
        assert!(failed <= 16, "{bad:?}: {failed} requests into an outage, one probe at a time");
        well.store(true, Ordering::SeqCst);
        let stats = client.flush(PATIENCE).await;
        assert_eq!((stats.delivered, stats.dropped, stats.pending), (200, 0, 0), "{bad:?}: {stats}");
        // What was begun before the switch may have failed after it; the ledger tells how many.
        let failed = stats.requests as usize - 200;
        let posts = endpoint.posts();
        assert_eq!(posts.len(), 200 + failed, "{bad:?}");
        assert_eq!(endpoint.arrivals(|_, _| true).len(), 200, "{bad:?}");
        let repeated: usize = endpoint.arrivals(|_, _| true).values().map(|times| times - 1).sum();
        assert_eq!(repeated, failed, "{bad:?}: only what failed was sent again");
    }
}

#[tokio::test]
async fn one_event_that_breaks_the_endpoint_does_not_hold_up_the_rest() {
    let endpoint =
        Endpoint::start(|_, post| if post.body.contains("poison") { Way::status(500) } else { Way::ok() })
            .await;
    let client = endpoint.client();
    client.publish("s", CustomEvent::new("poison")).unwrap();
    endpoint.wait(1).await;
    for n in 0..300 {
        client.publish("s", CustomEvent::new(format!("e{n}"))).unwrap();
    }
    let mut stats = client.flush(Duration::from_millis(100)).await;
    // It takes others' successes between its failures to tell it from an outage.
    within(async {
        while stats.pending > 0 {
            client.publish("s", CustomEvent::new("more")).unwrap();
            stats = client.flush(Duration::from_millis(500)).await;
        }
    })
    .await;
    assert_eq!(stats.dropped_for(DropReason::Exhausted), 1, "{stats}");
    assert_eq!((stats.dropped, stats.delivered), (1, stats.published - 1), "{stats}");
    let poisoned = endpoint.posts().iter().filter(|post| post.body.contains("poison")).count();
    assert_eq!(poisoned, 6, "a first failure and five strikes");
}

#[tokio::test]
async fn an_asked_silence_is_kept_although_others_succeeded_meanwhile() {
    let endpoint = Endpoint::start(|n, _| match n {
        0 => Way::Says(429, "retry-after: 2\r\n", String::new()),
        1..8 => Way::Late(Duration::from_millis(200)),
        _ => Way::ok(),
    })
    .await;
    let client = endpoint.client();
    for n in 0..100 {
        client.publish("s", CustomEvent::new(format!("e{n}"))).unwrap();
    }
    let stats = client.flush(PATIENCE).await;
    assert_eq!((stats.delivered, stats.dropped, stats.requests), (100, 0, 101), "{stats}");
    let posts = endpoint.posts();
    // Those that were on their way may have come after the refusal; the next one comes after the silence.
    let next = posts.iter().filter(|post| post.at - posts[0].at > Duration::from_millis(1_900)).count();
    assert!(next >= 101 - 8, "{next}");
    assert!(posts.iter().all(|post| {
        let after = post.at - posts[0].at;
        after < Duration::from_millis(1_000) || after >= Duration::from_secs(2)
    }));
}
