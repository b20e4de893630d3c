//! What the macros say when they refuse, word by word and at which token.
//!
//! Here and not beside the other tests, because what is compiled again for it is this package's dependencies.
//! The texts around ours are one compiler's: the files are written anew with `TRYBUILD=overwrite`.

#[test]
fn messages() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
