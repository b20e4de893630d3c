//! A transport of your own: events leave through whatever you have, here into memory. This one also has a bad day: its
//! first requests fail, hang, panic and are told to come back later. The events arrive all the same, each once.
//!
//! ```text
//! cargo run --example own_transport
//! ```

#![allow(clippy::print_stdout, reason = "what arrived is its output")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpcat::{Client, CustomEvent, Transport, TransportError, TransportRequest, TransportResponse};

#[derive(Default)]
struct InMemory {
    requests: AtomicUsize,
    bodies: Mutex<Vec<String>>,
}

impl Transport for InMemory {
    async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        match self.requests.fetch_add(1, Ordering::Relaxed) {
            0 => Err(TransportError::new("the network is down")),
            1 => std::future::pending().await,
            2 => panic!("a bug in the transport"),
            3 => Ok(TransportResponse::new(503).header("retry-after", "1")),
            _ => {
                // Any error converts with `?`.
                let body = std::str::from_utf8(request.body())?.to_owned();
                self.bodies.lock().map_err(|_| TransportError::new("poisoned"))?.push(body);
                Ok(TransportResponse::new(202))
            }
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let transport = Arc::new(InMemory::default());
    let client = Client::builder("proj_abc123xyz")
        .base_url("https://collector.example")
        .transport(Arc::clone(&transport))
        .request_timeout(Duration::from_secs(1))
        // For an example, nothing is kept between two runs.
        .backend(mcpcat::Backend::Memory)
        .build()?;
    for number in 1..=10 {
        client.publish("customer-abc", CustomEvent::new("order.placed").parameter("number", number))?;
    }
    let stats = client.shutdown_blocking(Duration::from_secs(30));
    for body in transport.bodies.lock().map_err(|_| "poisoned")?.iter() {
        println!("{body}");
    }
    eprintln!("{stats}");
    if let Some(failure) = &stats.last_failure {
        eprintln!("the last failure: {failure}");
    }
    Ok(())
}
