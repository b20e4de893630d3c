//! Attributes of derived events that mean nothing.

use mcpcat::EventData;

#[derive(EventData)]
#[event(nam = "a")]
struct Unknown;

#[derive(EventData)]
#[event(name = "a.{tier}")]
struct NotConstant {
    tier: u8,
}

#[derive(EventData)]
#[event(name)]
struct WithoutValue;

#[derive(EventData)]
#[event = "a"]
struct NotAList;

#[derive(EventData)]
#[event(rename_all = "camel_case")]
struct BadCase;

#[derive(EventData)]
struct Fields {
    #[event(tags)]
    near: u8,
    #[event(tag, property)]
    two_places: u8,
    #[event(skip, rename = "x")]
    skipped_and_renamed: u8,
    #[event(message, redact)]
    redacted_message: u8,
    #[event(display, debug)]
    two_texts: u8,
    #[event(flatten, debug)]
    flat_text: u8,
    #[event(skip = true)]
    skip_with_value: u8,
    #[event(tag, tag)]
    twice: u8,
    #[event(duration)]
    first: u8,
    #[event(duration)]
    second: u8,
    plan: u8,
    #[event(rename = "plan")]
    same_key: u8,
    #[event(tag, rename = "no/slash")]
    bad_tag: u8,
    #[event(rename = "")]
    empty: u8,
}

#[derive(EventData)]
#[event(name = "a")]
enum NamedEnum {
    A,
}

#[derive(EventData)]
enum Variants {
    #[event(prefix = "a")]
    A,
    #[event(name = "")]
    B,
}

#[derive(EventData)]
union Union {
    a: u8,
}

fn main() {
    // What has errors is an event all the same, so that no error follows about its absence.
    mcpcat::emit!(Unknown);
    mcpcat::emit!(NamedEnum::A);
}
