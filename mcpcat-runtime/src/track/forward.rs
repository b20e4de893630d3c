//! Every method of rmcp's `ServerHandler`, forwarded. The lint below fails the build when rmcp adds one:
//! a method that a wrapper misses answers "method not found" for a server that has it.

#![deny(clippy::missing_trait_methods)]

use std::borrow::Cow;
use std::future::Future;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
    CompleteRequestParams, CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult,
    ErrorData, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams, GetSkillResult,
    GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
    PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion, ReadResourceDirectoryRequestParams,
    ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{MaybeSendFuture, NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};

use super::tracked::{Method, Tracked, watch};

/// Declares the requests that are recorded.
macro_rules! methods {
    ($($name:ident = $method:literal $(, opens: $opens:literal)?;)*) => {
        $(static $name: Method = Method {
            name: $method,
            event_type: concat!("mcp:", $method),
            opens: false $(|| $opens)?,
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
}

type Answered<A> = Result<A, ErrorData>;

// The deprecated methods are part of the trait: a server that has them must answer.
#[expect(deprecated, reason = "a wrapper forwards what the trait has")]
impl<H: ServerHandler> ServerHandler for Tracked<H> {
    fn ping(
        &self,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        self.unrecorded(&context)(async move { self.handler().ping(context).await })
    }

    fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<InitializeResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&INITIALIZE, None, &request, &context);
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
        self.unrecorded(&context)(async move { self.handler().discover(context).await })
    }

    fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CompleteResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&COMPLETE, None, &request, &context);
        watch(call, async move { self.handler().complete(request, context).await })
    }

    fn set_level(
        &self,
        request: rmcp::model::SetLevelRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&SET_LEVEL, None, &request, &context);
        watch(call, async move { self.handler().set_level(request, context).await })
    }

    fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetPromptResponse>> + MaybeSendFuture + '_ {
        let call = self.begin(&GET_PROMPT, Some(&request.name), &request, &context);
        watch(call, async move { self.handler().get_prompt(request, context).await })
    }

    fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListPromptsResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_PROMPTS, None, &request, &context);
        watch(call, async move { self.handler().list_prompts(request, context).await })
    }

    fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListResourcesResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_RESOURCES, None, &request, &context);
        watch(call, async move { self.handler().list_resources(request, context).await })
    }

    fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListResourceTemplatesResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_TEMPLATES, None, &request, &context);
        watch(call, async move { self.handler().list_resource_templates(request, context).await })
    }

    fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ReadResourceResponse>> + MaybeSendFuture + '_ {
        let call = self.begin(&READ_RESOURCE, Some(&request.uri), &request, &context);
        watch(call, async move { self.handler().read_resource(request, context).await })
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.handler().accepted_subscription_filter(requested)
    }

    fn listen(
        &self,
        context: SubscriptionContext,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        self.handler().listen(context)
    }

    fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&SUBSCRIBE, Some(&request.uri), &request, &context);
        watch(call, async move { self.handler().subscribe(request, context).await })
    }

    fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&UNSUBSCRIBE, Some(&request.uri), &request, &context);
        watch(call, async move { self.handler().unsubscribe(request, context).await })
    }

    fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CallToolResponse>> + MaybeSendFuture + '_ {
        let call = self.begin(&CALL_TOOL, Some(&request.name), &request, &context);
        watch(call, async move { self.handler().call_tool(request, context).await })
    }

    fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListToolsResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&LIST_TOOLS, None, &request, &context);
        watch(call, async move { self.handler().list_tools(request, context).await })
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler().get_tool(name)
    }

    fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<CustomResult>> + MaybeSendFuture + '_ {
        // A `tools/call` whose parameters do not parse arrives here; it is a tool call all the same.
        let call = (request.method == CALL_TOOL.name)
            .then(|| {
                let name = request
                    .params
                    .as_ref()
                    .and_then(|params| params.get("name"))
                    .and_then(|name| name.as_str());
                self.begin(&CALL_TOOL, name, &request.params, &context)
            })
            .flatten();
        let unrecorded = call.is_none().then(|| self.unrecorded(&context));
        let forwarded = async move { self.handler().on_custom_request(request, context).await };
        async move {
            match unrecorded {
                Some(scope) => scope(forwarded).await,
                None => watch(call, forwarded).await,
            }
        }
    }

    fn on_cancelled(
        &self,
        notification: CancelledNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(
            &context.clone(),
            async move { self.handler().on_cancelled(notification, context).await },
        )
    }

    fn on_progress(
        &self,
        notification: ProgressNotificationParam,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(
            &context.clone(),
            async move { self.handler().on_progress(notification, context).await },
        )
    }

    fn on_initialized(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(&context.clone(), async move { self.handler().on_initialized(context).await })
    }

    fn on_roots_list_changed(
        &self,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(&context.clone(), async move { self.handler().on_roots_list_changed(context).await })
    }

    fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) -> impl Future<Output = ()> + MaybeSendFuture + '_ {
        self.notified(&context.clone(), async move {
            self.handler().on_custom_notification(notification, context).await
        })
    }

    fn get_info(&self) -> ServerConfig {
        self.handler().get_info()
    }

    fn get_task(
        &self,
        request: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetTaskResult>> + MaybeSendFuture + '_ {
        let call = self.begin(&GET_TASK, None, &request, &context);
        watch(call, async move { self.handler().get_task(request, context).await })
    }

    fn update_task(
        &self,
        request: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        self.unrecorded(&context)(async move { self.handler().update_task(request, context).await })
    }

    fn cancel_task(
        &self,
        request: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<()>> + MaybeSendFuture + '_ {
        let call = self.begin(&CANCEL_TASK, None, &request, &context);
        watch(call, async move { self.handler().cancel_task(request, context).await })
    }

    fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ListSkillsResult>> + MaybeSendFuture + '_ {
        self.unrecorded(&context)(async move { self.handler().list_skills(request, context).await })
    }

    fn get_skill(
        &self,
        request: GetSkillRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<GetSkillResult>> + MaybeSendFuture + '_ {
        self.unrecorded(&context)(async move { self.handler().get_skill(request, context).await })
    }

    fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        context: RequestContext<RoleServer>,
    ) -> impl Future<Output = Answered<ReadResourceDirectoryResult>> + MaybeSendFuture + '_ {
        self.unrecorded(&context)(
            async move { self.handler().read_resource_directory(request, context).await },
        )
    }
}
