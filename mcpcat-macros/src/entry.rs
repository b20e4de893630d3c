//! `key = value`, `key`, `a.b = value`, `"key" = value`: one field, as `emit!`, `params(…)`, `tags(…)` and
//! `properties(…)` take it.

use proc_macro2::{Span, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, ExprPath, Ident, LitStr, Token};

use crate::value::Value;

/// One field as written.
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) value: Value,
}

/// A key with the way it was written: a quoted one is never a reserved word.
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) span: Span,
    pub(crate) quoted: bool,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let literal: LitStr = input.parse()?;
            if !input.peek(Token![=]) {
                return Err(syn::Error::new(
                    literal.span(),
                    format!("this key has no value: write `\"{}\" = value`", literal.value()),
                ));
            }
            let key = Key { text: literal.value(), span: literal.span(), quoted: true };
            return Ok(Self { key, value: value(input)? });
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected `key = value`, a variable's name, or `\"key\" = value`"));
        }
        let first = Ident::parse_any(input)?;
        let mut text = first.unraw().to_string();
        let mut dotted = false;
        while input.peek(Token![.]) && !input.peek(Token![..]) {
            input.parse::<Token![.]>()?;
            if !input.peek(Ident::peek_any) {
                return Err(input.error(format!("expected the rest of the key `{text}.…`")));
            }
            let part = Ident::parse_any(input)?;
            dotted = true;
            text.push('.');
            text.push_str(&part.unraw().to_string());
        }
        let key = Key { text, span: first.span(), quoted: false };
        if input.peek(Token![=]) && !input.peek(Token![==]) && !input.peek(Token![=>]) {
            return Ok(Self { key, value: value(input)? });
        }
        if dotted {
            let last = key.text.rsplit('.').next().unwrap_or_default();
            let call = if input.peek(syn::token::Paren) { "(…)" } else { "" };
            return Err(syn::Error::new(
                key.span,
                format!("only a variable can stand alone: write `{last} = {}{call}`", key.text),
            ));
        }
        if first == "self" {
            return Err(syn::Error::new(first.span(), "give it a key: write `server = self`"));
        }
        if !(input.is_empty() || input.peek(Token![,])) {
            return Err(unexpected(input, &key.text));
        }
        let path = ExprPath { attrs: Vec::new(), qself: None, path: first.into() };
        Ok(Self { key, value: Value::new(Expr::Path(path)) })
    }
}

/// After a key came something else: say what other macros' notations are here.
fn unexpected(input: ParseStream<'_>, key: &str) -> syn::Error {
    if input.peek(Token![:]) || input.peek(Token![=>]) || input.peek(Token![==]) {
        return input.error(format!("write `{key} = value`"));
    }
    if input.peek(syn::token::Paren) && (key == "debug" || key == "display") {
        return input.error(format!("the text of a value needs a key: write `key = {key}(value)`"));
    }
    input.error(format!("expected `=` or `,` after `{key}`"))
}

fn value(input: ParseStream<'_>) -> syn::Result<Value> {
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(equals.span, "a value is missing after `=`"));
    }
    if input.peek(Token![%]) {
        return Err(input.error("write `key = display(value)`"));
    }
    if input.peek(Token![?]) {
        return Err(input.error("write `key = debug(value)`"));
    }
    Ok(Value::new(input.parse()?))
}

/// Goes on after an error at the next comma, so that what follows is still checked.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

/// Whether the tokens contain the word, at any depth.
pub(crate) fn mentions(tokens: proc_macro2::TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => mentions(group.stream(), word),
        _ => false,
    })
}
