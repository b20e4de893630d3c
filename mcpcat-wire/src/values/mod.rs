//! What users of `mcpcat` handle and what does nothing by itself: settings, errors, numbers, ids.
//!
//! The build that records and the one that does not have these types in common, so they stand here once; a type whose
//! methods record something stands in `mcpcat-runtime`, and beside it in `mcpcat`'s `src/disabled`. Users reach all of
//! them as `mcpcat::…`. What is hidden is for the runtime, which makes the values.

mod catalog;
mod error;
mod id;
mod limits;
pub mod privacy;
mod settings;
mod stats;
mod trace;

pub use catalog::{Entry, PlanError, Removal};
pub use error::{ConfigError, PublishError};
#[doc(hidden)]
pub use error::{DEFAULT_BASE_URL, NO_TRANSPORT};
pub use id::{EventId, ParseIdError, ParseSessionIdError};
pub use limits::Limits;
pub use settings::{Backend, Delivery, OnDisk, Overflow, SessionStrings};
pub use stats::{DropReason, Loss, Stats};
pub use trace::TraceContext;
