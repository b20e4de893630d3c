//! The example `own_transport`: whatever its transport does, every event arrives, each once.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{PATIENCE, program};

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_by_a_transport_that_fails_hangs_panics_and_is_busy() {
    let built = tokio::task::spawn_blocking(|| program("own_transport")).await.unwrap();
    let output = Command::new(built).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(2 * PATIENCE, output).await.expect("it ends").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let numbers: Vec<u64> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["parameters"]["number"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(numbers.len(), 10, "each once: {numbers:?}");
    assert_eq!(numbers.into_iter().collect::<BTreeSet<_>>(), (1..=10).collect());
    assert!(said.contains("delivered 10") && said.contains("a bug in the transport"), "{said}");
}
