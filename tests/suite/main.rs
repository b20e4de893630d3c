//! The whole thing from outside, through its public interface, against real peers.

#![allow(unreachable_pub, reason = "the modules of one test program share these")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod calls_kill;
mod calls_once;
mod calls_tree;
mod calls_wire;
mod calls_words;
mod consent;
mod conversations;
mod credentials;
mod delivery;
#[cfg(unix)]
mod draining;
mod durability;
mod flush_before_response;
mod names_only;
mod notices;
mod oracle;
mod own_transport;
mod privacy;
#[cfg(unix)]
mod process_end;
mod publish;
mod scopes;
mod sessions;
mod sessions_http;
mod sessions_pipes;
#[cfg(unix)]
mod signals;
mod stdio;
mod support;
mod tracking_endings;
mod tracking_exchange;
mod tracking_hooks;
mod tracking_injection;
mod tracking_notifications;
mod tracking_served;
mod tracking_subscriptions;
mod tracking_travel;
mod tracking_volume;
mod ways_out;
mod wire;
