//! The crate without the feature `enable`: every public type and function of the recording build, with the same
//! signatures and nothing behind them. A library can annotate, implement the traits and carry sessions for its users'
//! sake, and leave the choice to them; `tests/api` holds the two listings against each other.
//!
//! What is a value of the user's own ([`ErrorInfo`], [`TraceContext`], limits) keeps what it was given. What would be
//! recorded is taken and forgotten, closures run as they are, and an id is all zeros.

mod catalog;
mod client;
mod error;
mod event;
mod id;
pub mod policy;
pub mod privacy;
mod request;
mod session;
mod stats;
mod transport;

pub use catalog::{Catalog, Entry, PlanError, Removal, catalog};
pub use client::{
    Backend, Client, ClientBuilder, ConfigError, Delivery, OnDisk, Overflow, PublishError, SessionStrings,
    explain, publish_custom_event,
};
pub use error::{Cause, ErrorInfo};
pub use event::{CustomEvent, EventData, Fields, Outcome, Value};
pub use id::{EventId, ParseIdError, ParseSessionIdError, SessionId};
pub use request::RequestGuard;
pub use session::{Carrier, InSession, Scoped, Session, Target, TraceContext, carry};
pub use stats::{DropReason, Loss, Stats};
pub use transport::{Transport, TransportError, TransportRequest, TransportResponse};
