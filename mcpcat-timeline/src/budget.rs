//! One bound on the bytes that request bodies, answers and streams hold at one time.
//!
//! A limit for each request is not a limit for all of them: three hundred unfinished bodies, or forty readers that do
//! not read, would each stay below theirs. Bytes are taken out of the budget before they are allocated and go back
//! when the last copy is dropped, on the far side of the socket for an answer. Neither bodies nor answers can take all
//! of it, so that readers who do not read cannot keep events out, nor senders who do not finish keep readers out.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes for each permit of the semaphores, whose numbers are 32 bits wide.
const UNIT: usize = 1024;

/// The smallest budget: the largest batch and what is read from it have to fit.
pub(crate) const MIN_BYTES: u64 = 64 * 1024 * 1024;
/// The budget when nothing is asked for.
pub(crate) const DEFAULT_BYTES: u64 = 256 * 1024 * 1024;

/// What bytes are held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A request's body and the events read from it; at most three quarters of the budget.
    Body,
    /// An answer that is being sent; at most a third of it, because the store and the allocator hold as much again of texts
    /// that are read.
    Answer,
}

#[derive(Debug, Clone)]
pub(crate) struct Budget {
    all: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// Bytes taken out of the budget; dropping gives them back.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Budget,
    purpose: Purpose,
    all: OwnedSemaphorePermit,
    own: OwnedSemaphorePermit,
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let units = usize::try_from(bytes / UNIT as u64).unwrap_or(usize::MAX).min(u32::MAX as usize);
        let semaphore = |units: usize| Arc::new(Semaphore::new(units));
        Self { all: semaphore(units), bodies: semaphore(units / 4 * 3), answers: semaphore(units / 3) }
    }

    fn of(&self, purpose: Purpose) -> &Arc<Semaphore> {
        match purpose {
            Purpose::Body => &self.bodies,
            Purpose::Answer => &self.answers,
        }
    }

    /// Takes bytes if they are there.
    pub(crate) fn take(&self, purpose: Purpose, bytes: usize) -> Option<Lease> {
        let own = Arc::clone(self.of(purpose)).try_acquire_many_owned(units(bytes)).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Lease { budget: self.clone(), purpose, all, own })
    }

    /// Takes bytes as soon as they are there, and gives up after `patience`.
    pub(crate) async fn wait(&self, purpose: Purpose, bytes: usize, patience: Duration) -> Option<Lease> {
        let taken = async {
            let own = Arc::clone(self.of(purpose)).acquire_many_owned(units(bytes)).await.ok()?;
            let all = Arc::clone(&self.all).acquire_many_owned(units(bytes)).await.ok()?;
            Some(Lease { budget: self.clone(), purpose, all, own })
        };
        tokio::time::timeout(patience, taken).await.ok()?
    }

    /// Bytes that are held now.
    #[cfg(test)]
    fn held(&self, of: u64) -> u64 {
        of - self.all.available_permits() as u64 * UNIT as u64
    }
}

impl Lease {
    /// Takes what is missing to `bytes`; false, and nothing changed, when it is not there.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let missing = units(bytes).saturating_sub(units(self.bytes())) as usize * UNIT;
        if missing == 0 {
            return true;
        }
        let Some(more) = self.budget.take(self.purpose, missing) else { return false };
        self.all.merge(more.all);
        self.own.merge(more.own);
        true
    }

    /// Gives back what is beyond `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let beyond = self.all.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.all.split(beyond));
        drop(self.own.split(beyond));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.all.num_permits() * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn leases_add_up_and_go_back() {
        let budget = Budget::new(MIN_BYTES);
        let mut lease = budget.take(Purpose::Body, 10).unwrap();
        assert_eq!(budget.held(MIN_BYTES), 1024);
        assert!(lease.grow_to(MIB) && lease.grow_to(MIB));
        assert_eq!((lease.bytes(), budget.held(MIN_BYTES)), (MIB, MIB as u64));
        assert!(!lease.grow_to(49 * MIB), "three quarters are the most for bodies");
        assert_eq!(lease.bytes(), MIB, "a lease that cannot grow stays as it was");
        lease.shrink_to(2000);
        assert_eq!(budget.held(MIN_BYTES), 2048);
        drop(lease);
        assert_eq!(budget.held(MIN_BYTES), 0);
    }

    #[test]
    fn neither_bodies_nor_answers_can_keep_the_other_out() {
        let budget = Budget::new(MIN_BYTES);
        let answers: Vec<_> = std::iter::from_fn(|| budget.take(Purpose::Answer, MIB)).collect();
        assert_eq!(answers.len(), 21);
        let bodies: Vec<_> = std::iter::from_fn(|| budget.take(Purpose::Body, MIB)).collect();
        assert_eq!(bodies.len(), 43);
        drop(answers);
        let bodies: Vec<_> =
            bodies.into_iter().chain(std::iter::from_fn(|| budget.take(Purpose::Body, MIB))).collect();
        assert_eq!(bodies.len(), 48);
        assert!(budget.take(Purpose::Answer, 16 * MIB).is_some());
        assert!(budget.take(Purpose::Answer, 17 * MIB).is_none());
    }

    #[tokio::test]
    async fn who_waits_gets_what_another_gives_back_or_gives_up() {
        let budget = Budget::new(MIN_BYTES);
        let all = budget.take(Purpose::Answer, MIN_BYTES as usize / UNIT / 3 * UNIT).unwrap();
        assert!(budget.wait(Purpose::Answer, 1, Duration::from_millis(10)).await.is_none());
        let waits = tokio::spawn({
            let budget = budget.clone();
            async move { budget.wait(Purpose::Answer, MIB, Duration::from_secs(30)).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(all);
        assert!(waits.await.unwrap());
        assert_eq!(budget.held(MIN_BYTES), 0);
    }
}
