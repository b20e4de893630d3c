//! The whole thing from outside, through its public interface, against real peers.

mod bad_input;
mod oracle;
mod publish;
mod scopes;
mod sessions;
mod stdio;
mod support;
mod wire;
