//! A request of a server that cannot be wrapped: it runs, and nothing of it is recorded.

use std::error::Error;
use std::future::Future;

use serde_core::Serialize;

use super::{Client, ErrorInfo, Target};

/// A request that nobody records.
#[derive(Debug)]
#[must_use = "a request that is dropped at once is recorded as cancelled"]
pub struct RequestGuard {
    _private: (),
}

impl Client {
    /// A request that nobody records.
    pub fn call(&self, _: &str, _: &str) -> RequestGuard {
        RequestGuard { _private: () }
    }

    /// A request that nobody records.
    pub fn call_in<'a>(&self, _: impl Into<Target<'a>>, _: &str, _: &str) -> RequestGuard {
        RequestGuard { _private: () }
    }
}

impl RequestGuard {
    /// Forgets the arguments.
    pub fn arguments<T: Serialize + ?Sized>(self, _: &T) -> Self {
        self
    }

    /// Forgets the intent.
    pub fn intent(self, _: &str) -> Self {
        self
    }

    /// Runs the future.
    ///
    /// # Errors
    /// The future's own.
    pub async fn run<T, E: Error, F: Future<Output = Result<T, E>>>(self, future: F) -> Result<T, E> {
        future.await
    }

    /// Runs the future. Nothing is judged.
    pub async fn run_with<T, F: Future<Output = T>>(
        self,
        future: F,
        _: impl FnOnce(&T) -> Option<ErrorInfo>,
    ) -> T {
        future.await
    }

    /// Runs the body. Nothing is judged.
    pub fn run_sync<T>(self, body: impl FnOnce() -> T, _: impl FnOnce(&T) -> Option<ErrorInfo>) -> T {
        body()
    }

    /// Forgets the request.
    pub fn finish(self, _: Option<ErrorInfo>) {}
}
