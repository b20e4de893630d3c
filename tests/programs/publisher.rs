//! A program that publishes and dies, for the tests that kill it: `publisher URL STATE_DIR WAY COUNT`.
//!
//! It prints the id of each event once `publish` has returned, so that whoever reads its stdout knows what it
//! was promised. With the way `deliver` it publishes nothing, waits for delivery and prints the numbers.

#![allow(clippy::print_stdout, reason = "stdout is the pipe to the test")]

use std::io::Write as _;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo builds and lists it like an example; without arguments there is nothing to do.
    let [url, state, way, count] = arguments.as_slice() else { return };
    let client = mcpcat::Client::builder("proj_kill")
        .base_url(url)
        .state_dir(state)
        .drain_on_drop(Duration::ZERO)
        .build()
        .expect("the test's settings are good");
    client.install();
    if way == "deliver" {
        let stats = client.shutdown_blocking(Duration::from_secs(60));
        println!("{} {} {} {}", stats.adopted, stats.delivered, stats.dropped, stats.pending);
        return;
    }
    let mut out = std::io::stdout().lock();
    for n in 0..count.parse().unwrap_or(0) {
        let event = mcpcat::CustomEvent::new("numbered").parameter("n", n);
        let id = client.publish(if n % 2 == 0 { "even" } else { "odd" }, event).expect("there is room");
        writeln!(out, "{id}").expect("the test reads");
    }
    out.flush().expect("the test reads");
    match way.as_str() {
        "return" => {}
        "flush" => drop(client.flush_blocking(Duration::from_secs(60))),
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "panic" => panic!("on purpose"),
        // Until the test kills it.
        _ => loop {
            std::thread::park();
        },
    }
}
