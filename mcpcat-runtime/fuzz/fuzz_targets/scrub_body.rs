//! Whatever the bytes: no panic, JSON stays JSON, and a token between any two texts does not stay.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcpcat_runtime::privacy::Patterns;
use serde_json::{Value, json};

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

fuzz_target!(|body: &[u8]| {
    let patterns = Patterns::new().email().phone().ip();
    let scrubbed = patterns.scrub_body(body);
    if serde_json::from_slice::<Value>(body).is_ok() {
        assert!(serde_json::from_slice::<Value>(&scrubbed).is_ok());
    }
    let text = String::from_utf8_lossy(body);
    let middle = text.len() / 2;
    let middle = (middle..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (before, after) = text.split_at(middle);
    let planted = json!({"parameters": [format!("{before} {TOKEN} {after}")]}).to_string();
    let scrubbed = patterns.scrub_body(planted.as_bytes());
    assert!(serde_json::from_slice::<Value>(&scrubbed).is_ok());
    assert!(!String::from_utf8_lossy(&scrubbed).contains(TOKEN));
});
