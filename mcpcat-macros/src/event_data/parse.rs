//! The words inside `#[event(…)]` on types, variants and fields of a derived event.

use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Token};

use crate::entry::skip_to_comma;
use crate::errors::{Errors, suggest};

/// A word with its value, if it has one.
pub(crate) struct Word {
    pub(crate) ident: Ident,
    pub(crate) value: Option<LitStr>,
}

impl Word {
    pub(crate) fn span(&self) -> Span {
        self.ident.span()
    }
}

/// Whether a word stands alone or takes a string.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Text,
}

/// Reads all `#[event(…)]` of an item. `known` are the words that may stand there; `where_` is for the message.
pub(crate) fn words(
    attrs: &[Attribute],
    known: &[(&str, Takes)],
    where_: &str,
    errors: &mut Errors,
) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        let list = match attr.meta.require_list() {
            Ok(list) => list,
            Err(_) => {
                errors.add(syn::Error::new_spanned(
                    attr,
                    format!("write what it says: `#[event({} …)]`", known[0].0),
                ));
                continue;
            }
        };
        let parsed = list.parse_args_with(|input: ParseStream<'_>| {
            while !input.is_empty() {
                match word(input, known, where_) {
                    Ok(word) if words.iter().any(|other| other.ident == word.ident) => {
                        errors.at(word.span(), format!("`{}` is given twice", word.ident));
                    }
                    Ok(word) => words.push(word),
                    Err(error) => {
                        errors.add(error);
                        skip_to_comma(input);
                    }
                }
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        });
        if let Err(error) = parsed {
            errors.add(error);
        }
    }
    words
}

fn word(input: ParseStream<'_>, known: &[(&str, Takes)], where_: &str) -> syn::Result<Word> {
    let ident = input.call(Ident::parse_any)?;
    let text = ident.to_string();
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let Some((_, takes)) = known.iter().find(|(name, _)| *name == text) else {
        return Err(syn::Error::new(
            ident.span(),
            format!("`{text}` means nothing on {where_}; {}", suggest(&text, &names)),
        ));
    };
    match takes {
        Takes::Nothing if input.peek(Token![=]) || input.peek(syn::token::Paren) => {
            Err(input.error(format!("`{text}` takes no value: write `#[event({text})]`")))
        }
        Takes::Nothing => Ok(Word { ident, value: None }),
        Takes::Text => {
            let missing =
                || syn::Error::new(ident.span(), format!("`{text}` takes a string: write `{text} = \"…\"`"));
            input.parse::<Token![=]>().map_err(|_| missing())?;
            let value = input.parse::<LitStr>().map_err(|error| {
                let way = if text == "name" {
                    "an event's name is a literal, so that the catalogue can list it: write `name = \"…\"`; for a name that \
                     is known at run time, `CustomEvent::new(name)` is the way"
                        .to_owned()
                } else {
                    format!("`{text}` takes a string: write `{text} = \"…\"`")
                };
                syn::Error::new(error.span(), way)
            })?;
            Ok(Word { ident, value: Some(value) })
        }
    }
}
