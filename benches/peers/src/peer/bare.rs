//! The floor of delivery: one POST per event with a body of our own making, by an HTTP client and nothing else,
//! 64 in flight.

use std::sync::Arc;
use std::sync::mpsc;

use tokio::sync::{Semaphore, mpsc as channel};

use super::Peer;

const IN_FLIGHT: u32 = 64;

enum Order {
    Post(String),
    Flush(mpsc::Sender<()>),
}

pub struct Bare {
    body: String,
    orders: channel::UnboundedSender<Order>,
}

impl Bare {
    /// `PEERS_BODY` is the body of one of our own requests.
    pub fn new(url: &str) -> Self {
        let body = std::env::var("PEERS_BODY").unwrap_or_else(|_| r#"{"marker":"EVT00000000"}"#.to_owned());
        let (orders, mut wanted) = channel::unbounded_channel();
        let url = format!("{url}/v1/public/events/");
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let client = reqwest::Client::new();
                let slots = Arc::new(Semaphore::new(IN_FLIGHT as usize));
                while let Some(order) = wanted.recv().await {
                    match order {
                        Order::Post(body) => {
                            let slot = Arc::clone(&slots).acquire_owned().await.expect("never closed");
                            let post =
                                client.post(&url).header("content-type", "application/json").body(body);
                            tokio::spawn(async move {
                                if let Ok(answer) = post.send().await {
                                    let _ = answer.bytes().await;
                                }
                                drop(slot);
                            });
                        }
                        Order::Flush(done) => {
                            let _ = slots.acquire_many(IN_FLIGHT).await;
                            let _ = done.send(());
                        }
                    }
                }
            });
        });
        Self { body, orders }
    }
}

impl Peer for Bare {
    fn publish(&self, marker: &str, _text: &str, _number: u32) {
        let _ = self.orders.send(Order::Post(self.body.replacen("EVT00000000", marker, 1)));
    }

    fn flush(&self) {
        let (done, wait) = mpsc::channel();
        let _ = self.orders.send(Order::Flush(done));
        let _ = wait.recv();
    }
}
