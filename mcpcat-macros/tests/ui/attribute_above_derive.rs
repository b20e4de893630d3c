//! The helper attribute stands below its derive.

use mcpcat::{EventData, event};

#[event(name = "a")]
#[derive(EventData)]
struct Above;

#[derive(EventData)]
#[event(name = "a")]
struct Below;

fn main() {}
