//! Memory held while an endpoint takes requests and never answers: 300 events of 1 MiB, published by ours and by
//! the official SDK, each in a process of its own.
//!
//! `cargo run --release` in this directory prints a table. Linux only (`/proc`); loopback only.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const EVENTS: usize = 300;
const MIB: usize = 1 << 20;
/// Ours holds at most this much by default.
const CAP_MIB: f64 = 64.0;

/// What is in an event. Each is about 1 MiB of JSON.
fn payload(shape: &str) -> Value {
    match shape {
        "one string" => json!({ "text": "It was the best of times. ".repeat(MIB / 26) }),
        "1,024 members" => {
            let text = "It was the best of times. ".repeat(39);
            Value::Object((0..1_024).map(|n| (format!("row_{n}"), text.clone().into())).collect())
        }
        _ => {
            let row = |n: usize| json!({ "id": n, "name": format!("customer {n}"), "cells": ["a", 1, true, null] });
            json!({ "rows": (0..MIB / 56).map(row).collect::<Vec<_>>() })
        }
    }
}

/// Resident memory in MiB: now, and at most so far.
fn resident() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel says");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("in KiB") / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn ours(url: &str, value: &Value, raised: bool, backend: mcpcat::Backend) -> String {
    let state = tempfile::tempdir().expect("a temporary directory");
    let mut builder = mcpcat::Client::builder("proj_memory")
        .base_url(url)
        .state_dir(state.path())
        .backend(backend)
        .drain_on_drop(Duration::ZERO);
    if raised {
        let limits = mcpcat::policy::Limits::new()
            .event_bytes(2 * MIB)
            .string_bytes(2 * MIB)
            .members(100_000);
        builder = builder.policy(mcpcat::policy::Policy::new().limits(limits));
    }
    let client = builder.build().expect("the settings are good");
    for _ in 0..EVENTS {
        let _ = client.publish("s", mcpcat::CustomEvent::new("big").parameters(value));
    }
    let stats = client.flush_blocking(Duration::from_secs(3));
    format!("{} wait, {} dropped", stats.pending, stats.dropped)
}

fn official(url: &str, value: &Value) -> String {
    let options = agentcat_sdk::Options::default().api_base_url(url);
    let sdk = agentcat_sdk::AgentCat::new("proj_memory", options);
    let mut refused = 0;
    for _ in 0..EVENTS {
        let event = agentcat_sdk::CustomEvent::new().resource_name("big").parameters(value.clone());
        refused += usize::from(sdk.publish_custom_event("s", "proj_memory", event).is_err());
    }
    let _ = sdk.flush_blocking(Duration::from_secs(3));
    // Not dropped: its drop waits for the endpoint.
    std::mem::forget(sdk);
    format!("{refused} refused")
}

/// One publisher; the parent reads what it prints.
fn child(who: &str, url: &str, shape: &str) {
    let value = payload(shape);
    let before = resident().0;
    let start = Instant::now();
    let said = match who {
        "ours, in memory" => ours(url, &value, false, mcpcat::Backend::Memory),
        "ours, limits raised" => ours(url, &value, true, mcpcat::Backend::Auto),
        "ours" => ours(url, &value, false, mcpcat::Backend::Auto),
        _ => official(url, &value),
    };
    let (_, peak) = resident();
    print!("{} {} {} {said}", before, peak, start.elapsed().as_secs_f64());
    let _ = std::io::stdout().flush();
    std::process::exit(0);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [who, url, shape] = arguments.as_slice() {
        return child(who, url, shape);
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Takes everything, answers nothing.
            std::thread::spawn(move || {
                let (mut stream, mut buffer) = (stream, vec![0; 1 << 16]);
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
            });
        }
    });
    println!("{EVENTS} events of 1 MiB, an endpoint that never answers; MiB resident above the start\n");
    println!("{:<16} {:<22} {:>10} {:>8}  ", "payload", "publisher", "peak", "seconds");
    let program = std::env::current_exe().expect("this program");
    let mut within = true;
    for shape in ["one string", "1,024 members", "rows"] {
        for who in ["ours", "ours, in memory", "ours, limits raised", "official SDK"] {
            let output = Command::new(&program).args([who, &url, shape]).output().expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut parts = text.splitn(4, ' ');
            let mut number = || parts.next().and_then(|part| part.parse::<f64>().ok()).unwrap_or(f64::NAN);
            let (before, peak, seconds) = (number(), number(), number());
            let held = peak - before;
            println!("{shape:<16} {who:<22} {held:>10.1} {seconds:>8.1}  {}", parts.next().unwrap_or_default());
            within &= !who.starts_with("ours") || held <= CAP_MIB + 10.0;
        }
    }
    println!("\nours within its cap of {CAP_MIB} MiB + 10: {within}");
    assert!(within);
}
