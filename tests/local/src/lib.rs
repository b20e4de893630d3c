//! A tracked handler that is not `Send`, with every setting, under rmcp's `local` feature.

use std::cell::Cell;
use std::rc::Rc;

use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ErrorData};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

/// Counts its calls without a lock.
#[derive(Default)]
pub struct Counter(Rc<Cell<u32>>);

impl ServerHandler for Counter {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let calls = Rc::clone(&self.0);
        mcpcat::emit!("counted", calls = calls.get());
        calls.set(calls.get() + 1);
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

/// Serves it, on one thread.
pub async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let server = mcpcat::track(Counter::default(), "proj_local")
        .intent()
        .wish_tool()
        .identify(async |_| Some(mcpcat::Identity::new("somebody")))
        .record(|method| method == "tools/call");
    server.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
