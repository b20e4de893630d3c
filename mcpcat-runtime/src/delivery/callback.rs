//! Calls a user's callback on a thread of its own, so that one which blocks holds up neither the delivery nor
//! whoever publishes.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Loss;

/// Losses that wait for a callback that is still running, at most. More are in the numbers and in the log.
const MOST_WAITING: usize = 64;

/// What [`ClientBuilder::on_loss`](crate::client::ClientBuilder::on_loss) was given.
#[derive(Clone)]
pub(crate) struct LossHook {
    tell: Arc<dyn Fn(Loss) + Send + Sync>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Loss>,
    /// A thread is in the callback, and takes what waits afterwards.
    running: bool,
}

impl LossHook {
    pub(crate) fn new(tell: impl Fn(Loss) + Send + Sync + 'static) -> Self {
        Self { tell: Arc::new(tell), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls back for a loss, one at a time and in order, on a thread that ends when nothing waits. Losses are told of
    /// at most once a minute and reason, so a thread each time costs nothing.
    pub(crate) fn tell(&self, loss: Loss) {
        let mut state = self.state();
        if state.waiting.len() < MOST_WAITING {
            state.waiting.push(loss);
        }
        if std::mem::replace(&mut state.running, true) {
            return;
        }
        drop(state);
        let hook = self.clone();
        let spawned =
            std::thread::Builder::new().name("mcpcat-on-loss".to_owned()).spawn(move || hook.call());
        if let Err(error) = spawned {
            self.state().running = false;
            crate::notice::warn(format_args!("`on_loss` is not called, there is no thread: {error}"));
        }
    }

    fn call(&self) {
        loop {
            let losses = {
                let mut state = self.state();
                if state.waiting.is_empty() {
                    state.running = false;
                    return;
                }
                std::mem::take(&mut state.waiting)
            };
            for loss in losses {
                if catch_unwind(AssertUnwindSafe(|| (self.tell)(loss))).is_err() {
                    crate::notice::warn("the `on_loss` callback panicked");
                }
            }
        }
    }
}

impl fmt::Debug for LossHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LossHook")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::delivery::DropReason;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_callback_that_blocks_and_panics_holds_up_nobody_and_misses_nothing() {
        let loss = |dropped| Loss::new(DropReason::Closed, dropped);
        let (began, begin) = mpsc::channel();
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let hook = LossHook::new(move |loss| {
            began.send((loss.dropped, std::thread::current().id())).unwrap();
            let _ = gone.lock().unwrap_or_else(PoisonError::into_inner).recv();
            panic!("on purpose");
        });
        hook.tell(loss(1));
        let (first, thread) = begin.recv_timeout(PATIENCE).unwrap();
        assert_ne!(thread, std::thread::current().id());
        hook.tell(loss(2));
        hook.tell(loss(3));
        assert!(begin.try_recv().is_err(), "one at a time");
        let mut told = vec![first];
        for _ in 0..2 {
            go.send(()).unwrap();
            told.push(begin.recv_timeout(PATIENCE).unwrap().0);
        }
        assert_eq!(told, [1, 2, 3]);
    }
}
