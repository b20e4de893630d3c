//! What a `macro_rules!` fragment (`$t:ty`, `$b:block`, `$e:expr`, `$i:item`) leaves around the tokens that it stood for:
//! a group without delimiters. They are looked through here and nowhere else, so that a function that a macro writes is
//! read like one that a person writes. What is written out again keeps its group: it holds `$e` in `$e * 2` together.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Expr, Type};

/// The type inside fragments and parentheses.
pub(crate) fn bare_type(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// The expression inside fragments. Parentheses stay: a person wrote them.
pub(crate) fn bare_expr(mut expr: &Expr) -> &Expr {
    while let Expr::Group(group) = expr
        && group.attrs.is_empty()
    {
        expr = &group.expr;
    }
    expr
}

/// The braces of a function's body, which may be a `$b:block`.
pub(crate) fn braces(token: &TokenTree) -> Option<Group> {
    let TokenTree::Group(group) = token else { return None };
    match group.delimiter() {
        Delimiter::Brace => Some(group.clone()),
        Delimiter::None => {
            let mut content = group.stream().into_iter();
            let only = content.next().filter(|_| content.next().is_none())?;
            braces(&only)
        }
        _ => None,
    }
}

/// Items with those that came as `$i:item` taken out of their groups. The other fragments at this level, a visibility, a
/// type or a body, do not end as an item does.
pub(crate) fn items(stream: TokenStream) -> TokenStream {
    stream
        .into_iter()
        .flat_map(|token| match &token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None && is_item(group.stream()) => {
                items(group.stream())
            }
            _ => token.into(),
        })
        .collect()
}

fn is_item(stream: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    match &tokens[..] {
        [only] => {
            matches!(only, TokenTree::Group(group) if group.delimiter() == Delimiter::None && is_item(group.stream()))
        }
        [.., TokenTree::Punct(last)] => last.as_char() == ';',
        [.., last] => braces(last).is_some(),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn fragment(content: TokenStream) -> TokenStream {
        TokenTree::Group(Group::new(Delimiter::None, content)).into()
    }

    #[test]
    fn fragments_are_looked_through_at_any_depth() {
        let ty: Type = syn::parse2(fragment(fragment(quote!(u8)))).unwrap();
        assert!(matches!(bare_type(&ty), Type::Path(_)));
        let expr: Expr = syn::parse2(fragment(quote!(1 + 2))).unwrap();
        assert!(matches!(bare_expr(&expr), Expr::Binary(_)));
        let block = fragment(fragment(quote!({ 1 }))).into_iter().next().unwrap();
        assert_eq!(braces(&block).unwrap().to_string(), "{ 1 }");
    }

    #[test]
    fn an_item_is_taken_out_of_its_group_and_a_part_of_one_is_not() {
        let item = quote!(
            fn f() -> u8 {
                1
            }
        );
        assert_eq!(items(fragment(item.clone())).to_string(), item.to_string());
        for part in [quote!(pub), quote!({ 1 }), quote!(impl Fn() -> u8), quote!()] {
            let kept = items(fragment(part)).into_iter().next().unwrap();
            assert!(matches!(kept, TokenTree::Group(_)));
        }
    }
}
