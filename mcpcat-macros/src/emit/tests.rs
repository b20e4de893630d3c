//! What `emit!` becomes, form by form.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::Parser as _;

use super::{expand, model, parse};
use crate::krate::Krate;
use crate::snapshot::check;

fn parsed(input: TokenStream) -> (model::Emit, Vec<String>) {
    let (emit, errors) = parse::emit.parse2(input).unwrap();
    (emit, errors.messages())
}

fn snapshot(name: &str, input: TokenStream) {
    let (emit, errors) = parsed(input);
    assert!(errors.is_empty(), "{errors:?}");
    let block = expand::enabled(&Krate::default(), emit);
    check(name, quote!(fn f() #block));
}

fn errors(input: TokenStream) -> Vec<String> {
    match parse::emit.parse2(input) {
        Ok((_, errors)) => errors.messages(),
        Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
    }
}

#[test]
fn fields_are_one_array_of_references() {
    let input = quote!(
        "plan.upgraded",
        plan,
        seats = a + b,
        r#type = 1,
        tags.region = "eu",
        properties.x.y = debug(z),
    );
    snapshot("emit", input);
}

#[test]
fn reserved_fields_are_evaluated_outside_the_closure() {
    let input = quote!(
        "paid",
        message = "paid {n}",
        "message" = 1,
        error = &e,
        session = s.clone(),
        project = p,
        duration = d,
        is_error = true,
        response = display(r),
        ..data
    );
    snapshot("emit_reserved", input);
}

#[test]
fn trait_objects_are_made_after_the_last_await() {
    snapshot("emit_await", quote!("x", a = f().await, b = debug(g().await?)));
}

#[test]
fn a_value_is_an_event() {
    snapshot("emit_value", quote!(Upgraded { plan: 1 }));
}

#[test]
fn every_mistake_is_told_at_once() {
    let input =
        quote!("a.{tier}", plan: 1, req.plan, = 2, seats = , seats = %x, ok = 1, ok = 2, tag.a = 1, b c);
    assert_eq!(
        errors(input),
        [
            "event names are constant, so that the catalogue can list them and the timeline can group by them: put \
             the changing part into a parameter",
            "write `plan = value`",
            "only a variable can stand alone: write `plan = req.plan`",
            "expected `key = value`, a variable's name, or `\"key\" = value`",
            "a value is missing after `=`",
            "write `key = display(value)`",
            "did you mean `tags.a`? For a parameter, quote the key",
            "expected `=` or `,` after `b`",
            "the parameter `ok` is given twice",
        ]
    );
}

#[test]
fn a_missing_name_is_told() {
    for input in [quote!(plan = 1), quote!(5), quote!(r"x" + "y", a = 1)] {
        assert_eq!(errors(input.clone()).len(), 1, "{input}");
    }
    assert!(errors(quote!(value, a = 1))[0].starts_with("a value is the whole event"));
    assert!(errors(quote!())[0].starts_with("say what happened"));
    assert!(errors(quote!("x", ..data, a = 1))[0].contains("comes last"));
}

#[test]
fn what_was_right_is_still_written_after_an_error() {
    let output = super::expand(true, quote!($crate; "x", a = good, b = , c = also)).to_string();
    assert!(
        output.contains("good") && output.contains("also") && output.contains("compile_error"),
        "{output}"
    );
}

#[test]
fn without_the_feature_arguments_are_checked_and_nothing_is_run() {
    let (emit, _) = parsed(quote!("x", a, b = debug(c + d), message = "{e}", ..data));
    check("emit_disabled", {
        let block = expand::disabled(emit);
        quote!(fn f() #block)
    });
}
