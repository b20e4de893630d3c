//! A program that ends in the way its first argument says, for the tests of a process's end. Where it sends and where
//! it keeps what is left comes from the environment, as for any program.
//!
//! The ways that begin with `serve-` are MCP servers on stdio. The others publish three events, print their ids and
//! end; nothing waits for a delivery but the end itself.

#![allow(clippy::print_stdout, reason = "stdout is the pipe to the test")]
#![cfg_attr(unix, allow(unsafe_code, reason = "`fork` has no safe form"))]

use std::cell::RefCell;
use std::process::exit;
use std::time::Duration;

use mcpcat::{Client, CustomEvent, emit};
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router, transport::stdio};

const PROJECT: &str = "proj_ends";

#[derive(Clone)]
struct Server;

#[tool_router]
impl Server {
    #[tool(description = "Does some work")]
    async fn work(&self) -> String {
        emit!("worked");
        "done".to_owned()
    }

    #[tool(description = "Does some work and ends the process")]
    async fn leave(&self) -> String {
        emit!("worked");
        exit(0)
    }
}

#[tool_handler]
impl ServerHandler for Server {}

async fn serve() {
    let server = mcpcat::track(Server, PROJECT);
    let running = server.serve(stdio()).await.expect("the client's handshake");
    let _ = running.waiting().await;
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = match threads {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    builder.enable_all().build().expect("a runtime")
}

fn publish(client: &Client, name: &str) {
    match client.publish("ends", CustomEvent::new(name)) {
        Ok(id) => println!("{id}"),
        Err(error) => eprintln!("{name}: {error}"),
    }
}

/// Makes another client lose an event, and waits until its callback is in `act`.
fn lose<T>(act: impl Fn() -> T + Send + Sync + 'static) {
    let (told, tell) = std::sync::mpsc::sync_channel(1);
    let lossy = Client::builder("proj_lossy").on_loss(move |_| {
        let _ = told.send(());
        act();
    });
    let lossy = lossy.build().expect("the test's settings are good");
    let _ = lossy.shutdown_blocking(Duration::ZERO);
    let _ = lossy.publish("ends", ());
    tell.recv().expect("it is told");
}

/// Says something in its last moment.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(client) = Client::installed() {
            publish(&client, "last");
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

#[cfg(unix)]
fn fork() -> i32 {
    unsafe extern "C" {
        fn fork() -> i32;
    }
    // SAFETY: no other thread of this program holds anything that the child uses before it ends.
    unsafe { fork() }
}

fn main() {
    let way = std::env::args().nth(1);
    // Cargo builds and lists it like an example; without an argument there is nothing to do.
    let Some(way) = way else { return };
    match way.as_str() {
        "serve" => return runtime(2).block_on(serve()),
        "serve-current-thread" => return runtime(0).block_on(serve()),
        "serve-two" => {
            // Another project's client beside the server's.
            let other = Client::builder("proj_other").build().expect("the test's settings are good");
            let _ = other.publish("ends", CustomEvent::new("other"));
            std::mem::forget(other);
            return runtime(2).block_on(serve());
        }
        "untracked" => {
            return runtime(2).block_on(async {
                let running = Server.serve(stdio()).await.expect("the client's handshake");
                let _ = running.waiting().await;
            });
        }
        _ => {}
    }
    if way == "subscriber" {
        let nobody = tracing::subscriber::NoSubscriber::new();
        tracing::subscriber::set_global_default(nobody).expect("the first one");
    }
    let mut builder = Client::builder(PROJECT);
    if way == "exit-in-hook" {
        let hook = |text: &str| if text == "go" { exit(0) } else { text.to_owned() };
        builder = builder.privacy(mcpcat::privacy::Privacy::new().redact_text(hook));
    }
    let client = builder.build().expect("the test's settings are good");
    client.install();
    if way == "thread-local" {
        LAST.set(Some(Last));
    }
    let count = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(3);
    (0..count).for_each(|_| publish(&client, "before"));
    match way.as_str() {
        "exit" => exit(0),
        "abort" => std::process::abort(),
        "panic" => panic!("on purpose"),
        // Until a signal comes.
        "wait" => loop {
            std::thread::park();
        },
        "deliver" => drop(client.shutdown_blocking(Duration::from_secs(60))),
        "exit-in-thread" => {
            let _ = std::thread::spawn(|| exit(0)).join();
        }
        "exit-in-two-threads" => {
            let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
            let other = std::sync::Arc::clone(&barrier);
            std::thread::spawn(move || {
                other.wait();
                exit(0)
            });
            barrier.wait();
            exit(0)
        }
        "exit-in-runtime" => runtime(2).block_on(async { exit(0) }),
        // The client has delivered in it before; what is published when it is gone is left to the end of the process.
        "runtime-dropped" => {
            let host = runtime(2);
            let _ = host.block_on(client.flush(Duration::from_secs(60)));
            drop(host);
            publish(&client, "after");
        }
        "exit-in-on-loss" => {
            lose(|| exit(0));
            loop {
                std::thread::park();
            }
        }
        "block-in-on-loss" => lose(|| {
            loop {
                std::thread::park();
            }
        }),
        "exit-in-hook" => {
            let _ = client.publish("ends", CustomEvent::new("hooked").message("go"));
            loop {
                std::thread::park();
            }
        }
        #[cfg(unix)]
        "fork" => match fork() {
            0 => exit(0),
            child => println!("child {child}"),
        },
        "drop" => {}
        _ => {}
    }
}
