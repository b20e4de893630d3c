//! The constant behind each event: what all three macros write into a static and into the catalogue.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
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
    pub(crate) rule: TokenStream,
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
    /// callsite! { Emit = "plan.upgraded" "p\"plan\":" }
    /// callsite! { Function + "::charge" "" .doc("Charges a card.") }
    /// ```
    pub(crate) fn item(&self, krate: &Krate) -> TokenStream {
        let span = Span::mixed_site();
        let kind = match self.kind {
            Kind::Function => quote_spanned!(span=> Function),
            Kind::Emit => quote_spanned!(span=> Emit),
            Kind::Data => quote_spanned!(span=> Data),
        };
        let name = match &self.name {
            Name::Is(name) => quote_spanned!(span=> = #name),
            Name::InModule(path) => {
                let path = format!("::{path}");
                quote_spanned!(span=> + #path)
            }
        };
        // Where conditions decide which fields there are, they are a list.
        let conditional = self.fields.iter().any(|field| !field.cfgs.is_empty());
        let mut lines = String::new();
        let list = conditional.then(|| {
            let fields = self.fields.iter().map(|field| {
                let (cfgs, text) = (&field.cfgs, field.text());
                quote_spanned!(span=> #(#cfgs)* #text)
            });
            quote_spanned!(span=> .fields_of(&[#(#fields),*]))
        });
        if !conditional {
            let texts: Vec<String> = self.fields.iter().map(Field::text).collect();
            lines = texts.join("\n");
        }
        let rule = &self.rule;
        let doc = (!self.doc.is_empty()).then(|| {
            let doc = &self.doc;
            quote_spanned!(span=> .doc(#doc))
        });
        quote_spanned!(span=> #krate::callsite! { #kind #name #lines #list #rule #doc })
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
