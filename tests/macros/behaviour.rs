//! What an annotated call records: its arguments, its time, its end.

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use mcpcat::{InSession as _, Session, emit, event};
use serde_json::json;

use crate::support::{block_on, events_of, fresh_session, one, seen};

struct Money(u64);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[event(
    name = "invoice.charge",
    params(customer, amount = cents.to_string(), "card.kind" = display(cents), sum = 1 + 2),
    tags(region = "eu"),
    properties(first),
    message = "charged {cents} to {customer}",
    response
)]
async fn charge(customer: String, cents: Money, first: bool) -> Result<u64, String> {
    tokio::task::yield_now().await;
    drop(customer);
    if first { Ok(cents.0) } else { Err("declined".to_owned()) }
}

#[test]
fn what_is_named_is_recorded_and_nothing_else() {
    let body = one(|| block_on(charge("ada".to_owned(), Money(1050), true)));
    assert_eq!(body["resource_name"], "invoice.charge");
    assert_eq!(
        body["parameters"],
        json!({"customer": "ada", "amount": "10.50", "card.kind": "10.50", "sum": 3})
    );
    assert_eq!(body["tags"], json!({"region": "eu"}));
    assert_eq!(body["properties"]["first"], true);
    assert_eq!(body["user_intent"], "charged 10.50 to ada");
    assert_eq!(body["response"], 1050);
    assert_ne!(body["is_error"], true);
    let body = one(|| block_on(charge("ada".to_owned(), Money(1), false)));
    assert_eq!(body.get("response"), None, "a failure has no response");
    assert_eq!(body["error"]["message"], "declined");
}

#[event]
fn unnamed(secret: &str) -> usize {
    secret.len()
}

#[test]
fn without_arguments_only_the_call_is_recorded() {
    let body = one(|| unnamed("hidden"));
    assert!(body["resource_name"].as_str().unwrap().ends_with("behaviour::unnamed"), "{body}");
    assert!(!body.to_string().contains("hidden"));
    assert_eq!(body.get("parameters"), None);
}

#[event(name = "cfg", params(always, sometimes, never))]
#[allow(clippy::non_minimal_cfg, reason = "a condition that holds, and one that does not")]
fn cfg_captured(always: u8, #[cfg(all())] sometimes: u8, #[cfg(any())] never: u8) -> u8 {
    always + sometimes
}

#[event(name = "patterns", params(a, b))]
fn from_patterns((a, _): (u8, u8), [b, ..]: [u8; 2]) -> u8 {
    a + b
}

#[event(name = "mutable", params(count))]
fn mutable(mut count: u8) -> u8 {
    count += 1;
    count
}

#[test]
fn arguments_are_captured_as_they_came() {
    assert_eq!(one(|| cfg_captured(1, 2))["parameters"], json!({"always": 1, "sometimes": 2}));
    assert_eq!(one(|| from_patterns((1, 2), [3, 4]))["parameters"], json!({"a": 1, "b": 3}));
    assert_eq!(one(|| mutable(1))["parameters"], json!({"count": 1}));
}

#[event(name = "inner")]
async fn inner() {
    emit!("leaf");
}

#[event(name = "outer")]
async fn outer() {
    inner().await;
    tokio::spawn(inner().in_current_session()).await.unwrap();
    plain();
}

#[event(name = "plain")]
fn plain() {
    emit!("leaf");
}

#[test]
fn what_happens_inside_is_nested() {
    let (_, events) = seen(|| block_on(outer()));
    let id_of = |name: &str| {
        events
            .iter()
            .filter(|event| event.name == name)
            .map(|event| event.body["id"].clone())
            .collect::<Vec<_>>()
    };
    let parents_of = |name: &str| {
        events
            .iter()
            .filter(|event| event.name == name)
            .map(|event| event.body["parent_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(events.len(), 7, "{events:?}");
    let outer = id_of("outer");
    assert_eq!(parents_of("inner"), [outer[0].clone(), outer[0].clone()]);
    assert_eq!(parents_of("plain"), outer);
    let mut leaves = parents_of("leaf");
    let mut calls = [id_of("inner"), id_of("plain")].concat();
    leaves.sort_by_key(ToString::to_string);
    calls.sort_by_key(ToString::to_string);
    assert_eq!(leaves, calls);
}

#[event(name = "timed")]
async fn timed() {
    tokio::time::sleep(Duration::from_millis(30)).await;
}

#[test]
fn the_duration_is_that_of_the_call() {
    let begun = Instant::now();
    let body = one(|| block_on(timed()));
    let duration = body["duration"].as_u64().unwrap();
    assert!(duration >= 30, "{duration} ms");
    assert!(u128::from(duration) <= begun.elapsed().as_millis(), "{duration} ms");
}

#[test]
fn the_time_runs_from_the_first_poll() {
    let body = one(|| {
        block_on(async {
            let future = timed();
            tokio::time::sleep(Duration::from_millis(200)).await;
            future.await;
        });
    });
    assert!(body["duration"].as_u64().unwrap() < 200, "{body}");
}

#[event(name = "waits")]
async fn waits() -> u8 {
    std::future::pending().await
}

#[test]
fn a_future_dropped_midway_was_cancelled() {
    let body = one(|| {
        let mut future = Box::pin(waits());
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    assert_eq!((&body["is_error"], &body["error"]["type"]), (&json!(true), &json!("cancelled")));
    let body = one(|| {
        block_on(async {
            tokio::select! {
                biased;
                _ = waits() => {}
                () = tokio::task::yield_now() => {}
            }
        });
    });
    assert_eq!(body["error"]["type"], "cancelled");
}

#[event(name = "panics")]
fn panics() -> u8 {
    panic!("on purpose")
}

#[event(name = "panics.async")]
async fn panics_async() -> u8 {
    tokio::task::yield_now().await;
    panic!("on purpose")
}

struct CallsInDrop;

#[event(name = "called.in.drop")]
fn called_in_drop() -> u8 {
    1
}

impl Drop for CallsInDrop {
    fn drop(&mut self) {
        called_in_drop();
    }
}

#[test]
fn a_panic_is_recorded_and_goes_on() {
    let body = one(|| assert!(catch_unwind(panics).is_err()));
    assert_eq!((&body["is_error"], &body["error"]["type"]), (&json!(true), &json!("panic")));
    let body = one(|| assert!(catch_unwind(|| block_on(panics_async())).is_err()));
    assert_eq!(body["error"]["type"], "panic");
}

#[test]
fn a_good_call_while_unwinding_is_no_panic() {
    let body = one(|| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _calls = CallsInDrop;
            panic!("elsewhere");
        }));
        assert!(caught.is_err());
    });
    assert_eq!(body["resource_name"], "called.in.drop");
    assert_ne!(body["is_error"], true);
}

#[event(name = "errors", on = "error")]
fn errors_only(fail: bool) -> Result<(), &'static str> {
    if fail { Err("failed") } else { Ok(()) }
}

#[event(name = "slow", slow = "20ms")]
fn slow_only(wait: bool) {
    let begun = Instant::now();
    while wait && begun.elapsed() < Duration::from_millis(25) {
        std::hint::spin_loop();
    }
}

#[event(name = "never", sample = 0)]
fn never_sampled() {}

#[event(name = "half", sample = 0.5)]
fn half_sampled() {}

#[test]
fn only_what_was_asked_for_is_published() {
    let ((), events) = seen(|| {
        let _ = (errors_only(false), errors_only(true));
    });
    assert_eq!(events.len(), 1);
    let ((), events) = seen(|| {
        slow_only(false);
        slow_only(true);
    });
    assert_eq!(events.len(), 1);
    assert!(seen(never_sampled).1.is_empty());
    let ((), events) = seen(|| (0..400).for_each(|_| half_sampled()));
    assert!((100..300).contains(&events.len()), "{} of 400 at one half", events.len());
}

struct Server {
    session: Session,
}

impl Server {
    #[event(name = "by.method", session = "&self.session")]
    fn method(&self) {}

    #[event(name = "by.async", session = "self.session.clone()", params(n))]
    async fn asynchronous(&self, n: u8) -> u8 {
        n
    }
}

#[event(name = "by.text", session = "name")]
fn by_text(name: &str) -> usize {
    name.len()
}

#[test]
fn the_author_names_the_session() {
    let (text, session) = fresh_session();
    let (_, here) = seen(|| {
        let server = Server { session };
        server.method();
        block_on(server.asynchronous(1));
        by_text(&text);
    });
    assert!(here.is_empty(), "{here:?}");
    let mut names: Vec<String> = events_of(&text).into_iter().map(|event| event.name).collect();
    names.sort();
    assert_eq!(names, ["by.async", "by.method", "by.text"]);
}
