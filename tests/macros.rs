//! The macros from outside: what they accept, what they record, and what they say when they refuse.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unreachable_pub, reason = "the modules of one test program share these")]

#[path = "macros/arguments.rs"]
mod arguments;
#[path = "macros/behaviour.rs"]
mod behaviour;
#[path = "macros/catalog.rs"]
mod catalog;
#[path = "macros/derive.rs"]
mod derive;
#[path = "macros/emit.rs"]
mod emit;
#[path = "macros/fragments.rs"]
mod fragments;
#[path = "macros/hygiene.rs"]
mod hygiene;
#[path = "macros/last_moments.rs"]
mod last_moments;
#[path = "macros/outcome.rs"]
mod outcome;
#[path = "macros/shapes.rs"]
mod shapes;
#[path = "macros/support.rs"]
mod support;
#[cfg(feature = "rmcp")]
#[path = "macros/tools.rs"]
mod tools;
#[path = "macros/user_code.rs"]
mod user_code;
