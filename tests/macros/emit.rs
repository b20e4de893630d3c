//! `emit!`: the grammar, and what each part becomes in the event.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use mcpcat::{EventData, emit};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::support::{block_on, events_of, fresh_session, one, seen};

#[derive(Debug)]
struct OnlyDebug;

struct OnlyDisplay;

impl fmt::Display for OnlyDisplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

#[test]
fn a_name_is_enough() {
    let body = one(|| emit!("plan.opened"));
    assert_eq!(body["resource_name"], "plan.opened");
    assert_eq!(body.get("parameters"), None);
    assert_eq!(one(|| emit!("plan.opened",))["resource_name"], "plan.opened");
}

#[test]
fn keys_are_words_paths_and_literals() {
    let (plan, seats) = ("gold", 3_u32);
    let body = one(|| {
        emit!(
            "plan.upgraded",
            plan,
            seats,
            total = seats * 2,
            r#type = 1,
            "quoted key" = 2,
            "q\"uo\\te" = 3,
            card.last.four = "4242",
            match = 4,
        );
    });
    assert_eq!(
        body["parameters"],
        json!({
            "plan": "gold", "seats": 3, "total": 6, "type": 1, "quoted key": 2, "q\"uo\\te": 3,
            "card.last.four": "4242", "match": 4,
        })
    );
}

#[test]
#[allow(clippy::redundant_closure_call, reason = "any expression is a value")]
fn values_are_anything_that_serialises() {
    let map = BTreeMap::from([("a", vec![Some(1), None])]);
    let borrowed = &&map;
    let body = one(|| {
        emit!(
            "values",
            map,
            borrowed,
            closure = (|| 1)(),
            block = {
                let x = 2;
                x + 1
            },
            negative = -1,
            text = debug(OnlyDebug),
            shown = display(OnlyDisplay),
            shown_ref = display(&OnlyDisplay),
            slice = &[1, 2][..],
            unit = (),
        );
    });
    assert_eq!(
        body["parameters"],
        json!({
            "map": {"a": [1, null]}, "borrowed": {"a": [1, null]}, "closure": 1, "block": 3, "negative": -1,
            "text": "OnlyDebug", "shown": "shown", "shown_ref": "shown", "slice": [1, 2], "unit": null,
        })
    );
}

#[test]
fn tags_and_properties_have_their_own_place() {
    let region = String::from("eu");
    let body =
        one(|| emit!("placed", tags.region = region, tags.zone.b = 1, properties.trial = true, tags = "p"));
    assert_eq!(body["tags"], json!({"region": "eu", "zone.b": "1"}));
    assert_eq!(body["properties"]["trial"], true);
    assert_eq!(body["parameters"], json!({"tags": "p"}));
}

#[test]
fn reserved_words_are_the_events_own_fields() {
    let left = 2;
    let error = std::io::Error::other("declined");
    let body = one(|| {
        emit!(
            "reserved",
            message = "{left} attempts left",
            response = json!({"ok": false}),
            duration = Duration::from_millis(1500),
            error = &error,
            "message" = "a parameter",
            "error" = 1,
        );
    });
    assert_eq!(body["user_intent"], "2 attempts left");
    assert_eq!(body["response"], json!({"ok": false}));
    assert_eq!(body["duration"], 1500);
    assert_eq!(body["is_error"], true);
    assert_eq!(body["error"]["message"], "declined");
    assert_eq!(body["error"]["type"], "std::io::error::Error");
    assert_eq!(body["parameters"], json!({"message": "a parameter", "error": 1}));
}

#[test]
fn a_message_is_any_text() {
    let message = String::from("from a variable {not formatted}");
    assert_eq!(one(|| emit!("m", message))["user_intent"], message);
    assert_eq!(one(|| emit!("m", message = OnlyDisplay))["user_intent"], "shown");
    assert_eq!(one(|| emit!("m", message = debug(OnlyDebug)))["user_intent"], "OnlyDebug");
    assert_eq!(one(|| emit!("m", message = format_args!("{}", 5)))["user_intent"], "5");
}

#[test]
fn an_error_is_described_by_the_best_it_has() {
    let described = |body: Value| body["error"]["message"].clone();
    assert_eq!(described(one(|| emit!("e", error = "text"))), "text");
    assert_eq!(described(one(|| emit!("e", error = OnlyDebug))), "OnlyDebug");
    assert_eq!(described(one(|| emit!("e", error = anyhow::anyhow!("root").context("outer")))), "outer");
    let body = one(|| emit!("e", error = json!({"message": "declined", "code": 402, "issuer": "x"})));
    assert_eq!((&body["error"]["code"], &body["error"]["issuer"]), (&json!(402), &json!("x")));
    let missing: Option<std::io::Error> = None;
    let body = one(|| emit!("e", error = missing));
    assert_eq!(body.get("error"), None);
    assert_ne!(body["is_error"], true);
}

#[test]
fn the_authors_verdict_overrides_the_errors() {
    let body = one(|| emit!("e", is_error = false, error = "tolerated"));
    assert_ne!(body["is_error"], true);
    assert_eq!(body["error"]["message"], "tolerated");
    assert_eq!(one(|| emit!("e", is_error = true))["is_error"], true);
}

#[test]
fn an_event_goes_into_the_session_it_names() {
    let (text, session) = fresh_session();
    let ((), here) = seen(|| {
        emit!("by.handle", session = &session);
        emit!("by.value", session = session.clone());
        emit!("by.text", session = &text);
        emit!("by.project", session = text.as_str(), project = "proj_macros");
    });
    assert!(here.is_empty(), "{here:?}");
    let there: Vec<String> = events_of(&text).into_iter().map(|event| event.name).collect();
    assert_eq!(there.len(), 4, "{there:?}");
}

#[derive(EventData)]
#[event(name = "data.own_name")]
struct Data {
    plan: &'static str,
    #[event(tag)]
    region: &'static str,
    #[event(message)]
    note: &'static str,
}

const DATA: Data = Data { plan: "gold", region: "eu", note: "note" };

#[test]
fn a_value_is_an_event_and_can_be_part_of_one() {
    let body = one(|| emit!(DATA));
    assert_eq!((&body["resource_name"], &body["user_intent"]), (&json!("data.own_name"), &json!("note")));
    assert_eq!(one(|| emit!(&DATA,))["tags"], json!({"region": "eu"}));
    let body = one(|| emit!("named.here", seats = 1, message = "here", ..DATA));
    assert_eq!((&body["resource_name"], &body["user_intent"]), (&json!("named.here"), &json!("here")));
    assert_eq!(body["parameters"], json!({"plan": "gold", "seats": 1}));
    assert_eq!(body["tags"], json!({"region": "eu"}));
    assert_eq!(one(|| emit!(mcpcat::CustomEvent::new("custom")))["resource_name"], "custom");
}

#[test]
fn question_marks_returns_and_awaits_mean_what_they_mean_outside() {
    fn asks(text: &str) -> Result<(), std::num::ParseIntError> {
        emit!("asks", number = text.parse::<u8>()?, message = "asked");
        Ok(())
    }
    assert!(seen(|| asks("x")).1.is_empty());
    assert_eq!(seen(|| asks("5")).1.len(), 1);

    async fn awaits() -> u8 {
        tokio::task::yield_now().await;
        7
    }
    async fn outer() {
        let cell = Cell::new(1);
        emit!("awaits", first = awaits().await, second = debug(awaits().await), third = cell.get());
        emit!(
            "awaits.reserved",
            first = awaits().await,
            duration = Duration::from_millis(awaits().await.into())
        );
    }
    async fn sendable() {
        emit!("sendable", first = awaits().await, second = awaits().await);
    }
    fn send<T: Send>(value: T) -> T {
        value
    }
    let (_, events) = seen(|| block_on(outer()));
    assert_eq!(events[0].body["parameters"], json!({"first": 7, "second": "7", "third": 1}));
    assert_eq!(events[1].body["duration"], 7);
    assert_eq!(seen(|| block_on(send(sendable()))).1.len(), 1);
}

#[test]
#[allow(clippy::unit_cmp, reason = "the unit is what is looked at")]
fn it_is_an_expression_of_unit() {
    let (_, events) = seen(|| {
        let unit: () = emit!("expression");
        match 1 {
            1 => emit!("arm"),
            _ => unit,
        }
        if unit == () {
            emit!("branch")
        }
        let closure = |plan: &str| emit!("closure", plan);
        closure("x");
    });
    assert_eq!(events.len(), 4);
}

#[test]
fn a_value_that_fails_becomes_null_and_the_rest_arrives() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let body = one(|| emit!("fails", before = 1, broken = Fails, after = 2));
    assert_eq!(body["parameters"], json!({"before": 1, "broken": null, "after": 2}));
}

#[test]
fn a_sensitive_key_hides_its_value() {
    let body = one(|| emit!("secret", password = "hunter2", plan = "gold"));
    assert_eq!(body["parameters"]["plan"], "gold");
    assert!(!body.to_string().contains("hunter2"), "{body}");
}

#[test]
fn an_event_inside_an_argument_is_an_event_of_its_own() {
    let inner = || {
        emit!("inner", n = 1);
        2
    };
    let (_, events) = seen(|| emit!("outer", n = inner()));
    let mut names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["inner", "outer"]);
}
