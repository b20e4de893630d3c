//! `#[derive(EventData)]`: a type is an event.

mod expand;
mod model;
mod parse;
mod validate;

use proc_macro2::TokenStream;

use crate::errors::Errors;

/// Parses a struct or an enum and writes its implementation. After errors nothing but them is written: the item itself
/// stands where it stood, since this is a derive.
pub(crate) fn expand(enabled: bool, input: TokenStream) -> TokenStream {
    let input: syn::DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let event = model::Event::read(&input, &mut errors);
    match event {
        Some(event) if errors.is_empty() => {
            if enabled {
                expand::enabled(&event)
            } else {
                expand::disabled(&event)
            }
        }
        // The implementation exists all the same, so that no error follows about its absence.
        Some(event) => {
            let errors = errors.tokens();
            let empty = expand::empty(&event);
            quote::quote!(#errors #empty)
        }
        None => errors.tokens(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn errors(input: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        model::Event::read(&syn::parse2(input).unwrap(), &mut errors);
        errors.messages()
    }

    #[test]
    fn a_struct_records_its_fields() {
        let input = syn::parse2(quote! {
            /// A plan was upgraded.
            #[event(name = "subscription_upgraded", rename_all = "camelCase")]
            struct Upgraded<'a, T> {
                plan_name: &'a str,
                #[event(tag)]
                region: T,
                #[event(redact)]
                email: &'a str,
                #[event(skip)]
                _hidden: (),
                #[event(display, rename = "id")]
                number: u8,
                #[event(flatten)]
                more: std::collections::BTreeMap<String, u8>,
            }
        })
        .unwrap();
        let mut all = Errors::default();
        let event = model::Event::read(&input, &mut all).unwrap();
        assert!(all.is_empty());
        crate::snapshot::check("derive_struct", expand::enabled(&event));
    }

    #[test]
    fn an_enum_names_the_event_by_its_variant() {
        let input = syn::parse2(quote! {
            #[event(prefix = "billing.")]
            enum Billing {
                PlanUpgraded { plan: String },
                Paid(u32, #[event(error)] Option<std::io::Error>),
                #[event(name = "closed")]
                Closed,
            }
        })
        .unwrap();
        let mut all = Errors::default();
        let event = model::Event::read(&input, &mut all).unwrap();
        assert!(all.is_empty());
        crate::snapshot::check("derive_enum", expand::enabled(&event));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(
            errors(quote!(
                #[event(name = "a.{tier}", nam = "x")]
                struct A {
                    #[event(tag, property)]
                    a: u8,
                    #[event(skip, rename = "b")]
                    b: u8,
                    c: u8,
                    #[event(rename = "c")]
                    d: u8,
                }
            ))
            .len(),
            5
        );
        assert_eq!(errors(quote!(union A { a: u8 })).len(), 1);
        assert_eq!(
            errors(quote!(
                #[event(name = "x")]
                enum A {
                    B,
                }
            ))
            .len(),
            1
        );
        assert_eq!(
            errors(quote!(
                struct A(#[event(message)] u8, #[event(message)] u8);
            ))
            .len(),
            1
        );
    }
}
