//! Custom analytics events for Model Context Protocol servers: annotate a function, see the session timeline.
//!
//! ```no_run
//! use mcpcat::emit;
//! # use rmcp::ServerHandler;
//!
//! #[mcpcat::event(name = "invoice.charge", params(customer, cents))]
//! async fn charge(customer: &str, cents: u32) -> Result<(), std::io::Error> {
//!     emit!("invoice.paid", customer, cents);
//!     Ok(())
//! }
//!
//! # fn serve(handler: impl ServerHandler) {
//! let server = mcpcat::track(handler, "proj_abc123xyz");
//! # }
//! ```

#![doc = ""]
#![doc = include_str!("../docs/guide.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use mcpcat_macros::event;

#[cfg(feature = "enable")]
mod recording {
    pub use mcpcat_runtime::client::{
        Client, ClientBuilder, ConfigError, Deliver, PublishError, Rest, SessionStrings,
    };
    #[cfg(feature = "reqwest")]
    pub use mcpcat_runtime::delivery::HttpClient;
    pub use mcpcat_runtime::delivery::{
        DropReason, Loss, Stats, Transport, TransportError, TransportRequest, TransportResponse,
    };
    pub use mcpcat_runtime::event::catalog::{Catalog, Entry, PlanError, Removal, catalog};
    pub use mcpcat_runtime::event::error::Cause;
    pub use mcpcat_runtime::event::id::ParseIdError;
    pub use mcpcat_runtime::event::{CustomEvent, ErrorInfo, EventData, EventId, Fields, Outcome, Value};
    pub use mcpcat_runtime::policy;
    pub use mcpcat_runtime::privacy;
    pub use mcpcat_runtime::served::ServedCall;
    pub use mcpcat_runtime::session::{
        Carrier, InSession, ParseSessionIdError, Scoped, Session, SessionId, Target, TraceContext, carry,
        explain, publish_custom_event,
    };
    pub use mcpcat_runtime::spool::{Backend, Overflow};
    pub use mcpcat_runtime::testing;
    #[cfg(feature = "rmcp")]
    pub use mcpcat_runtime::track::{
        HookAnswer, Identity, Payload, RequestInfo, ServerHandle, Status, Tracked, recorded_by_default, track,
    };
}

#[cfg(not(feature = "enable"))]
mod disabled;

#[cfg(not(feature = "enable"))]
pub use disabled::*;
pub use mcpcat_macros::EventData;
#[cfg(feature = "enable")]
pub use recording::*;

// What generated code calls.
mcpcat_macros::private! {
    #[cfg(not(feature = "enable"))]
    pub use crate::disabled::*;
    #[cfg(feature = "enable")]
    pub use mcpcat_runtime::__private::*;
}

#[doc(hidden)]
pub use mcpcat_macros::emit as __emit;

/// Records an event: a name and fields, or a value that implements [`EventData`].
///
/// ```
/// # #[derive(mcpcat::EventData)] struct Upgraded { plan: &'static str }
/// # let (plan, error) = ("pro", std::io::Error::other("declined"));
/// use mcpcat::emit;
///
/// emit!("feature_used", plan, seats = 3);
/// emit!("charge.failed", error = &error, message = "the card of {plan} was declined");
/// emit!(Upgraded { plan: "pro" });
/// ```
///
/// The session is that of the call it runs in, else the process's own. The bare names `message`,
/// `response`, `duration`, `is_error`, `error`, `session` and `project` are the event's own fields;
/// `tags.key = …` and `properties.key = …` go there; every other key is a parameter. `debug(x)` and
/// `display(x)` record text, `..data` adds all fields of a value.
#[macro_export]
macro_rules! emit {
    ($($event:tt)*) => {
        $crate::__emit!($crate; $($event)*)
    };
}

/// The README's programs compile.
#[cfg(all(doctest, feature = "rmcp"))]
#[doc = include_str!("../README.md")]
struct Readme;
