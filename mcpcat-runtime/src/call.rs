//! One timed call: the guard behind `#[event]` and behind every tracked request. It is made when the work
//! begins and finished when it ends; dropped in between, it says whether a panic or a cancellation ended it.

mod future;

use std::cell::Cell;
use std::future::Future;
use std::thread;
use std::time::Duration;

use mcpcat_wire::event_type::is_product_method;

pub use future::CallFuture;
pub(crate) use future::{Asked, Ending, Passed};

use crate::client::recording;
use crate::emit::named;
use crate::event::callsite::{Callsite, Rule};
use crate::event::fields::{Fields, PooledFields};
use crate::event::guard::user_code;
use crate::event::{ErrorInfo, EventId, time};
use crate::session::{EventStart, InSession as _, Scope, Scoped, Session, Slot, Target, of_installed};
use crate::spool::clock::Moment;

/// A call that is being timed. Nothing happens in it when no client records.
#[must_use = "a call that is dropped at once is recorded as cancelled"]
pub struct Call {
    callsite: Option<&'static Callsite>,
    /// A pointer, because a call is moved often: into a future, out of it, to its end.
    live: Option<Box<Live>>,
}

/// What is known of a call while it runs. In memory that the thread keeps for its next call.
struct Live {
    /// What the body runs in: the call's session, with the call as the parent of what is raised inside.
    slot: Slot,
    start: EventStart,
    started: Moment,
    /// How long it took, where that is known before it is finished.
    elapsed: Option<Duration>,
    fields: PooledFields,
    /// The product has no type for it.
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
        Self::request_under(session, method, None)
    }

    /// The same for a request that belongs to another event.
    pub(crate) fn request_under(session: Session, method: &str, parent: Option<EventId>) -> Self {
        let live = session.records_event().then(|| {
            let mut live = Live::new(session, parent);
            live.foreign_type = !is_product_method(method);
            live
        });
        Self { callsite: None, live }
    }

    /// It began this long ago.
    #[cfg(feature = "rmcp")]
    pub(crate) fn began(&mut self, ago: Duration) {
        if let Some(live) = &mut self.live {
            live.start.shift(ago);
            live.started = live.started.earlier(ago);
        }
    }

    /// Its work has ended; it is finished later.
    #[cfg(feature = "rmcp")]
    pub(crate) fn stop(&mut self) {
        if let Some(live) = &mut self.live {
            live.elapsed = Some(live.started.elapsed());
        }
    }

    /// The session and the id that its event has, and how long ago it began.
    #[cfg(feature = "rmcp")]
    pub(crate) fn identity(&self) -> Option<(&Session, EventId, Duration)> {
        let live = self.live.as_ref()?;
        Some((&live.slot.scope()?.session, live.start.id, live.started.elapsed()))
    }

    /// Ends without an event.
    pub(crate) fn forget(mut self) {
        if let Some(live) = self.live.take() {
            live.put_back();
        }
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
        if let Some(live) = self.live.as_mut().filter(|live| !live.begun) {
            if let Some(scope) = live.slot.scope_mut() {
                live.start = EventStart::now(&scope.session, live.start.parent);
                scope.parent = Some(live.start.id);
            }
            live.started = Moment::now();
            live.unwinding = thread::panicking();
            live.begun = true;
        }
    }

    /// Moves the call into the session that the user names. Comes before the fields.
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
        let parent = scope.filter(|scope| scope.session.is(&session)).and_then(|scope| scope.parent);
        let mut live = Live::new(session, parent);
        live.begun = begun;
        if let Some(callsite) = self.callsite {
            live.fields.fields().name_of(callsite);
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
        self.live.as_mut().map(|live| live.fields.fields())
    }

    /// Runs the body of a synchronous call: events inside are nested under it.
    pub fn scope_sync<R>(&mut self, body: impl FnOnce() -> R) -> R {
        let _inside = self.enter(false);
        body()
    }

    /// The body of an asynchronous call: events inside are nested under it.
    pub fn scope<F: Future>(&self, body: F) -> Scoped<F> {
        match self.live.as_ref().and_then(|live| live.slot.scope()) {
            Some(scope) => scope.clone().wrap(body),
            None => body.in_current_session(),
        }
    }

    /// Enters the call until the guard is dropped. With `lends`, the body finds the event's fields by [`entry`].
    #[inline]
    pub(crate) fn enter(&mut self, lends: bool) -> Entered<'_> {
        let Some(live) = &mut self.live else { return Entered { live: None, lends: false, outer: None } };
        live.slot.stay();
        let lend = |entry: &Cell<_>| entry.replace(live.fields.lend());
        // When the thread's locals are gone, the fields stay where they are.
        match if lends { ENTRY.try_with(lend).ok() } else { None } {
            Some(outer) => Entered { live: Some(live), lends: true, outer },
            None => Entered { live: Some(live), lends: false, outer: None },
        }
    }

    /// Enters the call until it ends or is dropped: for what a future does while it is dropped.
    pub(crate) fn stay(&mut self) {
        if let Some(live) = &mut self.live {
            live.slot.stay();
        }
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
        if let Some(mut live) = self.live.take() {
            live.finish(self.callsite, error);
            live.put_back();
        }
    }
}

/// What a call begins with, when its work does.
pub trait Begin {
    /// Whether the body asks for the fields by [`entry`].
    const LENDS: bool = false;
    /// Begins the call.
    fn begin(self) -> Call;
}

/// Nothing is captured.
impl Begin for &'static Callsite {
    #[inline]
    fn begin(self) -> Call {
        Call::start(self)
    }
}

/// Arguments are captured at the beginning of the body.
#[derive(Debug)]
pub struct Captured(pub &'static Callsite);

impl Begin for Captured {
    const LENDS: bool = true;

    #[inline]
    fn begin(self) -> Call {
        Call::start(self.0)
    }
}

/// A call that was made before, and what is captured in it.
impl Begin for Call {
    #[inline]
    fn begin(mut self) -> Self {
        Self::begin(&mut self);
        self
    }
}

/// A body runs inside the call for as long as this lives.
pub(crate) struct Entered<'c> {
    live: Option<&'c mut Live>,
    lends: bool,
    /// What stood in [`ENTRY`] before, if the fields were lent.
    outer: Option<Box<Fields>>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        let Some(live) = &mut self.live else { return };
        live.slot.leave();
        if self.lends
            && let Ok(lent) = ENTRY.try_with(|entry| entry.replace(self.outer.take()))
        {
            live.fields.put(lent);
        }
    }
}

thread_local! {
    static SPARE: Cell<Option<Box<Live>>> = const { Cell::new(None) };
    /// The fields of the call whose body begins, on their way to the body and back: an `async` block has no parameters
    /// through which it could be given them. Once they were asked for, who asks next is another function inside.
    static ENTRY: Cell<Option<Box<Fields>>> = const { Cell::new(None) };
}

/// The fields of the call whose body begins here; `None` if nothing is recorded. What a body of captured arguments
/// asks for first.
pub fn entry() -> Option<Entry> {
    let lent = ENTRY.try_with(|entry| {
        let mut fields = entry.take()?;
        if fields.ask() {
            return Some(fields);
        }
        entry.set(Some(fields));
        None
    });
    lent.ok().flatten().map(|fields| Entry(Some(fields)))
}

/// See [`entry`]. Returns the fields when it is dropped.
#[derive(Debug)]
pub struct Entry(Option<Box<Fields>>);

impl Drop for Entry {
    #[inline]
    fn drop(&mut self) {
        let fields = self.0.take();
        let _ = ENTRY.try_with(|entry| match entry.take() {
            None => entry.set(fields),
            other => entry.set(other),
        });
    }
}

impl std::ops::Deref for Entry {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        match &self.0 {
            Some(fields) => fields,
            None => unreachable!("returned when it is dropped"),
        }
    }
}

impl std::ops::DerefMut for Entry {
    fn deref_mut(&mut self) -> &mut Fields {
        match &mut self.0 {
            Some(fields) => fields,
            None => unreachable!("returned when it is dropped"),
        }
    }
}

impl Live {
    #[cold]
    #[inline(never)]
    fn of_callsite(callsite: &'static Callsite) -> Option<Box<Self>> {
        let (session, parent) = match Scope::current() {
            Some(scope) => (scope.session, scope.parent),
            None => (of_installed()?, None),
        };
        if !session.records_event() {
            return None;
        }
        let mut live = Self::new(session, parent);
        live.fields.fields().name_of(callsite);
        Some(live)
    }

    #[inline(always)]
    fn new(session: Session, parent: Option<EventId>) -> Box<Self> {
        let mut live = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(Self::idle);
        live.start = EventStart::now(&session, parent);
        session.core().prepare(&mut live.fields);
        live.slot.fill(Scope { session, parent: Some(live.start.id) });
        live.started = Moment::now();
        live.elapsed = None;
        live.foreign_type = false;
        live.begun = true;
        live.unwinding = thread::panicking();
        live.ends_with_scope = false;
        live
    }

    #[cold]
    fn idle() -> Box<Self> {
        Box::new(Self {
            slot: Slot::new(None),
            start: EventStart::NONE,
            started: Moment::now(),
            elapsed: None,
            fields: PooledFields::default(),
            foreign_type: false,
            begun: false,
            unwinding: false,
            ends_with_scope: false,
        })
    }

    /// The call has ended: lets go of its session and its values, and keeps the memory for the thread's next call.
    fn put_back(mut self: Box<Self>) {
        self.slot.clear();
        self.fields.clear();
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    #[inline]
    fn finish(&mut self, callsite: Option<&'static Callsite>, error: Option<ErrorInfo>) {
        let elapsed = self.elapsed.unwrap_or_else(|| self.started.elapsed());
        self.slot.leave();
        let Some(scope) = self.slot.scope() else { return };
        let session = &scope.session;
        let fields = self.fields.fields();
        let failed = match error {
            Some(error) => {
                fields.error(error);
                true
            }
            None => fields.outcome().unwrap_or(false),
        };
        let rule = callsite.map_or(&Rule::ALWAYS, |callsite| &callsite.details().rule);
        if !rule.keeps(failed, elapsed, || share(&self.start.id)) {
            return;
        }
        let micros = fields.duration_micros().unwrap_or_else(|| time::micros(elapsed));
        let mut header = self.start.header(session, Some(micros), Some(failed), callsite.is_some());
        header.foreign_type = self.foreign_type;
        // The ledger knows why an event found no place; a call's result must not depend on it.
        let _ = session.record(&header, fields);
    }

    /// Dropped before it was finished.
    fn abandon(&mut self, callsite: Option<&'static Callsite>) {
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
        self.finish(callsite, error);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(mut live) = self.live.take() {
            // While unwinding, a second panic would abort the host.
            let _ = user_code(|| live.abandon(self.callsite));
            live.put_back();
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
