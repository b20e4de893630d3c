//! The macros where nothing has its usual name.

#![allow(clippy::just_underscores_and_digits, reason = "names that generated code might use")]

use serde_json::json;

use crate::support::{block_on, one};

/// Everything the prelude has, as something else.
mod shadowed {
    #![allow(
        unused_macros,
        unused_variables,
        dead_code,
        non_camel_case_types,
        non_snake_case,
        reason = "the names are taken on purpose"
    )]

    pub(super) struct Result;
    pub(super) struct Option;
    pub(super) struct Some;
    pub(super) struct None;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct String;
    pub(super) struct Vec;
    pub(super) struct Box;
    pub(super) struct Send;
    pub(super) struct Call;
    pub(super) struct Split;
    pub(super) struct Returned;
    pub(super) struct str;
    pub(super) struct bool;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod mcpcat_runtime {}

    macro_rules! module_path {
        () => {
            compile_error!("the user's own macro was called")
        };
    }
    macro_rules! format_args {
        ($($t:tt)*) => {
            compile_error!("the user's own macro was called")
        };
    }
    macro_rules! concat {
        ($($t:tt)*) => {
            compile_error!("the user's own macro was called")
        };
    }

    #[mcpcat::event(params(a), response, message = "{a}", slow = "0s")]
    pub(super) fn plain(a: u8) -> u8 {
        a
    }

    #[mcpcat::event]
    pub(super) async fn asynchronous(a: u8) -> ::core::result::Result<u8, &'static ::core::primitive::str> {
        ::core::result::Result::Err("shadowed")
    }

    #[mcpcat::event]
    pub(super) fn boxed() -> ::std::pin::Pin<::std::boxed::Box<dyn ::core::future::Future<Output = u8>>> {
        ::std::boxed::Box::pin(::core::future::ready(1))
    }

    #[derive(mcpcat::EventData)]
    pub(super) struct Event<'a> {
        pub(super) plan: &'a ::core::primitive::str,
        #[event(message)]
        pub(super) note: &'a ::core::primitive::str,
        #[event(error)]
        pub(super) error: ::core::option::Option<&'a ::core::primitive::str>,
    }

    pub(super) fn emits(a: u8) {
        mcpcat::emit!("shadowed", a, b = debug(a), message = "{a}", error = "e", session = "shadowed");
        mcpcat::emit!("shadowed", a, b = display(a));
    }
}

#[no_implicit_prelude]
mod without_prelude {
    #[::mcpcat::event(params(a))]
    pub(super) fn plain(a: u8) -> u8 {
        a
    }

    #[::mcpcat::event(response, error_if = "|n| *n == 0")]
    pub(super) async fn asynchronous(a: u8) -> u8 {
        a
    }

    #[derive(::mcpcat::EventData)]
    pub(super) enum Event {
        Unit,
        Named { plan: u8 },
    }

    pub(super) fn emits(a: u8) {
        ::mcpcat::emit!("bare", a, b = debug(a));
        ::mcpcat::emit!("bare", message = "{a}");
        ::mcpcat::emit!(Event::Unit);
        ::mcpcat::emit!(Event::Named { plan: a });
    }
}

#[test]
fn no_name_of_the_users_is_used() {
    assert_eq!(one(|| shadowed::plain(3))["parameters"], json!({"a": 3}));
    assert_eq!(one(|| block_on(shadowed::asynchronous(3)))["error"]["message"], "shadowed");
    assert_eq!(one(|| block_on(shadowed::boxed()))["resource_name"], "macros::hygiene::shadowed::boxed");
    let event = shadowed::Event { plan: "gold", note: "n", error: None };
    assert_eq!(one(|| mcpcat::emit!(event))["parameters"], json!({"plan": "gold"}));
    assert_eq!(crate::support::seen(|| shadowed::emits(1)).1.len(), 1);
    assert_eq!(one(|| without_prelude::plain(1))["parameters"], json!({"a": 1}));
    assert_eq!(one(|| block_on(without_prelude::asynchronous(0)))["is_error"], true);
    assert_eq!(crate::support::seen(|| without_prelude::emits(1)).1.len(), 4);
}

/// A library that passes the macros on.
mod my_library {
    pub(crate) use mcpcat as analytics;
}

mod renamed {
    use mcpcat::{EventData as Data, emit as track_event, event as traced};

    #[traced(crate = "crate::hygiene::my_library::analytics", name = "renamed")]
    pub(super) fn call() {}

    #[derive(Data)]
    #[event(crate = "crate::hygiene::my_library::analytics")]
    pub(super) struct Renamed;

    pub(super) fn emits() {
        track_event!("renamed.emit", a = 1);
        super::my_library::analytics::emit!(Renamed);
    }
}

#[test]
fn the_macros_work_under_other_names() {
    assert_eq!(one(renamed::call)["resource_name"], "renamed");
    assert_eq!(crate::support::seen(renamed::emits).1.len(), 2);
}

#[test]
fn names_of_generated_code_are_invisible() {
    #[mcpcat::event(params(__call, __ret, __fields), response)]
    fn same_names(__call: u8, __ret: u8, __fields: u8) -> u8 {
        let __error = __call;
        __error + __ret + __fields
    }
    let body = one(|| same_names(1, 2, 3));
    assert_eq!(body["parameters"], json!({"__call": 1, "__ret": 2, "__fields": 3}));
    assert_eq!(body["response"], 6);
    let (__0, __1, __event) = (1, 2, 3);
    let body = one(|| mcpcat::emit!("same", a = __1, b = __0, c = __event, message = "{__0}{__1}{__event}"));
    assert_eq!(
        (&body["parameters"], &body["user_intent"]),
        (&json!({"a": 2, "b": 1, "c": 3}), &json!("123"))
    );
}

/// A user who forbids unsafe code annotates too: the callsite's section is the macro's affair.
mod forbids {
    #![forbid(unsafe_code)]

    #[mcpcat::event(params(a))]
    pub(super) fn plain(a: u8) -> u8 {
        mcpcat::emit!("forbids", a);
        a
    }
}

#[test]
fn unsafe_code_may_be_forbidden() {
    assert_eq!(crate::support::seen(|| forbids::plain(1)).1.len(), 2);
}

/// Restriction lints that look at what the macros write: a user's own code may be held to them.
mod strict {
    #![deny(
        clippy::absolute_paths,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::as_conversions,
        clippy::default_numeric_fallback,
        clippy::else_if_without_else,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::let_underscore_must_use,
        clippy::let_underscore_untyped,
        clippy::panic,
        clippy::pattern_type_mismatch,
        clippy::question_mark_used,
        clippy::redundant_type_annotations,
        clippy::ref_patterns,
        clippy::semicolon_outside_block,
        clippy::shadow_reuse,
        clippy::shadow_same,
        clippy::shadow_unrelated,
        clippy::std_instead_of_core,
        clippy::unreachable,
        clippy::unwrap_used,
        clippy::used_underscore_binding
    )]

    #[mcpcat::event(params(amount), response, error_if = "|_| false")]
    pub(super) fn plain(amount: u8) -> u8 {
        amount
    }

    #[mcpcat::event(params(amount), response, message = "{amount}")]
    pub(super) async fn asynchronous(amount: u8) -> Result<u8, &'static str> {
        Ok(amount)
    }

    #[derive(mcpcat::EventData)]
    pub(super) struct Event {
        pub(super) amount: u8,
    }

    pub(super) fn emits(amount: u8) {
        mcpcat::emit!("strict", amount, message = "{amount}", error = "none");
        mcpcat::emit!(Event { amount });
    }
}

#[test]
fn a_strict_users_code_stays_clean() {
    assert_eq!(one(|| strict::plain(1))["response"], 1);
    assert_eq!(one(|| block_on(strict::asynchronous(2)))["response"], 2);
    assert_eq!(crate::support::seen(|| strict::emits(3)).1.len(), 2);
}
