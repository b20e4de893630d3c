//! `#[event]`: each call of a function is an event.

mod block;
mod expand;
mod function;
mod model;
mod params;
mod parse;
mod returns;
mod validate;

use proc_macro2::TokenStream;

use model::{Args, On};

/// Parses the arguments and the item, and writes the item with its body timed. After an error the item is written as it
/// was, with the error behind it, so that nothing else breaks and completion goes on working.
pub(crate) fn expand(enabled: bool, args: TokenStream, item: TokenStream) -> TokenStream {
    if !enabled {
        return item;
    }
    match try_expand(args, item.clone()) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.to_compile_error();
            quote::quote!(#item #error)
        }
    }
}

fn try_expand(args: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if block::is_block(item.clone()) {
        return block::expand(args, item);
    }
    let args = Args::parse(args, On::Function);
    let function = function::Function::parse(item);
    match (args, function) {
        (Ok(args), Ok(function)) => expand::function(&args, &function, None, expand::Site::Alone),
        (Err(mut one), Err(two)) => {
            one.combine(two);
            Err(one)
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
