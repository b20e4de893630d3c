//! The official Rust SDK, by its process-wide handle.

use std::time::Duration;

use agentcat_sdk::{AgentCat, CustomEvent, Options};
use serde_json::json;

use super::{PATIENCE, Peer};

pub struct Official(AgentCat);

impl Official {
    pub fn new(url: &str) -> Self {
        Self(AgentCat::new("proj_peers", Options::default().api_base_url(url)))
    }
}

impl Peer for Official {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        let event = CustomEvent::new()
            .resource_name("invoice.charge")
            .parameters(json!({"marker": marker, "text": text, "number": number, "retry": false}))
            .duration(Duration::from_micros(number.into()));
        self.0.publish_custom_event("peers", "proj_peers", event).expect("a project is named");
    }

    fn flush(&self) {
        self.0.flush_blocking(PATIENCE);
    }
}
