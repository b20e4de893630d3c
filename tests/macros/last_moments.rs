//! No way into the library panics in a thread's or a process's last moments. A panic there aborts the process, so each
//! case runs in a child of its own, which says that it survived.

#![allow(clippy::print_stdout, reason = "stdout is how a child says it")]

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::sync::OnceLock;
use std::task::{Context, Waker};
use std::thread;

use mcpcat::testing::Recorder;
use mcpcat::{Carrier, CustomEvent, InSession as _, Session, carry};

const CASE: &str = "MCPCAT_LAST_MOMENTS";

#[mcpcat::event]
fn plain(value: &str) -> Result<String, std::io::Error> {
    if value.is_empty() { Err(std::io::Error::other("empty")) } else { Ok(value.to_owned()) }
}

#[mcpcat::event(params(value), tags(value), message = "{value}", response)]
fn captured(value: String) -> String {
    value
}

#[mcpcat::event]
async fn waits(value: &str) -> usize {
    std::future::ready(()).await;
    value.len()
}

#[mcpcat::event(params(value))]
async fn waits_captured(value: String) -> Result<usize, String> {
    std::future::ready(()).await;
    Err(value)
}

#[mcpcat::event]
async fn never_ends() {
    std::future::pending().await
}

fn polled(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

fn recorder() -> &'static Recorder {
    static RECORDER: OnceLock<Recorder> = OnceLock::new();
    RECORDER.get_or_init(Recorder::new)
}

/// Every way into the library.
fn everything() {
    let session = recorder().session();
    let ways = || {
        let _ = plain("");
        let _ = plain("x");
        captured("y".to_owned());
        polled(waits("z"));
        polled(waits_captured("z".to_owned()));
        polled(never_ends());
        drop(never_ends());
        mcpcat::emit!("emitted", a = 1);
        mcpcat::emit!("failed", error = &std::io::Error::other("no"), session = session);
        let _ = Session::current();
        carry(|| plain("carried"))().unwrap();
        Carrier::current().run(|| plain("carried")).unwrap();
        let _ = recorder().client().publish(session, CustomEvent::new("custom"));
        let _ = mcpcat::explain(CustomEvent::new("explained"));
    };
    ways();
    session.run(ways);
    recorder().run(ways);
    polled(async { ways() }.in_session(session.clone()));
    polled(async { ways() }.in_current_session());
    polled(recorder().scope(waits("scoped")));
    polled(recorder().scope(never_ends()));
}

struct Last(&'static str);

impl Drop for Last {
    fn drop(&mut self) {
        everything();
        println!("survived {}", self.0);
    }
}

thread_local! {
    static FIRST_MADE: RefCell<Option<Last>> = const { RefCell::new(None) };
    static LAST_MADE: RefCell<Option<Last>> = const { RefCell::new(None) };
}

fn in_thread_locals() {
    // Destructors run in the reverse order of first use: one of these runs before the library's locals, one after.
    FIRST_MADE.with(|last| *last.borrow_mut() = Some(Last("first")));
    everything();
    LAST_MADE.with(|last| *last.borrow_mut() = Some(Last("last")));
}

#[allow(unsafe_code, reason = "the C library's exit handlers have no safe interface")]
mod at_exit {
    // SAFETY: the signature is the C library's.
    unsafe extern "C" {
        safe fn atexit(handler: extern "C" fn()) -> i32;
    }

    extern "C" fn handler() {
        super::everything();
        println!("survived atexit");
    }

    pub(super) fn register() {
        assert_eq!(atexit(handler), 0);
    }
}

/// What the child does; nothing in the parent.
#[test]
fn case() {
    match std::env::var(CASE).as_deref() {
        Ok("thread-local") => thread::spawn(in_thread_locals).join().unwrap(),
        // The exiting thread's locals are destroyed first, then the exit handlers run.
        Ok("exiting-thread-local") => {
            in_thread_locals();
            std::process::exit(0);
        }
        Ok("unwinding") => {
            let panicked = thread::spawn(|| {
                let _last = Last("unwinding");
                recorder().run(|| panic!("expected"))
            });
            assert!(panicked.join().is_err());
        }
        Ok("exit") => {
            at_exit::register();
            everything();
            std::process::exit(0);
        }
        Ok("runtime") => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
            let (told, hears) = std::sync::mpsc::channel();
            runtime.spawn(recorder().scope(async move {
                let _last = Last("its task");
                told.send(()).unwrap();
                never_ends().await;
            }));
            hears.recv().unwrap();
            runtime.spawn_blocking(in_thread_locals);
            drop(runtime);
            everything();
            println!("survived runtime");
        }
        _ => return,
    }
    assert!(recorder().events().len() > 30, "events are recorded while they can be");
}

#[track_caller]
fn survives(case: &str, expected: &[&str]) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "last_moments::case", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{case}: {}\n{out}\n{err}", child.status);
    for line in expected {
        assert!(out.contains(&format!("survived {line}")), "{case}: not {line}\n{out}\n{err}");
    }
}

#[test]
fn destructors_of_thread_locals_may_use_everything() {
    survives("thread-local", &["first", "last"]);
    survives("exiting-thread-local", &["first", "last"]);
}

#[test]
fn destructors_may_use_everything_while_a_panic_unwinds() {
    survives("unwinding", &["unwinding"]);
}

#[test]
fn exit_handlers_may_use_everything() {
    survives("exit", &["atexit"]);
}

#[test]
fn everything_may_be_used_when_the_runtime_is_gone() {
    survives("runtime", &["its task", "first", "last", "runtime"]);
}
