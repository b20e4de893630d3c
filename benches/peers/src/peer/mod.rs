//! The peers behind one interface: one business event with a name, four parameters and a duration, sent as each
//! of them documents it.

use std::time::Duration;

mod bare;
mod fastrace;
mod official;
mod open_telemetry;
mod ours;
mod posthog;
mod sentry;

/// How long a peer may take to drain at an orderly end.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub trait Peer: Send + Sync {
    /// Publishes the event with this marker and text as two of its parameters.
    fn publish(&self, marker: &str, text: &str, number: u32);

    /// Runs work where the peer's session is known, if it has such a place.
    fn within(&self, work: &mut dyn FnMut()) {
        work();
    }

    /// Waits until what was published is delivered.
    fn flush(&self);
}

pub fn start(name: &str, url: &str) -> Box<dyn Peer> {
    match name {
        "ours" => Box::new(ours::Ours::new(url, mcpcat::Backend::Mapped)),
        "ours-written" => Box::new(ours::Ours::new(url, mcpcat::Backend::Written)),
        "ours-memory" => Box::new(ours::Ours::new(url, mcpcat::Backend::Memory)),
        "ours-macro" => Box::new(ours::Annotated::new(url)),
        "official" => Box::new(official::Official::new(url)),
        "posthog" => Box::new(posthog::PostHog::new(url)),
        "sentry" => Box::new(sentry::Sentry::new(url)),
        "otel" => Box::new(open_telemetry::OpenTelemetry::new(url)),
        "fastrace" => Box::new(fastrace::Fastrace::new()),
        "bare" => Box::new(bare::Bare::new(url)),
        _ => panic!("no peer is called {name}"),
    }
}
