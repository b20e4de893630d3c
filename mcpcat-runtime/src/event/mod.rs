//! What an event is: values become JSON here.

pub mod json;
