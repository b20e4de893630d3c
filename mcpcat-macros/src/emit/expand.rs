//! Writes what `emit!` becomes.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Lit};

use super::model::{Emit, Item, Named, Reserved};
use crate::callsite::{self, Callsite, Field, Kind, Name, Place};
use crate::entry::mentions;
use crate::krate::Krate;
use crate::value::{self, Form, Value, here};

/// Without events: the arguments are type-checked and nothing is left of them.
pub(crate) fn disabled(emit: Emit) -> TokenStream {
    let span = Span::mixed_site();
    let values: Vec<TokenStream> = match &emit {
        Emit::Value(value) => vec![value::reference(value)],
        Emit::Named(named) => named
            .items
            .iter()
            .map(|item| match item {
                Item::Reserved(Reserved::Message, value) if literal(&value.expr).is_some() => {
                    let text = literal(&value.expr);
                    quote_spanned!(span=> &::core::format_args!(#text))
                }
                Item::Field(value) | Item::Reserved(_, value) => value.reference(),
                Item::Data(data) => value::reference(data),
            })
            .collect(),
    };
    quote_spanned!(span=> { if false { #(let _ = #values;)* } })
}

/// The block that records the event.
///
/// ```text
/// Input:   emit!("plan.upgraded", plan, seats = a + b)
/// Output:  { callsite! { … }
///            if enabled() { emit(&__MCPCAT_CALLSITE, &[&plan, &(a + b)]); } }
/// ```
pub(crate) fn enabled(krate: &Krate, emit: Emit) -> TokenStream {
    let span = Span::mixed_site();
    let named = match emit {
        Emit::Value(value) => {
            let reference = value::reference(&value);
            let at = here(value.span());
            return quote_spanned!(at=> { if #krate::enabled() { #krate::emit_value(#reference); } });
        }
        Emit::Named(named) => named,
    };
    let Named { name, fields, items } = named;
    let item = Callsite {
        kind: Kind::Emit,
        name: Name::Is(name),
        fields: &fields,
        rule: String::new(),
        doc: String::new(),
    }
    .item(krate);
    let call = if items.iter().all(|item| matches!(item, Item::Field(..))) {
        plain(krate, &fields, &items)
    } else {
        with_reserved(krate, &fields, &items)
    };
    quote_spanned!(span=> { #item if #krate::enabled() { #call } })
}

/// Only fields: their references in one array. Where a value awaits, the trait objects are made after the last await,
/// since they are not `Send`.
fn plain(krate: &Krate, fields: &[Field], items: &[Item]) -> TokenStream {
    let span = Span::mixed_site();
    let site = callsite::ident();
    let values = items.iter().filter_map(|item| match item {
        Item::Field(value) => Some(value),
        _ => None,
    });
    if items.len() > 1 && values.clone().any(|value| mentions(value.expr.to_token_stream(), "await")) {
        let names: Vec<_> =
            items.iter().enumerate().map(|(i, item)| format_ident!("__{i}", span = item.span())).collect();
        let references = values.clone().map(Value::reference);
        let recorded = values
            .zip(&names)
            .zip(fields)
            .map(|((value, name), field)| value.recorded(krate, field.place, name.to_token_stream()));
        return quote_spanned! {span=>
            match (#(#references,)*) { (#(#names,)*) => #krate::emit(&#site, &[#(#recorded),*]) }
        };
    }
    let recorded =
        values.zip(fields).map(|(value, field)| value.recorded(krate, field.place, value.reference()));
    quote_spanned!(span=> #krate::emit(&#site, &[#(#recorded),*]);)
}

/// With the event's own fields. The user's expressions are evaluated outside the closure, in the order in which they
/// were written, so that `?`, `return` and `.await` mean what they mean around `emit!`.
///
/// ```text
/// Input:   emit!("paid", message = "paid {n}", error = &e, session = s, ..data)
/// Output:  match (&&e, Some(s), &data) { (__1, mut __2, __3) => emit_with(&__MCPCAT_CALLSITE, &mut |event| {
///              event.data(__3); event.name(__MCPCAT_CALLSITE.name);
///              event.message(&format_args!("paid {n}"));
///              if let Some(error) = … { event.error(error) }
///              if let Some(session) = __2.take() { event.session(session) }
///          }) }
/// ```
fn with_reserved(krate: &Krate, declared: &[Field], items: &[Item]) -> TokenStream {
    let span = Span::mixed_site();
    let site = callsite::ident();
    let mut evaluated = Vec::new();
    let mut patterns = Vec::new();
    let (mut data, mut fields) = (Vec::new(), Vec::new());
    let mut statements = Vec::new();
    let mut failed = None;
    for (i, item) in items.iter().enumerate() {
        let name = format_ident!("__{i}", span = item.span());
        match item {
            Item::Field(value) => {
                evaluated.push(value.reference());
                patterns.push(quote_spanned!(span=> #name));
                let place = declared[fields.len()].place;
                fields.push(value.recorded(krate, place, name.to_token_stream()));
            }
            Item::Data(value) => {
                evaluated.push(value::reference(value));
                patterns.push(quote_spanned!(span=> #name));
                let at = here(value.span());
                // Recorded first, so that what is written here wins; the name too.
                data.push(quote_spanned!(at=> __event.data(#name); __event.name(#site.name);));
            }
            Item::Reserved(Reserved::Message, value) if literal(&value.expr).is_some() => {
                let text = literal(&value.expr);
                statements.push(quote_spanned!(span=> __event.message(&#krate::format_args!(#text));));
            }
            Item::Reserved(word @ (Reserved::Session | Reserved::Project), value) => {
                let at = here(value.expr.span());
                let expr = &value.expr;
                if *word == Reserved::Session {
                    evaluated.push(quote_spanned!(at=> #krate::Some(#expr)));
                    patterns.push(quote_spanned!(span=> mut #name));
                    statements.push(quote_spanned! {at=>
                        if let #krate::Some(__session) = #name.take() { __event.session(__session); }
                    });
                } else {
                    evaluated.push(value.reference());
                    patterns.push(quote_spanned!(span=> #name));
                    statements.push(quote_spanned!(at=> __event.project(#name);));
                }
            }
            Item::Reserved(word, value) => {
                evaluated.push(value.reference());
                patterns.push(quote_spanned!(span=> #name));
                let at = here(value.expr.span());
                match word {
                    Reserved::Message => {
                        statements.push(match value.form {
                            Form::Plain | Form::Display => quote_spanned!(at=> __event.message(#name);),
                            Form::Debug => {
                                quote_spanned!(at=> __event.message(&#krate::format_args!("{:?}", #name));)
                            }
                        });
                    }
                    Reserved::Response => {
                        let recorded = value.recorded(krate, Place::Parameter, name.to_token_stream());
                        statements.push(quote_spanned!(at=> __event.response(#recorded);));
                    }
                    Reserved::Duration => {
                        statements.push(quote_spanned!(at=> __event.duration_of(#name);));
                    }
                    Reserved::IsError => failed = Some(quote_spanned!(at=> __event.is_error(*#name);)),
                    _ => {
                        let krate = krate.located_at(at);
                        statements.push(quote_spanned! {at=>
                            if let #krate::Some(__error) = #krate::probe::given(#krate::probe::held(#name).failing()) {
                                if let #krate::Some(__error) =
                                    #krate::probe::returned(&__error).failure().of(&__error)
                                {
                                    __event.error(__error);
                                }
                            }
                        });
                    }
                }
            }
        }
    }
    // The author's own verdict overrides the one that an error implies.
    statements.extend(failed);
    let fields =
        (!fields.is_empty()).then(|| quote_spanned!(span=> __event.values(&#site, &[#(#fields),*]);));
    quote_spanned! {span=>
        match (#(#evaluated,)*) {
            (#(#patterns,)*) => #krate::emit_with(&#site, &mut |__event| { #(#data)* #fields #(#statements)* })
        }
    }
}

impl Item {
    /// Where the user wrote the value, so that an error about its type points there.
    fn span(&self) -> Span {
        here(match self {
            Item::Field(value) | Item::Reserved(_, value) => value.expr.span(),
            Item::Data(data) => data.span(),
        })
    }
}

/// A literal message is a format string.
fn literal(expr: &Expr) -> Option<&syn::LitStr> {
    match crate::group::bare_expr(expr) {
        Expr::Lit(ExprLit { lit: Lit::Str(text), attrs }) if attrs.is_empty() => Some(text),
        _ => None,
    }
}
