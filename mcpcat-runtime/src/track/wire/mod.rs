//! The seam at a connection's transport: what a client really gets. rmcp makes answers into errors, rewrites codes, strips
//! fields and refuses requests behind and before a handler; it copies none of that here. A [`Seam`] lets messages pass and
//! shows them to the connection's [`Table`], where the event of a request waits until its answer leaves.
//!
//! Two places can have one: a pipe, through [`Tracked::serve`](super::Tracked::serve), and a stateful HTTP session, through
//! [`sessions`](super::sessions). Elsewhere the handler's answer is all there is, and the event says so.

mod finish;
#[cfg(feature = "streamable-http")]
mod manager;
mod seam;
mod serve;
pub(super) mod server_requests;
mod table;

pub(super) use finish::{Done, Said, unsent};
#[cfg(feature = "streamable-http")]
pub use manager::{Sessions, sessions};
pub(super) use table::{OnWire, Recorder, Stage, Table};
