//! What a tracked server is asked to do beyond recording. Nothing here is on unless asked for, so that a tracked
//! server is the server it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

use super::convention::Convention;
use super::hooks::Hooks;
use super::inject::Injection;
use super::request::{Method, RequestInfo};
use crate::session::{Peer, TraceContext};

/// Whether a method is recorded when no [`Tracked::record`](super::Tracked::record) says otherwise: all but `ping`,
/// which says nothing but that somebody is there.
///
/// For some of them the hosted product has no event type: methods of the server's own, `skills/*`, `tasks/update`,
/// `resources/directory/read`, `server/discover`, `subscriptions/listen`. Their events go only to an endpoint that
/// offers to take them, as `mcpcat-timeline` does; elsewhere they are counted in
/// [`Stats::not_offered`](crate::delivery::Stats::not_offered).
#[must_use]
pub fn recorded_by_default(method: &str) -> bool {
    method != "ping"
}

/// How much an automatic event records of a request's parameters and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Neither of them.
    Nothing,
    /// Keys, types and sizes: `{"name": "string(5)", "rows": "array(3)"}`.
    Shape,
    /// All of it, within the client's limits and without the values of sensitive keys.
    #[default]
    All,
}

type Payloads = dyn Fn(&str, Option<&str>) -> Payload + Send + Sync;
type Filter = dyn Fn(&str) -> bool + Send + Sync;
type Tracer = dyn Fn() -> Option<TraceContext> + Send + Sync;
type Resolver = dyn Fn(&RequestInfo<'_>) -> Option<String> + Send + Sync;

type Principals = dyn Fn(&RequestInfo<'_>) -> Option<String> + Send + Sync;

#[derive(Clone)]
pub(super) struct Options {
    pub(super) record: Option<Arc<Filter>>,
    pub(super) injection: Injection,
    pub(super) resolver: Option<Arc<Resolver>>,
    pub(super) hooks: Hooks,
    pub(super) trace: Option<Arc<Tracer>>,
    pub(super) payloads: Option<Arc<Payloads>>,
    /// How clients name their conversation.
    pub(super) conventions: Arc<[Convention]>,
    pub(super) principal: Option<Arc<Principals>>,
    /// How the server is called in events.
    pub(super) server: Option<Peer>,
    pub(super) hash_key: Option<Arc<str>>,
    /// Conversations and people stand on events as they are, and not as hashes.
    pub(super) plain_values: bool,
}

impl Default for Options {
    fn default() -> Self {
        /// Made once: on a stateless service each request has a wrapper of its own.
        static KNOWN: OnceLock<Arc<[Convention]>> = OnceLock::new();
        Self {
            record: None,
            injection: Injection::default(),
            resolver: None,
            hooks: Hooks::default(),
            trace: None,
            payloads: None,
            conventions: Arc::clone(KNOWN.get_or_init(|| Convention::known().into())),
            principal: None,
            server: None,
            hash_key: None,
            plain_values: false,
        }
    }
}

impl Options {
    pub(super) fn records(&self, method: &Method<'_>) -> bool {
        self.records_method(method.name)
    }

    pub(super) fn records_method(&self, method: &str) -> bool {
        match &self.record {
            None => recorded_by_default(method),
            // The author's code: its panic must not become the host's.
            Some(filter) => catch_unwind(AssertUnwindSafe(|| filter(method)))
                .unwrap_or_else(|_| recorded_by_default(method)),
        }
    }

    pub(super) fn has_resolver(&self) -> bool {
        self.resolver.is_some()
    }

    /// The string that the author's resolver names the session by.
    pub(super) fn resolve(&self, request: &RequestInfo<'_>) -> Option<String> {
        let resolver = self.resolver.as_ref()?;
        let resolved = catch_unwind(AssertUnwindSafe(|| resolver(request)));
        let text = resolved
            .inspect_err(|_| crate::notice::warn("`resolve_session` panicked: no session"))
            .ok()??;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// How much of a request is recorded.
    pub(super) fn payload(&self, method: &str, name: Option<&str>) -> Payload {
        match &self.payloads {
            None => Payload::All,
            // When in doubt, nothing.
            Some(payloads) => {
                catch_unwind(AssertUnwindSafe(|| payloads(method, name))).unwrap_or(Payload::Nothing)
            }
        }
    }

    /// The trace that a request is part of: what the callback says, else its `traceparent`.
    pub(super) fn trace(&self, context: &RequestContext<RoleServer>) -> Option<TraceContext> {
        let asked = self.trace.as_ref().map(|trace| catch_unwind(AssertUnwindSafe(|| trace())));
        if let Some(Ok(Some(trace))) = asked {
            return Some(trace);
        }
        let meta = context.meta.get("traceparent").and_then(|value| value.as_str());
        let text =
            meta.or_else(|| context.extensions.get::<Parts>()?.headers.get("traceparent")?.to_str().ok())?;
        TraceContext::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_is_not_recorded_by_default() {
        assert!(recorded_by_default("tools/call") && recorded_by_default("shop/open"));
        assert!(!recorded_by_default("ping"));
    }
}
