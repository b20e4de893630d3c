//! Transports that nothing is sent through.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// Would send requests. Nothing asks it.
pub trait Transport: Send + Sync + 'static {
    /// Never called.
    ///
    /// # Errors
    /// The transport's own.
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

/// A request that is never made: there is no value of this type.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportRequest {
    never: Never,
}

#[derive(Debug)]
enum Never {}

impl TransportRequest {
    /// Never called.
    #[must_use]
    pub fn method(&self) -> &str {
        match self.never {}
    }

    /// Never called.
    #[must_use]
    pub fn url(&self) -> &str {
        match self.never {}
    }

    /// Never called.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        std::iter::empty()
    }

    /// Never called.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self.never {}
    }

    /// Never called.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        match self.never {}
    }

    /// Never called.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.never {}
    }

    /// Never called.
    #[must_use]
    pub fn max_response_bytes(&self) -> usize {
        match self.never {}
    }
}

/// What an endpoint would have answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct TransportResponse {
    _private: (),
}

impl TransportResponse {
    /// An answer that nobody reads.
    #[must_use]
    pub fn new(_: u16) -> Self {
        Self { _private: () }
    }

    /// Forgets a header.
    #[must_use]
    pub fn header(self, _: impl AsRef<[u8]>, _: impl AsRef<[u8]>) -> Self {
        self
    }

    /// Forgets the body.
    #[must_use]
    pub fn body(self, _: impl Into<Bytes>) -> Self {
        self
    }

    /// Forgets the body.
    #[must_use]
    pub fn body_later(self, _: impl Future<Output = Result<Bytes, TransportError>> + Send + 'static) -> Self {
        self
    }
}

/// Why there would be no answer.
#[derive(Debug)]
pub struct TransportError(());

impl TransportError {
    /// Forgets the error.
    #[must_use]
    pub fn new(_: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(())
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for TransportError {
    fn from(_: E) -> Self {
        Self(())
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("recording is compiled out")
    }
}
