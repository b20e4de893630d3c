//! The body of an asynchronous call: one layer around the user's future, because each layer that holds another counts
//! towards the compiler's recursion limit in every program that spawns it. So the body is a plain field, and no
//! `Option`, scope or second future stands around it.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Begin, Call};
use crate::event::outcome::probe::Ask;

pin_project_lite::pin_project! {
    /// A body with its call. Fields drop in their order: the body first, in the call that is entered for it, then the
    /// call, which ends.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F, B, E> {
        // The compiler looks at fields in this order when it asks whether the future is `Send`: the call, whose types
        // are deep, before the body that holds the next annotated function. It then knows the answer for each of them.
        call: PhantomData<State<B, E>>,
        #[pin]
        body: F,
        state: State<B, E>,
    }

    impl<F, B, E> PinnedDrop for CallFuture<F, B, E> {
        fn drop(this: Pin<&mut Self>) {
            if let State::Running(call, _) = this.project().state {
                call.stay();
            }
        }
    }
}

enum State<B, E> {
    /// Never polled, and no event if it stays so.
    Waiting(B, E),
    Running(Call, E),
    Ended,
}

impl<F, B, E> CallFuture<F, B, E> {
    pub(crate) fn new(begin: B, body: F, ending: E) -> Self {
        Self { call: PhantomData, body, state: State::Waiting(begin, ending) }
    }
}

impl<F: Future, B: Begin, E: Ending<F::Output>> Future for CallFuture<F, B, E> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let first = matches!(this.state, State::Waiting(..));
        if first && let State::Waiting(begin, ending) = mem::replace(this.state, State::Ended) {
            *this.state = State::Running(begin.begin(), ending);
        }
        let output = match this.state {
            State::Running(call, _) => {
                let _inside = call.enter(first && B::LENDS);
                ready!(this.body.poll(context))
            }
            _ => ready!(this.body.poll(context)),
        };
        if let State::Running(call, ending) = mem::replace(this.state, State::Ended) {
            ending.end(call, &output);
        }
        Poll::Ready(output)
    }
}

impl<F, B, E> std::fmt::Debug for CallFuture<F, B, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFuture").field("ended", &matches!(self.state, State::Ended)).finish()
    }
}

/// How a call ends.
pub trait Ending<R> {
    /// Ends it.
    fn end(self, call: Call, returned: &R);
}

impl<R, E: FnOnce(Call, &R)> Ending<R> for E {
    fn end(self, call: Call, returned: &R) {
        self(call, returned);
    }
}

/// Ends a call with what the returned value is asked.
#[derive(Debug)]
pub struct Asked<R>(pub(crate) Ask<R>);

impl<R> Ending<R> for Asked<R> {
    #[inline]
    fn end(self, call: Call, returned: &R) {
        if call.is_live() {
            call.finish(self.0.of(returned));
        }
    }
}

/// Ends a call with a success.
#[derive(Debug)]
pub struct Passed;

impl<R> Ending<R> for Passed {
    #[inline]
    fn end(self, call: Call, _: &R) {
        call.finish(None);
    }
}
