//! The whole thing from outside, through its public interface, against real peers.

#![expect(unreachable_pub, reason = "the modules of one test program share these")]

mod bad_input;
mod durability;
mod oracle;
mod publish;
mod scopes;
mod sessions;
mod stdio;
mod support;
mod tracking_endings;
mod tracking_exchange;
mod tracking_hooks;
mod tracking_injection;
mod tracking_served;
mod tracking_travel;
mod tracking_volume;
mod wire;
