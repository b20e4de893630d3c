//! How a request leaves. [`Transport`] is the seam: a program may bring its own, and the default (reqwest), the dry
//! run and the fakes of our tests stand behind the same trait. What a transport may do wrong (fail, hang, block,
//! panic, answer without end) is dealt with here and in [`ingest`](super::ingest), for all of them alike.

mod dry_run;
mod isolated;
mod message;
#[cfg(feature = "reqwest")]
mod reqwest;

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;

pub(crate) use dry_run::DryRun;
pub(crate) use isolated::Isolated;
pub(crate) use message::Body;
pub use message::{TransportError, TransportRequest, TransportResponse};
#[cfg(feature = "reqwest")]
pub use reqwest::HttpClient;
#[cfg(feature = "reqwest")]
pub(crate) use reqwest::{Reqwest, Settings, Source, has_tls, proxy_to, refused_proxy};

/// Sends requests for the delivery: what stands between events and the network.
///
/// The default is reqwest. Write your own to send through a client that you have already (another version of reqwest,
/// a queue, a gateway), and pass it to [`ClientBuilder::transport`](crate::client::ClientBuilder::transport):
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::{Transport, TransportError, TransportRequest, TransportResponse};
///
/// struct Discard;
///
/// impl Transport for Discard {
///     async fn send(&self, request: TransportRequest) -> Result<TransportResponse, TransportError> {
///         eprintln!("{} bytes", request.body().len());
///         Ok(TransportResponse::new(202))
///     }
/// }
/// ```
///
/// A transport sends each request once and reports what came back. When to send again, how many requests are in flight
/// and what a status means is decided by the delivery: an `Err` is tried again later, and so are 408, 425, 429 and 5xx,
/// after the response's `Retry-After` if it has one. Redirects are not to be followed: the request carries credentials.
///
/// Its futures run on a thread of their own with a tokio runtime, not on a thread of yours. One that has not ended
/// after [`TransportRequest::timeout`] is dropped and counts as a failure, and so does one that panics; one that blocks
/// its thread holds up later requests of this client, and nothing else.
pub trait Transport: Send + Sync + 'static {
    /// Sends one request and returns the answer to it.
    ///
    /// # Errors
    /// There is no answer: not connected, broken off, timed out. The event is sent again later.
    fn send(
        &self,
        request: TransportRequest,
    ) -> impl Future<Output = Result<TransportResponse, TransportError>> + Send;
}

impl<T: Transport> Transport for Arc<T> {
    fn send(
        &self,
        request: TransportRequest,
    ) -> impl Future<Output = Result<TransportResponse, TransportError>> + Send {
        T::send(self, request)
    }
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<TransportResponse, TransportError>> + Send + 'a>>;

/// [`Transport`] behind a pointer: a trait whose methods return `impl Future` has no `dyn` of its own.
pub(crate) trait DynTransport: Send + Sync {
    /// Sends; a panic, also one before the future is made, is an error.
    fn send_caught(&self, request: TransportRequest) -> Sending<'_>;
}

impl<T: Transport> DynTransport for T {
    fn send_caught(&self, request: TransportRequest) -> Sending<'_> {
        let sending = async move { self.send(request).await };
        Box::pin(async move {
            match AssertUnwindSafe(sending).catch_unwind().await {
                Ok(result) => result,
                Err(panic) => {
                    discard_panic(panic);
                    Err(TransportError::new("the transport panicked"))
                }
            }
        })
    }
}

impl fmt::Debug for dyn DynTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// Drops what a panic carried, which is a value of the user's and may panic again.
fn discard_panic(payload: Box<dyn std::any::Any + Send>) {
    let _ = std::panic::catch_unwind(AssertUnwindSafe(move || drop(payload)));
}
