//! What annotated functions become, form by form.

use proc_macro2::TokenStream;
use quote::quote;

use super::try_expand;
use crate::snapshot::check;

fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(args, item).unwrap()
}

fn error(args: TokenStream, item: TokenStream) -> String {
    try_expand(args, item).unwrap_err().to_string()
}

#[test]
fn an_async_function_is_timed_around_an_async_block() {
    let item = quote! {
        /// Charges a card.
        pub async fn charge(&self, id: u32) -> Result<Receipt, Error> {
            #![allow(unused)]
            self.card(id).await?.charge()
        }
    };
    check("async", expand(quote!(name = "invoice.charge", params(id), response), item));
}

#[test]
fn a_plain_function_runs_in_a_closure_of_a_known_kind() {
    let item = quote!(
        fn next(&mut self) -> Result<&mut Item, Error> {
            self.items.next()
        }
    );
    check("plain", expand(quote!(error_if = "is_fatal", slow = "250ms", sample = 0.5), item));
}

#[test]
fn a_function_without_a_value_needs_no_outcome() {
    check(
        "unit",
        expand(
            quote!(session = "self.session", message = "at {id}"),
            quote!(
                fn f(id: u8) {
                    g(id)
                }
            ),
        ),
    );
}

#[test]
fn a_type_that_may_be_a_future_is_ended_by_resolution() {
    check(
        "alias",
        expand(
            quote!(name = "a"),
            quote!(
                fn f(id: u8) -> Reply<u8> {
                    g(id)
                }
            ),
        ),
    );
}

#[test]
fn a_boxed_block_is_timed_inside() {
    let item = quote!(
        fn f<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<u8, Error>> + Send + 'a>> {
            Box::pin(async move { self.g().await })
        }
    );
    check("boxed_tail", expand(quote!(name = "a"), item));
}

#[test]
fn any_other_boxed_future_is_boxed_again() {
    check(
        "boxed",
        expand(
            quote!(name = "a"),
            quote!(
                fn f() -> BoxFuture<'static, u8> {
                    ready(1).boxed()
                }
            ),
        ),
    );
}

#[test]
fn an_opaque_future_is_wrapped() {
    check(
        "opaque",
        expand(
            quote!(name = "a", params(x)),
            quote!(
                fn f(x: u8) -> impl Future<Output = u8> {
                    ready(x)
                }
            ),
        ),
    );
}

#[test]
fn a_body_that_must_not_move_stays_beside_a_guard() {
    check(
        "in_place",
        expand(
            quote!(name = "a"),
            quote!(
                #[track_caller]
                fn f() -> u8 {
                    return 1;
                }
            ),
        ),
    );
    check(
        "closure",
        expand(
            quote!(name = "a"),
            quote!(
                fn f() -> impl Fn(u8) -> u8 {
                    |x| x
                }
            ),
        ),
    );
    check(
        "never",
        expand(
            quote!(name = "a"),
            quote!(
                fn f() -> ! {
                    loop {}
                }
            ),
        ),
    );
}

#[test]
fn a_block_annotates_its_methods_and_what_asks_for_it() {
    let item = quote! {
        #[tool_router]
        impl<T: Clone> Billing<T> {
            const LIMIT: Config<{ 1 + 1 }> = { Config };
            type X = u8;
            make! { fn made() {} }
            pub fn new() -> Self { Self }
            const fn limit(&self) -> u8 { 1 }
            #[tool]
            pub async fn upgrade(&self) -> Result<(), Error> { Ok(()) }
            #[event(skip)]
            fn skipped(&self) -> Config<{ 1 + 1 }> { Config }
            #[mcpcat::event(name = "opened", params(id))]
            fn open(id: u8) -> Self { Self }
        }
    };
    check("block", expand(quote!(name = "billing", on = "error"), item));
}

#[test]
fn an_unnamed_block_takes_the_path_of_its_type() {
    check(
        "block_path",
        expand(
            quote!(),
            quote!(
                unsafe impl<T> Run for &mut a::Billing<T> {
                    fn run(&self) {}
                }
            ),
        ),
    );
}

#[test]
fn without_the_feature_the_item_is_returned_token_for_token() {
    let item = quote!(
        /// Docs.
        #[tool]
        pub async fn f(&self, a: u8) -> u8 {
            a
        }
    );
    let output = super::expand(false, quote!(anything = "at all"), item.clone());
    assert_eq!(output.to_string(), item.to_string());
    let half = quote!(fn f() { half. });
    assert_eq!(super::expand(false, quote!(nme), half.clone()).to_string(), half.to_string());
}

#[test]
fn after_an_error_the_item_stays_as_it_was() {
    let item = quote!(fn f() { half. });
    let output = super::expand(true, quote!(nme = "x"), item.clone()).to_string();
    assert!(output.starts_with(&item.to_string()), "{output}");
    assert!(output.contains("did you mean `name`?"), "{output}");
}

#[test]
fn a_half_typed_body_is_passed_on() {
    let output = expand(quote!(name = "x"), quote!(fn f(a: u8) -> u8 { a. })).to_string();
    assert!(output.contains("{ a . }"), "{output}");
}

#[test]
fn what_cannot_be_timed_is_told_so() {
    assert!(
        error(
            quote!(),
            quote!(
                const fn f() {}
            )
        )
        .contains("a `const fn` may run while compiling")
    );
    assert!(
        error(
            quote!(),
            quote!(
                fn f();
            )
        )
        .contains("no body to time")
    );
    assert!(
        error(
            quote!(),
            quote!(
                struct A;
            )
        )
        .contains("derive(mcpcat::EventData)")
    );
    assert!(
        error(
            quote!(),
            quote!(
                pub trait A {}
            )
        )
        .contains("default bodies")
    );
    assert!(
        error(
            quote!(),
            quote!(
                const A: u8 = 1;
            )
        )
        .contains("goes on a function")
    );
    assert!(
        error(
            quote!(skip),
            quote!(
                fn f() {}
            )
        )
        .contains("remove the attribute")
    );
    assert!(error(quote!(params(a)), quote!(impl A { fn f(&self) {} })).contains("belongs to one method"));
}

#[test]
fn a_bad_method_of_a_block_spoils_only_itself() {
    let item = quote!(impl A { #[event(nme = "x")] fn bad(&self) {} fn good(&self) {} });
    let output = expand(quote!(), item).to_string();
    assert!(output.contains("fn bad (& self) { }") && output.contains("A::good"), "{output}");
}

#[test]
fn what_looks_at_a_value_is_refused_where_there_is_none_to_see() {
    let closure = quote!(
        fn f() -> impl Fn(u8) -> u8 {
            |x| x
        }
    );
    let never = quote!(
        fn f() -> ! {
            loop {}
        }
    );
    let tracks = quote!(
        #[track_caller]
        fn f() -> u8 {
            1
        }
    );
    assert!(error(quote!(response), closure.clone()).contains("a function that returns a closure"));
    assert!(error(quote!(ok_if = "f"), never).contains("a function that never returns"));
    assert!(error(quote!(error_if = "f"), tracks).contains("a function that is `#[track_caller]`"));
    let asynchronous = quote!(async #closure);
    assert!(error(quote!(response), asynchronous).starts_with("`response` looks at the returned value"));
}

#[test]
fn a_condition_on_a_parameter_is_left_to_the_compiler() {
    let item = quote!(
        fn f(a: u8, #[cfg(feature = "b")] b: u8, c: u8) {}
    );
    check("conditional", expand(quote!(name = "f", params(a, b, c), slow = "1s", sample = 0.25), item));
}
