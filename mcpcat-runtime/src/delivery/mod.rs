//! How events leave: a retry policy that does no I/O, an HTTP sender, the worker between the spool and the
//! sender, and the ledger of what happened to each event.

mod backlog;
pub(crate) mod batch;
pub(crate) mod callback;
pub(crate) mod drain;
pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod letters;
mod proxy;
mod resting;
pub(crate) mod retry;
pub(crate) mod thread;
pub(crate) mod types;
pub(crate) mod unanswered;
pub(crate) mod wait;
pub(crate) mod worker;

pub use ledger::{DropReason, Loss, Stats};
