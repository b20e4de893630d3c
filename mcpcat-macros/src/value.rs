//! How a value is recorded: as it is, or as text by `debug(x)` and `display(x)`.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Expr;
use syn::spanned::Spanned as _;

use crate::callsite::Place;
use crate::group::bare_expr;
use crate::krate::Krate;

/// An expression that the user wrote as a field's value.
pub(crate) struct Value {
    /// The expression, without the word around it.
    pub(crate) expr: Expr,
    pub(crate) form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Debug,
    Display,
}

impl Value {
    pub(crate) fn new(expr: Expr) -> Self {
        if let Expr::Call(call) = bare_expr(&expr)
            && let Expr::Path(word) = bare_expr(&call.func)
            && call.args.len() == 1
        {
            let form = if word.path.is_ident("debug") {
                Form::Debug
            } else if word.path.is_ident("display") {
                Form::Display
            } else {
                Form::Plain
            };
            if form != Form::Plain {
                return Self { expr: call.args[0].clone(), form };
            }
        }
        Self { expr, form: Form::Plain }
    }

    /// A reference to the value, of any type.
    pub(crate) fn reference(&self) -> TokenStream {
        reference(&self.expr)
    }

    /// What turns a reference to the value into what is recorded in that place; a reference to that.
    pub(crate) fn recorded(&self, krate: &Krate, place: Place, reference: TokenStream) -> TokenStream {
        let span = here(self.expr.span());
        let krate = krate.located_at(span);
        match self.form {
            Form::Plain if place == Place::Tag => tag_text(&krate, span, reference),
            Form::Plain => reference,
            Form::Debug => quote_spanned!(span=> &#krate::debug(#reference)),
            Form::Display => quote_spanned!(span=> &#krate::display(#reference)),
        }
    }
}

/// A reference to a tag's value, which the compiler refuses if no value of its type is ever text.
pub(crate) fn tag_text(krate: &TokenStream, span: Span, reference: TokenStream) -> TokenStream {
    quote_spanned!(span=> #krate::tag_text(#krate::tag(#reference).text()))
}

/// Borrows what the user wrote, with parentheses only where they are needed.
pub(crate) fn reference(expr: &Expr) -> TokenStream {
    let span = here(expr.span());
    match bare_expr(expr) {
        Expr::Path(_)
        | Expr::Lit(_)
        | Expr::Field(_)
        | Expr::MethodCall(_)
        | Expr::Call(_)
        | Expr::Macro(_)
        | Expr::Index(_)
        | Expr::Paren(_)
        | Expr::Tuple(_)
        | Expr::Array(_)
        | Expr::Reference(_)
        | Expr::Await(_)
        | Expr::Try(_)
        | Expr::Block(_)
        | Expr::Struct(_) => quote_spanned!(span=> &#expr),
        _ => quote_spanned!(span=> &(#expr)),
    }
}

/// The user's place with the hygiene and the lint level of generated code.
pub(crate) fn here(span: Span) -> Span {
    span.resolved_at(Span::mixed_site())
}
