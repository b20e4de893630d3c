//! mcpcat: `emit!` in a session, and an annotated function.

use std::time::Duration;

use mcpcat::{Backend, Client, Session, emit};

use super::{PATIENCE, Peer};

pub struct Ours {
    client: Client,
    session: Session,
}

impl Ours {
    pub fn new(url: &str, backend: Backend) -> Self {
        let client = Client::builder("proj_peers")
            .base_url(url)
            .backend(backend)
            .build()
            .expect("the settings are good");
        let session = client.session("peers");
        Self { client, session }
    }
}

impl Peer for Ours {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        emit!(
            "invoice.charge",
            marker,
            text,
            number,
            retry = false,
            duration = Duration::from_micros(number.into())
        );
    }

    fn within(&self, work: &mut dyn FnMut()) {
        self.session.run(work);
    }

    fn flush(&self) {
        let _ = self.client.flush_blocking(PATIENCE);
    }
}

/// The same event from an annotated function, whose duration is taken.
pub struct Annotated(Ours);

impl Annotated {
    pub fn new(url: &str) -> Self {
        Self(Ours::new(url, Backend::Mapped))
    }
}

#[mcpcat::event(name = "invoice.charge", params(marker, text, number, retry))]
fn charge(marker: &str, text: &str, number: u32, retry: bool) -> u32 {
    std::hint::black_box((marker, text, retry));
    number
}

impl Peer for Annotated {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        std::hint::black_box(charge(marker, text, number, false));
    }

    fn within(&self, work: &mut dyn FnMut()) {
        self.0.within(work);
    }

    fn flush(&self) {
        self.0.flush();
    }
}
