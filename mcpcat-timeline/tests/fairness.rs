//! Several projects on one disk: each has its bounds, and grows at its own expense.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::{Duration, Instant};

use common::{Collector, custom};
use mcpcat_timeline::Timeline;

/// So many events of a project, of about 2 KB each.
fn lines(project: &str, from: usize, count: usize) -> String {
    let filler = "x".repeat(1800);
    (from..from + count)
        .map(|n| {
            let mut event = custom(&format!("{project}_{n}"), &format!("ses_{project}_{}", n / 100), "n");
            event["project_id"] = project.into();
            event["response"] = filler.clone().into();
            format!("{event}\n")
        })
        .collect()
}

async fn send(collector: &Collector, project: &str, from: usize, count: usize) {
    for start in (from..from + count).step_by(300) {
        collector.batch(&lines(project, start, 300.min(from + count - start))).await;
    }
}

async fn events(collector: &Collector, project: &str) -> u64 {
    let page = collector.get(&format!("/api/v1/sessions?project={project}&limit=1000")).await;
    page["sessions"].as_array().unwrap().iter().map(|row| row["event_count"].as_u64().unwrap()).sum()
}

async fn bytes(collector: &Collector) -> u64 {
    collector.get("/api/v1/about").await["store"]["bytes"].as_u64().unwrap()
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !done().await {
        assert!(Instant::now() < patience, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_floods_removes_its_own_events_and_the_other_keeps_all() {
    let limit = 8_000_000;
    let collector = Collector::with(|builder| builder.keep_bytes(limit)).await;
    send(&collector, "quiet", 0, 900).await;
    send(&collector, "small", 0, 30).await;
    // Ten times what fits.
    send(&collector, "flood", 0, 30_000).await;
    until("removal by size", async || bytes(&collector).await <= limit).await;
    let kept = (
        events(&collector, "quiet").await,
        events(&collector, "small").await,
        events(&collector, "flood").await,
    );
    assert_eq!((kept.0, kept.1), (900, 30), "the others keep their events");
    assert!((300..10_000).contains(&kept.2), "{} of the flood are left", kept.2);
    // And they are its newest.
    let newest = collector.get("/api/v1/events/flood_29999").await;
    assert_eq!(newest["event"]["id"], "flood_29999");
    let page = collector.get("/api/v1/overview?since=2026-11-22T00:00:00Z&until=2026-11-23T00:00:00Z").await;
    assert_eq!(page["events"].as_u64().unwrap(), kept.0 + kept.1 + kept.2, "the sums follow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_of_one_project_takes_from_that_one_alone() {
    let collector = Collector::with(|builder| builder.keep_project_bytes("a", 2_000_000)).await;
    for part in 0..5 {
        send(&collector, "a", part * 600, 600).await;
        send(&collector, "b", part * 600, 600).await;
    }
    until("removal of project a", async || events(&collector, "a").await < 1200).await;
    assert!(events(&collector, "a").await > 300);
    assert_eq!(events(&collector, "b").await, 3000);
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_of_single_projects_are_in_the_place_of_the_common_one() {
    let short = Duration::from_millis(300);
    let long = Duration::from_secs(86_400);
    let collector =
        Collector::with(|builder| builder.keep_for(short).keep_project_for("archive", long)).await;
    // Old ones to be kept in front of those to be removed, so many that one look does not pass them.
    send(&collector, "archive", 0, 6000).await;
    send(&collector, "a", 0, 300).await;
    send(&collector, "b", 0, 300).await;
    until("removal by age", async || events(&collector, "a").await + events(&collector, "b").await == 0)
        .await;
    assert_eq!(events(&collector, "archive").await, 6000);
    let Collector { running, folder, .. } = collector;
    running.shutdown().await;
    let builder = Timeline::builder().data(folder.path().join("events.sqlite3"));
    let running = common::start_again(builder.keep_project_for("archive", short)).await;
    let collector = Collector::over(running, folder);
    send(&collector, "a", 300, 300).await;
    until("removal of the archive", async || events(&collector, "archive").await == 0).await;
    assert_eq!(events(&collector, "a").await, 300, "no bound is on the others");
}
