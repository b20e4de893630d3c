//! Between an append, which happens often, and a reader that goes to sleep, which happens seldom: a fence of
//! which the seldom side pays for both.
//!
//! Each side stores and then loads what the other stores, so both need their store to be seen first. An ordinary
//! fence makes every append wait for its stores, and those are to lines that another core had last. Where the
//! system can make all threads pass a fence at once (`membarrier`, Linux 4.14), the reader asks for that instead.

use std::sync::atomic::Ordering::{Acquire, SeqCst};
use std::sync::atomic::{AtomicBool, compiler_fence, fence};

use super::region;

/// Whether this process may ask for a barrier in all its threads.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Has the system told of the process's intent, which it wants to know. Again in each forked child.
pub(super) fn register() {
    REGISTERED.store(region::register_barriers(), SeqCst);
}

/// The often side's: between its store and its load.
#[inline]
pub(crate) fn often() {
    if REGISTERED.load(Acquire) {
        // The compiler keeps the order; the processor is made to by `seldom`.
        compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// The seldom side's: between its store and its load. False if the often side cannot be relied on to see the
/// store, or this side to see theirs: nobody may sleep on it.
#[must_use]
pub(crate) fn seldom() -> bool {
    fence(SeqCst);
    !REGISTERED.load(SeqCst) || region::barrier()
}

#[cfg(test)]
mod tests {
    use std::hint::spin_loop;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;
    use std::thread;

    use super::*;

    const ROUNDS: usize = 20_000;

    #[derive(Default)]
    #[repr(align(128))]
    struct Cell(AtomicUsize);

    impl Cell {
        fn meet(&self, round: usize) {
            self.0.fetch_add(1, SeqCst);
            for spins in 1.. {
                if self.0.load(SeqCst) >= 2 * round {
                    return;
                }
                // On a machine with one core the other side comes no other way.
                if spins % 1_024 == 0 { thread::yield_now() } else { spin_loop() }
            }
        }
    }

    /// In each round both sides store and load once, at nearly the same moment; how many rounds ended with neither
    /// seeing the other. `delay` sweeps one side past the other.
    fn neither(often: impl Fn() + Sync, seldom: impl Fn()) -> usize {
        let [mine, theirs, meeting] = [const { Cell(AtomicUsize::new(0)) }; 3];
        let delay = |round: usize| (0..round % 32).for_each(|_| spin_loop());
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                let round = |round| {
                    meeting.meet(round);
                    delay(round);
                    theirs.0.store(round, Relaxed);
                    often();
                    mine.0.load(Relaxed) >= round
                };
                (1..=ROUNDS).map(round).collect::<Vec<_>>()
            });
            let round = |round| {
                meeting.meet(round);
                delay(16);
                mine.0.store(round, Relaxed);
                seldom();
                theirs.0.load(Relaxed) >= round
            };
            let here: Vec<_> = (1..=ROUNDS).map(round).collect();
            here.iter().zip(other.join().unwrap()).filter(|(here, there)| !**here && !there).count()
        })
    }

    #[test]
    fn one_of_two_sides_sees_the_other() {
        assert_eq!(neither(often, || assert!(seldom())), 0, "unregistered");
        register();
        assert_eq!(
            neither(often, || assert!(seldom(), "refused after it had been granted")),
            0,
            "registered"
        );
        // Without the seldom side's part they miss each other; else this would not be a test.
        let both_light = || (0..100).map(|_| neither(|| compiler_fence(SeqCst), || compiler_fence(SeqCst)));
        if cfg!(target_arch = "x86_64") && thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
        {
            assert!(both_light().any(|missed| missed > 0), "never seen to fail");
        }
    }
}
