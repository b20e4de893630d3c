//! Whatever the text: JSON comes out, within its budget, and equal to what went in where no limit was met.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcpcat_runtime::internals::json::{write_raw, write_raw_within};
use mcpcat_runtime::policy::{KeyPolicy, Limits, Policy};
use serde_json::Value;

fuzz_target!(|text: &str| {
    let tight = Policy::new().limits(Limits::new().depth(3).members(3).string_bytes(40).name_bytes(40));
    let budget = 160 + text.len() % 400;
    let mut out = Vec::new();
    write_raw_within(&mut out, text, &tight, budget);
    assert!(out.len() <= budget);
    serde_json::from_slice::<Value>(&out).expect("JSON under tight limits");

    let wide = Policy::new().keys(KeyPolicy::new().off());
    out.clear();
    write_raw(&mut out, text, &wide);
    let back = serde_json::from_slice::<Value>(&out).expect("JSON");
    // A number of more than 64 characters is recorded as a string.
    let long = text.split(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).any(|run| run.len() > 64);
    let cut = long
        || ["[object", "[array", "[binary: ", "…", " bytes]", " items]", " members]"]
            .iter()
            .any(|mark| String::from_utf8_lossy(&out).contains(mark));
    if let (Ok(value), false) = (serde_json::from_str::<Value>(text), cut) {
        assert_eq!(back, value);
    }
});
