//! A program that publishes and dies, for the tests that kill it: `publisher URL STATE_DIR WAY COUNT`.
//!
//! It prints the id of each event once `publish` has returned, so that whoever reads its stdout knows what it
//! was promised. With the way `deliver` it publishes nothing, waits for delivery and prints the numbers.

#![allow(clippy::print_stdout, reason = "stdout is the pipe to the test")]

use std::io::Write as _;
use std::time::Duration;

/// From a handler that the C library calls after `main` has returned: no thread-local of this thread is left then.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the C library's list of handlers has no safe form")]
fn publish_at_exit() {
    extern "C" fn last() {
        if let Some(client) = mcpcat::Client::installed() {
            let _ = client.publish("atexit", mcpcat::CustomEvent::new("last"));
        }
    }
    unsafe extern "C" {
        fn atexit(handler: extern "C" fn()) -> std::ffi::c_int;
    }
    // SAFETY: a function of the C library, given a function that does not unwind and lives as long as the program.
    assert_eq!(unsafe { atexit(last) }, 0);
}

/// Ends when the process is told to.
fn own_handler() -> std::thread::JoinHandle<()> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            #[cfg(unix)]
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("signals can be watched");
            let _ = ready.send(());
            #[cfg(unix)]
            let _ = terminate.recv().await;
        });
    });
    is_ready.recv().expect("the handler is set");
    thread
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Cargo builds and lists it like an example; without arguments there is nothing to do.
    let [url, state, way, count] = arguments.as_slice() else { return };
    let client = mcpcat::Client::builder("proj_kill")
        .base_url(url)
        .state_dir(state)
        .drain(Duration::ZERO)
        .build()
        .expect("the test's settings are good");
    client.install();
    if way == "deliver" {
        let stats = client.shutdown_blocking(Duration::from_secs(60));
        println!("{} {} {} {}", stats.adopted, stats.delivered, stats.dropped, stats.pending);
        return;
    }
    // A handler of the program's own, set before ours and running as tokio runs it.
    let own = (way == "handled").then(own_handler);
    #[cfg(unix)]
    if way == "handled" || way == "signalled" {
        client.flush_on_signals(Duration::from_secs(60)).expect("signals can be watched");
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
        #[cfg(unix)]
        "atexit" => publish_at_exit(),
        "flush" => drop(client.flush_blocking(Duration::from_secs(60))),
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "panic" => panic!("on purpose"),
        "handled" => {
            let told = own.and_then(|own| own.join().ok());
            // The helper delivers beside; only what it has delivered is gone from here.
            while client.stats().delivered == 0 {
                std::thread::yield_now();
            }
            std::process::exit(if told.is_some() { 3 } else { 4 });
        }
        // Until the test kills it.
        _ => loop {
            std::thread::park();
        },
    }
}
