//! What the macros say when they refuse, word by word and at which token.
//!
//! The texts around ours are one compiler's: the files are written anew with `TRYBUILD=overwrite`.

#[test]
fn messages() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
