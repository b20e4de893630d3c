//! What an event is: values written as bounded JSON, the sections they are collected in, the record that
//! waits in the spool and the body that goes on the wire.

pub(crate) mod callsite;
pub(crate) mod catalog;
pub(crate) mod custom;
pub(crate) mod data;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod guard;
pub(crate) mod id;
pub mod json;
pub(crate) mod names_only;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod wire;

pub use custom::CustomEvent;
pub use data::EventData;
pub use error::ErrorInfo;
pub use fields::{Fields, Value};
pub use id::EventId;
pub use outcome::Outcome;
