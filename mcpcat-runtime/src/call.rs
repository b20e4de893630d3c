//! One timed call: the guard behind `#[event]` and behind every tracked request. It is made when the work
//! begins and finished when it ends; dropped in between, it says whether a panic or a cancellation ended it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use crate::client::recording;
use crate::delivery::DropReason;
use crate::event::callsite::{Callsite, Rule};
use crate::event::fields::{Fields, Loan};
use crate::event::{ErrorInfo, EventId};
use crate::session::{InSession as _, Raised, Scope, Scoped, Session, Target, of_installed};

/// A call that is being timed. Nothing happens in it when no client records.
#[must_use = "a call that is dropped at once is recorded as cancelled"]
pub struct Call(Option<Live>);

struct Live {
    session: Session,
    raised: Raised,
    parent: Option<EventId>,
    started: Instant,
    loan: Loan,
    rule: Rule,
    custom: bool,
    /// `thread::panicking()` is also true for a good call inside a destructor that runs while unwinding.
    unwinding: bool,
    ends_with_scope: bool,
    /// Postponed, and not begun.
    waits: bool,
}

impl Call {
    /// Begins a call of an annotated function: in the session that runs here, else in the process's own.
    #[inline]
    pub fn start(callsite: &'static Callsite) -> Self {
        if recording() { Self::open(callsite, None) } else { Self(None) }
    }

    /// Begins a call in a session that the author names. The name is asked for only when somebody records.
    #[inline]
    pub fn start_in<'a, T: Into<Target<'a>>>(
        callsite: &'static Callsite,
        target: impl FnOnce() -> T,
    ) -> Self {
        if recording() { Self::open(callsite, Target::session(target().into())) } else { Self(None) }
    }

    #[cold]
    #[inline(never)]
    fn open(callsite: &'static Callsite, session: Option<Session>) -> Self {
        let scope = Scope::current();
        let session = match session.or_else(|| scope.as_ref().map(|scope| scope.session.clone())) {
            Some(session) => session,
            None => match of_installed() {
                Some(session) => session,
                None => return Self(None),
            },
        };
        let parent = scope.filter(|scope| scope.session.is(&session)).and_then(|scope| scope.parent);
        let mut call = Self::of(session, parent, callsite.rule, true);
        if let Some(fields) = call.fields() {
            fields.name(callsite.name);
        }
        call
    }

    /// Begins a request that a tracker observes.
    #[cfg(feature = "rmcp")]
    pub(crate) fn request(session: Session, event_type: &str) -> Self {
        if !session.core().records() {
            return Self(None);
        }
        let mut call = Self::of(session, None, Rule::ALWAYS, false);
        if let Some(fields) = call.fields() {
            fields.body_member("event_type", &event_type);
        }
        call
    }

    fn of(session: Session, parent: Option<EventId>, rule: Rule, custom: bool) -> Self {
        let loan = Loan::take(&session.core().config.policy);
        Self(Some(Live {
            raised: Raised::now(&session, parent),
            parent,
            session,
            started: Instant::now(),
            loan,
            rule,
            custom,
            unwinding: thread::panicking(),
            ends_with_scope: false,
            waits: false,
        }))
    }

    /// Whether this call will be recorded.
    #[inline]
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.0.is_some()
    }

    /// The event's fields, to be filled while the arguments are still there.
    #[inline]
    pub fn fields(&mut self) -> Option<&mut Fields> {
        self.0.as_mut().map(|live| live.loan.fields())
    }

    /// The call has not begun yet: it does with [`begin`](Self::begin), at the first poll of a future. Dropped before
    /// that it is no event.
    pub fn postpone(mut self) -> Self {
        if let Some(live) = &mut self.0 {
            live.waits = true;
        }
        self
    }

    /// Begins a postponed call.
    pub fn begin(&mut self) {
        if let Some(live) = &mut self.0 {
            live.waits = false;
            live.raised = Raised::now(&live.session, live.parent);
            live.started = Instant::now();
        }
    }

    /// Fills the fields; a value that panics while it is serialised ends the recording and nothing else.
    pub fn capture(&mut self, write: impl FnOnce(&mut Fields)) {
        let Some(fields) = self.fields() else { return };
        if catch_unwind(AssertUnwindSafe(|| write(fields))).is_err()
            && let Some(live) = self.0.take()
        {
            live.session.core().count_dropped(DropReason::Panicked);
        }
    }

    /// Runs the body of a synchronous call: events inside are nested under it.
    pub fn scope_sync<R>(&self, body: impl FnOnce() -> R) -> R {
        match self.scope() {
            Some(scope) => scope.run(body),
            None => body(),
        }
    }

    /// The body of an asynchronous call: events inside are nested under it.
    pub fn scope_future<F: Future>(&self, body: F) -> Scoped<F> {
        match self.scope() {
            Some(scope) => scope.wrap(body),
            None => body.in_current_session(),
        }
    }

    fn scope(&self) -> Option<Scope> {
        let live = self.0.as_ref()?;
        Some(Scope { session: live.session.clone(), parent: Some(live.raised.id) })
    }

    /// From here on the end of the scope is the end of the call: for bodies that must stay in place.
    pub fn ends_with_scope(mut self) -> Self {
        if let Some(live) = &mut self.0 {
            live.ends_with_scope = true;
        }
        self
    }

    /// Ends the call with a success or an error.
    pub fn finish(mut self, error: Option<ErrorInfo>) {
        if let Some(live) = self.0.take() {
            live.finish(error);
        }
    }

    /// Ends the call, with more fields that are known only now.
    pub fn finish_with(mut self, error: Option<ErrorInfo>, write: impl FnOnce(&mut Fields)) {
        if self.is_live() {
            self.capture(write);
            self.finish(error);
        }
    }
}

impl Live {
    fn finish(mut self, error: Option<ErrorInfo>) {
        let elapsed = self.started.elapsed();
        let fields = self.loan.fields();
        let failed = match error {
            Some(error) => {
                fields.error(error);
                true
            }
            None => fields.outcome().unwrap_or(false),
        };
        if !self.rule.keeps(failed, elapsed, || share(&self.raised.id)) {
            return;
        }
        let micros = fields.duration_micros().unwrap_or_else(|| crate::event::time::micros(elapsed));
        let header = self.raised.header(&self.session, Some(micros), Some(failed), self.custom);
        // The ledger knows why an event found no place; a call's result must not depend on it.
        let _ = self.session.record(&header, fields);
    }

    /// Dropped before it was finished.
    fn abandon(self) {
        if self.waits {
            return;
        }
        let panicked = thread::panicking() && !self.unwinding;
        let error = if panicked {
            Some(ErrorInfo::message("the function panicked").with_type("panic"))
        } else if self.ends_with_scope {
            None
        } else {
            Some(ErrorInfo::message("the future was dropped before it ended").with_type("cancelled"))
        };
        self.finish(error);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(live) = self.0.take() {
            // While unwinding, a second panic would abort the host.
            let _ = catch_unwind(AssertUnwindSafe(|| live.abandon()));
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("live", &self.is_live()).finish()
    }
}

/// Keeps the signature's closure kind free: a body that borrows mutably and returns the borrow compiles.
#[inline]
pub fn run<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// The same for a body that returns a future: the bound makes the future's output known.
#[inline]
pub fn run_future<F: Future<Output = R>, R>(body: impl FnOnce() -> F) -> F {
    body()
}

/// A number in 0..1 from the random part of an id.
fn share(id: &EventId) -> f64 {
    let raw = id.raw();
    f64::from(u32::from_be_bytes([raw[16], raw[17], raw[18], raw[19]])) / (f64::from(u32::MAX) + 1.0)
}
