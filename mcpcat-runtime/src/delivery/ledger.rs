//! What happened to every event, in numbers that always add up:
//! `published + adopted = delivered + dropped + pending`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::callback::LossHook;
use super::{DropReason, Loss, Stats};
use crate::spool::clock;

/// The counters, shared by publishers and the worker.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    published: Apart,
    adopted: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    unattributed: AtomicU64,
    problems: AtomicU64,
    requests: AtomicU64,
    last_failure: Mutex<Option<String>>,
    kept_aside: AtomicU64,
    /// When each reason last cost an event, in microseconds of Unix time; 0 for never.
    lost_at: [AtomicU64; DropReason::ALL.len()],
    /// Reasons, as bits, whose losses have begun and have not been told.
    news: AtomicU32,
    hook_failures: AtomicU64,
    sampled_out: AtomicU64,
    without_consent: AtomicU64,
    not_offered: AtomicU64,
    /// Events that were published and then left out: no longer counted as published.
    withdrawn: AtomicU64,
    last_hook_failure: Mutex<Option<String>>,
}

/// Alone on its cache lines: publishers count here while the worker counts beside it, and neither should wait for
/// the other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart(AtomicU64);

/// A reason that costs nothing for this long has ended; what it costs later is told anew.
const EPISODE_MICROS: u64 = 60_000_000;

impl Ledger {
    pub(crate) fn publish(&self) {
        self.published.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn adopt(&self, events: u64) {
        self.adopted.fetch_add(events, Ordering::Relaxed);
    }

    /// Counts from zero, in a forked child.
    pub(crate) fn restart(&self) {
        let counters = [
            &self.published.0,
            &self.adopted,
            &self.delivered,
            &self.unattributed,
            &self.problems,
            &self.requests,
            &self.kept_aside,
        ];
        for counter in counters.into_iter().chain(&self.dropped).chain(&self.lost_at) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Releases what was counted before: whoever sees this end sees the publication too.
    pub(crate) fn deliver(&self) {
        self.delivered.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn drop_event(&self, reason: DropReason) {
        self.drop_events(reason, 1);
    }

    pub(crate) fn drop_events(&self, reason: DropReason, events: u64) {
        if events == 0 {
            return;
        }
        self.dropped[reason as usize].fetch_add(events, Ordering::Release);
        let now = clock::unix_micros();
        let before = self.lost_at[reason as usize].swap(now, Ordering::Relaxed);
        if before == 0 || now.saturating_sub(before) > EPISODE_MICROS {
            self.news.fetch_or(1 << reason as u32, Ordering::Release);
        }
    }

    /// Events of this process that were dropped. Those that expired may be other programs'.
    pub(crate) fn lost_here(&self) -> u64 {
        let own = DropReason::ALL.into_iter().filter(|reason| *reason != DropReason::Expired);
        own.map(|reason| self.dropped[reason as usize].load(Ordering::Relaxed)).sum()
    }

    /// Whether a loss has begun that nobody has been told of.
    pub(crate) fn has_news(&self) -> bool {
        self.news.load(Ordering::Relaxed) != 0
    }

    /// Tells, once, of the losses that have begun.
    pub(crate) fn announce(&self, hook: Option<&LossHook>) {
        if !self.has_news() {
            return;
        }
        let news = self.news.swap(0, Ordering::Acquire);
        for reason in DropReason::ALL.into_iter().filter(|reason| news & 1 << *reason as u32 != 0) {
            let loss = Loss::new(reason, self.dropped[reason as usize].load(Ordering::Relaxed));
            crate::notice::warn(format_args!("events are being dropped: {reason} ({} so far)", loss.dropped));
            if let Some(hook) = hook {
                hook.tell(loss);
            }
        }
    }

    /// A refused event was kept among the dead letters.
    pub(crate) fn keep_aside(&self) {
        self.kept_aside.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unattributed(&self) {
        self.unattributed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn problem(&self, count: usize) {
        self.problems.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fail(&self, what: String) {
        if let Ok(mut last) = self.last_failure.lock() {
            *last = Some(what);
        }
    }

    /// An event that the share of sessions leaves out, before it was published.
    pub(crate) fn sampled_out(&self) {
        self.sampled_out.fetch_add(1, Ordering::Relaxed);
    }

    /// The same after it was published.
    pub(crate) fn withdraw(&self) {
        self.sampled_out();
        self.withdrawn.fetch_add(1, Ordering::Release);
    }

    /// An event of a session that must not be recorded.
    pub(crate) fn without_consent(&self) {
        self.without_consent.fetch_add(1, Ordering::Relaxed);
    }

    /// An event of a type that the endpoint does not offer to take, no longer counted as published; an adopted one
    /// no longer as adopted.
    pub(crate) fn not_offered(&self, adopted: bool) {
        self.not_offered.fetch_add(1, Ordering::Relaxed);
        if adopted {
            self.adopted.fetch_sub(1, Ordering::Release);
        } else {
            self.withdrawn.fetch_add(1, Ordering::Release);
        }
    }

    /// A hook gave nothing.
    pub(crate) fn hook_failed(&self, what: String) {
        crate::notice::warn(&what);
        if let Ok(mut last) = self.last_hook_failure.lock() {
            *last = Some(what);
        }
        self.hook_failures.fetch_add(1, Ordering::Release);
    }

    /// Events that have neither been delivered nor dropped. Atomic loads alone, for the end of the process.
    pub(crate) fn pending(&self) -> u64 {
        // Ends before beginnings, as in `stats`.
        let ended = self.delivered.load(Ordering::Acquire)
            + self.dropped.iter().map(|counter| counter.load(Ordering::Acquire)).sum::<u64>()
            + self.withdrawn.load(Ordering::Acquire);
        let begun = self.published.0.load(Ordering::Acquire) + self.adopted.load(Ordering::Acquire);
        begun.saturating_sub(ended)
    }

    /// One snapshot. The ends are read before the beginnings, so that no event is seen to have ended that
    /// had not begun; `pending` is the difference.
    pub(crate) fn stats(&self) -> Stats {
        let delivered = self.delivered.load(Ordering::Acquire);
        let mut by_reason = [0; DropReason::ALL.len()];
        for (count, counter) in by_reason.iter_mut().zip(&self.dropped) {
            *count = counter.load(Ordering::Acquire);
        }
        let dropped = by_reason.iter().sum::<u64>();
        let withdrawn = self.withdrawn.load(Ordering::Acquire);
        let published = self.published.0.load(Ordering::Acquire).saturating_sub(withdrawn);
        let adopted = self.adopted.load(Ordering::Acquire);
        let mut stats = Stats::default();
        stats.published = published;
        stats.adopted = adopted;
        stats.delivered = delivered;
        stats.dropped = dropped;
        stats.pending = (published + adopted).saturating_sub(delivered + dropped);
        stats.unattributed = self.unattributed.load(Ordering::Relaxed);
        stats.problems = self.problems.load(Ordering::Relaxed);
        stats.requests = self.requests.load(Ordering::Relaxed);
        stats.dead_letters = self.kept_aside.load(Ordering::Relaxed);
        stats.last_failure = self.last_failure.lock().ok().and_then(|last| last.clone());
        stats.sampled_out = self.sampled_out.load(Ordering::Relaxed);
        stats.without_consent = self.without_consent.load(Ordering::Relaxed);
        stats.not_offered = self.not_offered.load(Ordering::Relaxed);
        stats.hook_failures = self.hook_failures.load(Ordering::Acquire);
        stats.last_hook_failure = self.last_hook_failure.lock().ok().and_then(|last| last.clone());
        stats.by_reason = by_reason;
        stats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_add_up() {
        let ledger = Ledger::default();
        for _ in 0..5 {
            ledger.publish();
        }
        ledger.adopt(2);
        ledger.deliver();
        ledger.drop_event(DropReason::Rejected);
        ledger.drop_event(DropReason::SpoolFull);
        let stats = ledger.stats();
        assert_eq!((stats.delivered, stats.dropped, stats.pending), (1, 2, 4));
        assert_eq!(stats.dropped_for(DropReason::Rejected), 1);
        assert_eq!(
            stats.to_string(),
            "published 5 + adopted 2 = delivered 1 + dropped 2 + pending 4; spool_full 1; rejected 1"
        );
    }

    #[test]
    fn a_snapshot_under_traffic_never_shows_an_end_before_its_beginning() {
        let ledger = Ledger::default();
        std::thread::scope(|scope| {
            let traffic = scope.spawn(|| {
                for _ in 0..100_000 {
                    ledger.publish();
                    ledger.deliver();
                }
            });
            while !traffic.is_finished() {
                let stats = ledger.stats();
                assert!(stats.published >= stats.delivered, "{stats}");
                assert_eq!(stats.published, stats.delivered + stats.pending);
            }
        });
    }

    #[test]
    fn a_loss_is_told_once_an_episode_and_reason_and_a_panic_stays_here() {
        let (told, tell) = std::sync::mpsc::channel();
        let hook = LossHook::new(move |loss| {
            told.send((loss.reason, loss.dropped)).unwrap();
            assert!(loss.reason != DropReason::Rejected, "a callback that panics");
        });
        let next = || tell.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
        let ledger = Ledger::default();
        ledger.drop_events(DropReason::SpoolFull, 3);
        ledger.drop_event(DropReason::Rejected);
        ledger.announce(Some(&hook));
        ledger.drop_event(DropReason::SpoolFull);
        ledger.announce(Some(&hook));
        assert_eq!([next(), next()], [(DropReason::SpoolFull, 3), (DropReason::Rejected, 1)]);
        let long_ago = clock::unix_micros() - EPISODE_MICROS - 1_000_000;
        ledger.lost_at[DropReason::SpoolFull as usize].store(long_ago, Ordering::Relaxed);
        ledger.drop_event(DropReason::SpoolFull);
        ledger.announce(Some(&hook));
        assert_eq!(next(), (DropReason::SpoolFull, 5));
    }
}
