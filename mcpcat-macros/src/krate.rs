//! Where the generated code finds the runtime: through the user's path to `mcpcat`, and never through the prelude.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

/// The path of the hidden module that generated code goes through.
#[derive(Clone)]
pub(crate) struct Krate(TokenStream);

impl Krate {
    /// From a `$crate` that a `macro_rules!` shim passed on, or a path the user wrote.
    pub(crate) fn at(path: impl ToTokens) -> Self {
        let private = private();
        Self(quote_spanned!(Span::mixed_site()=> #path::#private))
    }
}

/// The hidden module's name, with the version of the macros in it: what another version writes is not found, and the
/// error shows both versions.
pub(crate) fn private() -> Ident {
    Ident::new(
        &format!("__private_{}", env!("CARGO_PKG_VERSION").replace(['.', '-', '+'], "_")),
        Span::mixed_site(),
    )
}

impl Krate {
    /// The same path with another place, for calls whose errors should point at the user's token. The hygiene stays: a
    /// `$crate` is resolved by it.
    pub(crate) fn located_at(&self, place: Span) -> TokenStream {
        let relocated = self.0.clone().into_iter().map(|mut token| {
            token.set_span(token.span().located_at(place));
            token
        });
        relocated.collect()
    }
}

impl Default for Krate {
    fn default() -> Self {
        Self::at(quote_spanned!(Span::mixed_site()=> ::mcpcat))
    }
}

impl ToTokens for Krate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

/// The path in `crate = "…"`.
pub(crate) fn parse(path: &syn::LitStr) -> syn::Result<Krate> {
    match path.parse_with(syn::Path::parse_mod_style) {
        Ok(path) => Ok(Krate::at(path)),
        Err(_) => Err(syn::Error::new(
            path.span(),
            "`crate` takes the path under which mcpcat is found: `crate = \"my_reexport::mcpcat\"`",
        )),
    }
}
