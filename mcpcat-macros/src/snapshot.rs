//! Generated code as a reviewer reads it: formatted, in files beside the tests.
//!
//! Run the tests with `MCPCAT_WRITE_SNAPSHOTS=1` to write the files anew.

use std::path::Path;

use proc_macro2::TokenStream;

/// Compares generated items with the file of that name.
#[track_caller]
pub(crate) fn check(name: &str, tokens: TokenStream) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/snapshots").join(name).with_extension("txt");
    // The path stands in every line; without it the lines can be read.
    let code = prettyplease::unparse(&syn::parse2(tokens).unwrap())
        .replace(&format!("::mcpcat::{}::", crate::krate::private()), "p::");
    if std::env::var_os("MCPCAT_WRITE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, code).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(code == expected, "{} differs from what is generated now:\n{code}", path.display());
}
