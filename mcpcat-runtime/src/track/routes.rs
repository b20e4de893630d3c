//! Routes beside the handler. rmcp's own `Router` is a service and no handler, so that nothing can be put around it; a
//! tracked server holds the routes itself, and answers with them as `Router` does.

use std::sync::Arc;

use rmcp::handler::server::prompt::PromptContext;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, GetPromptRequestParams, GetPromptResponse,
    ListPromptsResult, ListToolsResult, PaginatedRequestParams, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::tracked::Tracked;

pub(super) struct Routes<H> {
    tools: Option<Arc<ToolRouter<H>>>,
    prompts: Option<Arc<PromptRouter<H>>>,
}

impl<H> Default for Routes<H> {
    fn default() -> Self {
        Self { tools: None, prompts: None }
    }
}

impl<H> Clone for Routes<H> {
    fn clone(&self) -> Self {
        Self { tools: self.tools.clone(), prompts: self.prompts.clone() }
    }
}

impl<H: ServerHandler> Tracked<H> {
    /// Adds tools beside the handler, in place of rmcp's `Router`, whose calls nothing can record: what was
    /// `Router::new(handler).with_tool(route)` is `track(handler, project).with_router(ToolRouter::new().with_route(route))`.
    /// As there, the router's tools are the ones that are listed, and a tool that it does not have is not found, unless
    /// it is transparent.
    #[must_use]
    pub fn with_router(mut self, tools: ToolRouter<H>) -> Self {
        self.routes.tools = Some(Arc::new(tools));
        self
    }

    /// [`with_router`](Self::with_router) for prompts: those that the router does not have are the handler's.
    #[must_use]
    pub fn with_prompt_router(mut self, prompts: PromptRouter<H>) -> Self {
        self.routes.prompts = Some(Arc::new(prompts));
        self
    }

    pub(super) async fn answer_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        match &self.routes.tools {
            Some(tools) if tools.has_route(&request.name) || !tools.transparent_when_not_found => {
                tools.call(ToolCallContext::new(self.handler(), request, context)).await
            }
            _ => self.handler().call_tool(request, context).await,
        }
    }

    pub(super) async fn own_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        match &self.routes.tools {
            Some(tools) => Ok(ListToolsResult { tools: tools.list_all(), ..Default::default() }),
            None => self.handler().list_tools(request, context).await,
        }
    }

    pub(super) fn own_tool(&self, name: &str) -> Option<Tool> {
        match &self.routes.tools {
            Some(tools) => tools.get(name).cloned(),
            None => self.handler().get_tool(name),
        }
    }

    pub(super) async fn answer_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        match &self.routes.prompts {
            Some(prompts) if prompts.has_route(&request.name) => {
                prompts
                    .get_prompt(PromptContext::new(self.handler(), request.name, request.arguments, context))
                    .await
            }
            _ => self.handler().get_prompt(request, context).await,
        }
    }

    pub(super) async fn own_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        match &self.routes.prompts {
            Some(prompts) => Ok(ListPromptsResult { prompts: prompts.list_all(), ..Default::default() }),
            None => self.handler().list_prompts(request, context).await,
        }
    }

    /// What the handler says of itself, and that it has what the routes are.
    pub(super) fn routed_info(&self) -> ServerConfig {
        let mut info = self.handler().get_info();
        if self.routes.tools.is_some() {
            info.capabilities.tools.get_or_insert_default();
        }
        if self.routes.prompts.is_some() {
            info.capabilities.prompts.get_or_insert_default();
        }
        info
    }
}
