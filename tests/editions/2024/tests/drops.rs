//! The corpus in edition 2024.

#[path = "../../corpus.rs"]
mod corpus;

#[test]
fn an_annotated_function_drops_what_the_plain_one_drops_in_its_order() {
    corpus::compare();
}
