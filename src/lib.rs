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

#[cfg(not(feature = "enable"))]
mod disabled;

#[cfg(not(feature = "enable"))]
pub use disabled::*;
pub use mcpcat_macros::EventData;
#[cfg(feature = "reqwest")]
pub use mcpcat_runtime::HttpClient;
#[cfg(feature = "testing")]
pub use mcpcat_runtime::testing;
#[cfg(feature = "enable")]
pub use mcpcat_runtime::{
    Backend, Carrier, Catalog, Cause, Client, ClientBuilder, ConfigError, CustomEvent, Delivery, DropReason,
    Entry, ErrorInfo, EventData, EventId, Fields, InSession, Loss, OnDisk, Outcome, Overflow, ParseIdError,
    ParseSessionIdError, PlanError, PublishError, Removal, RequestGuard, Scoped, Session, SessionId,
    SessionStrings, Stats, Target, TraceContext, Transport, TransportError, TransportRequest,
    TransportResponse, Value, carry, catalog, consent, explain, policy, privacy, publish_custom_event,
};
#[cfg(feature = "rmcp")]
pub use mcpcat_runtime::{
    Convention, Feedback, FeedbackTool, HookAnswer, Identity, Payload, Principal, RequestInfo, ServerHandle,
    Source, Status, Tracked, Trust, WishTool, recorded_by_default, track,
};
#[cfg(feature = "streamable-http")]
pub use mcpcat_runtime::{Sessions, sessions};

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

/// Name and version of the crate that it is written in, for [`Tracked::server_info`].
///
/// ```no_run
/// # use rmcp::ServerHandler;
/// # fn serve(handler: impl ServerHandler) {
/// let server = mcpcat::track(handler, "proj_abc123xyz").server_info(mcpcat::server_info!());
/// # }
/// ```
#[cfg(feature = "rmcp")]
#[macro_export]
macro_rules! server_info {
    () => {
        (::core::env!("CARGO_PKG_NAME"), ::core::env!("CARGO_PKG_VERSION"))
    };
}

/// The README's programs compile.
#[cfg(all(doctest, feature = "rmcp"))]
#[doc = include_str!("../README.md")]
struct Readme;
