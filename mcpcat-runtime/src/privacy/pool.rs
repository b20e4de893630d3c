//! A few threads for code that is not ours: it may block, hang or panic, and the worker must not notice more than
//! a missing answer. A call that does not come back keeps its slot and its thread; the others go on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicIsize, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, oneshot};

/// A thread with nothing to do ends after this long.
const IDLE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    Late,
    Panicked,
    /// No slot came free in time, or no thread could be had.
    NotStarted,
}

type Job = Box<dyn FnOnce(&Runtime) + Send>;

#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    limit: usize,
    /// Ends the threads when the last handle is gone.
    _closing: Arc<Closing>,
}

struct Shared {
    queue: Mutex<Queue>,
    ready: Condvar,
    /// Calls that are past their deadline and have not come back.
    hanging: AtomicIsize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), ready: Condvar::new(), hanging: AtomicIsize::new(0) });
        let closing = Arc::new(Closing(Arc::clone(&shared)));
        Self { shared, slots: Arc::new(Semaphore::new(limit)), limit, _closing: closing }
    }

    /// Runs a call on one of the threads and waits for it no longer than the deadline; as long again for a slot.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        call: impl FnOnce(&Runtime) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        // Waiting for slots of which none will come back would hold up every event.
        if self.hanging() >= self.limit {
            return Err(Lost::NotStarted);
        }
        let slot = tokio::time::timeout(deadline, Arc::clone(&self.slots).acquire_owned()).await;
        let Ok(Ok(slot)) = slot else { return Err(Lost::NotStarted) };
        let state = Arc::new(AtomicU8::new(RUNNING));
        let (answer, answered) = oneshot::channel();
        let job = {
            let (shared, state) = (Arc::clone(&self.shared), Arc::clone(&state));
            Box::new(move |runtime: &Runtime| {
                let result = catch_unwind(AssertUnwindSafe(|| call(runtime)));
                if state.swap(DONE, Ordering::AcqRel) == GIVEN_UP {
                    shared.hanging.fetch_sub(1, Ordering::AcqRel);
                }
                drop(slot);
                // Nobody waits any more if it was given up.
                let _ = answer.send(result);
            })
        };
        self.shared.submit(job)?;
        match tokio::time::timeout(deadline, answered).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(_panic))) => Err(Lost::Panicked),
            Ok(Err(_)) => Err(Lost::NotStarted),
            Err(_) => {
                if state.compare_exchange(RUNNING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                    self.shared.hanging.fetch_add(1, Ordering::AcqRel);
                }
                Err(Lost::Late)
            }
        }
    }

    /// Runs a call that nobody waits for, if a slot is free at this moment.
    pub(super) fn start(&self, call: impl FnOnce(&Runtime) + Send + 'static) -> bool {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return false };
        let job = Box::new(move |runtime: &Runtime| {
            // What it has to say about a panic it says itself.
            let _ = catch_unwind(AssertUnwindSafe(|| call(runtime)));
            drop(slot);
        });
        self.shared.submit(job).is_ok()
    }

    fn hanging(&self) -> usize {
        // Below zero for a moment when a call comes back just as it is given up.
        usize::try_from(self.shared.hanging.load(Ordering::Acquire)).unwrap_or(0)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it is held.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), Lost> {
        let mut queue = self.lock();
        queue.jobs.push_back(job);
        if queue.idle >= queue.jobs.len() {
            self.ready.notify_one();
            return Ok(());
        }
        let shared = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("mcpcat-hook".into()).spawn(move || shared.work());
        if spawned.is_err() {
            queue.jobs.pop_back();
            return Err(Lost::NotStarted);
        }
        Ok(())
    }

    fn work(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        while let Some(job) = self.next() {
            // Without a runtime the job is dropped, and whoever waits for it is told so.
            if let Ok(runtime) = &runtime {
                job(runtime);
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        let deadline = std::time::Instant::now() + IDLE;
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if queue.closed || left.is_zero() {
                return None;
            }
            queue.idle += 1;
            queue = self.ready.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
            queue.idle -= 1;
        }
    }
}
