//! What the arguments ask for that a function cannot give.

use syn::spanned::Spanned as _;

use super::model::{Args, Verdict};

/// Refuses what looks at the returned value where the body stays in place, because the function does `why`.
pub(super) fn in_place(args: &Args, why: &str) -> syn::Result<()> {
    let refused = |at, word| {
        let message =
            format!("`{word}` looks at the returned value, which cannot be had of a function that {why}");
        Err(syn::Error::new(at, message))
    };
    match (&args.response, &args.verdict) {
        (Some(at), _) => refused(*at, "response"),
        (None, Some(Verdict::OkIf(by))) => refused(by.span(), "ok_if"),
        (None, Some(Verdict::ErrorIf(by))) => refused(by.span(), "error_if"),
        (None, None) => Ok(()),
    }
}
