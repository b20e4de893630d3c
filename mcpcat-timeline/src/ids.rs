//! Fresh identifiers in the wire's own shape, for what came without one.

use mcpcat_wire::ksuid::{EVENT_PREFIX, Ksuid};

/// A fresh `evt_…` identifier for an event that came without one.
pub(crate) fn event_id() -> String {
    let now = jiff::Timestamp::now();
    let mut payload = [0; 16];
    if getrandom::fill(&mut payload).is_err() {
        // Without an entropy source the clock still keeps ids of one process apart.
        payload = now.as_nanosecond().to_be_bytes();
    }
    format!("{EVENT_PREFIX}{}", Ksuid::new(now.as_second().max(0) as u64, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_have_the_wire_shape_and_differ() {
        let (a, b) = (event_id(), event_id());
        assert!(Ksuid::parse(&a, EVENT_PREFIX).is_some(), "{a}");
        assert_ne!(a, b);
    }
}
