//! The constant behind each event: what all three macros write into a static and into the catalogue.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, LitStr};

use crate::krate::Krate;
use crate::names;

/// The static's name: visible to the user's expressions, since items are not hygienic, so nobody's own.
pub(crate) fn ident() -> syn::Ident {
    syn::Ident::new("__MCPCAT_CALLSITE", Span::mixed_site())
}

/// One callsite.
pub(crate) struct Callsite<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: Name,
    pub(crate) fields: &'a [Field],
    pub(crate) rule: String,
    pub(crate) doc: String,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Function,
    Emit,
    Data,
}

/// An event's name.
pub(crate) enum Name {
    /// As the user wrote it, or a name made of the type's.
    Is(LitStr),
    /// The module's path with this behind it: what is unnamed takes its own path.
    InModule(String),
}

/// A declared field.
pub(crate) struct Field {
    pub(crate) place: Place,
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) redacted: bool,
    /// The conditions under which the value exists.
    pub(crate) cfgs: Vec<Attribute>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Parameter,
    Tag,
    Property,
}

impl Place {
    /// The word for messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Place::Parameter => "parameter",
            Place::Tag => "tag",
            Place::Property => "property",
        }
    }
}

impl Callsite<'_> {
    /// The static item, registered in the catalogue.
    ///
    /// ```text
    /// callsite! { "plan.upgraded" "E\n\np\"plan\":" }
    /// callsite! { + "::charge" "F slow=250000\nCharges a card.\n" }
    /// ```
    pub(crate) fn item(&self, krate: &Krate) -> TokenStream {
        let span = Span::mixed_site();
        let kind = match self.kind {
            Kind::Function => 'F',
            Kind::Emit => 'E',
            Kind::Data => 'D',
        };
        let name = match &self.name {
            Name::Is(name) => name.to_token_stream(),
            Name::InModule(path) => {
                let path = format!("::{path}");
                quote_spanned!(span=> + #path)
            }
        };
        let mut text = format!("{kind}{}\n{}\n", self.rule, self.doc);
        // The compiler writes into the text whether a condition holds.
        let mut conditional = Vec::new();
        for field in self.fields {
            if !field.cfgs.is_empty() {
                let conditions =
                    field.cfgs.iter().filter_map(|cfg| Some(&cfg.meta.require_list().ok()?.tokens));
                let before = std::mem::take(&mut text);
                conditional.push(quote_spanned!(span=> #before, #krate::cfg!(all(#(#conditions),*)),));
                text.push('?');
            }
            text.push_str(&field.text());
            text.push('\n');
        }
        quote_spanned!(span=> #krate::callsite! { #name #(#conditional)* #text })
    }
}

impl Field {
    /// A letter for the section, in upper case if the value is never to be read, and the key's fragment. A line of its
    /// own: the fragment is escaped.
    fn text(&self) -> String {
        let letter = match (self.place, self.redacted) {
            (Place::Parameter, false) => 'p',
            (Place::Parameter, true) => 'P',
            (Place::Tag, false) => 't',
            (Place::Tag, true) => 'T',
            (Place::Property, false) => 'r',
            (Place::Property, true) => 'R',
        };
        format!("{letter}{}", names::fragment(&self.key))
    }
}

/// Refuses a key that stands twice in one section, and a tag key that the wire would drop.
pub(crate) fn check(fields: &[Field], errors: &mut crate::errors::Errors) {
    for (i, field) in fields.iter().enumerate() {
        let twin =
            |other: &Field| other.place == field.place && other.key == field.key && other.cfgs.is_empty();
        if field.cfgs.is_empty() && fields[..i].iter().any(twin) {
            errors.at(field.span, format!("the {} `{}` is given twice", field.place.word(), field.key));
        }
        if field.key.is_empty() {
            errors.at(field.span, "a key cannot be empty");
        } else if field.place == Place::Tag
            && let Err(problem) = names::check_tag(&field.key)
        {
            errors.at(field.span, problem);
        }
    }
}
