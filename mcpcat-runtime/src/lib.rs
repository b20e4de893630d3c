//! Session context, spool and delivery: what runs behind the macros of `mcpcat`.
//!
//! Use it through the `mcpcat` crate. The layers, from the ground up; a module imports only what stands
//! above it in this list:
//!
//! ```text
//! policy     what is allowed         sensitive keys, limits
//! event      what an event is        values to JSON, fields, outcome, ids, the wire's body
//! spool      where it waits          a bounded log of segments
//! privacy    what may leave          value patterns and hooks, on the worker
//! notice     what is said            problems, through `tracing` or on stderr
//! delivery   how it leaves           retry policy, transport, worker, ledger
//! sessions   what is kept of them    ids, facts, where each was defined last
//! client     the handle              configuration, flush, shutdown, stats
//! session    whose it is             derivation, ambient scope, propagation
//! emit       one event               what emit! calls
//! call       one timed call          the guard behind #[event] and every tracked request
//! request    one request             of a server that cannot be wrapped
//! track      the MCP server          Tracked<H> around an rmcp ServerHandler
//! testing    for users' tests        a recorder that holds the finished events
//! ```

#![cfg_attr(not(feature = "rmcp"), allow(dead_code, reason = "only the tracker names sessions late"))]

#[doc(hidden)]
pub mod __private;
mod call;
mod client;
mod delivery;
mod emit;
mod event;
mod notice;
pub mod policy;
pub mod privacy;
mod request;
mod session;
mod sessions;
mod spool;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "rmcp")]
mod track;

/// What our own tests, benchmarks and fuzz targets reach into.
#[doc(hidden)]
pub mod internals {
    pub use crate::event::json;

    /// The log of segments.
    pub mod spool {
        pub use crate::spool::{
            Backend, Manifest, Opened, Options, Orphan, OrphanRecord, Reader, Refused, Spool,
            fork_generation, open,
        };
    }
}

// What users see, each item under one path; `mcpcat` exports it as it stands here.
pub use client::consent;
pub use client::{Client, ClientBuilder, ConfigError, Delivery, OnDisk, PublishError, SessionStrings};
#[cfg(feature = "reqwest")]
pub use delivery::HttpClient;
pub use delivery::{DropReason, Loss, Stats, Transport, TransportError, TransportRequest, TransportResponse};
pub use event::catalog::{Catalog, Entry, PlanError, Removal, catalog};
pub use event::error::Cause;
pub use event::id::ParseIdError;
pub use event::{CustomEvent, ErrorInfo, EventData, EventId, Fields, Outcome, Value};
pub use request::RequestGuard;
pub use session::{
    Carrier, InSession, ParseSessionIdError, Scoped, Session, SessionId, Target, TraceContext, carry,
    explain, publish_custom_event,
};
pub use spool::{Backend, Overflow};
#[cfg(feature = "rmcp")]
pub use track::{
    Convention, Feedback, FeedbackTool, HookAnswer, Identity, Payload, Principal, RequestInfo, ServerHandle,
    Source, Status, Tracked, Trust, WishTool, recorded_by_default, track,
};
#[cfg(feature = "streamable-http")]
pub use track::{Sessions, sessions};

#[cfg(test)]
mod outage;
