//! An outage in real time: `outage [SECONDS]`, 60 if not said. Publishes all the while into a port that nobody
//! listens on, then into an endpoint that hangs, then opens it, and fails if one event is lost or taken twice.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test program")]

#[allow(dead_code, reason = "shared with the tests, which use more of it")]
#[path = "../delivery/endpoint.rs"]
mod endpoint;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use endpoint::{Endpoint, PATIENCE, Way};
use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(60, |text| text.parse().unwrap());
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let state = tempfile::tempdir().unwrap();
    let client = Client::builder("proj_outage")
        .base_url(format!("http://{address}"))
        .state_dir(state.path())
        .build()
        .unwrap();
    let half = Duration::from_secs(seconds) / 2;

    let mut published = publish_for(&client, half).await;
    println!("refused for {half:?}: {}", client.stats());

    let well = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&well);
    let listener = TcpListener::bind(address).await.unwrap();
    let endpoint = Endpoint::on(listener, move |_, _| match answer.load(Ordering::SeqCst) {
        true => Way::ok(),
        false => Way::Hangs,
    });
    published += publish_for(&client, half).await;
    println!("hung for {half:?}: {}", client.stats());

    well.store(true, Ordering::SeqCst);
    let stats = client.shutdown(PATIENCE).await;
    println!("then well: {stats}; {} requests", stats.requests);
    assert_eq!((stats.published, stats.delivered), (published, published), "nothing is lost");
    assert_eq!((stats.dropped, stats.pending), (0, 0));
    assert_eq!(endpoint.arrivals(|_, _| true).len() as u64, published);
}

/// Ten events a second, for as long; how many.
async fn publish_for(client: &Client, time: Duration) -> u64 {
    let (end, mut tick) = (Instant::now() + time, tokio::time::interval(Duration::from_millis(100)));
    let mut published = 0;
    while Instant::now() < end {
        tick.tick().await;
        client.publish("s", CustomEvent::new("during the outage").parameter("n", published)).unwrap();
        published += 1;
    }
    published
}
