//! How a session travels: it is local to the task or thread that runs a call, and has to be carried over every `spawn`,
//! because the language does not.
//!
//! A thread-local of our own and not tokio's `task_local!`, whose entry panics once the thread's locals are gone: an
//! annotated function may run in a destructor of another thread-local, and then simply runs. A future is wrapped in one
//! layer and no more, because each layer counts towards the compiler's recursion limit.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Session;
use crate::event::EventId;

/// What runs inside a call knows: its session, and the event of the call.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) session: Session,
    pub(crate) parent: Option<EventId>,
}

thread_local! {
    static CURRENT: RefCell<Option<Scope>> = const { RefCell::new(None) };
}

impl Scope {
    pub(crate) fn current() -> Option<Self> {
        Self::lent(Clone::clone)
    }

    /// Lends the scope to `f`, which costs less than a clone. Nobody can enter a scope meanwhile, so `f` runs no
    /// code but this library's.
    #[inline]
    pub(crate) fn lent<R>(f: impl FnOnce(&Self) -> R) -> Option<R> {
        let lend = |current: &RefCell<Option<Self>>| current.try_borrow().ok()?.as_ref().map(f);
        CURRENT.try_with(lend).ok().flatten()
    }

    pub(crate) fn run<R>(self, f: impl FnOnce() -> R) -> R {
        let mut slot = Slot::new(Some(self));
        let _inside = slot.enter();
        f()
    }

    pub(crate) fn wrap<F: Future>(self, future: F) -> Scoped<F> {
        Scoped { future, slot: Slot::new(Some(self)) }
    }
}

/// A scope that code runs in from time to time. While it does, the slot holds the scope that was current before.
pub(crate) struct Slot {
    scope: Option<Scope>,
    entered: bool,
}

impl Slot {
    /// Without a scope, what is run inside runs as it would have run.
    pub(crate) fn new(scope: Option<Scope>) -> Self {
        Self { scope, entered: false }
    }

    /// Puts a scope into a slot that has none.
    #[inline]
    pub(crate) fn fill(&mut self, scope: Scope) {
        self.scope = Some(scope);
    }

    /// Leaves, and lets go of the scope.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.leave();
        self.scope = None;
    }

    /// The scope; while it is entered, the one before it.
    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    pub(crate) fn scope_mut(&mut self) -> Option<&mut Scope> {
        self.scope.as_mut()
    }

    pub(crate) fn enter(&mut self) -> Inside<'_> {
        self.stay();
        Inside(self)
    }

    /// Enters until the slot is left or dropped.
    #[inline]
    pub(crate) fn stay(&mut self) {
        if self.scope.is_some() && !self.entered {
            self.entered = self.swap();
        }
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        if mem::take(&mut self.entered) {
            self.swap();
        }
    }

    /// Whether it could be done: not when the thread's locals are gone.
    #[inline]
    fn swap(&mut self) -> bool {
        let swap = |current: &RefCell<Option<Scope>>| match current.try_borrow_mut() {
            Ok(mut current) => {
                mem::swap(&mut *current, &mut self.scope);
                true
            }
            Err(_) => false,
        };
        CURRENT.try_with(swap).unwrap_or(false)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Leaves the scope when it is dropped, also while a panic unwinds.
pub(crate) struct Inside<'s>(&'s mut Slot);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Session {
    /// The session of the call that runs here; `None` outside of any.
    #[must_use]
    pub fn current() -> Option<Self> {
        Scope::lent(|scope| scope.session.clone())
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
/// # use mcpcat_runtime as mcpcat;
/// # use mcpcat::InSession;
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
        Scoped { future: self, slot: Slot::new(Scope::current()) }
    }
}

impl<F: Future> InSession for F {}

pin_project_lite::pin_project! {
    /// A future that runs in a session. Made by [`InSession`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        future: F,
        // Dropped last: what the future does while it is dropped happens in the session.
        slot: Slot,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            this.project().slot.stay();
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = this.slot.enter();
        this.future.poll(context)
    }
}

impl<F> std::fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
