//! How a session travels: it is local to the task or thread that runs a call, and has to be carried over
//! every `spawn`, because the language does not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::futures::TaskLocalFuture;

use super::Session;
use crate::event::EventId;

/// What runs inside a call knows: its session, and the event of the call.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) session: Session,
    pub(crate) parent: Option<EventId>,
}

tokio::task_local! {
    static CURRENT: Scope;
}

impl Scope {
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Lends the scope to `f`, which costs less than a clone. Nobody can enter a scope meanwhile, so `f` runs no
    /// code but this library's.
    #[inline]
    pub(crate) fn lent<R>(f: impl FnOnce(&Self) -> R) -> Option<R> {
        CURRENT.try_with(f).ok()
    }

    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, f)
    }

    pub(crate) fn wrap<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { future: Wrapped::In { future: CURRENT.scope(self, future) } }
    }
}

impl Session {
    /// The session of the call that runs here; `None` outside of any.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|scope| scope.session.clone()).ok()
    }

    /// Runs a closure in this session: for threads, `spawn_blocking` and rayon.
    ///
    /// Events inside keep their call as parent if this session is the current one where `run` is called;
    /// take the session into the closure with `move` and call `run` there.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        self.scope().run(f)
    }

    fn scope(&self) -> Scope {
        let parent = Scope::current().filter(|scope| scope.session.is(self)).and_then(|scope| scope.parent);
        Scope { session: self.clone(), parent }
    }
}

/// Carries a session into a future that is spawned elsewhere.
///
/// ```
/// # use mcpcat_runtime::session::InSession;
/// # async fn background() {}
/// # async fn tool() {
/// tokio::spawn(background().in_current_session());
/// # }
/// ```
pub trait InSession: Future + Sized {
    /// Runs the future in `session`.
    fn in_session(self, session: Session) -> Scoped<Self> {
        session.scope().wrap(self)
    }

    /// Runs the future in the session that is current where this is called, and under the same call; without
    /// one, leaves it as it is.
    fn in_current_session(self) -> Scoped<Self> {
        match Scope::current() {
            Some(scope) => scope.wrap(self),
            None => Scoped { future: Wrapped::Out { future: self } },
        }
    }
}

impl<F: Future> InSession for F {}

pin_project_lite::pin_project! {
    /// A future that runs in a session. Made by [`InSession`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        future: Wrapped<F>,
    }
}

pin_project_lite::pin_project! {
    #[project = WrappedProjection]
    enum Wrapped<F> {
        In { #[pin] future: TaskLocalFuture<Scope, F> },
        Out { #[pin] future: F },
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().future.project() {
            WrappedProjection::In { future } => future.poll(context),
            WrappedProjection::Out { future } => future.poll(context),
        }
    }
}

impl<F> std::fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
