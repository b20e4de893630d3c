//! The parameters of a function whose body moves into a closure or an `async` block: all of them go along, used or not,
//! and are dropped there in the order in which the function would have dropped them.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, FnArg, Pat, PatIdent, PatType, ReceiverKind, Signature, Type};

use crate::group::bare_type;
use crate::value::here;

/// The statements that move the parameters, and what they leave of the signature.
pub(crate) struct Params {
    pub(crate) sig: Signature,
    pub(crate) moves: TokenStream,
}

impl Params {
    /// Patterns move into the body, so that what is captured there sees their names.
    ///
    /// ```text
    /// Input:   fn f(mut a: A, (b, _): B, _: C, d: &str)
    /// Output:  fn f(a: A, __arg1: B, __arg2: C, d: &str)
    ///          let mut a = a; let __arg1 = __arg1; let (b, _) = __arg1; let __arg2 = __arg2;
    /// ```
    pub(crate) fn inside(sig: &Signature) -> Self {
        Self::of(sig, true)
    }

    /// Patterns stay in the signature, for what is captured before the body begins; their bindings move.
    pub(crate) fn outside(sig: &Signature) -> Self {
        Self::of(sig, false)
    }

    fn of(sig: &Signature, patterns_move: bool) -> Self {
        let mut sig = sig.clone();
        let mut moves = Moves::default();
        for (index, input) in sig.inputs.iter_mut().enumerate() {
            match input {
                FnArg::Receiver(receiver) => {
                    let keeps = match &receiver.kind {
                        ReceiverKind::Value => false,
                        ReceiverKind::Typed(_, ty) => has_no_drop(ty),
                        _ => true,
                    };
                    if !keeps {
                        let this = &receiver.self_token;
                        // A whole `self` is captured where a whole one is mentioned.
                        moves.first = quote_spanned!(Span::mixed_site()=> let _ = &#this;);
                    }
                }
                FnArg::Typed(typed) => typed_param(index, typed, patterns_move, &mut moves),
            }
        }
        Self { sig, moves: moves.into_tokens() }
    }
}

fn typed_param(index: usize, typed: &mut PatType, patterns_move: bool, moves: &mut Moves) {
    if has_no_drop(&typed.ty) {
        return;
    }
    let moved: Vec<Attribute> = typed.attrs.iter().filter(|attr| is_copied(attr)).cloned().collect();
    let name = || {
        let span = here(syn::spanned::Spanned::span(&typed.pat));
        format_ident!("__arg{index}", span = span)
    };
    match &*typed.pat {
        Pat::Ident(PatIdent { by_ref: None, subpat: None, mutability, ident, .. }) => {
            let (mutability, ident) = (*mutability, ident.clone());
            moves.push(
                moved,
                quote_spanned!(Span::mixed_site()=> #mutability #ident),
                ident.to_token_stream(),
            );
            *typed.pat = Pat::Ident(PatIdent {
                attrs: Vec::new(),
                by_ref: None,
                mutability: None,
                ident,
                subpat: None,
            });
        }
        Pat::Wild(_) => {
            let name = name().to_token_stream();
            moves.push(moved, name.clone(), name.clone());
            *typed.pat = Pat::Verbatim(name);
        }
        pattern if patterns_move => {
            let name = name().to_token_stream();
            moves.push(moved.clone(), name.clone(), name.clone());
            moves.push(moved, pattern.to_token_stream(), name.clone());
            *typed.pat = Pat::Verbatim(name);
        }
        _ => {
            let mut bindings = Bindings::default();
            bindings.visit_pat_mut(&mut typed.pat);
            for (mutable, ident) in bindings.0 {
                let mutable = mutable.then(|| quote_spanned!(ident.span()=> mut));
                let pattern = quote_spanned!(Span::mixed_site()=> #mutable #ident);
                moves.push(moved.clone(), pattern, ident.to_token_stream());
            }
        }
    }
    // What a lint was told about the parameter is now about the variable in the body.
    typed.attrs.retain(|attr| !is_lint(attr));
}

/// Takes the bindings of a pattern, which is left with none that are `mut`.
#[derive(Default)]
struct Bindings(Vec<(bool, syn::Ident)>);

impl VisitMut for Bindings {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        let mutable = pat.by_ref.is_none() && pat.mutability.take().is_some();
        // A constant's or a unit variant's name is written as one of these, too: in capitals.
        if pat.by_ref.is_some() || !pat.ident.to_string().starts_with(char::is_uppercase) {
            self.0.push((mutable, pat.ident.clone()));
        }
        visit_mut::visit_pat_ident_mut(self, pat);
    }
}

/// The moves so far.
#[derive(Default)]
struct Moves {
    first: TokenStream,
    each: Vec<(Vec<Attribute>, TokenStream, TokenStream)>,
}

impl Moves {
    fn push(&mut self, attrs: Vec<Attribute>, pattern: TokenStream, value: TokenStream) {
        self.each.push((attrs, pattern, value));
    }

    fn into_tokens(self) -> TokenStream {
        let span = Span::mixed_site();
        let mut tokens = self.first;
        for (attrs, pattern, value) in self.each {
            // The names are the user's, so lints against shadowing look at them.
            tokens.extend(quote_spanned! {span=>
                #(#attrs)*
                #[allow(clippy::shadow_same)]
                let #pattern = #value;
            });
        }
        tokens
    }
}

fn is_lint(attr: &Attribute) -> bool {
    ["allow", "warn", "deny", "forbid", "expect"].iter().any(|lint| attr.path().is_ident(lint))
}

fn is_copied(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || is_lint(attr)
}

/// Types of which nothing happens at their end: references, and the language's own scalars.
fn has_no_drop(ty: &Type) -> bool {
    const SCALARS: [&str; 17] = [
        "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128",
        "isize", "f32", "f64", "str",
    ];
    match bare_type(ty) {
        Type::Reference(_) | Type::Ptr(_) | Type::FnPtr(_) | Type::Never(_) => true,
        Type::Path(path) => SCALARS.iter().any(|scalar| path.path.is_ident(scalar)),
        _ => false,
    }
}
