//! Sessions that nobody records in: there is never a current one, and what is run in one runs as it is.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::SessionId;

/// A session of nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    _private: (),
}

impl Session {
    pub(super) const fn new() -> Self {
        Self { _private: () }
    }

    /// Always `None`.
    #[must_use]
    pub fn current() -> Option<Self> {
        None
    }

    /// Runs the closure.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Always `None`.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        None
    }

    /// Always `None`.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        None
    }

    /// Always empty.
    #[must_use]
    pub fn project(&self) -> &str {
        ""
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Wraps a future in a session: here, in nothing.
pub trait InSession: Future + Sized {
    /// The future as it is.
    fn in_session(self, _: Session) -> Scoped<Self> {
        Scoped { future: self }
    }

    /// The future as it is.
    fn in_current_session(self) -> Scoped<Self> {
        Scoped { future: self }
    }
}

impl<F: Future> InSession for F {}

pin_project_lite::pin_project! {
    /// A future that runs as it is.
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(context)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

/// Carries nothing to other threads.
#[derive(Debug, Clone)]
#[must_use = "a carrier does nothing until it runs something"]
pub struct Carrier(());

impl Carrier {
    /// Carries nothing.
    pub fn current() -> Self {
        Self(())
    }

    /// Always `None`.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        None
    }

    /// Runs the closure.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

/// The closure as it is.
pub fn carry<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    f
}

/// Where an event would belong.
#[derive(Debug, Clone)]
pub struct Target<'a>(PhantomData<&'a str>);

impl<'a> From<&'a str> for Target<'a> {
    fn from(_: &'a str) -> Self {
        Self(PhantomData)
    }
}

impl<'a> From<&'a String> for Target<'a> {
    fn from(_: &'a String) -> Self {
        Self(PhantomData)
    }
}

impl From<Session> for Target<'_> {
    fn from(_: Session) -> Self {
        Self(PhantomData)
    }
}

impl From<&Session> for Target<'_> {
    fn from(_: &Session) -> Self {
        Self(PhantomData)
    }
}

impl From<SessionId> for Target<'_> {
    fn from(_: SessionId) -> Self {
        Self(PhantomData)
    }
}

impl From<&SessionId> for Target<'_> {
    fn from(_: &SessionId) -> Self {
        Self(PhantomData)
    }
}
