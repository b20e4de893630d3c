//! A function as `#[event]` sees it: its signature parsed, its body one group of tokens.
//!
//! The body is not parsed: that is slow, and a half-typed one has to survive.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Signature, Token, Visibility};

use crate::group::{braces, items};

/// A function with a body.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) default: Option<Token![default]>,
    pub(crate) sig: Signature,
    pub(crate) body: Group,
}

impl Function {
    /// Parses an item, or says why `#[event]` cannot stand on it.
    pub(crate) fn parse(item: TokenStream) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            let attrs = input.call(Attribute::parse_outer)?;
            let vis: Visibility = input.parse()?;
            let function = Self::after_vis(attrs, vis, input)?;
            if !input.is_empty() {
                return Err(input.error("expected the end of the function"));
            }
            Ok(function)
        };
        parser.parse2(items(item))
    }

    /// Parses what comes behind the visibility.
    pub(crate) fn after_vis(
        attrs: Vec<Attribute>,
        vis: Visibility,
        input: ParseStream<'_>,
    ) -> syn::Result<Self> {
        if let Some(error) = not_a_function(input) {
            return Err(error);
        }
        let default: Option<Token![default]> = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(syn::Error::new_spanned(
                &sig.ident,
                "there is no body to time: put `#[event]` on the implementations, or give the method a default body",
            ));
        }
        let token = input.parse::<TokenTree>()?;
        let body =
            braces(&token).ok_or_else(|| syn::Error::new(token.span(), "expected the function's body"))?;
        if let Some(constness) = &sig.constness {
            return Err(syn::Error::new_spanned(
                constness,
                "a `const fn` may run while compiling, where nothing can be recorded: remove `const` or `#[event]`",
            ));
        }
        Ok(Self { attrs, vis, default, sig, body })
    }
}

/// A clear word about the items that are no functions.
fn not_a_function(input: ParseStream<'_>) -> Option<syn::Error> {
    let mut message = None;
    if input.peek(Token![struct]) || input.peek(Token![enum]) || input.peek(Token![union]) {
        message = Some(
            "`#[event]` times a function; for a type write `#[derive(mcpcat::EventData)]`, above its `#[event(…)]`",
        );
    } else if input.peek(Token![trait]) || (input.peek(Token![unsafe]) && input.peek2(Token![trait])) {
        message = Some("`#[event]` goes on a trait's methods with default bodies, or on the `impl` blocks");
    } else if input.peek(Token![mod]) {
        message = Some("`#[event]` goes on a function or an `impl` block: annotate those inside the module");
    } else if is_value_or_name(input) {
        message = Some("`#[event]` goes on a function or an `impl` block");
    } else if input.peek(syn::Ident::peek_any) && input.peek2(Token![!]) {
        message = Some("`#[event]` cannot see into a macro: put it on the function that the macro writes");
    }
    message.map(|message| input.error(message))
}

/// `let`, `static`, `use`, `type`, and a `const` that is no function's.
fn is_value_or_name(input: ParseStream<'_>) -> bool {
    let constant = input.peek(Token![const])
        && !input.peek2(Token![fn])
        && !input.peek2(Token![async])
        && !input.peek2(Token![unsafe])
        && !input.peek2(Token![extern]);
    constant
        || input.peek(Token![let])
        || input.peek(Token![static])
        || input.peek(Token![use])
        || input.peek(Token![type])
}

/// The whole function, as it was.
impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, default, sig, body } = self;
        for attr in attrs {
            attr.to_tokens(tokens);
        }
        vis.to_tokens(tokens);
        default.to_tokens(tokens);
        sig.to_tokens(tokens);
        body.to_tokens(tokens);
    }
}

/// Splits the inner attributes (`#![allow(…)]`) off a body, whose braces keep their place and their edition.
pub(crate) fn inner_attributes(body: &Group) -> (TokenStream, Group) {
    let mut inner = TokenStream::new();
    let mut tokens = body.stream().into_iter().peekable();
    loop {
        let mut ahead = tokens.clone();
        let (Some(TokenTree::Punct(pound)), Some(TokenTree::Punct(bang)), Some(TokenTree::Group(attribute))) =
            (ahead.next(), ahead.next(), ahead.next())
        else {
            break;
        };
        if pound.as_char() != '#' || bang.as_char() != '!' || attribute.delimiter() != Delimiter::Bracket {
            break;
        }
        inner.extend([TokenTree::Punct(pound), TokenTree::Punct(bang), TokenTree::Group(attribute)]);
        tokens = ahead;
    }
    let mut rest = Group::new(Delimiter::Brace, tokens.collect());
    rest.set_span(body.span());
    (inner, rest)
}

/// A name that may be a parameter's, without `r#`.
pub(crate) fn plain_ident(sig: &Signature) -> String {
    sig.ident.unraw().to_string()
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis: Visibility = input.parse()?;
        Self::after_vis(attrs, vis, input)
    }
}
