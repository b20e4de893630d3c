//! fastrace: a span with properties under the root of a session. Its reporter throws the spans away: only the
//! call site is compared.

use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{Span, SpanContext};

use super::Peer;

struct Nowhere;

impl Reporter for Nowhere {
    fn report(&mut self, _spans: Vec<SpanRecord>) {}
}

pub struct Fastrace(Span);

impl Fastrace {
    pub fn new() -> Self {
        fastrace::set_reporter(Nowhere, Config::default());
        Self(Span::root("session", SpanContext::random()))
    }
}

impl Peer for Fastrace {
    fn publish(&self, marker: &str, text: &str, number: u32) {
        drop(Span::enter_with_parent("invoice.charge", &self.0).with_properties(|| {
            [
                ("marker", marker.to_owned()),
                ("text", text.to_owned()),
                ("number", number.to_string()),
                ("retry", "false".to_owned()),
            ]
        }));
    }

    fn flush(&self) {
        fastrace::flush();
    }
}
