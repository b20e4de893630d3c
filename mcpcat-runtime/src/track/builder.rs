//! The settings of a tracked server: each is a method on [`Tracked`], to be called before `serve`. Those of the hooks
//! come last.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::JsonObject;

use super::convention::Convention;
use super::feedback::{Feedback, FeedbackTool, WishTool};
use super::hooks::{HookAnswer, Identity, LONGEST, hook};
use super::options::Payload;
use super::request::RequestInfo;
use super::tracked::Tracked;
use crate::session::{Peer, TraceContext};

impl<H> Tracked<H> {
    /// Chooses the requests that are recorded, by method (`tools/call`, `ping`, a name of the server's own).
    /// Without it, [`recorded_by_default`](super::recorded_by_default) decides. A request that is not recorded
    /// still runs in its session.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz")
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
    /// implement `get_tool` too: it is how the wrapper knows what a tool declares. Without it the handler's
    /// `list_tools` is asked at the first call of a tool; on a stateless service, where each request has a
    /// wrapper of its own, at every call.
    #[must_use]
    pub fn intent(self) -> Self {
        self.configure(|options| options.injection.intent = Some(None))
    }

    /// [`intent`](Self::intent) with a description of your own for the parameter.
    #[must_use]
    pub fn intent_described(self, description: impl Into<Arc<str>>) -> Self {
        let description = description.into();
        self.configure(|options| options.injection.intent = Some(Some(description)))
    }

    /// Adds a tool `get_more_tools`, with which an agent says what tool it misses. It is answered here and
    /// recorded as a tool call whose `user_intent` is the wish. A tool of that name in the server stays.
    #[must_use]
    pub fn wish_tool(self) -> Self {
        self.wish_tool_with(WishTool::new())
    }

    /// [`wish_tool`](Self::wish_tool) with texts of your own.
    #[must_use]
    pub fn wish_tool_with(self, tool: WishTool) -> Self {
        self.configure(|options| options.injection.wish_tool = Some(Arc::new(tool)))
    }

    /// Adds a tool `give_feedback`, with which an agent says how its work went: what it was doing, whether that is done,
    /// what was in the way. It is answered here, recorded as the event `feedback.given` under the call, and handed to
    /// `handler`. A tool of that name in the server stays.
    #[must_use]
    pub fn feedback_tool(self, handler: impl Fn(&Feedback) + Send + Sync + 'static) -> Self {
        self.feedback_tool_with(FeedbackTool::new(handler))
    }

    /// [`feedback_tool`](Self::feedback_tool) with a name, texts and fields of your own.
    #[must_use]
    pub fn feedback_tool_with(self, tool: FeedbackTool) -> Self {
        self.configure(|options| options.injection.feedback_tool = Some(Arc::new(tool)))
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
        self.configure(|options| options.injection.session_handle = true)
    }

    /// Tells the agents of one conversation apart: a required parameter `agent_id` is added to the tools'
    /// schemas, recorded as the tag `agentcat_agent_id`, and taken out before the tool runs.
    #[must_use]
    pub fn agent_id(self) -> Self {
        self.configure(|options| options.injection.agent_id = true)
    }

    /// Asks agents which model they are: a required parameter `agent_model` is added to the tools' schemas, recorded in
    /// the property `mcpcat_agent`, and taken out before the tool runs. What a client says itself comes first.
    #[must_use]
    pub fn model(self) -> Self {
        self.configure(|options| options.injection.model = true)
    }

    /// Names the session of a request by something in it: a header, what an authentication layer left in the
    /// extensions, `_meta`, an argument. The string is what [`Client::session`](crate::client::Client::session)
    /// takes: the same string is the same session in every process. `None` leaves the session to the
    /// transport.
    ///
    /// Notifications are asked about too, so that what is published while one is handled belongs to the same
    /// session; they have no name and no arguments.
    ///
    /// Runs on the call path of every request: it must not block. A panic counts as `None`.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz")
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
    /// tool or prompt. Default: all. The intent and the message of an error are recorded in any case. What the server
    /// asks its client for meanwhile is asked about too: `elicitation/create`, `sampling/createMessage`, `roots/list`.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::Payload;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz").payloads(|method, name| {
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

impl<H> Tracked<H> {
    /// Says who is behind a session. Asked with each request until it answers with somebody; the session's
    /// events then carry who it is, those of that request among them.
    ///
    /// Like the other hooks it runs in the background of the call, on the host's tokio runtime. A hook that
    /// fails, panics or takes longer than [`hook_deadline`](Self::hook_deadline) is left out, and counted in
    /// [`Stats::hook_failures`](crate::delivery::Stats::hook_failures).
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::Identity;
    /// # use rmcp::ServerHandler;
    /// # async fn user_of(_: &str) -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz").identify(|request| async move {
    ///     let Some(key) = request.header("x-api-key") else { return Ok(None) };
    ///     user_of(key).await.map(|id| Some(Identity::new(id)))
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn identify<R, F>(self, ask: impl Fn(RequestInfo<'static>) -> F + Send + Sync + 'static) -> Self
    where
        R: HookAnswer<Identity>,
        F: Future<Output = R> + Send + 'static,
    {
        self.configure(|options| options.hooks.identify = hook(ask))
    }

    /// Adds tags to every event of a request: its own and those raised inside it, whose own tags win. A tag
    /// that breaks a rule is left out, logged with the rule, and counted in
    /// [`Stats::problems`](crate::delivery::Stats::problems).
    #[must_use]
    pub fn event_tags<R, F>(self, ask: impl Fn(RequestInfo<'static>) -> F + Send + Sync + 'static) -> Self
    where
        R: HookAnswer<Vec<(String, String)>>,
        F: Future<Output = R> + Send + 'static,
    {
        self.configure(|options| options.hooks.tags = hook(ask))
    }

    /// Adds properties to every event of a request, as [`event_tags`](Self::event_tags) adds tags.
    #[must_use]
    pub fn event_properties<R, F>(
        self,
        ask: impl Fn(RequestInfo<'static>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        R: HookAnswer<JsonObject>,
        F: Future<Output = R> + Send + 'static,
    {
        self.configure(|options| options.hooks.properties = hook(ask))
    }

    /// How long a hook may take, at most 5 s (the default): events wait no longer.
    #[must_use]
    pub fn hook_deadline(self, deadline: Duration) -> Self {
        self.configure(|options| options.hooks.deadline = deadline.min(LONGEST))
    }
}

impl<H> Tracked<H> {
    /// How the server is called in its events: name and version. Default: what the handler's `get_info` says, and nothing
    /// where that is rmcp's own name. `server_info!()` reads your crate's.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz").server_info(("billing", "1.4.0"));
    /// # }
    /// ```
    #[must_use]
    pub fn server_info<N: Into<String>, V: Into<String>>(self, (name, version): (N, V)) -> Self {
        let peer = Peer { name: name.into(), version: version.into() };
        self.configure(|options| options.server = Some(peer))
    }

    /// Adds to the table of [conventions](Convention) by which clients name their conversation. Yours are asked first.
    ///
    /// ```no_run
    /// # use mcpcat_runtime as mcpcat;
    /// use mcpcat::{Convention, Source};
    /// # use rmcp::ServerHandler;
    /// # fn serve(handler: impl ServerHandler) {
    /// let server = mcpcat::track(handler, "proj_abc123xyz")
    ///     .convention(Convention::new("our-chat", Source::meta("our.chat/thread")));
    /// # }
    /// ```
    #[must_use]
    pub fn convention(self, convention: Convention) -> Self {
        self.configure(|options| {
            options.conventions =
                std::iter::once(convention).chain(options.conventions.iter().cloned()).collect();
        })
    }

    /// Takes the whole table away: what clients say of their conversation is neither believed nor noted.
    #[must_use]
    pub fn without_conventions(self) -> Self {
        self.configure(|options| options.conventions = Arc::default())
    }

    /// Says which principal is behind a request, by what an authentication layer has left in it. Two principals never
    /// share a session by what their clients say. Recorded as a keyed hash (`mcpcat_principal`); the consent hook
    /// gets it as it is. Without this, a [`Principal`](super::Principal) in the request's extensions is taken.
    ///
    /// Runs on the call path of every request: it must not block. A panic counts as nobody.
    #[must_use]
    pub fn principal(self, ask: impl Fn(&RequestInfo<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        self.configure(|options| options.principal = Some(Arc::new(ask)))
    }

    /// The secret that principals, subjects and conversations are hashed with. Default: `MCPCAT_HASH_KEY`, else the
    /// project's id, which keeps the values unreadable and does not stop somebody who knows it from trying out
    /// candidates. All processes of a server need the same.
    #[must_use]
    pub fn hash_key(self, secret: impl Into<Arc<str>>) -> Self {
        let secret = secret.into();
        self.configure(|options| options.hash_key = Some(secret))
    }

    /// Records principals, subjects and conversations as they are, and not as hashes.
    #[must_use]
    pub fn plain_conversations(self) -> Self {
        self.configure(|options| options.plain_values = true)
    }
}
