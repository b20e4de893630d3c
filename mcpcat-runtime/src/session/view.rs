//! One call's view of its session: what is known of the call alone (its trace, what hooks said of it) and
//! applies to every event raised in it. It has a definition of its own in the log, which may come after the
//! events: they wait for it, for as long as the worker waits for a session's name.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Session;
use crate::spool::Mark;

/// Two ids of a distributed trace, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceContext {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}

impl TraceContext {
    /// The ids of a span.
    pub fn new(trace_id: impl Into<String>, span_id: impl Into<String>) -> Self {
        Self { trace_id: trace_id.into(), span_id: span_id.into() }
    }

    /// The ids in a W3C `traceparent`; `None` for text that is none, or whose ids are zero.
    ///
    /// ```
    /// use mcpcat_runtime::session::TraceContext;
    ///
    /// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// assert_eq!(TraceContext::parse(text).unwrap().span_id, "00f067aa0ba902b7");
    /// ```
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let id = |text: &str, digits| hex(text, digits) && text.bytes().any(|b| b != b'0');
        let known = hex(version, 2) && version != "ff" && hex(flags, 2);
        // Only version 00 is known to end here.
        let ended = version != "00" || parts.next().is_none();
        (known && ended && id(trace, 32) && id(span, 16)).then(|| Self::new(trace, span))
    }
}

/// What hooks said of a call: JSON objects as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) tags: Option<String>,
    pub(crate) properties: Option<String>,
}

pub(crate) struct View {
    pub(super) trace: Option<TraceContext>,
    pub(super) awaited: Option<Awaited>,
}

/// A view whose hooks are still running, or were.
pub(super) struct Awaited {
    /// The number under which event headers name this view.
    pub(super) reference: u64,
    /// Filled by the worker when it has waited long enough.
    given_up: Arc<OnceLock<String>>,
    values: Mutex<Option<Values>>,
    pub(super) defined: Mark,
}

impl Awaited {
    pub(super) fn values(&self) -> Option<Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Session {
    /// This session as one call sees it. With `hooks`, the call's events wait for [`settle`](Self::settle).
    #[cfg(feature = "rmcp")]
    pub(crate) fn viewed(&self, trace: Option<TraceContext>, hooks: bool) -> Self {
        let awaited = hooks.then(|| {
            let given_up = Arc::new(OnceLock::new());
            let reference = self.core.next_reference();
            self.core.expect_name(reference, Arc::clone(&given_up));
            Awaited { reference, given_up, values: Mutex::new(None), defined: Mark::default() }
        });
        Self { view: Some(Arc::new(View { trace, awaited })), ..self.clone() }
    }

    /// Says what the call's hooks came to. Whether that was in time for the call's first events.
    #[cfg(feature = "rmcp")]
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
    #[cfg(feature = "rmcp")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sound_traceparent_is_one() {
        let sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(TraceContext::parse(sound).is_some());
        assert!(TraceContext::parse(&sound.replace("00-4", "cc-4").replace("-01", "-01-x")).is_some());
        for broken in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(TraceContext::parse(broken), None, "{broken}");
        }
    }
}
