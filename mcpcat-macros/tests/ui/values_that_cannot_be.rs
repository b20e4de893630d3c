//! A tag that can never be text, and an error that is none.

use std::collections::{BTreeMap, HashMap};

#[derive(mcpcat::EventData)]
struct Derived<'a> {
    #[event(tag)]
    numbers: Vec<u32>,
    #[event(tag)]
    borrowed: &'a [u8; 4],
    #[event(tag, display)]
    shown: String,
    #[event(tag)]
    maybe: Option<Vec<u8>>,
    #[event(tag)]
    deep: Option<&'a Box<[u8]>>,
    #[event(tag)]
    took: std::time::Duration,
    #[event(tag)]
    good: Option<&'a str>,
}

#[derive(mcpcat::EventData)]
struct Flag {
    #[event(error)]
    failed: bool,
}

#[mcpcat::event(tags(numbers, region = "eu"))]
fn annotated(numbers: HashMap<String, u8>) {}

fn main() {
    let map = BTreeMap::from([(1, 2)]);
    mcpcat::emit!("a", tags.map = map, tags.pair = (1, 2), tags.good = 7);
    mcpcat::emit!("a", tags.list = &vec![1], tags.said = debug(vec![1]));
    mcpcat::emit!("a", error = true);
    mcpcat::emit!("a", error = map.is_empty());
    mcpcat::emit!("a", error = "text", is_error = true);
}
