//! What an answer means and when the next attempt may start: decisions without I/O and without a clock of
//! their own, so that a ten-minute outage can be tested in a millisecond.

use std::time::Duration;

use tokio::time::Instant;

/// Requests in flight at the start, and at most.
const WINDOW_START: usize = 8;
const WINDOW_MAX: usize = 64;
/// The pause after the first failure; it doubles with each failed probe.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A `Retry-After` beyond this is taken as this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Failures of one event, each with successes of others since the one before, until it is given up.
pub(crate) const MAX_STRIKES: u32 = 5;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Status {
        code: u16,
        retry_after: Option<Duration>,
    },
    /// No answer: refused, reset, timed out. In words.
    Transport(String),
}

/// What an answer means for the event that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// This event will never be taken; others may be.
    Rejected(u16),
    /// The endpoint is not well: later.
    Retry {
        after: Option<Duration>,
    },
    /// The address or the project is wrong: all events will be rejected until the endpoint or the project id is fixed.
    Misconfigured(u16),
}

/// Any 2xx is a success, whatever its body. See the design's list for the rest.
pub(crate) fn judge(answer: &Answer) -> Verdict {
    match *answer {
        Answer::Transport(_) => Verdict::Retry { after: None },
        Answer::Status { code, retry_after } => match code {
            200..=299 => Verdict::Delivered,
            300..=399 | 401 | 403 | 404 | 405 | 407 | 410 => Verdict::Misconfigured(code),
            408 | 425 | 429 => Verdict::Retry { after: retry_after },
            400..=499 => Verdict::Rejected(code),
            // Also what no HTTP server ends a request with, and a transport of the user's may say.
            _ => Verdict::Retry { after: retry_after },
        },
    }
}

/// How fast requests may start: a window that grows with success, and one pause for the whole queue when
/// the endpoint fails, ended by a single probe.
#[derive(Debug)]
pub(crate) struct Throttle {
    window: usize,
    failures: u32,
    failed_at: Option<Instant>,
    paused_until: Option<Instant>,
    /// The endpoint asked for silence until then; nothing shortens it.
    asked_until: Option<Instant>,
}

impl Throttle {
    pub(crate) fn new() -> Self {
        Self { window: WINDOW_START, failures: 0, failed_at: None, paused_until: None, asked_until: None }
    }

    /// How many requests may start now.
    pub(crate) fn allowance(&self, now: Instant, in_flight: usize) -> usize {
        match self.paused_until {
            None => self.window.saturating_sub(in_flight),
            Some(until) if now >= until && in_flight == 0 => 1,
            Some(_) => 0,
        }
    }

    /// When a paused queue may probe.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// An answer that shows the endpoint well. One that was on its way when another was told to wait does not
    /// end the wait.
    pub(crate) fn succeeded(&mut self, now: Instant) {
        if self.asked_until.is_some_and(|until| now < until) {
            return;
        }
        self.failures = 0;
        self.paused_until = None;
        self.asked_until = None;
        self.window = (self.window + 1).min(WINDOW_MAX);
    }

    /// Somebody waits: the next probe comes as if the failure had been the first. What the endpoint asked for
    /// holds all the same.
    pub(crate) fn hurry(&mut self) {
        if let (Some(until), Some(failed)) = (self.paused_until, self.failed_at) {
            let soonest = (failed + PAUSE_FIRST).max(self.asked_until.unwrap_or(failed));
            self.paused_until = Some(until.min(soonest));
        }
    }

    /// A failure of the endpoint, not of the event. `random` in `0.0..1.0` spreads the probes of many
    /// clients (full jitter, but never less than a tenth). Failures that return while the queue is already
    /// paused belong to the same episode. Returns whether this one began it.
    pub(crate) fn failed(&mut self, now: Instant, retry_after: Option<Duration>, random: f64) -> bool {
        let began = self.paused_until.is_none();
        let probe = self.paused_until.is_some_and(|until| now >= until);
        if let Some(asked) = retry_after {
            let until = now + asked.min(RETRY_AFTER_MAX);
            self.asked_until = Some(self.asked_until.map_or(until, |earlier| earlier.max(until)));
        }
        if began || probe {
            let ceiling = PAUSE_FIRST.saturating_mul(1 << self.failures.min(10)).min(PAUSE_MAX);
            let pause = ceiling.mul_f64(random.clamp(0.1, 1.0));
            self.failures = self.failures.saturating_add(1);
            self.failed_at = Some(now);
            self.window = (self.window / 2).max(1);
            self.paused_until = Some(now + pause);
        }
        self.paused_until = self.paused_until.max(self.asked_until);
        began
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Answer {
        Answer::Status { code, retry_after: None }
    }

    #[test]
    fn answers_mean_what_the_design_says() {
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(judge(&status(code)), Verdict::Delivered);
        }
        for code in [400, 409, 413, 415, 422, 431] {
            assert_eq!(judge(&status(code)), Verdict::Rejected(code));
        }
        for code in [301, 302, 307, 308, 401, 403, 404] {
            assert_eq!(judge(&status(code)), Verdict::Misconfigured(code));
        }
        for code in [0, 101, 199, 408, 425, 429, 500, 502, 503, 504, 600, 999] {
            assert_eq!(judge(&status(code)), Verdict::Retry { after: None });
        }
        assert_eq!(judge(&Answer::Transport("refused".into())), Verdict::Retry { after: None });
    }

    #[test]
    fn a_failure_pauses_the_queue_and_one_probe_ends_it() {
        let start = Instant::now();
        let mut throttle = Throttle::new();
        assert_eq!(throttle.allowance(start, 3), 5);
        assert!(throttle.failed(start, None, 1.0));
        assert_eq!(throttle.allowance(start, 0), 0);
        let later = start + PAUSE_FIRST;
        assert_eq!(throttle.allowance(later, 1), 0, "what is still in flight is awaited first");
        assert_eq!(throttle.allowance(later, 0), 1);
        throttle.succeeded(later);
        assert!(throttle.allowance(later, 0) > 1);
    }

    #[test]
    fn the_failures_of_one_window_are_one_episode() {
        let start = Instant::now();
        let mut throttle = Throttle::new();
        assert!(throttle.failed(start, None, 1.0));
        for _ in 0..7 {
            assert!(!throttle.failed(start, None, 1.0));
        }
        assert_eq!(throttle.paused_until(), Some(start + PAUSE_FIRST));
    }

    #[test]
    fn probes_back_off_to_the_maximum_and_no_further() {
        let mut now = Instant::now();
        let mut throttle = Throttle::new();
        let mut probes = 0;
        let end = now + Duration::from_secs(600);
        while now < end {
            throttle.failed(now, None, 1.0);
            let until = throttle.paused_until().unwrap();
            assert!(until - now <= PAUSE_MAX);
            now = until;
            probes += 1;
        }
        assert!((20..40).contains(&probes), "a ten-minute outage costs {probes} probes");
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        let now = Instant::now();
        let mut throttle = Throttle::new();
        throttle.failed(now, Some(Duration::from_secs(3)), 0.0);
        assert_eq!(throttle.paused_until(), Some(now + Duration::from_secs(3)));
        throttle.failed(now, Some(Duration::from_secs(86_400)), 0.0);
        assert_eq!(throttle.paused_until(), Some(now + RETRY_AFTER_MAX));
    }

    #[test]
    fn success_opens_the_window_to_its_bound() {
        let mut throttle = Throttle::new();
        for _ in 0..200 {
            throttle.succeeded(Instant::now());
        }
        assert_eq!(throttle.allowance(Instant::now(), 0), WINDOW_MAX);
    }

    #[test]
    fn what_was_in_flight_does_not_end_a_wait_that_was_asked_for() {
        let now = Instant::now();
        let mut throttle = Throttle::new();
        throttle.failed(now, Some(Duration::from_secs(3)), 1.0);
        throttle.succeeded(now);
        assert_eq!(throttle.allowance(now, 0), 0);
        let later = now + Duration::from_secs(3);
        assert_eq!(throttle.allowance(later, 0), 1);
        throttle.succeeded(later);
        assert!(throttle.allowance(later, 0) > 1);
    }

    #[test]
    fn whoever_waits_brings_the_probe_nearer_but_not_into_an_asked_silence() {
        let mut now = Instant::now();
        let mut throttle = Throttle::new();
        for _ in 0..10 {
            throttle.failed(now, None, 1.0);
            now = throttle.paused_until().unwrap();
        }
        throttle.failed(now, None, 1.0);
        assert_eq!(throttle.paused_until(), Some(now + PAUSE_MAX));
        throttle.hurry();
        assert_eq!(throttle.paused_until(), Some(now + PAUSE_FIRST));
        let asked = Duration::from_secs(60);
        throttle.failed(now + PAUSE_FIRST, Some(asked), 1.0);
        throttle.hurry();
        assert_eq!(throttle.paused_until(), Some(now + PAUSE_FIRST + asked));
    }
}
