//! The doc comment of an item, for the event catalogue.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The first paragraph, on one line; empty when there is none.
pub(crate) fn first_paragraph(attrs: &[Attribute]) -> String {
    let mut paragraph = String::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        let Meta::NameValue(doc) = &attr.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = crate::group::bare_expr(&doc.value) else {
            continue;
        };
        for line in text.value().lines().map(str::trim) {
            if line.is_empty() && !paragraph.is_empty() {
                return paragraph;
            }
            if !line.is_empty() {
                if !paragraph.is_empty() {
                    paragraph.push(' ');
                }
                paragraph.push_str(line);
            }
        }
        if text.value().trim().is_empty() && !paragraph.is_empty() {
            return paragraph;
        }
    }
    paragraph
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn the_first_paragraph_is_one_line() {
        let item: syn::ItemStruct = parse_quote! {
            /// Charges a card,
            /// once.
            ///
            /// Details.
            struct A;
        };
        assert_eq!(first_paragraph(&item.attrs), "Charges a card, once.");
    }
}
