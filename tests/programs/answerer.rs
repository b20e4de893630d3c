//! A tracked server on stdio that dies around one of its answers, for the tests that compare what a client received with
//! what is in the log: `answerer URL STATE_DIR WAY COUNT`.
//!
//! `before` kills it when the answer with this number is about to be written, `after` when it has been, `outside` leaves
//! that to the test. With `deliver` it serves nothing, waits for delivery and prints the numbers.

#![allow(clippy::print_stdout, reason = "stdout is the pipe to the test")]

use std::future::Future;
use std::process::Command;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonRpcMessage,
};
use rmcp::service::{RequestContext, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::{IntoTransport, Transport, stdio};
use rmcp::{RoleServer, ServerHandler};

struct Server;

impl ServerHandler for Server {
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text(request.name.to_string())]).into())
    }
}

/// A transport that kills the process around an answer.
struct Killer<T> {
    inner: T,
    before: bool,
    left: usize,
}

fn kill() -> ! {
    let _ = Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status();
    loop {
        std::thread::park();
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Killer<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let answer = matches!(item, JsonRpcMessage::Response(_));
        let last = answer && self.left == 1;
        // Others may be on their way before the last one has left.
        self.left = self.left.saturating_sub(usize::from(answer));
        if last && self.before {
            kill();
        }
        let sending = self.inner.send(item);
        async move {
            sending.await?;
            if last { kill() } else { Ok(()) }
        }
    }

    fn receive(&mut self) -> impl Future<Output = Option<RxJsonRpcMessage<RoleServer>>> + Send {
        self.inner.receive()
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

fn on<T: IntoTransport<RoleServer, std::io::Error, A>, A>(
    transport: T,
    before: bool,
    left: usize,
) -> Killer<impl Transport<RoleServer>> {
    Killer { inner: transport.into_transport(), before, left }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo builds and lists it like an example; without arguments there is nothing to do.
    let [url, state, way, count] = arguments.as_slice() else { return };
    let client = mcpcat::Client::builder("proj_kill")
        .base_url(url)
        .state_dir(state)
        .drain(Duration::ZERO)
        .build()
        .expect("the test's settings are good");
    if way == "deliver" {
        let stats = client.shutdown(Duration::from_secs(60)).await;
        println!("{} {}", stats.dropped, stats.pending);
        return;
    }
    let left = if way == "outside" { usize::MAX } else { count.parse().unwrap_or(1) };
    let transport = on(stdio(), way == "before", left);
    if let Ok(running) = client.track(Server).serve(transport).await {
        let _ = running.waiting().await;
    }
}
