//! What the SDK (`mcpcat-runtime`) and the collector (`mcpcat-timeline`) must agree on, written once; and what the
//! SDK has in both of its builds, the one that records and the one that does not.
//!
//! Users reach all of it through `mcpcat`; this crate is for the two sides alone. Nothing in here does I/O except
//! reading environment variables in [`state_dir`].
//!
//! | module | contract |
//! |---|---|
//! | [`event_type`] | the types of events, their kind and the label that a reader sees |
//! | [`ksuid`] | ids as raw bytes and as text |
//! | [`session`] | how a session id is derived from a string of the user's own |
//! | [`batch`] | how a collector offers batches and event types, and what it answers to a batch |
//! | [`catalogue`] | the document that lists the events a program can emit |
//! | [`tag`] | which tags the ingest API keeps |
//! | [`state_dir`] | where both keep files |
//! | [`values`] | settings, errors, numbers and ids that users handle |
//!
//! All but [`ksuid`], [`tag`] and [`values`] stand behind the feature `contracts`.

#![forbid(unsafe_code)]

#[cfg(feature = "contracts")]
pub mod batch;
#[cfg(feature = "contracts")]
pub mod catalogue;
#[cfg(feature = "contracts")]
pub mod event_type;
pub mod ksuid;
#[cfg(feature = "contracts")]
pub mod session;
#[cfg(feature = "contracts")]
pub mod state_dir;
pub mod tag;
pub mod values;
