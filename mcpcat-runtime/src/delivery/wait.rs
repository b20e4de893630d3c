//! Waits for the delivery thread that have a bound of their own: they end even when that thread does not go on,
//! because a stream blocks it or the system has stopped it.
//!
//! Who waits may have no runtime with a clock, so a thread of ours ends the waits that are overdue. It is started by
//! the first wait and ends with the last.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::spool;

/// How much later than asked an answer may come: what is still in memory is scrubbed and kept first, and a busy
/// machine needs a moment.
pub(crate) const GRACE: Duration = Duration::from_millis(750);

/// When, and a number that tells alarms of one moment apart.
type Key = (Instant, u64);

#[derive(Default)]
struct Alarms {
    waiting: BTreeMap<Key, oneshot::Sender<()>>,
    numbers: u64,
    running: bool,
}

/// The alarms of one process image, and that their thread has something new to look at.
struct Clock {
    alarms: Mutex<Option<Alarms>>,
    changed: Condvar,
}

/// By fork generation, as a lock that some thread held at a `fork` stays locked in the child.
static CLOCKS: [Clock; 4] = [const { Clock { alarms: Mutex::new(None), changed: Condvar::new() } }; 4];

impl Clock {
    fn of_this_process() -> &'static Self {
        &CLOCKS[spool::fork_generation() as usize % CLOCKS.len()]
    }

    fn alarms(&self) -> MutexGuard<'_, Option<Alarms>> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer, unless it does not come by the deadline (and the grace) or nobody is left to give it.
pub(crate) async fn answer<T>(receiver: oneshot::Receiver<T>, deadline: Instant) -> Option<T> {
    let Some(mut alarm) = deadline.checked_add(GRACE).and_then(Alarm::set) else {
        return receiver.await.ok();
    };
    tokio::select! {
        biased;
        answer = receiver => answer.ok(),
        _ = &mut alarm.rings => None,
    }
}

/// [`answer`] for a thread that blocks.
pub(crate) fn answer_blocking<T>(receiver: &Receiver<T>, deadline: Instant) -> Option<T> {
    receiver.recv_timeout(deadline.saturating_duration_since(Instant::now()) + GRACE).ok()
}

/// A moment at which somebody stops waiting.
struct Alarm {
    clock: &'static Clock,
    key: Key,
    rings: oneshot::Receiver<()>,
}

impl Alarm {
    /// `None` where there is no thread to be had.
    fn set(at: Instant) -> Option<Self> {
        let clock = Clock::of_this_process();
        let (sender, rings) = oneshot::channel();
        let mut slot = clock.alarms();
        let alarms = slot.get_or_insert_default();
        if !alarms.running {
            let thread = std::thread::Builder::new().name("mcpcat-wait".to_owned());
            thread.spawn(move || ring(clock)).ok()?;
            alarms.running = true;
        }
        alarms.numbers += 1;
        let key = (at, alarms.numbers);
        alarms.waiting.insert(key, sender);
        let is_first = alarms.waiting.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(slot);
        if is_first {
            clock.changed.notify_all();
        }
        Some(Self { clock, key, rings })
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(alarms) = self.clock.alarms().as_mut() {
            alarms.waiting.remove(&self.key);
        }
        self.clock.changed.notify_all();
    }
}

/// How long the thread stays when nothing waits: waits often come one after the other.
const STAYS: Duration = Duration::from_millis(500);

fn ring(clock: &Clock) {
    let mut slot = clock.alarms();
    let mut idle_since = None;
    while let Some(alarms) = slot.as_mut() {
        let now = Instant::now();
        while let Some(entry) = alarms.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let _ = entry.remove().send(());
        }
        let until = match alarms.waiting.first_key_value() {
            Some(((at, _), _)) => {
                idle_since = None;
                *at
            }
            None => *idle_since.get_or_insert(now) + STAYS,
        };
        if idle_since.is_some() && now >= until {
            *slot = None;
            return;
        }
        let left = until.saturating_duration_since(now);
        slot = clock.changed.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_for_an_answer_that_never_comes_ends() {
        let (silent, never) = oneshot::channel::<u8>();
        let (sender, receiver) = oneshot::channel();
        let (dropped, gone) = oneshot::channel::<u8>();
        drop(dropped);
        sender.send(7).unwrap();
        let far = Instant::now() + Duration::from_secs(600);
        let near = Instant::now();
        let (silence, answered, gone) =
            tokio::join!(answer(never, near), answer(receiver, far), answer(gone, far));
        assert_eq!((silence, answered, gone), (None, Some(7), None));
        drop(silent);
    }

    #[test]
    fn a_wait_needs_no_runtime_and_no_delivery_thread() {
        let (_silent, never) = oneshot::channel::<u8>();
        assert_eq!(futures_util::FutureExt::now_or_never(answer(never, Instant::now())), None);
        let (silent, never) = std::sync::mpsc::channel::<u8>();
        assert_eq!(answer_blocking(&never, Instant::now()), None);
        drop(silent);
    }
}
