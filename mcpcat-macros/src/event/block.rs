//! `#[event]` on an `impl` block: each method that takes `self`, and what is annotated by itself.
//!
//! The items are taken apart by their first words only; the bodies stay groups of tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, FnArg, Token, Visibility};

use super::args::{Args, On};
use super::expand as write;
use super::function::Function;
use crate::callsite::Name;
use crate::errors::Errors;

/// Whether the item starts as an `impl` block does.
pub(crate) fn is_block(item: TokenStream) -> bool {
    let parser = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let block = input.peek(Token![impl])
            || (input.peek(Token![unsafe]) || input.peek(Token![default])) && input.peek2(Token![impl]);
        input.parse::<TokenStream>()?;
        Ok(block)
    };
    parser.parse2(item).unwrap_or(false)
}

/// Writes the block with its methods timed.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let args = Args::parse(args, On::Block)?;
    let mut header: Vec<TokenTree> = item.into_iter().collect();
    let items = match header.pop() {
        Some(TokenTree::Group(items)) if items.delimiter() == Delimiter::Brace => items,
        other => {
            let span = other.map_or_else(proc_macro2::Span::call_site, |token| token.span());
            return Err(syn::Error::new(span, "expected an `impl` block with its methods"));
        }
    };
    let prefix = match &args.name {
        Some(name) => Name::Is(name.clone()),
        None => Name::InModule(self_type(&header)),
    };
    let mut errors = Errors::default();
    let parser = |input: ParseStream<'_>| {
        let mut output = TokenStream::new();
        output.extend(input.call(Attribute::parse_inner)?.into_iter().map(ToTokens::into_token_stream));
        while !input.is_empty() {
            member(input, &args, &prefix, &mut output, &mut errors)?;
        }
        Ok(output)
    };
    let mut output = parser.parse2(items.stream())?;
    output.extend(errors.tokens());
    let mut group = Group::new(Delimiter::Brace, output);
    group.set_span(items.span());
    Ok(header.into_iter().chain([TokenTree::Group(group)]).collect())
}

/// One member of the block: written as it is, or timed.
fn member(
    input: ParseStream<'_>,
    block: &Args,
    prefix: &Name,
    output: &mut TokenStream,
    errors: &mut Errors,
) -> syn::Result<()> {
    let ahead = input.fork();
    let mut attrs = ahead.call(Attribute::parse_outer)?;
    let vis: Visibility = ahead.parse()?;
    if !is_function(&ahead) {
        return copy(input, output);
    }
    let own = attrs.iter().position(is_event).map(|at| attrs.remove(at));
    let explicit = own.is_some();
    let mut args = match own.as_ref().map(own_args).unwrap_or_else(|| Ok(Args::default())) {
        Ok(args) => args,
        Err(error) => {
            // The method stays, without the attribute that would say it all again.
            errors.add(error);
            attrs.iter().for_each(|attr| attr.to_tokens(output));
            vis.to_tokens(output);
            input.advance_to(&ahead);
            return copy(input, output);
        }
    };
    if args.skip.is_some() {
        attrs.iter().for_each(|attr| attr.to_tokens(output));
        vis.to_tokens(output);
        input.advance_to(&ahead);
        return copy(input, output);
    }
    let rest = ahead.fork();
    match Function::after_vis(attrs.clone(), vis.clone(), &rest) {
        Ok(function) => {
            input.advance_to(&rest);
            if explicit || matches!(function.sig.inputs.first(), Some(FnArg::Receiver(_))) {
                args.inherit(block);
                output.extend(write::function(&args, &function, Some(prefix))?);
            } else {
                function.to_tokens(output);
            }
            Ok(())
        }
        Err(error) => {
            // A `const fn` nobody asked for is no mistake.
            if explicit {
                errors.add(error);
            }
            attrs.iter().for_each(|attr| attr.to_tokens(output));
            vis.to_tokens(output);
            input.advance_to(&ahead);
            copy(input, output)
        }
    }
}

/// `#[event]`, `#[event(…)]`, `#[mcpcat::event(…)]`.
fn is_event(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|last| last.ident == "event")
}

fn own_args(attr: &Attribute) -> syn::Result<Args> {
    match &attr.meta {
        syn::Meta::Path(_) => Ok(Args::default()),
        syn::Meta::List(list) => Args::parse(list.tokens.clone(), On::Method),
        syn::Meta::NameValue(_) => Err(syn::Error::new_spanned(attr, "write `#[event(name = \"…\")]`")),
    }
}

/// Whether a function starts here.
fn is_function(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    loop {
        if ahead.peek(Token![fn]) {
            return true;
        }
        if ahead.peek(Token![extern]) {
            let _ = ahead.parse::<syn::Abi>();
        } else if ahead.peek(Token![const])
            || ahead.peek(Token![async])
            || ahead.peek(Token![unsafe])
            || ahead.peek(Token![default])
        {
            let _ = ahead.parse::<TokenTree>();
        } else if ahead.peek(syn::Ident) && ahead.peek2(Token![fn]) {
            // `safe fn`, and whatever word comes next.
            return true;
        } else {
            return false;
        }
    }
}

/// Copies one member: up to its `;`, or to the braces of a function or of a macro.
fn copy(input: ParseStream<'_>, output: &mut TokenStream) -> syn::Result<()> {
    let mut ends_in_braces = true;
    let mut first = true;
    while !input.is_empty() {
        if input.peek(Token![const]) || input.peek(Token![type]) {
            let constant = input.peek(Token![type]) || !is_function(input);
            ends_in_braces &= !constant;
        }
        let token: TokenTree = input.parse()?;
        let end = match &token {
            TokenTree::Punct(punct) => punct.as_char() == ';',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace && ends_in_braces && !first,
            _ => false,
        };
        first = false;
        output.extend([token]);
        if end {
            break;
        }
    }
    Ok(())
}

/// The path of the type behind `impl … for`, without its arguments.
fn self_type(header: &[TokenTree]) -> String {
    let parser = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![default]>>()?;
        input.parse::<Option<Token![unsafe]>>()?;
        input.parse::<Token![impl]>()?;
        if input.peek(Token![<]) {
            input.parse::<syn::Generics>()?;
        }
        input.parse::<Option<Token![!]>>()?;
        let mut ty: syn::Type = input.parse()?;
        if input.parse::<Option<Token![for]>>()?.is_some() {
            ty = input.parse()?;
        }
        input.parse::<TokenStream>()?;
        Ok(ty)
    };
    let ty = match parser.parse2(header.iter().cloned().collect()) {
        Ok(syn::Type::Path(path)) => path.path.segments.last().map(|last| last.ident.to_string()),
        Ok(syn::Type::Reference(reference)) => match *reference.elem {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        },
        _ => None,
    };
    ty.unwrap_or_else(|| "impl".to_owned())
}
