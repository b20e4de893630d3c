//! How events leave: a retry policy that does no I/O, the wire's requests and the transport that carries them, the
//! worker between the spool and the transport, and the ledger of what happened to each event.

mod backlog;
pub(crate) mod batch;
mod beside;
pub(crate) mod callback;
pub(crate) mod credentials;
pub(crate) mod dead_letters;
pub(crate) mod drain;
pub(crate) mod endpoint;
mod event_type_gate;
mod flushes;
mod http_date;
pub(crate) mod ingest;
mod intake;
mod item;
pub(crate) mod ledger;
pub(crate) mod mailbox;
mod outbox;
pub(crate) mod retry;
mod scrubbed_log;
mod scrubbing;
mod sources;
pub(crate) mod thread;
pub(crate) mod transport;
pub(crate) mod unanswered;
pub(crate) mod wait;
pub(crate) mod worker;

pub use mcpcat_wire::values::{DropReason, Loss, Stats};
#[cfg(feature = "reqwest")]
pub use transport::HttpClient;
pub use transport::{Transport, TransportError, TransportRequest, TransportResponse};
