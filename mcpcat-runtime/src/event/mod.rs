//! What an event is: values written as bounded JSON, the sections they are collected in, the record that
//! waits in the spool and the body that goes on the wire.

pub mod callsite;
pub mod catalog;
pub mod custom;
pub mod data;
pub mod error;
pub mod fields;
pub(crate) mod guard;
pub mod id;
pub mod json;
pub mod outcome;
pub(crate) mod record;
pub mod text;
pub(crate) mod time;
pub(crate) mod wire;

pub use custom::CustomEvent;
pub use data::EventData;
pub use error::ErrorInfo;
pub use fields::{Fields, Value};
pub use id::EventId;
pub use outcome::Outcome;
