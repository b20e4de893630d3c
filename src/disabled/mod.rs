//! The crate without the feature `enable`: every public type and function of the recording build, with the same
//! signatures and nothing behind them. A library can annotate, implement the traits and carry sessions for its users'
//! sake, and leave the choice to them; `tests/api` holds the two listings against each other.
//!
//! Types that do nothing by themselves (settings, errors, numbers, ids) are those of the recording build, from
//! `mcpcat_wire::values`: a new one is written there, once. A type with behaviour has its twin here. [`ErrorInfo`]
//! keeps what it was given. What would be recorded is taken and forgotten, closures run as they are, and an id is all
//! zeros.

mod catalog;
mod client;
pub mod consent;
mod error;
mod event;
mod id;
pub mod policy;
pub mod privacy;
mod request;
mod session;
mod transport;

pub use catalog::{Catalog, catalog};
pub use client::{Client, ClientBuilder, explain, publish_custom_event};
pub use error::{Cause, ErrorInfo};
pub use event::{CustomEvent, EventData, Fields, Outcome, Value};
pub use id::SessionId;
pub use mcpcat_wire::values::{
    Backend, ConfigError, Delivery, DropReason, Entry, EventId, Loss, OnDisk, Overflow, ParseIdError,
    ParseSessionIdError, PlanError, PublishError, Removal, SessionStrings, Stats, TraceContext,
};
pub use request::RequestGuard;
pub use session::{Carrier, InSession, Scoped, Session, Target, carry};
pub use transport::{Transport, TransportError, TransportRequest, TransportResponse};
