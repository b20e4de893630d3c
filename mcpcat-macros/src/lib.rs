//! The macros of `mcpcat`. Use them through the `mcpcat` crate.
