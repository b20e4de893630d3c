//! `#[derive(EventData)]`: each kind of type, each attribute.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use mcpcat::{EventData, emit};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::support::one;

#[derive(EventData)]
#[event(name = "subscription_upgraded")]
struct Upgraded<'a> {
    plan: &'a str,
    seats: u32,
    #[event(tag)]
    region: &'a str,
    #[event(redact)]
    email: NeverSerialised,
}

/// A value that must not be read.
struct NeverSerialised;

impl Serialize for NeverSerialised {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        unreachable!("a redacted value was serialised")
    }
}

#[test]
fn fields_are_parameters() {
    let body = one(|| emit!(Upgraded { plan: "gold", seats: 3, region: "eu", email: NeverSerialised }));
    assert_eq!(body["resource_name"], "subscription_upgraded");
    assert_eq!((&body["parameters"]["plan"], &body["parameters"]["seats"]), (&json!("gold"), &json!(3)));
    assert_eq!(body["tags"], json!({"region": "eu"}));
    assert!(body["parameters"]["email"].is_string(), "a redacted field says that it was there: {body}");
}

#[derive(EventData)]
struct PlanUpgraded;

#[derive(EventData)]
struct Pair(u8, #[event(rename = "second")] &'static str, #[event(skip)] PhantomData<u8>);

#[derive(EventData)]
struct Empty {}

#[test]
fn an_unnamed_type_takes_its_own_name() {
    assert_eq!(one(|| emit!(PlanUpgraded))["resource_name"], "plan_upgraded");
    let body = one(|| emit!(Pair(1, "b", PhantomData)));
    assert_eq!(
        (&body["resource_name"], &body["parameters"]),
        (&json!("pair"), &json!({"0": 1, "second": "b"}))
    );
    assert_eq!(one(|| emit!(Empty {}))["resource_name"], "empty");
}

struct Shown;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shown")
    }
}

#[derive(Debug)]
struct Traced;

#[derive(EventData)]
#[event(name = "everything", rename_all = "camelCase")]
struct Everything {
    plan_name: &'static str,
    #[event(rename = "as is")]
    renamed: u8,
    #[event(property)]
    is_trial: bool,
    #[event(display)]
    by_display: Shown,
    #[event(debug, tag)]
    by_debug: Traced,
    #[event(flatten)]
    rest: BTreeMap<&'static str, u8>,
    #[event(message)]
    note: Option<String>,
    #[event(response)]
    answer: Vec<u8>,
    #[event(duration)]
    took: Duration,
    #[event(error)]
    failure: Option<std::io::Error>,
    #[event(skip)]
    _skipped: NeverSerialised,
    r#type: &'static str,
}

#[test]
fn each_attribute_has_its_place() {
    let event = |failure| Everything {
        plan_name: "gold",
        renamed: 1,
        is_trial: true,
        by_display: Shown,
        by_debug: Traced,
        rest: BTreeMap::from([("more", 2)]),
        note: Some("a note".to_owned()),
        answer: vec![1, 2],
        took: Duration::from_millis(250),
        failure,
        _skipped: NeverSerialised,
        r#type: "x",
    };
    let body = one(|| emit!(event(Some(std::io::Error::other("disk")))));
    assert_eq!(
        body["parameters"],
        json!({"planName": "gold", "as is": 1, "byDisplay": "shown", "more": 2, "type": "x"})
    );
    assert_eq!(body["tags"], json!({"byDebug": "Traced"}));
    assert_eq!(body["properties"]["isTrial"], true);
    assert_eq!(body["user_intent"], "a note");
    assert_eq!(body["response"], json!([1, 2]));
    assert_eq!(body["duration"], 250);
    assert_eq!((&body["is_error"], &body["error"]["message"]), (&json!(true), &json!("disk")));
    assert_ne!(one(|| emit!(event(None)))["is_error"], true);
}

#[derive(EventData)]
#[event(prefix = "billing.", rename_all_fields = "SCREAMING_SNAKE_CASE")]
enum Billing<'a, T: Clone, const N: usize> {
    PlanUpgraded {
        plan_name: &'a str,
    },
    #[event(name = "paid")]
    Paid(T, #[event(tag, rename = "region")] &'a str),
    #[event(rename_all = "kebab-case")]
    Refunded {
        #[event(debug)]
        invoice_number: [u8; N],
    },
    Closed,
}

#[test]
fn a_variant_names_the_event() {
    type Plain<'a> = Billing<'a, u8, 1>;
    let body = one(|| emit!(Plain::PlanUpgraded { plan_name: "gold" }));
    assert_eq!(body["resource_name"], "billing.plan_upgraded");
    assert_eq!(body["parameters"], json!({"PLAN_NAME": "gold"}));
    let body = one(|| emit!(Plain::Paid(5, "eu")));
    assert_eq!((&body["resource_name"], &body["tags"]), (&json!("paid"), &json!({"region": "eu"})));
    let body = one(|| emit!(Plain::Refunded { invoice_number: [7] }));
    assert_eq!(body["parameters"]["invoice-number"], "[7]");
    assert_eq!(one(|| emit!(Plain::Closed))["resource_name"], "billing.closed");
}

#[derive(EventData)]
#[allow(dead_code, reason = "only its implementation is looked at")]
enum Never {}

#[derive(EventData)]
struct Generic<T, U: fmt::Debug, V>
where
    V: Default,
{
    value: Vec<T>,
    #[event(debug)]
    traced: U,
    #[event(skip)]
    _other: V,
}

#[test]
fn only_what_is_serialised_has_to_be_serialisable() {
    struct NotSerialisable;
    impl Default for NotSerialisable {
        fn default() -> Self {
            Self
        }
    }
    fn is_event<T: EventData>(_: &T) {}
    let value = Generic { value: vec![1], traced: Traced, _other: NotSerialisable };
    is_event(&value);
    assert_eq!(one(|| emit!(value))["parameters"], json!({"value": [1], "traced": "Traced"}));
    let _: fn(&Never) = is_event::<Never>;
}
