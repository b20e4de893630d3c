//! Calls that their first answer does not end: a client is asked for input and comes again, or is given a task and asks for
//! its outcome later. What joins the requests of one call is kept here, in the process; other processes of the server
//! know nothing of it, and a reader joins what they record by the same hash on both sides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::State;
use crate::event::EventId;

/// Calls that are remembered at once.
const REMEMBERED: usize = 1_024;
/// Nobody comes back to a call after this.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// A call that goes on.
#[derive(Clone)]
pub(crate) struct OpenCall {
    /// The event of its first request.
    pub(crate) root: EventId,
    /// Kept apart from the client, which would keep itself alive.
    session: Arc<State>,
    pub(crate) name: Option<String>,
    pub(crate) began: Instant,
    /// Requests of it so far.
    pub(crate) rounds: u32,
    /// What the client was asked for with the last answer.
    pub(crate) asked: Vec<Asked>,
    asked_at: Instant,
    /// Answers to it may be recorded.
    pub(crate) whole: bool,
    /// Its end has been recorded.
    ended: bool,
}

/// One thing that the client was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// What its answer is called.
    pub(crate) key: String,
    /// The method that it would be as a request of its own.
    pub(crate) method: &'static str,
}

impl OpenCall {
    pub(crate) fn new(
        session: &Arc<State>,
        root: EventId,
        began: Instant,
        name: Option<String>,
        rounds: u32,
        asked: Vec<Asked>,
        whole: bool,
    ) -> Self {
        let session = Arc::clone(session);
        Self { root, session, name, began, rounds, asked, asked_at: Instant::now(), whole, ended: false }
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.session
    }

    /// How long ago the client was asked.
    pub(crate) fn waited(&self) -> Duration {
        self.asked_at.elapsed()
    }
}

/// All of them, by what their next request says.
#[derive(Default)]
pub(crate) struct OpenCalls(Mutex<HashMap<String, OpenCall>>);

impl OpenCalls {
    /// Keeps a call. Returns those that nobody came back to.
    pub(crate) fn keep(&self, key: String, call: OpenCall) -> Vec<OpenCall> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = Vec::new();
        if calls.len() >= REMEMBERED {
            left.extend(calls.extract_if(|_, call| call.asked_at.elapsed() > LONGEST).map(|(_, call)| call));
            let oldest = calls.iter().min_by_key(|(_, call)| call.asked_at).map(|(key, _)| key.clone());
            if calls.len() >= REMEMBERED {
                left.extend(oldest.and_then(|key| calls.remove(&key)));
            }
        }
        left.extend(calls.insert(key, call));
        left
    }

    /// The call that goes on, which another request may go on with too.
    pub(crate) fn find(&self, key: &str) -> Option<OpenCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The call that goes on now, or ends.
    pub(crate) fn take(&self, key: &str) -> Option<OpenCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// The call that ends now; `None` if it has ended before. It stays, for those who ask again.
    pub(crate) fn conclude(&self, key: &str) -> Option<OpenCall> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let call = calls.get_mut(key).filter(|call| !call.ended)?;
        call.ended = true;
        Some(call.clone())
    }

    /// The calls of a session that waits for nothing more.
    pub(crate) fn end(&self, session: &Arc<State>) -> Vec<OpenCall> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_session = |_: &String, call: &mut OpenCall| Arc::ptr_eq(&call.session, session);
        calls.extract_if(of_session).map(|(_, call)| call).collect()
    }
}
