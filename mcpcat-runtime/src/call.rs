//! One timed call: the guard behind `#[event]` and behind every tracked request. It is made when the work
//! begins and finished when it ends; dropped in between, it says whether a panic or a cancellation ended it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use mcpcat_wire::event_type::is_product_method;

use crate::client::recording;
use crate::emit::named;
use crate::event::callsite::{Callsite, Rule};
use crate::event::fields::{Fields, Loan};
use crate::event::{ErrorInfo, EventId, time};
use crate::session::{InSession as _, Raised, Scope, Scoped, Session, Target, of_installed};

/// A call that is being timed. Nothing happens in it when no client records.
#[must_use = "a call that is dropped at once is recorded as cancelled"]
pub struct Call {
    callsite: Option<&'static Callsite>,
    live: Option<Live>,
}

struct Live {
    session: Session,
    raised: Raised,
    started: Instant,
    loan: Loan,
    rule: Rule,
    custom: bool,
    foreign_type: bool,
    /// A future that was never polled is no event.
    begun: bool,
    /// `thread::panicking()` is also true for a good call inside a destructor that runs while unwinding.
    unwinding: bool,
    ends_with_scope: bool,
}

impl Call {
    /// Begins a call of an annotated function: in the session that runs here, else in the process's own.
    #[inline]
    pub fn start(callsite: &'static Callsite) -> Self {
        let live = if recording() { Live::of_callsite(callsite) } else { None };
        Self { callsite: Some(callsite), live }
    }

    /// A call whose arguments are here and whose work begins later, if at all: see [`begin`](Self::begin).
    #[inline]
    pub fn deferred(callsite: &'static Callsite) -> Self {
        Self::start(callsite).postpone()
    }

    /// Begins a request of this method that a tracker observes; the tracker writes its type.
    pub(crate) fn request(session: Session, method: &str) -> Self {
        let live = session.records_event().then(|| {
            let foreign_type = !is_product_method(method);
            Live { foreign_type, ..Live::new(session, None, Rule::ALWAYS, false) }
        });
        Self { callsite: None, live }
    }

    /// Ends without an event.
    pub(crate) fn forget(mut self) {
        self.live = None;
    }

    /// Takes the beginning back: the work has not begun yet.
    pub fn postpone(mut self) -> Self {
        if let Some(live) = &mut self.live {
            live.begun = false;
        }
        self
    }

    /// The work of a deferred call begins now.
    pub fn begin(&mut self) {
        if let Some(live) = &mut self.live {
            let parent = live.raised.parent;
            live.raised = Raised::now(&live.session, parent);
            live.started = Instant::now();
            live.unwinding = thread::panicking();
            live.begun = true;
        }
    }

    /// Moves the call into the session that the author names. Comes before the fields.
    pub fn session<'a>(&mut self, target: impl Into<Target<'a>>) {
        if !recording() {
            return;
        }
        let scope = Scope::current();
        let Some(session) = named(target.into(), None, scope.as_ref().map(|scope| &scope.session)) else {
            return;
        };
        if !session.records_event() {
            return self.live = None;
        }
        let begun = self.live.as_ref().is_none_or(|live| live.begun);
        let rule = self.callsite.map_or(Rule::ALWAYS, |callsite| callsite.details().rule);
        let parent = scope.filter(|scope| scope.session.is(&session)).and_then(|scope| scope.parent);
        let mut live = Live::new(session, parent, rule, true);
        live.begun = begun;
        if let Some(callsite) = self.callsite {
            live.loan.fields().name_of(callsite);
        }
        self.live = Some(live);
    }

    /// Whether this call will be recorded.
    #[inline]
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// The event's fields, to be filled while the arguments are still there.
    #[inline]
    pub fn fields(&mut self) -> Option<&mut Fields> {
        self.live.as_mut().map(|live| live.loan.fields())
    }

    /// Runs the body of a synchronous call: events inside are nested under it.
    pub fn scope_sync<R>(&self, body: impl FnOnce() -> R) -> R {
        match self.inside() {
            Some(scope) => scope.run(body),
            None => body(),
        }
    }

    /// The body of an asynchronous call: events inside are nested under it.
    pub fn scope<F: Future>(&self, body: F) -> Scoped<F> {
        match self.inside() {
            Some(scope) => scope.wrap(body),
            None => body.in_current_session(),
        }
    }

    fn inside(&self) -> Option<Scope> {
        let live = self.live.as_ref()?;
        Some(Scope { session: live.session.clone(), parent: Some(live.raised.id) })
    }

    /// From here on the end of the scope is the end of the call: for bodies that must stay in place.
    pub fn guard(mut self) -> Self {
        if let Some(live) = &mut self.live {
            live.ends_with_scope = true;
        }
        self
    }

    /// Ends the call with a success or an error.
    pub fn finish(mut self, error: Option<ErrorInfo>) {
        if let Some(live) = self.live.take() {
            live.finish(error);
        }
    }
}

impl Live {
    #[cold]
    #[inline(never)]
    fn of_callsite(callsite: &'static Callsite) -> Option<Self> {
        let (session, parent) = match Scope::current() {
            Some(scope) => (scope.session, scope.parent),
            None => (of_installed()?, None),
        };
        if !session.records_event() {
            return None;
        }
        let mut live = Self::new(session, parent, callsite.details().rule, true);
        live.loan.fields().name_of(callsite);
        Some(live)
    }

    fn new(session: Session, parent: Option<EventId>, rule: Rule, custom: bool) -> Self {
        Self {
            raised: Raised::now(&session, parent),
            started: Instant::now(),
            loan: Loan::take(&session.core().config.policy),
            session,
            rule,
            custom,
            foreign_type: false,
            begun: true,
            unwinding: thread::panicking(),
            ends_with_scope: false,
        }
    }

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
        let micros = fields.duration_micros().unwrap_or_else(|| time::micros(elapsed));
        let mut header = self.raised.header(&self.session, Some(micros), Some(failed), self.custom);
        header.foreign_type = self.foreign_type;
        // The ledger knows why an event found no place; a call's result must not depend on it.
        let _ = self.session.record(&header, fields);
    }

    /// Dropped before it was finished.
    fn abandon(self) {
        if !self.begun {
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
        if let Some(live) = self.live.take() {
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

/// A number in 0..1 from the random part of an id.
fn share(id: &EventId) -> f64 {
    let raw = id.raw();
    f64::from(u32::from_be_bytes([raw[16], raw[17], raw[18], raw[19]])) / (f64::from(u32::MAX) + 1.0)
}
