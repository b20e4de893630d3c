//! The ids by which a call belongs to a distributed trace.

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
    /// use mcpcat_wire::values::TraceContext;
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
