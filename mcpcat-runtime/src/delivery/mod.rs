//! How events leave: a retry policy that does no I/O, the wire's requests and the transport that carries them, the
//! worker between the spool and the transport, and the ledger of what happened to each event.

mod backlog;
pub(crate) mod batch;
pub(crate) mod callback;
pub(crate) mod credentials;
pub(crate) mod drain;
pub(crate) mod endpoint;
pub(crate) mod ingest;
pub(crate) mod ledger;
pub(crate) mod letters;
mod resting;
pub(crate) mod retry;
pub(crate) mod thread;
pub(crate) mod transport;
pub(crate) mod types;
pub(crate) mod unanswered;
pub(crate) mod wait;
pub(crate) mod worker;

pub use ledger::{DropReason, Loss, Stats};
#[cfg(feature = "reqwest")]
pub use transport::HttpClient;
pub use transport::{Transport, TransportError, TransportRequest, TransportResponse};
