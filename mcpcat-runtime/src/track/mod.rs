//! The MCP server: a wrapper around an rmcp `ServerHandler` that records every request and changes none.

mod connection;
mod forward;
mod payload;
mod tracked;

pub use tracked::{ServerHandle, Status, Tracked, track};
