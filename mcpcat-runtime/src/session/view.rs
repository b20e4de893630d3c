//! One call's view of its session: what is known of the call alone (its trace, what hooks said of it) and
//! applies to every event raised in it. It has a definition of its own in the log, which may come after the
//! events: they wait for it, for as long as the worker waits for a session's name.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mcpcat_wire::values::TraceContext;

use super::Session;
use crate::sessions::{Awaited, Values, View};
use crate::spool::Mark;

impl Session {
    /// This session as one call sees it. With `hooks`, the call's events wait for [`settle`](Self::settle).
    pub(crate) fn viewed(&self, trace: Option<TraceContext>, hooks: bool) -> Self {
        let awaited = hooks.then(|| {
            let given_up = Arc::new(OnceLock::new());
            let reference = self.core.next_reference();
            self.core.expect_name(reference, Arc::clone(&given_up));
            Awaited { reference, given_up, values: Mutex::new(None), defined: Mark::default() }
        });
        Self { view: Some(Arc::new(View { trace, awaited })), ..self.clone() }
    }

    /// This session as every call sees it.
    #[cfg(feature = "rmcp")]
    pub(crate) fn plain(&self) -> Self {
        Self { view: None, ..self.clone() }
    }

    /// Says what the call's hooks came to. Whether that was in time for the call's first events.
    pub(crate) fn settle(&self, values: Values) -> bool {
        let Some(awaited) = self.view.as_ref().and_then(|view| view.awaited.as_ref()) else { return false };
        *awaited.values.lock().unwrap_or_else(PoisonError::into_inner) = Some(values);
        awaited.defined.outdate();
        {
            let mut waiting = self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if self.id().is_none() {
                // The transport has not named the session: whoever names it goes on from here.
                waiting.extend(self.view.clone());
                return awaited.given_up.get().is_none();
            }
        }
        self.define();
        awaited.given_up.get().is_none()
    }

    /// The session has been named: views that waited for it can be defined.
    pub(super) fn define_waiting(&self) {
        let waiting = std::mem::take(&mut *self.state.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for view in waiting {
            if let Some(awaited) = &view.awaited {
                awaited.defined.outdate();
            }
            Self { view: Some(view), ..self.clone() }.define();
        }
    }
}
