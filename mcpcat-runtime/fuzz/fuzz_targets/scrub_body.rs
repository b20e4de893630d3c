//! Whatever the bytes: no panic, JSON stays JSON, and a second pass finds nothing that the first one left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcpcat_runtime::privacy::Patterns;

fuzz_target!(|body: &[u8]| {
    let patterns = Patterns::new().email().phone().ip();
    let scrubbed = patterns.scrub_body(body);
    if serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        assert!(serde_json::from_slice::<serde_json::Value>(&scrubbed).is_ok());
        assert_eq!(patterns.scrub_body(&scrubbed), scrubbed);
    }
});
