//! The MCP server: a wrapper around an rmcp `ServerHandler` that records every request and changes none.

mod begin;
mod builder;
mod connection;
mod convention;
mod ending;
mod extract;
mod forward;
mod handle;
mod hooks;
mod inject;
mod keyed;
mod options;
mod payload;
mod request;
mod shape;
mod tracked;
mod version;
mod watch;
mod whose;

pub use convention::{Convention, Source, Trust};
pub use hooks::{HookAnswer, Identity};
pub use options::{Payload, recorded_by_default};
pub use request::RequestInfo;
pub use tracked::{ServerHandle, Status, Tracked, track};
pub use whose::Principal;
