//! What `emit!` was told.

use syn::{Expr, LitStr};

use crate::callsite::Field;
use crate::value::Value;

/// What the user asked for.
pub(crate) enum Emit {
    /// `emit!(value)`.
    Value(Expr),
    /// `emit!("name", …)`.
    Named(Named),
}

/// The parts of `emit!("name", …)`, in the order in which they were written.
pub(crate) struct Named {
    pub(crate) name: LitStr,
    pub(crate) fields: Vec<Field>,
    pub(crate) items: Vec<Item>,
}

/// One thing to evaluate.
pub(crate) enum Item {
    /// A field, in the order of `Named::fields`.
    Field(Value),
    Reserved(Reserved, Value),
    /// `..data`.
    Data(Expr),
}

/// The event's own fields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    Message,
    Response,
    Duration,
    IsError,
    Error,
    Session,
    Project,
}

pub(super) const RESERVED: [(&str, Reserved); 7] = [
    ("message", Reserved::Message),
    ("response", Reserved::Response),
    ("duration", Reserved::Duration),
    ("is_error", Reserved::IsError),
    ("error", Reserved::Error),
    ("session", Reserved::Session),
    ("project", Reserved::Project),
];
