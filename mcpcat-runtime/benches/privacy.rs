//! What scrubbing costs on the worker, as a multiple of what `serde_json` needs to parse the same body, and what
//! the value writer costs at a call site with key scrubbing on and off.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mcpcat_runtime::event::json::write_value;
use mcpcat_runtime::policy::{KeyPolicy, Policy, is_sensitive};
use mcpcat_runtime::privacy::Patterns;
use serde_json::{Value, json};

/// The least of many rounds: what it costs when nothing else runs.
fn least(mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    let rounds =
        (Duration::from_millis(2).as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 100_000) as u32;
    let round = || {
        let start = Instant::now();
        (0..rounds).for_each(|_| work());
        start.elapsed() / rounds
    };
    std::iter::repeat_with(round).take(100).min().unwrap()
}

/// A body of about so many bytes: names, prose, code, ids, numbers and JSON in a string, as tools return them.
fn body(bytes: usize) -> Vec<u8> {
    let item = |i: usize| {
        json!({
            "id": format!("0191f3a2-7c1e-7b4a-9d2f-{i:012}"), "title": "Upgrade the plan of a customer",
            "url": format!("https://example.com/billing/{i}?page=2&sort=created_at"), "amount": i * 37,
            "text": "It was the best of times,\nit was the worst of times: \"so far\" like the present period.",
            "code": "fn main() {\n    let token = parse(input)?;\n}", "raw": r#"{"input_tokens":12,"ok":true}"#,
        })
    };
    let mut items: Vec<Value> = Vec::new();
    let build = |items: &[Value]| {
        serde_json::to_vec(&json!({
            "id": "evt_3MSuTiF0Ka4PLqaUkyDUFAFViqL", "session_id": "ses_3MSuTkStULYiUjvdhvznDzDpBSN",
            "project_id": "proj_abc123xyz", "event_type": "agentcat:custom", "resource_name": "invoice.charge",
            "timestamp": "2026-11-22T14:04:59.847Z", "duration": 12,
            "parameters": {"plan": "pro", "seats": 12, "customer": "cus_9s6XKzkNRiz8i3", "items": items},
        }))
        .unwrap()
    };
    while build(&items).len() < bytes {
        items.push(item(items.len()));
    }
    if items.len() > 1 && build(&items).len() > bytes * 11 / 10 {
        items.pop();
    }
    build(if bytes < 400 { &[] } else { &items })
}

fn main() {
    let all = Patterns::new().email().phone().ip();
    for bytes in [300, 4_096, 102_400] {
        let body = body(bytes);
        let parse = least(|| drop(black_box(serde_json::from_slice::<Value>(&body).unwrap())));
        let scrub = least(|| drop(black_box(Patterns::new().scrub_body(&body))));
        let every = least(|| drop(black_box(all.scrub_body(&body))));
        let ratio = |time: Duration| time.as_secs_f64() / parse.as_secs_f64();
        println!(
            "{:>6} bytes: serde_json parse {parse:?}, scrub {scrub:?} ({:.2}x), with optional patterns {every:?} ({:.2}x)",
            body.len(),
            ratio(scrub),
            ratio(every),
        );
    }

    #[derive(serde::Serialize)]
    struct Four<'a> {
        plan: &'a str,
        seats: u32,
        region: &'a str,
        customer_id: &'a str,
    }
    let value = Four { plan: "pro", seats: 12, region: "eu", customer_id: "cus_9s6XKzkNRiz8i3" };
    let mut out = Vec::with_capacity(4_096);
    let mut cost = |policy: &Policy| {
        least(|| {
            out.clear();
            write_value(&mut out, black_box(&value), policy).unwrap();
        })
    };
    let on = cost(&Policy::new());
    let off = cost(&Policy::new().keys(KeyPolicy::new().off()));
    let serde = least(|| {
        let mut out = Vec::with_capacity(128);
        serde_json::to_writer(&mut out, black_box(&value)).unwrap();
        black_box(out);
    });
    println!("struct of 4 fields: keys judged {on:?}, not judged {off:?}, serde_json {serde:?}");
    for key in ["plan", "customer_id", "inputTokens", "subscription_started_at", "x-api-key"] {
        println!(
            "is_sensitive({key:?}): {:?}",
            least(|| {
                black_box(is_sensitive(black_box(key)));
            })
        );
    }
}
