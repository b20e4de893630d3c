//! One thread that writes. While it commits, the next batch gathers, so batches grow with the load and a lone
//! request never waits for company.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Queue, Reply};
use crate::budget::Lease;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::store::{Outcome, Result, Retention, Store, StoreError};

/// Most events in one transaction. Events of many sessions touch a page of an index each; the more of them share a commit,
/// the fewer pages are written for each.
const BATCH: usize = 4000;
/// Longest time a batch gathers once the first event is there, if more are arriving all the while.
const GATHER: Duration = Duration::from_millis(5);
/// Requests that may wait; beyond it senders are told to come back.
const WAITING_REQUESTS: usize = 4096;
/// Pause between looks for events past their time.
const PRUNE_EVERY: Duration = Duration::from_secs(5);
/// Pause between two chunks of removal, so that ingest has the larger share of the disk.
const PRUNE_PAUSE: Duration = Duration::from_millis(15);
/// Events committed since the last removal that call for another one at once: while there is more to remove, and while
/// there was not.
const PRUNE_OWED: [usize; 2] = [250, 2000];

struct Job {
    events: Vec<Event>,
    /// What was paid for the events, until they are written.
    _lease: Option<Lease>,
    done: oneshot::Sender<Done>,
}

/// The answer to a request. Its events go back with it: what the writer frees, everybody waits for.
type Done = (Result<Vec<Outcome>>, Vec<Event>);

struct Shared {
    events: AtomicUsize,
    closing: AtomicBool,
}

/// Group commit in front of a [`Store`].
pub(crate) struct GroupCommit {
    jobs: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

impl GroupCommit {
    pub(crate) fn start(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        keep: Retention,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING_REQUESTS);
        let shared = Arc::new(Shared { events: AtomicUsize::new(0), closing: AtomicBool::new(false) });
        let writer = Writer { store, metrics, keep, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("mcpcat-timeline-writer".into())
            .spawn(move || writer.run(&receiver))?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), shared })
    }

    fn send(&self, events: Vec<Event>, lease: Option<Lease>) -> Result<oneshot::Receiver<Done>> {
        let count = events.len();
        self.shared.events.fetch_add(count, Ordering::Relaxed);
        let (done, reply) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match jobs.as_ref() {
            Some(jobs) => jobs.try_send(Job { events, _lease: lease, done }).map_err(|error| match error {
                TrySendError::Full(_) => "too many requests are waiting",
                TrySendError::Disconnected(_) => "the writer has ended",
            }),
            None => Err("the timeline is shutting down"),
        };
        if let Err(why) = sent {
            self.shared.events.fetch_sub(count, Ordering::Relaxed);
            return Err(StoreError::Busy(why.into()));
        }
        Ok(reply)
    }
}

impl Queue for GroupCommit {
    fn submit(&self, events: Vec<Event>, lease: Option<Lease>) -> Reply<'_> {
        let sent = if events.is_empty() { Ok(None) } else { self.send(events, lease).map(Some) };
        Box::pin(async move {
            match sent? {
                None => Ok(Vec::new()),
                Some(reply) => match reply.await {
                    Ok((outcomes, _)) => outcomes,
                    Err(_) => Err(StoreError::Busy("the writer ended before the commit".into())),
                },
            }
        })
    }

    fn waiting(&self) -> usize {
        self.shared.events.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writer thread had panicked");
        }
    }
}

impl Drop for GroupCommit {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    keep: Retention,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(&self, jobs: &Receiver<Job>) {
        let prunes = self.keep.bounds_anything();
        let mut prune_at = Instant::now();
        let (mut behind, mut owed) = (false, 0);
        loop {
            let first = if prunes {
                match jobs.recv_timeout(prune_at.saturating_duration_since(Instant::now())) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match jobs.recv() {
                    Ok(job) => Some(job),
                    Err(_) => return,
                }
            };
            if let Some(first) = first {
                owed += self.commit(gather(first, jobs));
            }
            // Removal that lags behind has to outrun what comes in, or the file grows for as long as that lasts.
            let due = Instant::now() >= prune_at || owed >= PRUNE_OWED[usize::from(!behind)];
            if prunes && due && !self.shared.closing.load(Ordering::Relaxed) {
                behind = self.prune(owed + owed / 2);
                owed = 0;
                prune_at = Instant::now() + if behind { PRUNE_PAUSE } else { PRUNE_EVERY };
            }
        }
    }

    fn prune(&self, events: usize) -> bool {
        match self.store.prune(&self.keep, events, jiff::Timestamp::now().as_microsecond()) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "old events could not be removed");
                false
            }
        }
    }

    /// Returns how many events it was.
    fn commit(&self, batch: Vec<Job>) -> usize {
        let events: Vec<&Event> = batch.iter().flat_map(|job| &job.events).collect();
        let count = events.len();
        let result = self.store.append(&events);
        match &result {
            Ok(outcomes) => self.metrics.committed(&events, outcomes),
            Err(error) => {
                self.metrics.refused_batch();
                tracing::warn!(%error, events = events.len(), "a batch was not committed");
            }
        }
        let mut outcomes = result.map(Vec::into_iter);
        for job in batch {
            self.shared.events.fetch_sub(job.events.len(), Ordering::Relaxed);
            let own = match &mut outcomes {
                Ok(outcomes) => Ok(outcomes.by_ref().take(job.events.len()).collect()),
                Err(error) => Err(error.clone()),
            };
            // A sender that has hung up will send again and be told that its event is a duplicate.
            let _ = job.done.send((own, job.events));
        }
        count
    }
}

/// Takes what has already arrived, up to a full batch or the time for gathering.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let started = Instant::now();
    let mut count = first.events.len();
    let mut batch = vec![first];
    while count < BATCH && started.elapsed() < GATHER {
        match jobs.try_recv() {
            Ok(job) => {
                count += job.events.len();
                batch.push(job);
            }
            Err(_) => break,
        }
    }
    batch
}
