//! One thread for all clients of a process: each client's worker is a task of its runtime, so that ten clients cost one
//! thread, and their connections are of one pool. It starts with the first worker and ends with the last. A worker that
//! panics ends alone.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::drain;
use crate::spool;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// Makes the task, on the thread.
type Job = Box<dyn FnOnce() -> Task + Send>;

/// The thread of this process.
struct Shared {
    /// Of which process image: a forked child has the memory of its parent's thread and not the thread.
    generation: u64,
    jobs: UnboundedSender<Job>,
    /// Tasks that were given to it and have not ended.
    tasks: usize,
    thread: JoinHandle<()>,
}

/// By fork generation, so that a lock that some thread held at a `fork` is not the one that its child needs.
static SHARED: [Mutex<Option<Shared>>; 4] = [const { Mutex::new(None) }; 4];

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

fn shared(generation: u64) -> MutexGuard<'static, Option<Shared>> {
    let slot = &SHARED[generation as usize % SHARED.len()];
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this is the delivery thread. Who waits here for a worker waits for ever.
pub(crate) fn is_here() -> bool {
    HERE.try_with(Cell::get).unwrap_or(false)
}

/// A task on the thread.
#[derive(Debug)]
pub(crate) struct Running {
    /// Told when it has ended; with the thread, if it was the last.
    ended: mpsc::Receiver<JoinHandle<()>>,
}

impl Running {
    /// Waits until the task has ended, and for the end of the thread if it was the last one; at most until the
    /// deadline, whatever the thread is at.
    pub(crate) fn wait(self, deadline: Instant) {
        if is_here() {
            return;
        }
        if let Ok(thread) = self.ended.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            while !thread.is_finished() {
                if Instant::now() >= deadline {
                    return;
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            let _ = thread.join();
        }
    }
}

/// Runs a task on the thread, which is started if there is none.
pub(crate) fn run<F>(make: impl FnOnce() -> F + Send + 'static) -> io::Result<Running>
where
    F: Future<Output = ()> + Send + 'static,
{
    let generation = spool::fork_generation();
    let (sender, ended) = mpsc::channel();
    let end = End { generation, ended: sender };
    let job: Job = Box::new(move || {
        Box::pin(async move {
            // Dropped last, also when the task panics.
            let _end = end;
            make().await;
        })
    });
    let mut slot = shared(generation);
    if slot.as_ref().is_none_or(|shared| shared.generation != generation) {
        *slot = Some(start(generation)?);
    }
    if let Some(shared) = slot.as_mut() {
        shared.tasks += 1;
        // It takes jobs as long as it stands in the slot.
        let _ = shared.jobs.send(job);
    }
    Ok(Running { ended })
}

/// The thread's runtime. Where descriptors are short tokio panics rather than return an error (in what watches signals,
/// which another crate may have switched on): whether there are enough is asked first.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    /// What a runtime and the bell of [`drain`] open, and one connection.
    #[cfg(unix)]
    const DESCRIPTORS: usize = 9;
    #[cfg(unix)]
    let spare = (0..DESCRIPTORS).map(|_| std::fs::File::open("/")).collect::<io::Result<Vec<_>>>()?;
    #[cfg(unix)]
    drop(spare);
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn start(generation: u64) -> io::Result<Shared> {
    let runtime = runtime()?;
    let (jobs, mut arriving) = unbounded_channel::<Job>();
    let thread = std::thread::Builder::new().name("mcpcat".to_owned()).spawn(move || {
        HERE.set(true);
        runtime.block_on(async {
            if generation == 0
                && let Some(bell) = drain::bell()
            {
                tokio::spawn(bell);
            }
            // `None` once the last task has taken the other end away.
            while let Some(job) = arriving.recv().await {
                tokio::spawn(job());
            }
        });
        // Somebody may wait for this thread: not also for a look-up of an address that hangs.
        runtime.shutdown_background();
    })?;
    Ok(Shared { generation, jobs, tasks: 0, thread })
}

/// Counts a task's end.
struct End {
    generation: u64,
    ended: mpsc::Sender<JoinHandle<()>>,
}

impl Drop for End {
    fn drop(&mut self) {
        let mut slot = shared(self.generation);
        let Some(shared) = slot.as_mut().filter(|shared| shared.generation == self.generation) else {
            return;
        };
        shared.tasks -= 1;
        if shared.tasks == 0
            && let Some(last) = slot.take()
        {
            let _ = self.ended.send(last.thread);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Reached only by a test that fails.
    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn tasks_share_a_thread_and_one_that_panics_ends_alone() {
        static ARRIVED: AtomicUsize = AtomicUsize::new(0);
        let (told, tell) = mpsc::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let id = || std::thread::current().id();
        let patient = run({
            let told = told.clone();
            move || async move {
                told.send((is_here(), id())).unwrap();
                let _ = gone.await;
                ARRIVED.fetch_add(1, Ordering::SeqCst);
            }
        })
        .unwrap();
        let (here, first) = tell.recv().unwrap();
        assert!(here && !is_here());
        let bad = run(move || async move {
            told.send((is_here(), id())).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .unwrap();
        assert_eq!(tell.recv().unwrap().1, first, "one thread");
        bad.wait(soon());
        assert_eq!(ARRIVED.load(Ordering::SeqCst), 0);
        go.send(()).unwrap();
        patient.wait(soon());
        assert_eq!(ARRIVED.load(Ordering::SeqCst), 1, "the other went on to its end");
    }

    #[test]
    fn whoever_is_on_the_thread_does_not_wait_there() {
        let (told, tell) = mpsc::channel();
        let outer = run(move || async move {
            let inner = run(std::future::pending).unwrap();
            inner.wait(soon());
            told.send(()).unwrap();
        })
        .unwrap();
        tell.recv().unwrap();
        outer.wait(soon());
    }
}
