//! Functions written once and compiled twice, with `#[mcpcat::event]` and without. Each logs what is dropped, and when;
//! the logs have to be equal, with recording on and off. The file belongs to one crate of each edition, whose rules for
//! temporaries differ.

#![allow(
    clippy::all,
    dead_code,
    unused_variables,
    unused_mut,
    unused_imports,
    unused_assignments,
    reason = "the shapes are the point"
)]

use std::cell::RefCell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Waker};

thread_local!(static LOG: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) });

pub fn log(what: &'static str) {
    LOG.with(|log| log.borrow_mut().push(what));
}

/// Says when it is dropped.
pub struct G(pub &'static str);

impl Drop for G {
    fn drop(&mut self) {
        log(self.0);
    }
}

impl G {
    pub fn value(&self) -> u8 {
        1
    }
    pub fn some(&self) -> Option<u8> {
        Some(1)
    }
    pub fn none(&self) -> Option<u8> {
        None
    }
    pub fn fails(&self) -> Result<u8, std::io::Error> {
        Err(std::io::Error::other("no"))
    }
}

pub trait Valued {
    fn get(&self) -> u8;
}

impl Valued for G {
    fn get(&self) -> u8 {
        1
    }
}

pub type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

pub fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Is pending once.
pub async fn once() {
    let mut first = true;
    std::future::poll_fn(move |context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
}

/// Polls a future once and drops it.
pub fn dropped_after_a_poll(future: impl Future) {
    let mut future = Box::pin(future);
    let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    log("polled");
}

pub fn caught<T>(f: impl FnOnce() -> T) {
    let _ = std::panic::catch_unwind(AssertUnwindSafe(f));
}

macro_rules! corpus {
    ($($name:ident [$($before:item)*] { $($item:tt)* } $run:expr;)*) => {
        mod plain { $(pub mod $name { use super::super::*; $($before)* $($item)* })* }
        mod annotated { $(pub mod $name { use super::super::*; $($before)* #[mcpcat::event] $($item)* })* }

        fn cases() -> Vec<(&'static str, fn(), fn())> {
            vec![$((
                stringify!($name),
                || { use plain::$name::*; let _ = $run; },
                || { use annotated::$name::*; let _ = $run; },
            )),*]
        }
    };
}

corpus! {
    tail [] { pub fn f() -> u8 { let _local = G("local"); G("tail").value() } } f();
    tail_async [] { pub async fn f() -> u8 { let _local = G("local"); once().await; G("tail").value() } } wait(f());
    tail_of_unit [] { pub fn f() { let _local = G("local"); log(if G("tail").value() == 1 { "is" } else { "not" }) } } f();
    tail_match [] { pub fn f() -> u8 { let _l = G("local"); match G("scrutinee").some() { Some(v) => v, None => 0 } } } f();
    tail_with_parameters []
        { pub fn f(a: G, _: G, b: G) -> u8 { let _l = G("local"); G("tail").value() } } f(G("a"), G("_"), G("b"));
    tail_with_parameters_async []
        { pub async fn f(a: G, _: G, b: G) -> u8 { let _l = G("local"); G("tail").value() } } wait(f(G("a"), G("_"), G("b")));
    if_let [] { pub fn f() -> u8 { if let Some(v) = G("scrutinee").none() { v } else { log("else"); 0 } } } f();
    if_let_async []
        { pub async fn f() -> u8 { if let Some(v) = G("scrutinee").none() { v } else { once().await; log("else"); 0 } } } wait(f());
    if_let_statement []
        { pub fn f() { if let Some(v) = G("scrutinee").none() { log("some"); } else { log("else"); } log("after"); } } f();
    inner_block []
        { pub fn f() -> u8 { let _l = G("local"); let v = { let _inner = G("inner"); G("block tail").value() }; log("after"); v } } f();
    unused [] { pub fn f(_a: G, _: G, b: G, _c: G) { let _l = G("local"); log("body"); } } f(G("a"), G("_"), G("b"), G("c"));
    unused_async [] { pub async fn f(_a: G, _: G, b: G, _c: G) { let _l = G("local"); once().await; log("body"); } }
        wait(f(G("a"), G("_"), G("b"), G("c")));
    used_out_of_order [] { pub fn f(a: G, b: G, c: G) -> u8 { log("body"); c.value() + a.value() } } f(G("a"), G("b"), G("c"));
    used_out_of_order_async [] { pub async fn f(a: G, b: G, c: G) -> u8 { once().await; c.value() + a.value() } }
        wait(f(G("a"), G("b"), G("c")));
    moved_on [] { pub fn f(a: G, b: G) { drop(b); log("between"); } } f(G("a"), G("b"));
    a_field_is_used [] { pub fn f(a: (G, G), b: G) -> u8 { a.1.value() } } f((G("a.0"), G("a.1")), G("b"));
    a_field_is_used_async [] { pub async fn f(a: (G, G), b: G) -> u8 { once().await; a.1.value() } }
        wait(f((G("a.0"), G("a.1")), G("b")));
    a_field_is_moved [] { pub fn f(a: (G, G), b: G) { drop(a.1); log("between"); } } f((G("a.0"), G("a.1")), G("b"));
    patterns [] { pub fn f((a, _): (G, G), b: G, (_, c): (G, G)) -> u8 { log("body"); c.value() } }
        f((G("a.0"), G("a.1")), G("b"), (G("c.0"), G("c.1")));
    patterns_async [] { pub async fn f((a, _): (G, G), b: G, (_, c): (G, G)) -> u8 { once().await; c.value() } }
        wait(f((G("a.0"), G("a.1")), G("b"), (G("c.0"), G("c.1"))));
    mutable [] { pub fn f(mut a: G, mut b: G) { a = G("new a"); log("body"); b = G("new b"); } } f(G("a"), G("b"));
    mutable_async [] { pub async fn f(mut a: G, mut b: G) { a = G("new a"); once().await; b = G("new b"); } } wait(f(G("a"), G("b")));
    by_reference [] { pub fn f<'a>(a: &'a G, b: &mut Vec<G>, c: G) -> &'a G { b.push(c); log("body"); a } }
        { let a = G("a"); let mut all = Vec::new(); f(&a, &mut all, G("c")); log("returned"); };
    impl_trait [] { pub fn f(a: impl Valued, _: impl Valued, b: impl Valued) -> u8 { a.get() } } f(G("a"), G("_"), G("b"));
    impl_trait_async [] { pub async fn f(a: impl Valued, _: impl Valued, b: impl Valued) -> u8 { once().await; a.get() } }
        wait(f(G("a"), G("_"), G("b")));
    returned_early [] { pub fn f(a: G, b: G) -> u8 { let _l = G("local"); if b.value() == 1 { return G("early").value(); } 2 } }
        f(G("a"), G("b"));
    returned_early_async []
        { pub async fn f(a: G, b: G) -> u8 { let _l = G("local"); once().await; if b.value() == 1 { return G("early").value(); } 2 } }
        wait(f(G("a"), G("b")));
    question [] { pub fn f(a: G) -> Result<u8, std::io::Error> { let _l = G("local"); let v = G("failing").fails()?; Ok(v) } } f(G("a"));
    question_async []
        { pub async fn f(a: G) -> Result<u8, std::io::Error> { let _l = G("local"); once().await; Ok(G("failing").fails()?) } } wait(f(G("a")));
    panics [] { pub fn f(a: G, b: G) { let _l = G("local"); if a.value() == 1 { panic!("expected") } } } caught(|| f(G("a"), G("b")));
    panics_async [] { pub async fn f(a: G, b: G) { let _l = G("local"); once().await; if a.value() == 1 { panic!("expected") } } }
        caught(|| wait(f(G("a"), G("b"))));
    never_polled [] { pub async fn f(a: G, _: G, b: G) -> u8 { log("body"); b.value() } } drop(f(G("a"), G("_"), G("b")));
    polled_and_dropped [] { pub async fn f(a: G, _: G, b: G) -> u8 { let _l = G("local"); once().await; once().await; a.value() } }
        dropped_after_a_poll(f(G("a"), G("_"), G("b")));
    kept_after_its_end [] { pub async fn f(a: G, b: G) -> u8 { a.value() } }
        { let mut future = Box::pin(f(G("a"), G("b"))); let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop())); log("ended"); };
    boxed_tail []
        { pub fn f(a: G, b: G, _: G) -> Boxed<u8> { let _l = G("leading"); Box::pin(async move { once().await; let _l = G("local"); a.value() }) } }
        wait(f(G("a"), G("b"), G("_")));
    boxed_written_out []
        { pub fn f(a: G, b: G) -> Pin<Box<dyn Future<Output = u8>>> { let _l = G("leading"); Box::pin(async move { let _l = G("local"); G("tail").value() + b.value() }) } }
        wait(f(G("a"), G("b")));
    boxed_otherwise []
        { pub fn f(a: G, b: G) -> Pin<Box<dyn Future<Output = u8>>> { let _l = G("leading"); let future = async move { b.value() }; Box::pin(future) } }
        wait(f(G("a"), G("b")));
    opaque [] { pub fn f(a: G, b: G) -> impl Future<Output = u8> { let _l = G("leading"); async move { once().await; b.value() } } }
        wait(f(G("a"), G("b")));
    alias [pub type Reply = u8;] { pub fn f(a: G, _: G, b: G) -> Reply { let _l = G("local"); G("tail").value() } } f(G("a"), G("_"), G("b"));
    closure_returned [] { pub fn f(a: G, b: G) -> impl Fn() -> u8 { let _l = G("local"); move || a.value() } } { let c = f(G("a"), G("b")); log("returned"); c() };
    track_caller [] { #[track_caller] pub fn f(a: G, _: G, b: G) -> u8 { let _l = G("local"); G("tail").value() } } f(G("a"), G("_"), G("b"));
    generic [] { pub fn f<T: Valued, U>(a: T, b: U, c: T) -> u8 where U: Valued { c.get() } } f(G("a"), G("b"), G("c"));
    value_returned [] { pub fn f(a: G, b: G) -> G { let _l = G("local"); b } } { let b = f(G("a"), G("b")); log("returned"); };
    value_returned_async [] { pub async fn f(a: G, b: G) -> G { once().await; b } } { let b = wait(f(G("a"), G("b"))); log("returned"); };
    diverging [] { pub fn f(a: G) -> u8 { let _l = G("local"); panic!("expected") } } caught(|| f(G("a")));
    shadowed [] { pub fn f(a: G) -> u8 { let a = G("second"); log("body"); a.value() } } f(G("a"));
    recursion []
        { pub async fn f(a: G, deep: u8) -> u8 { let _l = G("local"); if deep == 0 { return a.value() } Box::pin(f(G("inner"), deep - 1)).await } }
        wait(f(G("a"), 2));
    method_by_value [pub struct S(pub G, pub G);]
        { impl S { pub fn f(self, a: G, _: G) -> u8 { let _l = G("local"); G("tail").value() } } } S(G("s.0"), G("s.1")).f(G("a"), G("_"));
    method_by_value_async [pub struct S(pub G, pub G);]
        { impl S { pub async fn f(self, a: G, _: G) -> u8 { let _l = G("local"); once().await; G("tail").value() } } }
        wait(S(G("s.0"), G("s.1")).f(G("a"), G("_")));
    method_takes_itself_apart [pub struct S(pub G, pub G);]
        { impl S { pub fn f(mut self, a: G) -> u8 { self.0 = G("new s.0"); let S(first, _) = self; log("body"); first.value() } } }
        S(G("s.0"), G("s.1")).f(G("a"));
    method_takes_itself_apart_async [pub struct S(pub G, pub G);]
        { impl S { pub async fn f(mut self, a: G) -> u8 { self.0 = G("new s.0"); once().await; drop(self.1); log("body"); self.0.value() } } }
        wait(S(G("s.0"), G("s.1")).f(G("a")));
    method_by_reference [pub struct S(pub G);]
        { impl S { pub async fn f(&mut self, a: G, _: G) -> &G { self.0 = G("new s.0"); once().await; &self.0 } } }
        { let mut s = S(G("s.0")); wait(s.f(G("a"), G("_"))); log("returned"); };
    method_of_a_box [pub struct S(pub G);] { impl S { pub fn f(self: Box<Self>, a: G) -> u8 { log("body"); a.value() } } } Box::new(S(G("s"))).f(G("a"));
    method_of_a_trait [pub struct S(pub G); pub trait T { fn f(self, a: G, _: G) -> u8; }]
        { impl T for S { fn f(self, a: G, _: G) -> u8 { let _l = G("local"); G("tail").value() } } } S(G("s")).f(G("a"), G("_"));
    async_method_of_a_trait [pub struct S(pub G); #[allow(async_fn_in_trait)] pub trait T { async fn f(self, a: G, _: G) -> u8; }]
        { impl T for S { async fn f(self, a: G, _: G) -> u8 { let _l = G("local"); once().await; G("tail").value() } } }
        wait(S(G("s")).f(G("a"), G("_")));
}

/// With arguments of the attribute, which capture before the body or look at the value behind it.
mod with_arguments {
    use super::*;

    pub fn plain(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
    #[mcpcat::event(params(a), tags(region = "eu"), message = "{a}")]
    pub fn captured(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
    #[mcpcat::event(params(a), response)]
    pub fn response(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
    #[mcpcat::event(params(a), error_if = "|value| *value > 9", session = "\"somebody\"")]
    pub fn judged(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
    #[mcpcat::event(params(a), response)]
    pub async fn response_async(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
    #[mcpcat::event(params(a), ok_if = "|value| *value > 9", session = "\"somebody\"")]
    pub async fn judged_async(a: u8, b: G, _: G) -> u8 {
        let _l = G("local");
        G("tail").value() + a
    }
}

fn logged(run: impl FnOnce()) -> Vec<&'static str> {
    LOG.with(|log| log.borrow_mut().clear());
    run();
    LOG.with(|log| std::mem::take(&mut *log.borrow_mut()))
}

pub fn compare() {
    let recorder = mcpcat::testing::Recorder::new();
    let mut wrong = Vec::new();
    let mut check = |name: &str, plain: &dyn Fn(), annotated: &dyn Fn()| {
        let expected = logged(plain);
        let off = logged(annotated);
        let on = logged(|| recorder.run(annotated));
        if off != expected || on != expected {
            wrong.push(format!(
                "{name}\n  plain         {expected:?}\n  recording off {off:?}\n  recording on  {on:?}"
            ));
        }
    };
    let cases = cases();
    for (name, plain, annotated) in &cases {
        check(name, plain, annotated);
    }
    use with_arguments as with;
    let args = || (7, G("b"), G("_"));
    let plain = || {
        let (a, b, c) = args();
        with::plain(a, b, c);
    };
    check("captured", &plain, &|| {
        let (a, b, c) = args();
        with::captured(a, b, c);
    });
    check("response", &plain, &|| {
        let (a, b, c) = args();
        with::response(a, b, c);
    });
    check("judged", &plain, &|| {
        let (a, b, c) = args();
        with::judged(a, b, c);
    });
    check("response_async", &plain, &|| {
        let (a, b, c) = args();
        wait(with::response_async(a, b, c));
    });
    check("judged_async", &plain, &|| {
        let (a, b, c) = args();
        wait(with::judged_async(a, b, c));
    });
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len() + 5, wrong.join("\n"));
    assert!(recorder.events().len() > cases.len() / 2, "nothing was recorded");
    println!("{} functions drop in the same order, recording on and off", cases.len() + 5);
}
