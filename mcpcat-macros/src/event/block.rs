//! `#[event]` on an `impl` block: each method that takes `self`, and what is annotated by itself.
//!
//! The items are taken apart by their first words only; the bodies stay groups of tokens.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::discouraged::Speculative as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Attribute, FnArg, Token, Visibility};

use super::expand as write;
use super::function::Function;
use super::model::{Args, On};
use crate::callsite::Name;
use crate::errors::Errors;
use crate::group::{bare_type, braces, items};

/// Whether the item starts as an `impl` block does.
pub(crate) fn is_block(item: TokenStream) -> bool {
    let parser = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let block = input.peek(Token![impl])
            || (input.peek(Token![unsafe]) || input.peek(Token![default])) && input.peek2(Token![impl]);
        input.parse::<TokenStream>()?;
        Ok(block)
    };
    parser.parse2(items(item)).unwrap_or(false)
}

/// Writes the block with its methods timed.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let args = Args::parse(args, On::Block)?;
    let mut header: Vec<TokenTree> = items(item).into_iter().collect();
    let members = match header.pop() {
        Some(TokenTree::Group(members)) if members.delimiter() == Delimiter::Brace => members,
        other => {
            let span = other.map_or_else(proc_macro2::Span::call_site, |token| token.span());
            return Err(syn::Error::new(span, "expected an `impl` block with its methods"));
        }
    };
    let (site, self_type) = self_type(&header)?;
    let prefix = match &args.name {
        Some(name) => Name::Is(name.clone()),
        None => Name::InModule(self_type),
    };
    let mut errors = Errors::default();
    let parser = |input: ParseStream<'_>| {
        let mut output = TokenStream::new();
        output.extend(input.call(Attribute::parse_inner)?.into_iter().map(ToTokens::into_token_stream));
        while !input.is_empty() {
            member(input, &args, &prefix, site, &mut output, &mut errors)?;
        }
        Ok(output)
    };
    let mut output = parser.parse2(items(members.stream()))?;
    output.extend(errors.tokens());
    let mut group = Group::new(Delimiter::Brace, output);
    group.set_span(members.span());
    Ok(header.into_iter().chain([TokenTree::Group(group)]).collect())
}

/// One member of the block: written as it is, or timed.
fn member(
    input: ParseStream<'_>,
    block: &Args,
    prefix: &Name,
    site: write::Site,
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
                output.extend(write::function(&args, &function, Some(prefix), site)?);
            } else {
                function.to_tokens(output);
            }
            Ok(())
        }
        Err(error) => {
            // A `const fn` nobody asked for is no mistake. Anything else would be missing without a word.
            if explicit {
                errors.add(error);
            } else if !ahead.peek(Token![const]) {
                let message = format!("{error}; to leave this method out write `#[event(skip)]` on it");
                errors.add(syn::Error::new(error.span(), message));
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
            TokenTree::Group(_) => braces(&token).is_some() && ends_in_braces && !first,
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

/// Whether the block is a trait's, and the path of its type without its arguments.
fn self_type(header: &[TokenTree]) -> syn::Result<(write::Site, String)> {
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
        let mut site = write::Site::Inherent;
        if input.parse::<Option<Token![for]>>()?.is_some() {
            ty = input.parse()?;
            site = write::Site::Trait;
        }
        input.parse::<TokenStream>()?;
        Ok((site, ty))
    };
    let (site, ty) = parser.parse2(header.iter().cloned().collect())?;
    Ok((site, type_name(&ty)))
}

/// What a reader calls the type: a path's last word, without what is around it. Any other is written as it is.
fn type_name(ty: &syn::Type) -> String {
    match bare_type(ty) {
        syn::Type::Path(path) if !path.path.segments.is_empty() => {
            path.path.segments.last().map(|last| last.ident.unraw().to_string()).unwrap_or_default()
        }
        syn::Type::Reference(reference) => type_name(&reference.elem),
        syn::Type::Ptr(pointer) => type_name(&pointer.elem),
        other => spelled(other.to_token_stream()),
    }
}

/// Tokens with spaces only where two words meet.
fn spelled(tokens: TokenStream) -> String {
    let mut text = String::new();
    for token in tokens {
        let piece = match &token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                format!("{open}{}{close}", spelled(group.stream()))
            }
            other => other.to_string(),
        };
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if word(text.chars().last()) && word(piece.chars().next()) {
            text.push(' ');
        }
        text.push_str(&piece);
    }
    text
}
