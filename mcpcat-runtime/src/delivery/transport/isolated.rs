//! A thread and a runtime for a transport that is not ours: whatever it does, block, hang or panic, the delivery
//! thread notices no more than a missing answer, and goes on with its deadlines and its other clients.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::message::LateBody;
use super::{Body, DynTransport, TransportError, TransportRequest, TransportResponse, discard_panic};

type Reply = oneshot::Sender<Result<TransportResponse, TransportError>>;

/// A transport on its own thread, which starts with the first request and ends with this handle.
pub(crate) struct Isolated {
    transport: Arc<dyn DynTransport>,
    jobs: OnceLock<Result<UnboundedSender<Job>, String>>,
}

struct Job {
    request: TransportRequest,
    reply: Reply,
}

impl std::fmt::Debug for Isolated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Isolated")
    }
}

impl Isolated {
    pub(crate) fn new(transport: Arc<dyn DynTransport>) -> Self {
        Self { transport, jobs: OnceLock::new() }
    }

    /// Has the transport send a request. Whoever stops waiting also stops the transport's future, unless it blocks.
    pub(crate) async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
        let start = || start(Arc::clone(&self.transport)).map_err(|error| error.to_string());
        let jobs = match self.jobs.get_or_init(start) {
            Ok(jobs) => jobs,
            Err(why) => {
                return Err(TransportError::new(format!("no thread for the transport can be had: {why}")));
            }
        };
        let (reply, answered) = oneshot::channel();
        if jobs.send(Job { request, reply }).is_err() {
            return Err(TransportError::new("the transport's thread has ended"));
        }
        answered.await.unwrap_or_else(|_| Err(TransportError::new("the transport was dropped while it sent")))
    }
}

fn start(transport: Arc<dyn DynTransport>) -> std::io::Result<UnboundedSender<Job>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (jobs, arriving) = unbounded_channel();
    std::thread::Builder::new().name("mcpcat-transport".to_owned()).spawn(move || {
        // The user's destructor runs here too.
        let ended = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(serve(transport, arriving));
            runtime.shutdown_background();
        }));
        if let Err(panic) = ended {
            discard_panic(panic);
        }
    })?;
    Ok(jobs)
}

async fn serve(transport: Arc<dyn DynTransport>, mut arriving: UnboundedReceiver<Job>) {
    while let Some(Job { request, mut reply }) = arriving.recv().await {
        // Given up while the thread was blocked.
        if reply.is_closed() {
            continue;
        }
        let transport = Arc::clone(&transport);
        tokio::spawn(async move {
            let sent = tokio::select! {
                biased;
                () = reply.closed() => return,
                sent = transport.send_caught(request) => sent,
            };
            let _ = reply.send(sent.map(|response| match response.body {
                Body::Whole(_) => response,
                Body::Late(body) => TransportResponse { body: Body::Late(read_here(body)), ..response },
            }));
        });
    }
}

/// The rest of an answer, read on this thread although somebody on another one waits for it.
fn read_here(body: LateBody) -> LateBody {
    let (mut reply, read) = oneshot::channel();
    tokio::spawn(async move {
        let body = caught(body);
        tokio::select! {
            biased;
            () = reply.closed() => {}
            bytes = body => drop(reply.send(bytes)),
        }
    });
    Box::pin(async move {
        read.await.unwrap_or_else(|_| Err(TransportError::new("the transport was dropped while it read")))
    })
}

async fn caught(
    body: impl Future<Output = Result<Bytes, TransportError>> + Send,
) -> Result<Bytes, TransportError> {
    AssertUnwindSafe(body).catch_unwind().await.unwrap_or_else(|panic| {
        discard_panic(panic);
        Err(TransportError::new("the transport panicked"))
    })
}
