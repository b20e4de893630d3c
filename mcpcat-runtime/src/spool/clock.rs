//! What time it is, for the thread that publishes. By the system call itself where there is one: `SystemTime` and
//! `Instant` check and convert what is known here, which costs an event as many instructions as writing its values.

use std::time::Duration;

use super::region;

/// Microseconds since the Unix epoch; 0 for a clock set before it.
#[inline]
pub(crate) fn unix_micros() -> u64 {
    let now = region::wall_clock();
    now.seconds.saturating_mul(1_000_000) + u64::from(now.nanos / 1_000)
}

/// A moment of a clock that only goes forward.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(region::Clock);

impl Moment {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(region::monotonic_clock())
    }

    /// So much before.
    pub(crate) fn earlier(self, by: Duration) -> Self {
        let then = Duration::new(self.0.seconds, self.0.nanos).saturating_sub(by);
        Self(region::Clock { seconds: then.as_secs(), nanos: then.subsec_nanos() })
    }

    /// The time since; none, should the clock have gone back.
    #[inline]
    pub(crate) fn elapsed(self) -> Duration {
        let now = region::monotonic_clock();
        let nanos =
            |clock: region::Clock| clock.seconds.saturating_mul(1_000_000_000) + u64::from(clock.nanos);
        Duration::from_nanos(nanos(now).saturating_sub(nanos(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_wall_clock_is_the_one_of_std() {
        let std = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
        // Another process may set the clock meanwhile, but not each time.
        let between = (0..10).any(|_| {
            let before = std();
            let now = unix_micros();
            before <= now && now <= std()
        });
        assert!(between);
    }

    #[test]
    fn a_moment_counts_as_an_instant_does() {
        let (outside, moment) = (Instant::now(), Moment::now());
        let inside = Instant::now();
        std::thread::yield_now();
        let least = inside.elapsed();
        let (elapsed, most) = (moment.elapsed(), outside.elapsed());
        // Where `Instant` is another clock, their rates and resolutions differ a little.
        let little = Duration::from_millis(1);
        assert!(least <= elapsed + little && elapsed <= most + little, "{least:?} {elapsed:?} {most:?}");
    }
}
