//! A forked child: its events arrive, its parent's arrive once, and neither waits for the other.
#![cfg(unix)]
#![allow(unsafe_code, reason = "fork has no safe form")]

use std::collections::BTreeSet;

use mcpcat_runtime::Client;
use mcpcat_runtime::CustomEvent;

use crate::endpoint::{Endpoint, PATIENCE, Way};

/// Runs `child` in a forked process; whether it ended by returning true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what the C library prepares for it at a fork, and ends with `_exit`.
    match unsafe { libc::fork() } {
        0 => {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: `pid` is the child just made, and `status` is writable.
            let waited = unsafe { libc::waitpid(pid, &mut status, 0) };
            waited == pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

fn publish(client: &Client, name: &str, count: usize) -> bool {
    (0..count).all(|n| client.publish("s", CustomEvent::new(format!("{name}{n}"))).is_ok())
}

#[test]
fn parent_and_child_deliver_each_their_own() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::ok()));
    let client = endpoint.client();
    assert!(publish(&client, "parent", 20));
    let good = in_child(|| {
        let published = publish(&client, "child", 20);
        let stats = client.flush_blocking(PATIENCE);
        let ended = client.shutdown_blocking(PATIENCE);
        published && (stats.published, stats.delivered, ended.pending) == (20, 20, 0)
    });
    assert!(good, "the child delivers its 20 and counts no others");
    assert!(publish(&client, "parent again", 20));
    let stats = client.shutdown_blocking(PATIENCE);
    assert_eq!((stats.published, stats.delivered, stats.pending), (40, 40, 0), "{stats}");
    let arrivals = endpoint.arrivals(|_, _| true);
    assert_eq!(arrivals.len(), 60);
    assert!(arrivals.values().all(|times| *times == 1));
    let sessions: BTreeSet<_> = endpoint
        .posts()
        .iter()
        .map(|post| serde_json::from_str::<serde_json::Value>(&post.body).unwrap()["session_id"].to_string())
        .collect();
    assert_eq!(sessions.len(), 1, "the child's events carry their session: {sessions:?}");
}

#[test]
fn a_child_that_publishes_nothing_waits_for_nothing() {
    let serving = tokio::runtime::Runtime::new().unwrap();
    let endpoint = serving.block_on(Endpoint::start(|_, _| Way::ok()));
    let client = endpoint.client();
    assert!(publish(&client, "parent", 1));
    assert!(in_child(|| {
        let began = std::time::Instant::now();
        let _ = client.flush_blocking(PATIENCE);
        let _ = client.shutdown_blocking(PATIENCE);
        began.elapsed() < PATIENCE / 2
    }));
    assert_eq!(client.shutdown_blocking(PATIENCE).delivered, 1);
}
