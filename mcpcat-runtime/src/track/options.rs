//! What a tracked server is asked to do beyond recording: every setting is a method on [`Tracked`], to be
//! called before `serve`. Nothing here is on unless asked for, so that a tracked server is the server it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::service::RequestContext;

use super::hooks::Hooks;
use super::inject::Tools;
use super::request::RequestInfo;
use super::tracked::{Method, Tracked};
use crate::session::TraceContext;

/// The product's recorded methods, without `ping`, which says nothing but that somebody is there.
const DEFAULT: [&str; 14] = [
    "initialize",
    "completion/complete",
    "logging/setLevel",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "tools/call",
    "tools/list",
    "tasks/get",
    "tasks/cancel",
];

/// Whether a method is recorded when no [`Tracked::record`] says otherwise: those that the hosted product
/// has an event type for, without `ping`.
#[must_use]
pub fn recorded_by_default(method: &str) -> bool {
    DEFAULT.contains(&method)
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

#[derive(Clone, Default)]
pub(super) struct Options {
    record: Option<Arc<Filter>>,
    /// `Some` injects the intent parameter; the text inside replaces its description.
    pub(super) intent: Option<Option<Arc<str>>>,
    pub(super) wish_tool: bool,
    pub(super) session_handle: bool,
    pub(super) agent_id: bool,
    resolver: Option<Arc<Resolver>>,
    pub(super) hooks: Hooks,
    trace: Option<Arc<Tracer>>,
    payloads: Option<Arc<Payloads>>,
    /// What is known of the handler's tools, shared by the clones of one wrapper.
    pub(super) tools: Arc<Tools>,
}

impl Options {
    pub(super) fn records(&self, method: &Method<'_>) -> bool {
        match &self.record {
            None => method.by_default,
            // The author's code: its panic must not become the host's.
            Some(filter) => {
                catch_unwind(AssertUnwindSafe(|| filter(method.name))).unwrap_or(method.by_default)
            }
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
            .inspect_err(|_| tracing::warn!(target: "mcpcat", "`resolve_session` panicked: no session"))
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

    /// Whether tools look different to clients.
    pub(super) fn injects(&self) -> bool {
        self.intent.is_some() || self.wish_tool || self.session_handle || self.agent_id
    }
}

impl<H> Tracked<H> {
    /// Chooses the requests that are recorded, by method (`tools/call`, `ping`, a name of the server's own).
    /// Without it, [`recorded_by_default`] decides. A request that is not recorded still runs in its session.
    ///
    /// ```no_run
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat_runtime::track::track(handler, "proj_abc123xyz")
    ///     .record(|method| method == "tools/call" || method == "prompts/get");
    /// # }
    /// ```
    #[must_use]
    pub fn record(self, filter: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.configure(|options| options.record = Some(Arc::new(filter)))
    }

    /// Asks agents why they call a tool: a required parameter `context` is added to the tools' schemas,
    /// recorded as the event's `user_intent`, and taken out before the tool runs.
    ///
    /// A tool that declares a `context` of its own keeps it, and it is not an intent. A schema with `oneOf`,
    /// `allOf` or `anyOf` at its root stays as it is. For a handler that writes `call_tool` by hand,
    /// implement `get_tool` too: it is how the wrapper knows what a tool declares.
    #[must_use]
    pub fn intent(self) -> Self {
        self.configure(|options| options.intent = Some(None))
    }

    /// [`intent`](Self::intent) with a description of your own for the parameter.
    #[must_use]
    pub fn intent_described(self, description: impl Into<Arc<str>>) -> Self {
        let description = description.into();
        self.configure(|options| options.intent = Some(Some(description)))
    }

    /// Adds a tool `get_more_tools`, with which an agent says what tool it misses. It is answered here and
    /// recorded as a tool call whose `user_intent` is the wish. A tool of that name in the server stays.
    #[must_use]
    pub fn wish_tool(self) -> Self {
        self.configure(|options| options.wish_tool = true)
    }

    /// Links the calls of one conversation where the transport does not (stateless HTTP, MCP 2026-07-28): a
    /// required parameter `session_id` is added to the tools' schemas; `start` makes a session, whose id is
    /// told in the answer, and agents send it from then on. It is taken out before the tool runs. Where the
    /// transport has sessions, or with [`resolve_session`](Self::resolve_session), nothing is added.
    ///
    /// The session of such a call is the one whose id was sent; whoever knows an id can write into its
    /// session. Events carry how they were linked in the tag `agentcat_session_id_source`.
    #[must_use]
    pub fn session_handle(self) -> Self {
        self.configure(|options| options.session_handle = true)
    }

    /// Tells the agents of one conversation apart: a required parameter `agent_id` is added to the tools'
    /// schemas, recorded as the tag `agentcat_agent_id`, and taken out before the tool runs.
    #[must_use]
    pub fn agent_id(self) -> Self {
        self.configure(|options| options.agent_id = true)
    }

    /// Names the session of a request by something in it: a header, what an authentication layer left in the
    /// extensions, `_meta`, an argument. The string is what [`Client::session`](crate::client::Client::session)
    /// takes: the same string is the same session in every process. `None` leaves the session to the
    /// transport.
    ///
    /// Runs on the call path of every request: it must not block. A panic counts as `None`.
    ///
    /// ```no_run
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat_runtime::track::track(handler, "proj_abc123xyz")
    ///     .resolve_session(|request| request.header("x-conversation").map(str::to_owned));
    /// # }
    /// ```
    #[must_use]
    pub fn resolve_session(
        self,
        resolver: impl Fn(&RequestInfo<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.configure(|options| options.resolver = Some(Arc::new(resolver)))
    }
}

impl<H> Tracked<H> {
    /// Says how much is recorded of a request's parameters and its answer, by method and by the name of the
    /// tool or prompt. Default: all. The intent and the message of an error are recorded in any case.
    ///
    /// ```no_run
    /// use mcpcat_runtime::track::Payload;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat_runtime::track::track(handler, "proj_abc123xyz").payloads(|method, name| {
    ///     match (method, name) {
    ///         ("tools/call", Some("read_mail")) => Payload::Nothing,
    ///         ("tools/call", _) => Payload::Shape,
    ///         _ => Payload::All,
    ///     }
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn payloads(self, payloads: impl Fn(&str, Option<&str>) -> Payload + Send + Sync + 'static) -> Self {
        self.configure(|options| options.payloads = Some(Arc::new(payloads)))
    }

    /// Asks where a request stands in a distributed trace, when it begins. Its event and those raised inside
    /// it carry the answer as the properties `trace_id` and `span_id`. Without a callback, or where it
    /// answers `None`, the `traceparent` of the request's `_meta` or HTTP headers is taken.
    ///
    /// Runs on the call path: it must not block. A panic counts as `None`.
    #[must_use]
    pub fn trace_context(self, ask: impl Fn() -> Option<TraceContext> + Send + Sync + 'static) -> Self {
        self.configure(|options| options.trace = Some(Arc::new(ask)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_is_not_recorded_by_default() {
        assert!(recorded_by_default("tools/call"));
        assert!(!recorded_by_default("ping"));
    }
}
