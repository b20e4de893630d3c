//! Every argument of `#[event]` on every form of function, and in combination.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mcpcat::{Session, event};
use serde_json::{Value, json};

use crate::support::{block_on, events_of, fresh_session, one, seen};

type Reply = Result<u8, String>;
type Later<'a> = Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;
type LaterShared = Pin<Box<dyn Future<Output = Reply> + Send + Sync>>;

fn is_seven(reply: &Reply) -> bool {
    *reply == Ok(7)
}

/// One function of each form, with all that it may be told.
macro_rules! forms {
    ($module:ident, $n:ident, [$($argument:tt)*]) => {
        mod $module {
            use super::*;

            #[event(name = "form", $($argument)*)]
            pub(super) fn plain($n: u8) -> Result<u8, String> {
                if $n == 0 { Err("zero".to_owned()) } else { Ok($n) }
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn aliased($n: u8) -> Reply {
                plain_of($n)
            }

            #[event(name = "form", $($argument)*)]
            pub(super) async fn asynchronous($n: u8) -> Reply {
                tokio::task::yield_now().await;
                plain_of($n)
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn boxed_tail($n: u8) -> Pin<Box<dyn Future<Output = Reply> + Send>> {
                let m = $n;
                Box::pin(async move {
                    tokio::task::yield_now().await;
                    plain_of(m)
                })
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn boxed_again($n: u8) -> BoxFuture<'static, Reply> {
                ready(plain_of($n)).boxed()
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn alias_of_future($n: u8) -> Later<'static> {
                Box::pin(async move { plain_of($n) })
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn alias_of_shared_future($n: u8) -> LaterShared {
                Box::pin(async move { plain_of($n) })
            }

            #[event(name = "form", $($argument)*)]
            pub(super) fn opaque($n: u8) -> impl Future<Output = Reply> {
                async move { plain_of($n) }
            }

            /// Each form's body for one call.
            pub(super) fn each(n: u8) -> Vec<(&'static str, Vec<crate::support::Seen>)> {
                vec![
                    ("plain", seen(|| plain(n)).1),
                    ("aliased", seen(|| aliased(n)).1),
                    ("asynchronous", seen(|| block_on(asynchronous(n))).1),
                    ("boxed_tail", seen(|| block_on(boxed_tail(n))).1),
                    ("boxed_again", seen(|| block_on(boxed_again(n))).1),
                    ("alias_of_future", seen(|| block_on(alias_of_future(n))).1),
                    ("alias_of_shared_future", seen(|| block_on(alias_of_shared_future(n))).1),
                    ("opaque", seen(|| block_on(opaque(n))).1),
                ]
            }
        }
    };
}

fn plain_of(n: u8) -> Reply {
    if n == 0 { Err("zero".to_owned()) } else { Ok(n) }
}

forms!(
    recorded,
    n,
    [params(n, twice = n * 2), tags(plan = "gold"), properties(odd = n % 2), message = "got {n}", response]
);

#[test]
fn what_is_named_is_recorded_by_every_form() {
    for (form, events) in recorded::each(3) {
        assert_eq!(events.len(), 1, "{form}");
        let body = &events[0].body;
        assert_eq!(body["parameters"], json!({"n": 3, "twice": 6}), "{form}");
        assert_eq!(
            (&body["tags"], &body["properties"]["odd"]),
            (&json!({"plan": "gold"}), &json!(1)),
            "{form}"
        );
        assert_eq!((&body["user_intent"], &body["response"]), (&json!("got 3"), &json!(3)), "{form}");
        assert!(body["duration"].is_u64() && events[0].error.is_none(), "{form}: {body}");
    }
    for (form, events) in recorded::each(0) {
        assert_eq!(events[0].error.as_deref(), Some("zero"), "{form}");
        assert_eq!(events[0].body.get("response"), None, "{form}");
    }
}

forms!(judged, n, [error_if = "is_seven", response, params(n)]);
forms!(approved, n, [ok_if = "|reply| matches!(reply, Ok(7))"]);

#[test]
fn the_authors_verdict_counts_in_every_form() {
    let counts = "the returned value counts as an error";
    for (form, events) in judged::each(7) {
        assert_eq!(events[0].error.as_deref(), Some(counts), "{form}");
    }
    for (form, events) in judged::each(0) {
        assert_eq!(events[0].error, None, "{form}: an `Err` that is no error");
    }
    for (form, events) in approved::each(7) {
        assert_eq!(events[0].error, None, "{form}");
    }
    for (form, events) in approved::each(0) {
        assert_eq!(events[0].error.as_deref(), Some("zero"), "{form}: the value describes its failure");
    }
    for (form, events) in approved::each(1) {
        assert_eq!(events[0].error.as_deref(), Some(counts), "{form}");
    }
}

forms!(failures, n, [on = "error", params(n)]);
forms!(failures_or_slow, n, [slow = "1m", on = "error"]);
forms!(slow_only, n, [slow = "1m"]);
forms!(judged_failures, n, [on = "error", error_if = "is_seven"]);
forms!(none_of_them, n, [sample = 0.0, on = "error", slow = "0ms"]);
forms!(all_of_them, n, [sample = 1, slow = "0us"]);

#[test]
fn rules_choose_in_every_form() {
    let counts = |all: Vec<(&'static str, Vec<crate::support::Seen>)>, expected: usize, rule: &str| {
        for (form, events) in all {
            assert_eq!(events.len(), expected, "{form}, {rule}: {events:?}");
        }
    };
    counts(failures::each(0), 1, "on = error");
    counts(failures::each(1), 0, "on = error");
    counts(failures_or_slow::each(0), 1, "a failure that is not slow");
    counts(failures_or_slow::each(1), 0, "neither a failure nor slow");
    counts(slow_only::each(0), 0, "a failure that is not slow");
    counts(judged_failures::each(7), 1, "a failure by the author's verdict");
    counts(judged_failures::each(0), 0, "no failure by the author's verdict");
    counts(none_of_them::each(0), 0, "sample = 0");
    counts(all_of_them::each(1), 1, "sample = 1");
}

#[event(name = "on.error.panics", on = "error")]
fn panics_only() -> u8 {
    panic!("on purpose")
}

#[event(name = "on.error.cancelled", on = "error")]
async fn cancelled_only() {
    std::future::pending::<()>().await;
}

#[test]
fn panics_and_cancellations_are_errors_for_a_rule() {
    let body = one(|| assert!(std::panic::catch_unwind(panics_only).is_err()));
    assert_eq!(body["error"]["type"], "panic");
    let body = one(|| {
        block_on(async {
            tokio::select! {
                biased;
                () = cancelled_only() => {}
                () = tokio::task::yield_now() => {}
            }
        });
    });
    assert_eq!(body["error"]["type"], "cancelled");
}

struct Server(Session);

impl Server {
    #[event(session = "self.0.clone()", name = "s")]
    fn plain(&self) {}

    #[event(params(n), session = "&self.0", response, name = "s")]
    async fn asynchronous(&self, n: u8) -> u8 {
        n
    }

    #[event(name = "s", session = "&self.0")]
    fn boxed(&self) -> BoxFuture<'_, u8> {
        Box::pin(async move { u8::from(self.0.id().is_none()) })
    }

    #[event(name = "s", session = "self.0.clone()")]
    fn aliased(&self) -> Later<'_> {
        Box::pin(async move { Ok(1) })
    }

    #[event(name = "s", session = "&self.0")]
    fn opaque(&self) -> impl Future<Output = u8> + '_ {
        async move { 1 }
    }

    #[event(name = "s", session = "&self.0")]
    #[track_caller]
    fn in_place(&self) -> u8 {
        1
    }
}

#[test]
fn every_form_goes_into_the_session_it_names() {
    let (text, session) = fresh_session();
    let server = Server(session);
    let ((), here) = seen(|| {
        server.plain();
        block_on(async {
            server.asynchronous(1).await;
            server.boxed().await;
            let _ = server.aliased().await;
            server.opaque().await;
        });
        server.in_place();
    });
    assert!(here.is_empty(), "{here:?}");
    assert_eq!(events_of(&text).len(), 6);
}

#[event(
    sample = 1.0,
    response,
    on = "error",
    tags(region = "eu"),
    slow = "0ms",
    error_if = "|reply: &Reply| reply.is_err()",
    message = "{n}",
    properties(p = n),
    name = "everything",
    session = "text",
    params(n)
)]
fn everything(text: &str, n: u8) -> Reply {
    let _ = text;
    plain_of(n)
}

#[test]
fn all_arguments_stand_together() {
    let (text, _) = fresh_session();
    let _ = everything(&text, 4);
    let events = events_of(&text);
    let body: &Value = &events[0].body;
    assert_eq!((&body["resource_name"], &body["response"]), (&json!("everything"), &json!(4)));
    assert_eq!((&body["parameters"], &body["tags"]), (&json!({"n": 4}), &json!({"region": "eu"})));
    assert_eq!((&body["properties"]["p"], &body["user_intent"]), (&json!(4), &json!("4")));
}

struct Told(Session);

#[event(name = "told", on = "error", tags(plan = "gold"), properties(build = 7), session = "&self.0")]
impl Told {
    fn fails(&self) -> Reply {
        Err("failed".to_owned())
    }

    fn succeeds(&self) -> Reply {
        Ok(1)
    }

    #[event(slow = "0ms", tags(plan = "own"))]
    fn slow(&self) {}

    #[event(session = "\"told-elsewhere\"")]
    fn elsewhere(&self) -> Reply {
        Err("elsewhere".to_owned())
    }
}

#[test]
fn a_method_inherits_what_its_block_says() {
    let (text, session) = fresh_session();
    let told = Told(session);
    let _ = (told.fails(), told.succeeds(), told.elsewhere());
    told.slow();
    let events = events_of(&text);
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["told.fails", "told.slow"]);
    assert_eq!(events[0].body["tags"], json!({"plan": "gold"}));
    assert_eq!(events[0].body["properties"]["build"], 7);
    assert_eq!(events[1].body["tags"], json!({"plan": "own"}));
    assert_eq!(events_of("told-elsewhere").len(), 1);
}

#[event]
fn gives_named_future() -> Ready<u8> {
    ready(1)
}

/// A future with a type of its own is a value like any other: the call made it, and ended.
#[test]
fn a_named_future_is_a_value() {
    assert_eq!(seen(|| drop(gives_named_future())).1.len(), 1);
    assert_eq!(seen(|| block_on(gives_named_future())).1.len(), 1);
}
