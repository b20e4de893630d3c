//! Writes the implementation of `EventData`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote_spanned};
use syn::{Generics, Ident, Member};

use super::model::{Event, MemberUse, Record, Role, Text};
use crate::callsite::{self, Callsite, Kind, Name, Place};
use crate::krate::Krate;
use crate::value::here;

/// The implementation.
///
/// ```text
/// Input:   struct Upgraded<T> { plan: T, #[event(redact)] email: String }
/// Output:  impl<T: Serialize> EventData for Upgraded<T> {
///              fn record(&self, __fields: &mut Fields) {
///                  callsite! { … }
///                  __fields.name("upgraded");
///                  let Self { plan: __0, .. } = self;
///                  __fields.value(&__MCPCAT_CALLSITE, 0, __0);
///                  __fields.redacted(&__MCPCAT_CALLSITE, 1);
///              }
///          }
/// ```
pub(crate) fn enabled(event: &Event) -> TokenStream {
    let span = Span::mixed_site();
    let krate = &event.krate;
    let body = if event.is_enum && event.records.is_empty() {
        quote_spanned!(span=> match *self {})
    } else if event.is_enum {
        let arms = event.records.iter().map(|record| {
            let variant = record.variant.as_ref();
            let pattern = pattern(record);
            let record = self::record(krate, record);
            quote_spanned!(span=> Self::#variant #pattern => { #record })
        });
        quote_spanned!(span=> match self { #(#arms)* })
    } else {
        event
            .records
            .iter()
            .map(|record| {
                let pattern = pattern(record);
                let read = !record.members.is_empty();
                let bind = read.then(|| quote_spanned!(span=> let Self #pattern = self;));
                let record = self::record(krate, record);
                quote_spanned!(span=> #bind #record)
            })
            .collect()
    };
    let fields = if event.records.is_empty() { format_ident!("_fields") } else { fields() };
    implementation(
        event,
        true,
        quote_spanned!(span=> fn record(&self, #fields: &mut #krate::Fields) { #body }),
    )
}

/// An implementation that records nothing.
pub(crate) fn empty(event: &Event) -> TokenStream {
    let krate = &event.krate;
    implementation(
        event,
        true,
        quote_spanned!(Span::mixed_site()=> fn record(&self, _: &mut #krate::Fields) {}),
    )
}

/// Without events: the type is one all the same, and its fields count as read.
pub(crate) fn disabled(event: &Event) -> TokenStream {
    let span = Span::mixed_site();
    let krate = &event.krate;
    let arms = event.records.iter().map(|record| {
        let variant = record.variant.as_ref().map(|variant| quote_spanned!(span=> ::#variant));
        let pattern = pattern(record);
        let names = record
            .members
            .iter()
            .enumerate()
            .filter(|(_, member)| reads(member))
            .map(|(i, member)| binding(i, member));
        quote_spanned!(span=> Self #variant #pattern => { let _ = (#(#names,)*); })
    });
    let body = if event.records.is_empty() {
        quote_spanned!(span=> match *self {})
    } else {
        quote_spanned!(span=> match self { #(#arms)* })
    };
    implementation(event, false, quote_spanned!(span=> fn record(&self, _: &mut #krate::Fields) { #body }))
}

fn implementation(event: &Event, records: bool, method: TokenStream) -> TokenStream {
    let span = Span::mixed_site();
    let krate = &event.krate;
    let ident = &event.ident;
    let generics = with_bounds(event, records);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, type_generics, _) = event.generics.split_for_impl();
    quote_spanned! {span=>
        #[automatically_derived]
        impl #impl_generics #krate::EventData for #ident #type_generics #where_clause {
            #method
        }
    }
}

/// As serde does: each type parameter that a serialised field mentions has to be `Serialize`.
fn with_bounds(event: &Event, records: bool) -> Generics {
    let mut generics = event.generics.clone();
    if event.serialised.is_empty() || !records {
        return generics;
    }
    let krate = &event.krate;
    let clause = generics.make_where_clause();
    for param in &event.serialised {
        clause.predicates.push(syn::parse_quote!(#param: #krate::serde::Serialize));
    }
    generics
}

fn fields() -> Ident {
    format_ident!("__fields", span = Span::mixed_site())
}

/// The name of a member's value; an error about its type points at the member.
fn binding(index: usize, member: &MemberUse) -> Ident {
    format_ident!("__{index}", span = here(member.span))
}

/// Whether the member's value is looked at.
fn reads(member: &MemberUse) -> bool {
    !matches!(member.role, Role::Redacted(_))
}

/// `{ plan: __0, 1: __1, .. }`: braces do for every kind of struct and variant.
fn pattern(record: &Record) -> TokenStream {
    let span = Span::mixed_site();
    let bindings = record.members.iter().enumerate().map(|(i, member)| {
        let name = &member.member;
        // A redacted field counts as used, or the user would be told that it never is.
        let binding = if reads(member) { binding(i, member) } else { format_ident!("_{i}", span = span) };
        let name = match name {
            Member::Named(ident) => quote_spanned!(span=> #ident),
            Member::Unnamed(index) => {
                let index = syn::Index { index: index.index, span };
                quote_spanned!(span=> #index)
            }
        };
        quote_spanned!(span=> #name: #binding)
    });
    quote_spanned!(span=> { #(#bindings,)* .. })
}

fn record(krate: &Krate, record: &Record) -> TokenStream {
    let span = Span::mixed_site();
    let site = callsite::ident();
    let fields = fields();
    let name = &record.name;
    let item = Callsite {
        kind: Kind::Data,
        name: Name::Is(name.clone()),
        fields: &record.fields,
        rule: String::new(),
        doc: record.doc.clone(),
    }
    .item(krate);
    let statements = record
        .members
        .iter()
        .enumerate()
        .map(|(i, member)| statement(krate, record, member, &binding(i, member)));
    quote_spanned! {span=>
        #item
        #fields.name(#site.name);
        #(#statements)*
    }
}

fn statement(krate: &Krate, record: &Record, member: &MemberUse, value: &Ident) -> TokenStream {
    let at = here(member.span);
    let site = callsite::ident();
    let fields = fields();
    let krate = krate.located_at(at);
    let recorded = match member.text {
        None if matches!(member.role, Role::Field(index) if record.fields[index].place == Place::Tag) => {
            crate::value::tag_text(&krate, at, value.to_token_stream())
        }
        None => quote_spanned!(at=> #value),
        Some(Text::Debug) => quote_spanned!(at=> &#krate::debug(#value)),
        Some(Text::Display) => quote_spanned!(at=> &#krate::display(#value)),
    };
    match &member.role {
        Role::Field(index) => quote_spanned!(at=> #fields.value(&#site, #index, #recorded);),
        Role::Redacted(index) => quote_spanned!(at=> #fields.redacted(&#site, #index);),
        Role::Flatten => quote_spanned!(at=> #fields.parameters(#value);),
        Role::Response => quote_spanned!(at=> #fields.response(#recorded);),
        Role::Message => match member.text {
            Some(Text::Debug) => {
                quote_spanned!(at=> #fields.message(&#krate::format_args!("{:?}", #value));)
            }
            Some(Text::Display) => quote_spanned!(at=> #fields.message(#value);),
            None => quote_spanned! {at=>
                if let #krate::Some(__text) = #krate::ToMessage::to_message(#value) {
                    #fields.message(__text);
                }
            },
        },
        Role::Duration => quote_spanned!(at=> #fields.duration_of(#value);),
        Role::Error => quote_spanned! {at=>
            if let #krate::Some(__error) = #krate::probe::given(#krate::probe::held(#value).failing()) {
                if let #krate::Some(__error) = #krate::probe::returned(&__error).failure().of(&__error) {
                    #fields.error(__error);
                }
            }
        },
    }
}
