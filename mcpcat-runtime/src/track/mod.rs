//! The MCP server: a wrapper around an rmcp `ServerHandler` that records every request and changes none.

mod begin;
mod builder;
mod connection;
mod convention;
mod ending;
mod extract;
mod feedback;
mod form;
mod forward;
mod handle;
mod hooks;
mod inject;
mod keyed;
mod options;
mod payload;
mod request;
mod rounds;
mod routes;
mod shape;
mod tracked;
mod version;
mod watch;
mod whose;
mod wire;

pub use convention::{Convention, Source, Trust};
pub use feedback::{Feedback, FeedbackTool, WishTool};
pub use hooks::{HookAnswer, Identity};
pub use options::{Payload, recorded_by_default};
pub use request::RequestInfo;
pub use tracked::{ServerHandle, Status, Tracked, track};
pub use whose::Principal;
#[cfg(feature = "streamable-http")]
pub use wire::{Sessions, sessions};
