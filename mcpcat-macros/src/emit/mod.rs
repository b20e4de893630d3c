//! `emit!`: an event in one line.

mod expand;
mod model;
mod parse;
mod validate;

use proc_macro2::TokenStream;

/// Parses `$crate; NAME, …` and writes the block that records the event. After errors, what could be parsed is still
/// written, so that everything is checked at once.
pub(crate) fn expand(enabled: bool, input: TokenStream) -> TokenStream {
    let (krate, input) = parse::krate(input);
    match syn::parse::Parser::parse2(parse::emit, input) {
        Ok((emit, errors)) => {
            let errors = errors.tokens();
            let code = if enabled { expand::enabled(&krate, emit) } else { expand::disabled(emit) };
            if errors.is_empty() { code } else { quote::quote!({ #errors #code }) }
        }
        Err(error) => error.to_compile_error(),
    }
}

#[cfg(test)]
mod tests;
