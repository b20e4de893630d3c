//! A failure counts once. An error that a function returns is recorded by each call that it passes through on its way out;
//! all but the first say which event it came from (`mcpcat_cause`), so that a reader counts the first alone.
//!
//! Which call an event was raised in is known when it is recorded, and inner events are recorded first. So a failure is
//! left here for the call around it, which takes it when it fails by the same error. What succeeds passes by.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::event::EventId;
use crate::event::fields::Fields;
use crate::event::guard::cut_to;
use crate::event::record::Header;

/// Calls whose inner failures are remembered at once. A call that succeeds all the same leaves its entry.
const REMEMBERED: usize = 1_024;
/// Of a message, as much is compared.
const COMPARED: usize = 512;

/// A failure inside a call.
struct Failure {
    /// The event that it came from first.
    cause: EventId,
    message: Box<str>,
}

/// Failures by the call that they happened in.
#[derive(Default)]
pub(crate) struct Causes(Mutex<HashMap<EventId, Failure>>);

impl Causes {
    /// A failure is about to be recorded: says on it what it was caused by, and leaves it for the call around it.
    pub(crate) fn link(&self, header: &Header, fields: &mut Fields) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&header.id);
        let Some(message) = fields.failure() else { return };
        let cause = inner.filter(|inner| is_same(&message, &inner.message)).map(|inner| inner.cause);
        if let Some(parent) = header.parent {
            self.leave(parent, cause.unwrap_or(header.id), &message);
        }
        if let Some(cause) = cause {
            fields.property("mcpcat_cause", &cause.to_string());
        }
    }

    #[cold]
    fn leave(&self, call: EventId, cause: EventId, message: &str) {
        let mut message = message.to_owned();
        cut_to(&mut message, COMPARED);
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.clear();
        }
        // The last one is what the call fails by, if it does.
        failures.insert(call, Failure { cause, message: message.into() });
    }
}

/// Whether an outer message tells of the inner failure: as it is, or with words around it.
fn is_same(outer: &str, inner: &str) -> bool {
    !inner.trim().is_empty() && outer.contains(inner)
}
