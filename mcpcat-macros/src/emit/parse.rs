//! The grammar of `emit!`:
//!
//! ```text
//! emit!( NAME [, ITEM]* [, ..DATA] [,] )   or   emit!( VALUE )
//! ITEM = KEY = EXPR | IDENT        KEY = IDENT ('.' IDENT)* | "literal"
//! ```

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Expr, Ident, LitStr, Token};

use super::model::{Emit, Item, Named, Reserved};
use super::validate;
use crate::entry::{Entry, skip_to_comma};
use crate::errors::Errors;
use crate::group::bare_expr;
use crate::krate::Krate;
use crate::names;

/// Takes `$crate ;` off the front.
pub(crate) fn krate(input: TokenStream) -> (Krate, TokenStream) {
    let mut tokens = input.into_iter();
    let path: TokenStream = tokens
        .by_ref()
        .take_while(|token| !matches!(token, TokenTree::Punct(end) if end.as_char() == ';'))
        .collect();
    (Krate::at(path), tokens.collect())
}

/// Everything after it. What cannot be parsed is an error among the others, and parsing goes on at the next comma.
pub(crate) fn emit(input: ParseStream<'_>) -> syn::Result<(Emit, Errors)> {
    let mut errors = Errors::default();
    if input.is_empty() {
        return Err(syn::Error::new(
            Span::call_site(),
            "say what happened: `emit!(\"plan.upgraded\", plan = plan)`, or `emit!(value)` with a value that derives \
             `EventData`",
        ));
    }
    if !(input.peek(LitStr) && (input.peek2(Token![,]) || is_last(input))) {
        return value(input).map(|value| (Emit::Value(value), errors));
    }
    let name: LitStr = input.parse()?;
    if let Err(error) = names::check_name(&name) {
        errors.add(error);
    }
    let mut named = Named { name, fields: Vec::new(), items: Vec::new() };
    let mut reserved: Vec<Reserved> = Vec::new();
    while !input.is_empty() {
        if let Err(error) = input.parse::<Token![,]>() {
            errors.at(error.span(), "expected `,` between fields");
            skip_to_comma(input);
            continue;
        }
        if input.is_empty() {
            break;
        }
        if input.peek(Token![..]) {
            if let Err(error) = data(input, &mut named) {
                errors.add(error);
                skip_to_comma(input);
            }
            continue;
        }
        if let Some(error) = section(input) {
            errors.add(error);
            skip_to_comma(input);
            continue;
        }
        match input.parse::<Entry>() {
            Ok(entry) => validate::item(entry, &mut named, &mut reserved, &mut errors),
            Err(error) => {
                errors.add(error);
                skip_to_comma(input);
            }
        }
    }
    crate::callsite::check(&named.fields, &mut errors);
    Ok((Emit::Named(named), errors))
}

fn is_last(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<LitStr>().is_ok() && ahead.is_empty()
}

/// `emit!(value)`, or a first word that shows that the name is missing.
fn value(input: ParseStream<'_>) -> syn::Result<Expr> {
    const NAME_FIRST: &str = "the event's name comes first, as a literal: `emit!(\"plan.upgraded\", …)`";
    if input.peek(Ident::peek_any) && (input.peek2(Token![=]) && !input.peek2(Token![==])) {
        return Err(input.error(NAME_FIRST));
    }
    let literal = input.peek(syn::Lit);
    let start = input.span();
    let value: Expr = input.parse()?;
    if literal && matches!(value, Expr::Lit(_)) {
        return Err(syn::Error::new(start, NAME_FIRST));
    }
    if input.peek(Token![,]) {
        let comma = input.span();
        input.parse::<Token![,]>()?;
        if !input.is_empty() {
            let named = matches!(bare_expr(&value), Expr::Path(_) | Expr::Field(_) | Expr::Reference(_));
            return Err(if named {
                syn::Error::new_spanned(
                    &value,
                    "a value is the whole event, and a name is a literal, so that the catalogue can list it: write \
                     `emit!(\"plan.upgraded\", …)`; for a name that is known at run time, `CustomEvent::new(name)` is the \
                     way, and for a value and more fields, `emit!(\"name\", key = …, ..value)`",
                )
            } else {
                syn::Error::new(
                    comma,
                    "a value is the whole event; for a value and more fields write `emit!(\"name\", key = …, ..value)`",
                )
            });
        }
    }
    if !input.is_empty() {
        return Err(input.error("expected the end of `emit!`"));
    }
    Ok(value)
}

/// `tags(region = …)`, as `#[event]` takes it.
fn section(input: ParseStream<'_>) -> Option<syn::Error> {
    let word = input.fork().call(Ident::parse_any).ok()?;
    if !(word == "tags" || word == "properties" || word == "params") || !input.peek2(syn::token::Paren) {
        return None;
    }
    let list = |input: ParseStream<'_>| {
        input.call(Ident::parse_any)?;
        let content;
        syn::parenthesized!(content in input);
        let key = content.call(Ident::parse_any);
        content.parse::<TokenStream>()?;
        key
    };
    let key = list(&input.fork()).map_or_else(|_| "key".to_owned(), |key| key.to_string());
    let place = if word == "params" { String::new() } else { format!("{word}.") };
    Some(syn::Error::new(
        word.span(),
        format!("`{word}(…)` belongs into `#[event(…)]`; here write `{place}{key} = …` for each"),
    ))
}

fn data(input: ParseStream<'_>, named: &mut Named) -> syn::Result<()> {
    let dots: Token![..] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new_spanned(
            dots,
            "expected a value after `..`, one that implements `EventData`",
        ));
    }
    named.items.push(Item::Data(input.parse()?));
    let rest = input.fork();
    if rest.parse::<Token![,]>().is_ok() && !rest.is_empty() {
        return Err(rest.error("`..data` comes last"));
    }
    Ok(())
}
