//! A request on its way: its handler runs in its session, and its event ends with what came of it.
//!
//! A future of its own and not an `async fn`: those keep what they were given beside what they make of it, and each
//! layer of them would double the task that is moved about for every request.

use std::any::Any;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::CatchUnwind;
use rmcp::model::{ErrorData, RequestId};

use super::ending::Ending;
use super::handle::Told;
use super::options::Payload;
use super::payload::Answer;
use super::rounds::Thread;
use super::wire::{Done, Said, Table, unsent};
use crate::call::Call;
use crate::client::Client;
use crate::event::{ErrorInfo, Outcome as _};
use crate::session::{InSession as _, Scope, Scoped};

/// What is done about a request.
pub(super) enum Watched {
    /// Its event has begun.
    Recorded {
        call: Call,
        ending: Ending,
        told: Option<Told>,
        payload: Payload,
        settles: Option<Client>,
        /// A name that nobody knows yet: it is the event's if the server answers to it.
        made_up: Option<Box<str>>,
        thread: Thread,
        wire: Option<OnTable>,
    },
    /// It runs in its session and is no event.
    Inside { scope: Scope, told: Option<Told>, settles: Option<Client> },
    /// Nothing is recorded at all.
    Untouched,
}

impl Watched {
    /// What the answer of a tool call shall tell its agent.
    pub(super) fn told(&mut self) -> Option<Told> {
        match self {
            Self::Recorded { told, .. } | Self::Inside { told, .. } => told.take(),
            Self::Untouched => None,
        }
    }
}

/// Runs a request and ends its event with what came of it. A panic is recorded and goes on unchanged; a
/// future that is dropped ends as cancelled.
pub(super) fn watch<A: Answer, F>(watched: Watched, handler: F) -> Watching<F, A>
where
    F: Future<Output = Result<A, ErrorData>>,
{
    let (running, open, settles) = match watched {
        Watched::Recorded { call, ending, payload, settles, made_up, thread, wire, .. } => {
            let scope = call.scope(handler);
            // Where a seam sees the answer leave, it waits there.
            let (settles, later) = if wire.is_some() { (None, settles) } else { (settles, None) };
            (
                scope,
                Some(Open { call: Some(call), ending, payload, made_up, thread, wire, settles: later }),
                settles,
            )
        }
        Watched::Inside { scope, settles, .. } => (scope.wrap(handler), None, settles),
        Watched::Untouched => (handler.in_current_session(), None, None),
    };
    let lasting = open.as_ref().filter(|open| open.ending.lasts());
    let hung_up = lasting.map(|open| -> Waiting { Box::pin(open.ending.cancelled()) });
    Watching { running: AssertUnwindSafe(running).catch_unwind(), open, hung_up, settles, settling: None }
}

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

pin_project_lite::pin_project! {
    /// See [`watch`]. The handler comes first: what it does while it is dropped belongs to the call.
    #[must_use = "futures do nothing unless polled"]
    pub(super) struct Watching<F, A> {
        #[pin]
        running: CatchUnwind<AssertUnwindSafe<Scoped<F>>>,
        open: Option<Open>,
        // Of a request that lasts until its client ends it.
        hung_up: Option<Waiting>,
        settles: Option<Client>,
        // The answer, while it waits for its events.
        settling: Option<(Waiting, Option<Result<A, ErrorData>>)>,
    }
}

impl<A: Answer, F> Future for Watching<F, A>
where
    F: Future<Output = Result<A, ErrorData>>,
{
    type Output = Result<A, ErrorData>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.settling.is_none() {
            let Poll::Ready(ended) = this.running.poll(context) else {
                // A handler that does not look whether anybody listens runs on; the subscription is over.
                if let (Some(hung_up), Some(open)) = (&mut *this.hung_up, &mut *this.open) {
                    ready!(hung_up.as_mut().poll(context));
                    open.finish(None);
                    *this.hung_up = None;
                }
                return Poll::Pending;
            };
            let answered = match this.open.take() {
                Some(mut open) => open.conclude(ended),
                None => ended.unwrap_or_else(|panic| resume_unwind(panic)),
            };
            let Some(client) = this.settles.take() else { return Poll::Ready(answered) };
            let settling = Box::pin(async move { client.flush_before_response().await });
            *this.settling = Some((settling, Some(answered)));
        }
        let Some((settling, answered)) = this.settling else { unreachable!("set above") };
        ready!(settling.as_mut().poll(context));
        answered.take().map_or_else(|| unreachable!("polled after its end"), Poll::Ready)
    }
}

/// A request's place in the table of its connection.
pub(super) struct OnTable {
    pub(super) table: Arc<Table>,
    pub(super) id: RequestId,
}

/// A request that runs, and how it ended when nobody has said it.
struct Open {
    call: Option<Call>,
    ending: Ending,
    payload: Payload,
    made_up: Option<Box<str>>,
    thread: Thread,
    wire: Option<OnTable>,
    settles: Option<Client>,
}

impl Open {
    /// Ends it as its handler did, and goes on so.
    fn conclude<A: Answer>(&mut self, ended: thread::Result<Result<A, ErrorData>>) -> Result<A, ErrorData> {
        let answered = match ended {
            Ok(answered) => answered,
            Err(panic) => {
                if let Some(mut call) = self.call.take() {
                    // rmcp answers nothing to it.
                    if let Some(fields) = call.fields() {
                        unsent(fields);
                    }
                    call.finish(Some(ErrorInfo::message(panic_text(&*panic)).with_type("panic")));
                }
                self.forget();
                resume_unwind(panic)
            }
        };
        match self.wire.take_if(|wire| wire.table.awaits(&wire.id)) {
            Some(wire) => self.wait(wire, &answered),
            // Nobody sees what becomes of the answer, or nothing will.
            None => self.end(&answered),
        }
        answered
    }

    /// The answer is on its way to a seam, which knows what becomes of it.
    fn wait<A: Answer>(&mut self, wire: OnTable, answered: &Result<A, ErrorData>) {
        self.name(answered);
        let Some(mut call) = self.call.take() else { return };
        call.stop();
        let said = match answered {
            Ok(answer) => {
                let form = answer.form();
                let session = call.identity().filter(|_| form.may_be_lost()).map(|(session, ..)| session);
                let kept = session.and_then(|it| answer.kept(self.payload, &it.core().config.policy));
                Said::Answer(form, kept)
            }
            Err(error) => Said::Error(error.clone()),
        };
        let lasted = self.ending.lasts();
        if let (Some(how), Some(fields)) = (self.ending.of_lasting(), call.fields()) {
            fields.fact("mcpcat_ended", how);
            if let Ok(answer) = answered {
                answer.record(fields, self.payload);
            }
        }
        let done = Done {
            call,
            payload: self.payload,
            thread: mem::take(&mut self.thread),
            said,
            settles: self.settles.take(),
            lasted,
            by_client: self.ending.is_clients_end(),
        };
        wire.table.done(&wire.id, done);
    }

    /// A name that nobody knew is known now, if the server has answered to it.
    fn name<A: Answer>(&mut self, answered: &Result<A, ErrorData>) {
        let Some(name) = self.made_up.take() else { return };
        if answered.as_ref().is_ok_and(|answer| answer.failure().is_none())
            && let Some(fields) = self.call.as_mut().and_then(Call::fields)
        {
            fields.name(&name);
        }
    }

    /// The handler has the last word.
    fn end<A: Answer>(&mut self, answered: &Result<A, ErrorData>) {
        self.name(answered);
        let Some(mut call) = self.call.take() else { return };
        let mut failure = None;
        match answered {
            Ok(answer) => {
                failure = answer.failure();
                if let Some(fields) = call.fields() {
                    answer.record(fields, self.payload);
                }
            }
            Err(error) => failure = error.error().or(failure),
        }
        if let Some(fields) = call.fields().filter(|_| self.wire.is_none()) {
            fields.fact("mcpcat_observed", "handler");
        }
        let waits = answered.as_ref().ok().and_then(Answer::waits);
        self.thread.answered(&mut call, waits, failure.as_ref(), self.payload);
        self.call = Some(call);
        self.finish(failure);
    }

    /// Ends it with an answer, or with what the handler failed with.
    fn finish(&mut self, failure: Option<ErrorInfo>) {
        let Some(mut call) = self.call.take() else { return };
        let interruption = self.ending.interruption(failure.as_ref());
        if let Some(fields) = call.fields() {
            if let Some(how) = self.ending.of_lasting() {
                fields.fact("mcpcat_ended", how);
            }
            if interruption.is_some() {
                unsent(fields);
            }
        }
        // Whatever a handler says when its client has hung up on a subscription: nothing has failed.
        let failure = failure.filter(|_| !self.ending.is_clients_end());
        call.finish(interruption.or(failure));
        self.forget();
    }

    fn forget(&mut self) {
        if let Some(wire) = self.wire.take() {
            wire.table.forget(&wire.id);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Otherwise the call itself knows what a drop means.
        if self.ending.is_clients_end() && !thread::panicking() {
            self.finish(None);
        }
        self.call = None;
        self.forget();
    }
}

/// What a panic said.
fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the handler panicked with a value that is not text".to_owned())
}
