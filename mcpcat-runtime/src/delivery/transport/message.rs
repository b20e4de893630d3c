//! What goes into a transport and comes out of it: a request, an answer, an error.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// One request that a [`Transport`](super::Transport) is asked to send.
///
/// Its `Debug` shows neither the values of headers nor the path, which may carry a token.
#[non_exhaustive]
pub struct TransportRequest {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) timeout: Duration,
    pub(crate) max_response_bytes: usize,
}

impl TransportRequest {
    /// `POST`, or `OPTIONS` for a question without a body.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method
    }

    /// The whole address, of the configured origin.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The headers to send, credentials among them. Names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        // All of them were made from text.
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }

    /// The body to send.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body to send, without a copy.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// How long the delivery waits for the answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How much of the answer's body is looked at; what is longer counts as unreadable.
    #[must_use]
    pub fn max_response_bytes(&self) -> usize {
        self.max_response_bytes
    }
}

impl fmt::Debug for TransportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.url.split('/').take(3).collect::<Vec<_>>().join("/");
        f.debug_struct("TransportRequest")
            .field("method", &self.method)
            .field("origin", &origin)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

pub(crate) type LateBody = Pin<Box<dyn Future<Output = Result<Bytes, TransportError>> + Send>>;

/// The body of an answer.
pub(crate) enum Body {
    Whole(Bytes),
    /// Still to be read.
    Late(LateBody),
}

/// What the endpoint answered: a status, headers, a body.
#[non_exhaustive]
pub struct TransportResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl TransportResponse {
    /// An answer without headers and with an empty body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Body::Whole(Bytes::new()) }
    }

    /// Adds a header. The delivery reads `retry-after`, `date`, `mcpcat-batch` and `mcpcat-event-types`; one that no
    /// HTTP message could have is left out.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_ref());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_ref())) {
            self.headers.append(name, value);
        }
        self
    }

    /// The whole body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// The body, read after the status has been looked at. A body that breaks off or never ends then does not turn a
    /// success into a repetition.
    #[must_use]
    pub fn body_later(
        mut self,
        body: impl Future<Output = Result<Bytes, TransportError>> + Send + 'static,
    ) -> Self {
        self.body = Body::Late(Box::pin(body));
        self
    }
}

impl fmt::Debug for TransportResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// Why there is no answer. Made from any error by `?`, or from a text by [`new`](Self::new).
///
/// It is shown in [`Stats::last_failure`](crate::delivery::Stats::last_failure) and logged, with the errors that caused
/// it; the credentials of the request are taken out of the text first.
pub struct TransportError(Box<dyn Error + Send + Sync>);

impl TransportError {
    /// An error that says `what`.
    #[must_use]
    pub fn new(what: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(what.into())
    }
}

// It is not an `Error` itself, so that every error converts into it.
impl<E: Error + Send + Sync + 'static> From<E> for TransportError {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// The error and its causes in one line: the outermost often names only the stage.
impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        // A chain that leads back to itself has an end here.
        for _ in 0..16 {
            let Some(cause) = source else { break };
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransportError({self})")
    }
}
