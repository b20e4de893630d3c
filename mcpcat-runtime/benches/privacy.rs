//! What scrubbing costs on the worker, as a multiple of what `serde_json` needs to parse the same body, and what
//! the value writer costs at a call site with key scrubbing on and off.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use mcpcat_runtime::internals::json::write_value;
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

/// Bodies of 100 KiB that are all of one kind: none of them may be the slow one.
fn shapes() -> Vec<(&'static str, Value)> {
    let many = |text: &dyn Fn(usize) -> String| {
        let mut texts = Vec::new();
        let mut bytes = 0;
        while bytes < 100_000 {
            texts.push(Value::from(text(texts.len())));
            bytes += texts.last().and_then(Value::as_str).map_or(0, str::len) + 3;
        }
        Value::from(texts)
    };
    let hex = |i: usize, len: usize| {
        let mut state = i as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let digit = move |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b"0123456789abcdef"[(state >> 60) as usize])
        };
        (0..len).map(digit).collect::<String>()
    };
    vec![
        (
            "prose",
            many(&|_| {
                "It was the best of times, it was the worst of times, it was the age of wisdom. ".repeat(8)
            }),
        ),
        (
            "code",
            many(&|_| {
                "fn main() {\n    let token = parse(input)?;\n    self.key_of(&token) == 0x1f\n}\n".repeat(8)
            }),
        ),
        (
            "log lines",
            many(&|i| {
                format!("2026-11-22T14:04:59.{i:03}Z INFO user=ada status=200 path=/v1/items/{i}?page=2 took=12ms\n").repeat(8)
            }),
        ),
        ("short words", many(&|i| format!("row{i}"))),
        ("hex ids", many(&|i| hex(i, 64))),
        (
            "uuids",
            many(&|i| {
                let h = hex(i, 32);
                format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
            }),
        ),
        ("urls", many(&|i| format!("https://example.com/billing/{i}?page=2&sort=created_at&filter=a%20b"))),
        ("digits", many(&|i| format!("{:016}", i * 7_654_321_987))),
        ("base64", many(&|i| hex(i, 9_000).to_uppercase())),
        (
            "json in a text",
            many(&|i| {
                json!({ "input_tokens": i, "ok": true, "name": "a name", "items": [1, 2, 3] }).to_string()
            }),
        ),
        ("numbers", Value::from((0..20_000).collect::<Vec<u32>>())),
        ("secrets", many(&|i| format!("Authorization: Bearer {} and ghp_{}", hex(i, 40), hex(i + 1, 36)))),
    ]
}

fn main() {
    let all = Patterns::new().email().phone().ip();
    println!(
        "{:<26} {:>12} {:>12} {:>7} {:>12} {:>7}",
        "body", "parse", "scrub", "ratio", "+ optional", "ratio"
    );
    let row = |name: &str, body: &[u8]| {
        let parse = least(|| drop(black_box(serde_json::from_slice::<Value>(body).unwrap())));
        let scrub = least(|| drop(black_box(Patterns::new().scrub_body(body))));
        let every = least(|| drop(black_box(all.scrub_body(body))));
        let ratio = |time: Duration| time.as_secs_f64() / parse.as_secs_f64();
        println!(
            "{name:<26} {:>12} {:>12} {:>6.2}x {:>12} {:>6.2}x",
            format!("{parse:.1?}"),
            format!("{scrub:.1?}"),
            ratio(scrub),
            format!("{every:.1?}"),
            ratio(every),
        );
    };
    for bytes in [300, 4_096, 102_400] {
        let body = body(bytes);
        row(&format!("{} bytes, mixed", body.len()), &body);
    }
    for (name, value) in shapes() {
        let body = serde_json::to_vec(&json!({ "id": "evt_1", "parameters": { "all": value } })).unwrap();
        row(&format!("100 KiB, {name}"), &body);
    }
    println!();

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
