//! PostHog's client.

use posthog_rs::{Client, Event};

use super::Peer;

pub struct PostHog {
    client: Client,
    runtime: tokio::runtime::Runtime,
}

impl PostHog {
    pub fn new(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(posthog_rs::client(("phc_peers", url)));
        Self { client, runtime }
    }
}

impl Peer for PostHog {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        let mut event = Event::new("invoice.charge", "peers");
        event.insert_prop("marker", marker).expect("text serialises");
        event.insert_prop("text", text).expect("text serialises");
        event.insert_prop("number", number).expect("numbers serialise");
        event.insert_prop("retry", false).expect("booleans serialise");
        event.insert_prop("duration_us", number).expect("numbers serialise");
        self.client.capture(event);
    }

    fn flush(&self) {
        self.runtime.block_on(self.client.flush());
    }
}
