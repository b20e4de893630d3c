//! What may leave. Runs on the worker, after the call site is long gone: secrets that are known by their look are
//! taken out of every body, and the user's own hooks see every event before anybody else does.

pub mod patterns;

pub use patterns::Patterns;
