//! How deep annotated functions nest before the compiler's default recursion limit, and how large their futures are.
//! That this compiles is the test. By itself, spawned as it is, plain code reaches 40 functions and annotated code 30;
//! here both stand inside a wrapper, a scope and an `async` block, which and the layout of all of it, leave less.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "sizes for people")]
#![allow(dead_code, reason = "a method of a trait that is only a link of the chain")]

use std::mem::size_of_val;
use std::sync::{Arc, Mutex};

use mcpcat::testing::Recorder;

/// Runs a future to its end, on a runtime of its own.
fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

struct State(Mutex<Vec<Option<Box<u8>>>>);

/// Writes a chain of functions, each of which awaits the next.
macro_rules! chain {
    ([$($attr:tt)*] [$($parameters:tt)*] $first:ident $($rest:ident)*) => {
        chain!(@ [$($attr)*] $first $($rest)*);
    };
    (@ [$($attr:tt)*] $this:ident $next:ident $($rest:ident)*) => {
        $($attr)*
        async fn $this(s: Arc<State>) -> Result<usize, std::io::Error> { $next(s).await }
        chain!(@ [$($attr)*] $next $($rest)*);
    };
    (@ [$($attr:tt)*] $last:ident) => {
        $($attr)*
        async fn $last(s: Arc<State>) -> Result<usize, std::io::Error> {
            tokio::task::yield_now().await;
            Ok(s.0.lock().unwrap().len())
        }
    };
}

mod plain {
    use super::*;
    chain!([] [] f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21 f22 f23 f24 f25 f26 f27 f28);
    pub(super) fn future(s: Arc<State>) -> impl Future<Output = Result<usize, std::io::Error>> + Send {
        f1(s)
    }
    pub(super) fn of_one(s: Arc<State>) -> usize {
        size_of_val(&f28(s))
    }
}

mod annotated {
    use super::*;
    chain!([#[mcpcat::event]] [] f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21);
    pub(super) fn future(s: Arc<State>) -> impl Future<Output = Result<usize, std::io::Error>> + Send {
        f1(s)
    }
    pub(super) fn of_one(s: Arc<State>) -> usize {
        size_of_val(&f21(s))
    }
}

/// With captured arguments.
mod captured {
    use super::*;
    chain!([#[mcpcat::event(params(n = 1), tags(region = "eu"), response)]] [] f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12 f13 f14 f15 f16 f17 f18 f19 f20 f21);
    pub(super) fn future(s: Arc<State>) -> impl Future<Output = Result<usize, std::io::Error>> + Send {
        f1(s)
    }
}

/// Methods of an annotated block.
struct Methods;

macro_rules! methods {
    ($($this:ident $next:ident)*) => {
        #[mcpcat::event]
        impl Methods {
            $(async fn $this(&self, s: Arc<State>) -> Result<usize, std::io::Error> { self.$next(s).await })*
            async fn last(&self, s: Arc<State>) -> Result<usize, std::io::Error> {
                tokio::task::yield_now().await;
                Ok(s.0.lock().unwrap().len())
            }
        }
    };
}

methods!(m1 m2 m2 m3 m3 m4 m4 m5 m5 m6 m6 m7 m7 m8 m8 m9 m9 m10 m10 m11 m11 m12 m12 m13 m13 m14 m14 m15 m15 m16 m16 m17 m17 last);

/// Methods of a trait stay `async fn`, which is two layers more for each.
mod in_a_trait {
    use super::*;

    macro_rules! trait_methods {
        ($($this:ident $next:ident)*) => {
            #[allow(async_fn_in_trait, reason = "what is tried here")]
            pub(super) trait Charges {
                $(async fn $this(&self, s: Arc<State>) -> Result<usize, std::io::Error>;)*
                async fn last(&self, s: Arc<State>) -> Result<usize, std::io::Error>;
            }
            #[mcpcat::event]
            impl Charges for Methods {
                $(async fn $this(&self, s: Arc<State>) -> Result<usize, std::io::Error> { self.$next(s).await })*
                async fn last(&self, s: Arc<State>) -> Result<usize, std::io::Error> {
                    tokio::task::yield_now().await;
                    Ok(s.0.lock().unwrap().len())
                }
            }
        };
    }

    trait_methods!(t1 t2 t2 t3 t3 t4 t4 t5 t5 t6 t6 t7 t7 t8 t8 last);
}

fn state() -> Arc<State> {
    Arc::new(State(Mutex::default()))
}

#[test]
fn annotated_functions_nest_three_quarters_as_deep_as_plain_ones() {
    use in_a_trait::Charges as _;

    let recorder = Recorder::new();
    block_on(async {
        tokio::spawn(plain::future(state())).await.unwrap().unwrap();
        tokio::spawn(recorder.scope(annotated::future(state()))).await.unwrap().unwrap();
        tokio::spawn(recorder.scope(captured::future(state()))).await.unwrap().unwrap();
        tokio::spawn(recorder.scope(async { Methods.m1(state()).await })).await.unwrap().unwrap();
        tokio::spawn(recorder.scope(async { Methods.t1(state()).await })).await.unwrap().unwrap();
    });
    assert_eq!(recorder.events().len(), 21 + 21 + 18 + 9);
}

#[test]
fn the_sizes_of_futures_are_stated() {
    let (plain, annotated) = (plain::of_one(state()), annotated::of_one(state()));
    println!("one future: plain {plain} bytes, annotated {annotated} bytes");
    let (plain, annotated) = (size_of_val(&plain::future(state())), size_of_val(&annotated::future(state())));
    println!("nested futures: 28 plain {plain} bytes, 21 annotated {annotated} bytes");
    assert!(annotated < 40 * 600, "an annotated future stays small: {annotated}");
}
