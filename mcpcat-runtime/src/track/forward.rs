//! Every method of rmcp's `ServerHandler`, forwarded. The lint below fails the build when rmcp adds one:
//! a method that a wrapper misses answers "method not found" for a server that has it.

#![deny(clippy::missing_trait_methods)]

use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::{Either, lazy};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CancelledNotificationParam,
    CompleteRequestParams, CompleteResult, ContentBlock, CustomNotification, CustomRequest, CustomResult,
    DiscoverResult, ErrorData, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams,
    GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion, ReadResourceDirectoryRequestParams,
    ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{MaybeSendFuture, NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::begin::Subject;
use super::inject::{Injected, Ours, Sent, decorate};
use super::options::Options;
use super::payload::Notifications;
use super::request::Method;
use super::tracked::Tracked;
use super::watch::watch;

/// Declares the requests.
macro_rules! methods {
    ($($name:ident = $method:literal $(, opens: $opens:literal)? $(, lasts: $lasts:literal)?;)*) => {
        $(static $name: Method<'static> = Method {
            name: $method,
            event_type: Some(concat!("mcp:", $method)),
            opens: false $(|| $opens)?,
            lasts: false $(|| $lasts)?,
        };)*
    };
}

methods! {
    INITIALIZE = "initialize", opens: true;
    COMPLETE = "completion/complete";
    SET_LEVEL = "logging/setLevel";
    GET_PROMPT = "prompts/get";
    LIST_PROMPTS = "prompts/list";
    LIST_RESOURCES = "resources/list";
    LIST_TEMPLATES = "resources/templates/list";
    READ_RESOURCE = "resources/read";
    SUBSCRIBE = "resources/subscribe";
    UNSUBSCRIBE = "resources/unsubscribe";
    CALL_TOOL = "tools/call";
    LIST_TOOLS = "tools/list";
    GET_TASK = "tasks/get";
    CANCEL_TASK = "tasks/cancel";
    PING = "ping";
    DISCOVER = "server/discover";
    UPDATE_TASK = "tasks/update";
    LIST_SKILLS = "skills/list";
    GET_SKILL = "skills/get";
    READ_DIRECTORY = "resources/directory/read";
    LISTEN = "subscriptions/listen", lasts: true;
}

/// Pages of a handler's tools that are read to learn what one of them declares.
const PAGES: usize = 100;

type Answered<A> = Result<A, ErrorData>;

impl<H: ServerHandler> Tracked<H> {
    /// The tool of this name that is ours to answer: asked for, and not a tool of the server's own.
    fn ours(&self, options: &Options, name: &str, own: Option<&Tool>) -> Option<Ours> {
        let ours = options.injection.ours(name)?;
        (own.is_none() && !options.injection.tools.knows(name)).then_some(ours)
    }

    /// What an agent sent for the injected parameters of a call, and the tool of ours that is called.
    async fn sent(
        &self,
        options: &Options,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> (Option<Ours>, Sent) {
        let tool = self.own_tool(&request.name);
        let wanted = self.wanted(options, context);
        let tools = &options.injection.tools;
        let perhaps_ours = options.injection.ours(&request.name).is_some();
        if tool.is_none() && (perhaps_ours || wanted != Injected::default()) && !tools.knows(&request.name) {
            self.list_for(options, context).await;
        }
        let ours = self.ours(options, &request.name, tool.as_ref());
        let declared = tools.declared(&request.name, tool.as_ref());
        let sent = Sent::read(wanted, declared, ours.as_ref(), request.arguments.as_ref());
        (ours, sent)
    }

    /// A tool call whose agent may have sent what was asked for in the tool's schema.
    async fn call_injected(
        &self,
        mut request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Answered<CallToolResponse> {
        let sent = match self.injecting() {
            Some(options) => Some(self.sent(options, &request, &context).await),
            None => None,
        };
        let subject = Subject {
            name: Some(&request.name),
            arguments: request.arguments.as_ref(),
            sent: sent.as_ref().map(|(_, sent)| sent),
            ..Subject::default()
        }
        .goes(request.request_state.as_ref(), request.input_responses.as_ref());
        let mut call = self.begin(&CALL_TOOL, subject, &request, &context);
        let told = call.told();
        let ours = sent.and_then(|(ours, sent)| {
            sent.strip(&mut request.arguments);
            ours
        });
        let answering = async move {
            if let Some(ours) = ours {
                let answer = ours.answer(request.arguments.as_ref());
                return Ok(CallToolResult::success(vec![ContentBlock::text(answer)]).into());
            }
            self.answer_tool(request, context).await
        };
        let mut answered = watch(call, answering).await;
        if let (Some(told), Ok(answer)) = (told, &mut answered) {
            told.tell(answer);
        }
        answered
    }

    /// Learns what the handler's tools declare from its listing, as the caller was shown it: perhaps by another
    /// instance, of which this one has heard nothing. A handler with `get_tool` is never asked.
    async fn list_for(&self, options: &Options, context: &RequestContext<RoleServer>) {
        let mut cursor = None;
        for _ in 0..PAGES {
            let page =
                cursor.take().map(|cursor| PaginatedRequestParams::default().with_cursor(Some(cursor)));
            let listing = AssertUnwindSafe(self.own_tools(page, context.clone())).catch_unwind();
            // What fails here fails for its client too, in its own words.
            let Ok(Ok(list)) = listing.await else { return };
            for tool in &list.tools {
                options.injection.tools.learn(tool);
            }
            match list.next_cursor {
                Some(next) => cursor = Some(next),
                None => return,
            }
        }
    }
}

// The deprecated methods are part of the trait: a server that has them must answer.
#[expect(deprecated, reason = "a wrapper forwards what the trait has")]
impl<H: ServerHandler> ServerHandler for Tracked<H> {
    fn ping(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&PING, Subject::default(), &(), &context);
        watch(call, async move { self.handler().ping(context).await })
    }

    fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<InitializeResult>> + MaybeSendFuture + '_ {
        // A stateless service makes up what its peer is said to be; the request knows.
        let subject = Subject { client: Some(&request.client_info), ..Subject::default() };
        let call = self.begin(&INITIALIZE, subject, &request, &context);
        watch(call, async move { self.handler().initialize(request, context).await })
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Answered<InitializeResult> {
        self.handler().negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler().supported_protocol_versions()
    }

    fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<DiscoverResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&DISCOVER, Subject::default(), &(), &context);
        watch(call, async move { self.handler().discover(context).await })
    }

    fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CompleteResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&COMPLETE, Subject::default(), &request, &context);
        watch(call, async move { self.handler().complete(request, context).await })
    }

    fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&SET_LEVEL, Subject::default(), &request, &context);
        watch(call, async move { self.handler().set_level(request, context).await })
    }

    fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetPromptResponse>> + MaybeSendFuture + '_ {
        let subject = Subject::named(&request.name)
            .goes(request.request_state.as_ref(), request.input_responses.as_ref());
        let call = self.begin(&GET_PROMPT, subject, &request, &context);
        watch(call, async move { self.answer_prompt(request, context).await })
    }

    fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListPromptsResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_PROMPTS, Subject::default(), &request, &context);
        watch(call, async move { self.own_prompts(request, context).await })
    }

    fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListResourcesResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_RESOURCES, Subject::default(), &request, &context);
        watch(call, async move { self.handler().list_resources(request, context).await })
    }

    fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListResourceTemplatesResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_TEMPLATES, Subject::default(), &request, &context);
        watch(call, async move { self.handler().list_resource_templates(request, context).await })
    }

    fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ReadResourceResponse>> + MaybeSendFuture + '_ {
        let subject = Subject::named(&request.uri)
            .goes(request.request_state.as_ref(), request.input_responses.as_ref());
        let call = self.begin(&READ_RESOURCE, subject, &request, &context);
        watch(call, async move { self.handler().read_resource(request, context).await })
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.handler().accepted_subscription_filter(requested)
    }

    fn listen(
        &self,
        context: SubscriptionContext,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let asked = Notifications(context.requested());
        let call = self.begin(&LISTEN, Subject::default(), &asked, context.request_context());
        let accepted = Notifications(context.accepted().clone());
        let listening = async move { self.handler().listen(context).await.map(|()| accepted) };
        async move { watch(call, listening).await.map(drop) }
    }

    fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&SUBSCRIBE, Subject::named(&request.uri), &request, &context);
        watch(call, async move { self.handler().subscribe(request, context).await })
    }

    fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&UNSUBSCRIBE, Subject::named(&request.uri), &request, &context);
        watch(call, async move { self.handler().unsubscribe(request, context).await })
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CallToolResponse>> + MaybeSendFuture + '_ {
        if self.injecting().is_some() {
            // In a box, because a task is as large as the largest way through it, and this one is seldom gone.
            return Either::Right(Box::pin(self.call_injected(request, context)));
        }
        let subject = Subject {
            name: Some(&request.name),
            arguments: request.arguments.as_ref(),
            ..Subject::default()
        }
        .goes(request.request_state.as_ref(), request.input_responses.as_ref());
        let call = self.begin(&CALL_TOOL, subject, &request, &context);
        // Also what the handler does before its future is polled belongs to the call.
        let handler = lazy(move |_| self.answer_tool(request, context)).flatten();
        Either::Left(watch(call, handler))
    }

    fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListToolsResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_TOOLS, Subject::default(), &request, &context);
        let injecting = self.injecting().map(|options| (options, self.wanted(options, &context)));
        async move {
            let listing = async move { self.own_tools(request, context).await };
            let mut listed = watch(call, listing).await;
            if let (Some(options), Ok(list)) = (self.learning(), &listed) {
                list.tools.iter().for_each(|tool| options.injection.tools.learn(tool));
            }
            if let (Some((options, wanted)), Ok(list)) = (injecting, &mut listed) {
                for tool in &mut list.tools {
                    decorate(tool, &options.injection, wanted);
                }
                let last = list.next_cursor.is_none();
                for tool in options.injection.all_ours(wanted).into_iter().filter(|_| last) {
                    if self.ours(options, &tool.name, self.own_tool(&tool.name).as_ref()).is_some() {
                        list.tools.push(tool);
                    }
                }
            }
            listed
        }
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let mut tool = self.own_tool(name);
        let Some(options) = self.injecting() else { return tool };
        let wanted = self.wanted_so_far(options);
        if let Some(ours) = self.ours(options, name, tool.as_ref()) {
            return Some(ours.tool(&options.injection, wanted));
        }
        if let Some(tool) = &mut tool {
            decorate(tool, &options.injection, wanted);
        }
        tool
    }

    fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CustomResult>> + MaybeSendFuture + '_ {
        // A `tools/call` whose parameters do not parse arrives here; it is a tool call all the same.
        let malformed = request.method == CALL_TOOL.name;
        let name =
            request.params.as_ref().and_then(|params| params.get("name")).and_then(|name| name.as_str());
        let custom;
        let (method, subject) = if malformed {
            (&CALL_TOOL, Subject { name, ..Subject::default() })
        } else {
            custom = Method { name: &request.method, event_type: None, opens: false, lasts: false };
            (&custom, Subject::default())
        };
        let call = self.begin(method, subject, &request.params, &context);
        watch(call, async move { self.handler().on_custom_request(request, context).await })
    }

    fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified("notifications/cancelled", &context.clone(), async move {
            self.handler().on_cancelled(notification, context).await
        })
    }

    fn on_progress(
        &self,
        notification: ProgressNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified("notifications/progress", &context.clone(), async move {
            self.handler().on_progress(notification, context).await
        })
    }

    fn on_initialized(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified("notifications/initialized", &context.clone(), async move {
            self.handler().on_initialized(context).await
        })
    }

    fn on_roots_list_changed(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified("notifications/roots/list_changed", &context.clone(), async move {
            self.handler().on_roots_list_changed(context).await
        })
    }

    fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(&notification.method.clone(), &context.clone(), async move {
            self.handler().on_custom_notification(notification, context).await
        })
    }

    fn get_info(&self) -> ServerConfig {
        self.routed_info()
    }

    fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetTaskResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&GET_TASK, Subject::task(&request.task_id), &request, &context);
        watch(call, async move { self.handler().get_task(request, context).await })
    }

    fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&UPDATE_TASK, Subject::task(&request.task_id), &request, &context);
        watch(call, async move { self.handler().update_task(request, context).await })
    }

    fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&CANCEL_TASK, Subject::task(&request.task_id).cancels(), &request, &context);
        watch(call, async move { self.handler().cancel_task(request, context).await })
    }

    fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListSkillsResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_SKILLS, Subject::default(), &request, &context);
        watch(call, async move { self.handler().list_skills(request, context).await })
    }

    fn get_skill(
        &self,
        request: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetSkillResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&GET_SKILL, Subject::named(&request.uri), &request, &context);
        watch(call, async move { self.handler().get_skill(request, context).await })
    }

    fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ReadResourceDirectoryResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&READ_DIRECTORY, Subject::named(&request.uri), &request, &context);
        watch(call, async move { self.handler().read_resource_directory(request, context).await })
    }
}
