//! Tokens that were handed out to send events: found by the hash of their secret, and held to their quota.
//!
//! The command line adds and revokes them in the data file, beside the collector. So the table is read again when what is
//! known of it is older than a moment, by a request that asks for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{Shared, ask_store};
use crate::store::{IssuedToken, Store};

/// How long a token that was revoked by the command line may go on, at most.
const FRESH: Duration = Duration::from_secs(2);
/// A token that is not known may be a new one. Not at every request: who guesses would make the file be read all the time.
const FRESH_FOR_UNKNOWN: Duration = Duration::from_millis(10);

type Digest = [u8; 32];

/// Who sends with one token.
#[derive(Debug)]
pub(crate) struct Bearer {
    token: IssuedToken,
    events: Option<Mutex<Bucket>>,
    bytes: Option<Mutex<Bucket>>,
}

impl Bearer {
    fn new(token: IssuedToken) -> Self {
        let bucket =
            |limit: Option<i64>| limit.map(|limit| Mutex::new(Bucket::full(limit as f64, Instant::now())));
        Self { events: bucket(token.events_per_minute), bytes: bucket(token.bytes_per_minute), token }
    }

    pub(crate) fn project(&self) -> &str {
        &self.token.project
    }

    /// Seconds to wait before more is taken; `None` when it is taken now.
    pub(crate) fn waits(&self) -> Option<u64> {
        [&self.events, &self.bytes]
            .into_iter()
            .flatten()
            .filter_map(|bucket| lock(bucket).waits(Instant::now()))
            .max()
    }

    pub(crate) fn spent(&self, events: usize, bytes: usize) {
        for (bucket, amount) in [(&self.events, events), (&self.bytes, bytes)] {
            if let Some(bucket) = bucket {
                lock(bucket).take(amount as f64, Instant::now());
            }
        }
    }
}

fn lock(bucket: &Mutex<Bucket>) -> std::sync::MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fills up evenly to what a minute allows. It may be overdrawn by one request, which is paid back before the next.
#[derive(Debug)]
struct Bucket {
    limit: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: f64, now: Instant) -> Self {
        Self { limit, level: limit, at: now }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.limit / 60.0;
        self.level = (self.level + gained).min(self.limit);
        self.at = now;
    }

    fn waits(&mut self, now: Instant) -> Option<u64> {
        self.fill(now);
        (self.level < 1.0)
            .then(|| ((1.0 - self.level) * 60.0 / self.limit.max(f64::MIN_POSITIVE)).ceil().max(1.0) as u64)
    }

    fn take(&mut self, amount: f64, now: Instant) {
        self.fill(now);
        self.level -= amount;
    }
}

#[derive(Default)]
struct Known {
    bearers: HashMap<Digest, Arc<Bearer>>,
    at: Option<Instant>,
}

/// All tokens that were handed out, as they were lately.
#[derive(Default)]
pub(crate) struct Issued {
    known: RwLock<Known>,
    /// Held by who reads the table.
    reading: tokio::sync::Mutex<()>,
}

impl Issued {
    pub(crate) fn of(store: &dyn Store) -> Self {
        let issued = Self::default();
        match store.tokens() {
            Ok(tokens) => issued.set(tokens),
            Err(error) => tracing::warn!(%error, "the tokens cannot be read"),
        }
        issued
    }

    /// A token that stays as it was keeps what is left of its quota.
    fn set(&self, tokens: Vec<IssuedToken>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.bearers);
        for token in tokens {
            let bearer = before.remove(&token.hash).filter(|bearer| bearer.token == token);
            known.bearers.insert(token.hash, bearer.unwrap_or_else(|| Arc::new(Bearer::new(token))));
        }
        known.at = Some(Instant::now());
    }

    /// Looked up by a hash of the secret, so that the time taken tells nothing about it.
    fn known(&self, digest: &Digest) -> (Option<Arc<Bearer>>, Duration) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.bearers.get(digest).cloned(), known.at.map_or(Duration::MAX, |at| at.elapsed()))
    }

    /// Whether what is known of a token may be out of date.
    fn is_stale(&self, digest: &Digest) -> bool {
        let (bearer, age) = self.known(digest);
        age > if bearer.is_some() { FRESH } else { FRESH_FOR_UNKNOWN }
    }

    pub(crate) fn changed(&self) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).at = None;
    }

    /// The bearer of one of these digests.
    pub(crate) async fn find(app: &Shared, digests: &[Digest]) -> Option<Arc<Bearer>> {
        for digest in digests {
            if app.issued.is_stale(digest) {
                // Of several requests with a new token all wait for the one look that knows it; who is known goes on.
                let turn = match app.issued.known(digest).0 {
                    Some(_) => app.issued.reading.try_lock().ok(),
                    None => Some(app.issued.reading.lock().await),
                };
                if turn.is_some() && app.issued.is_stale(digest) {
                    // A store that cannot be read for a moment takes nobody's token away.
                    if let Ok(tokens) = ask_store(app, |store| store.tokens()).await {
                        app.issued.set(tokens);
                    }
                }
            }
            if let (Some(bearer), _) = app.issued.known(digest) {
                return Some(bearer);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_fills_up_evenly_and_a_request_may_overdraw_it_once() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(60.0, start);
        assert_eq!(bucket.waits(start), None);
        bucket.take(100.0, start);
        assert_eq!(bucket.waits(start), Some(41));
        assert_eq!(bucket.waits(after(40)), Some(1));
        assert_eq!(bucket.waits(after(41)), None);
        bucket.fill(after(10_000));
        assert!(bucket.level <= 60.0, "a pause saves up no more than a minute");
        let mut none = Bucket::full(0.0, start);
        assert!(none.waits(after(100)).is_some());
    }
}
