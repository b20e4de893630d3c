//! Session context, spool and delivery: what runs behind the macros of `mcpcat`.
//!
//! Use it through the `mcpcat` crate. The floors, from the ground up; a module imports only what stands
//! above it in this list:
//!
//! ```text
//! policy     what is allowed         sensitive keys, limits
//! event      what an event is        values to JSON, fields, outcome, ids, the wire's body
//! spool      where it waits          a bounded log of segments
//! privacy    what may leave          value patterns and hooks, on the worker
//! delivery   how it leaves           retry policy, transport, worker, ledger
//! client     the handle              configuration, flush, shutdown, stats
//! session    whose it is             derivation, ambient scope, propagation
//! call       one timed call          the guard behind #[event] and every tracked request
//! served     one request           of a server that cannot be wrapped
//! track      the MCP server          Tracked<H> around an rmcp ServerHandler
//! testing    for users' tests        a recorder that holds the finished events
//! ```

#![cfg_attr(not(feature = "rmcp"), allow(dead_code, reason = "only the tracker names sessions late"))]

#[doc(hidden)]
pub mod __private;
pub mod call;
pub mod client;
pub mod delivery;
pub mod emit;
pub mod event;
pub mod policy;
pub mod privacy;
pub mod served;
pub mod session;
pub mod spool;
pub mod testing;
#[cfg(feature = "rmcp")]
pub mod track;

#[cfg(test)]
mod outage;
