//! Delivery from outside, against an HTTP server that misbehaves on the level of bytes: what is sent how often,
//! and what the ledger says in the end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod batches;
mod credentials;
mod endpoint;
mod forked;
mod kept;
mod places;
mod resting;
mod together;
mod transports;
mod types;
