//! Every shape a function can have, annotated, run, and its event compared.
//!
//! The lints of this file are a strict user's: what is generated may not trip one.

#![deny(warnings)]
#![warn(clippy::pedantic)]
#![allow(unsafe_code, reason = "unsafe functions are among the shapes")]
#![allow(
    clippy::unnecessary_wraps,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    clippy::trivially_copy_pass_by_ref,
    clippy::must_use_candidate,
    clippy::items_after_statements,
    clippy::non_minimal_cfg,
    clippy::multiple_bound_locations,
    clippy::never_loop,
    clippy::ignored_unit_patterns,
    clippy::unused_self,
    clippy::needless_arbitrary_self_type,
    clippy::borrowed_box,
    reason = "the shapes are small on purpose"
)]

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, ready};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use mcpcat::event;

use crate::support::{block_on, seen};

#[derive(Debug, PartialEq)]
pub(crate) struct Declined(&'static str);

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "declined: {}", self.0)
    }
}

impl Error for Declined {}

type Reply<T> = Result<T, Declined>;
type Plain = Reply<u8>;
type Later<'a, T> = Pin<Box<dyn Future<Output = Reply<T>> + Send + 'a>>;
type LaterHere<T> = Pin<Box<dyn Future<Output = T>>>;

/// Runs a shape, and compares its event's name (the function's) and error.
macro_rules! shape {
    ($name:ident, $call:expr) => {
        shape!($name, $call, None)
    };
    ($name:ident, $call:expr, $error:literal) => {
        shape!($name, $call, Some($error))
    };
    ($name:ident, $call:expr, $error:expr) => {{
        let (value, events) = seen(|| $call);
        assert_eq!(events.len(), 1, "{}: {events:?}", stringify!($name));
        let event = &events[0];
        let name = event.name.rsplit("::").next().unwrap_or_default();
        assert_eq!(name, stringify!($name).trim_start_matches("r#"));
        let expected: Option<&str> = $error;
        assert_eq!(event.error.as_deref(), expected, "{}", stringify!($name));
        value
    }};
}

// ---- Plain functions --------------------------------------------------------------------------------------------

#[event]
fn nothing() {}

#[event]
fn one_line() -> u8 {
    7
}

#[event]
fn takes_and_gives(a: u8, b: &str) -> String {
    format!("{a}{b}")
}

#[event]
fn returns_early(stop: bool) -> u8 {
    if stop {
        return 1;
    }
    2
}

#[event]
fn returns_early_unit(stop: bool) {
    if stop {
        return;
    }
    drop(String::from("on"));
}

#[event]
fn asks(text: &str) -> Result<u8, std::num::ParseIntError> {
    let value = text.parse::<u8>()?;
    Ok(value)
}

#[event]
fn asks_option(text: Option<u8>) -> Option<u8> {
    Some(text? + 1)
}

#[event]
fn generic<T: Clone>(value: &T) -> T {
    value.clone()
}

#[event]
fn generic_where<T, U>(value: T) -> U
where
    T: Into<U>,
{
    value.into()
}

#[event]
fn const_generic<const N: usize>(values: [u8; N]) -> [u8; N] {
    values
}

#[event]
fn const_default<const N: usize, T: Default + Copy>() -> [T; N] {
    [T::default(); N]
}

#[event]
fn takes_impl(value: impl fmt::Display) -> String {
    value.to_string()
}

#[event]
fn takes_impl_fn(mut f: impl FnMut(u8) -> u8) -> u8 {
    f(1) + f(2)
}

#[event]
fn takes_dyn(value: &dyn fmt::Display) -> String {
    value.to_string()
}

#[event]
fn gives_impl() -> impl Iterator<Item = u8> {
    (0..3).map(|x| x * 2)
}

#[event]
fn gives_impl_borrowed(values: &[u8]) -> impl Iterator<Item = &u8> + '_ {
    values.iter()
}

#[event]
fn gives_impl_in_result(fail: bool) -> Result<impl Iterator<Item = u8>, Declined> {
    if fail {
        return Err(Declined("no"));
    }
    Ok(std::iter::once(1))
}

#[event]
fn borrows(text: &str) -> &str {
    text.trim()
}

#[event]
fn borrows_named<'a>(a: &'a str, _b: &str) -> &'a str {
    a
}

#[event]
fn borrows_mutably(values: &mut Vec<u8>) -> Option<&mut u8> {
    values.push(1);
    values.last_mut()
}

#[event]
fn borrows_anonymous(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

#[event]
fn coerces_to_dyn() -> Box<dyn fmt::Display> {
    Box::new(5)
}

#[event]
fn coerces_in_branches(a: bool) -> Box<dyn Fn(u8) -> u8> {
    if a { Box::new(|x| x + 1) } else { Box::new(|x| x + 2) }
}

#[event]
fn coerces_to_slice() -> &'static [u8] {
    &[1, 2, 3]
}

#[event]
fn coerces_to_fn() -> fn(u8) -> u8 {
    |x| x + 1
}

#[event]
fn boxed_error(fail: bool) -> Result<u8, Box<dyn Error>> {
    if fail {
        return Err(Box::new(Declined("boxed")));
    }
    Err("text")?;
    Ok(1)
}

#[event]
fn boxed_error_sync(fail: bool) -> Result<u8, Box<dyn Error + Send + Sync>> {
    if fail {
        Err("shared")?;
    }
    Ok(1)
}

#[event]
fn anyhow_error() -> anyhow::Result<u8> {
    Err(anyhow::Error::new(Declined("cause")).context("outer"))
}

#[event]
fn alias_of_result(fail: bool) -> Plain {
    if fail { Err(Declined("alias")) } else { Ok(1) }
}

#[event]
fn fmt_result() -> fmt::Result {
    Err(fmt::Error)
}

#[event]
fn io_result() -> std::io::Result<()> {
    Err(std::io::Error::other("disk"))
}

#[event]
fn text_error() -> Result<(), String> {
    Err("owned".to_owned())
}

#[event]
fn str_error() -> Result<(), &'static str> {
    Err("static")
}

#[event]
fn unit_error() -> Result<u8, ()> {
    Err(())
}

#[event]
fn tuple(a: u8) -> (u8, Result<u8, Declined>) {
    (a, Err(Declined("inside")))
}

#[event]
fn array() -> [Option<u8>; 2] {
    [None, Some(1)]
}

#[event]
fn reference_to_result(value: &Reply<u8>) -> &Reply<u8> {
    value
}

#[event]
fn option_of_result() -> Option<Reply<u8>> {
    Some(Err(Declined("item")))
}

#[event]
fn poll_of_result() -> Poll<Reply<u8>> {
    Poll::Ready(Err(Declined("polled")))
}

#[event]
fn control_flow() -> ControlFlow<u8> {
    ControlFlow::Break(1)
}

#[event]
fn nested_result() -> Result<Result<u8, Declined>, Declined> {
    Ok(Err(Declined("inner")))
}

#[event]
fn infallible() -> Result<u8, std::convert::Infallible> {
    Ok(1)
}

#[event]
fn recursive(n: u8) -> u8 {
    if n == 0 { 0 } else { 1 + n / 255 }
}

#[event]
fn pattern_tuple((a, b): (u8, u8)) -> u8 {
    a + b
}

#[event]
fn pattern_struct(Declined(text): Declined) -> &'static str {
    text
}

#[event]
fn pattern_array([a, .., b]: [u8; 4]) -> u8 {
    a + b
}

#[event]
fn pattern_mut(mut a: u8) -> u8 {
    a += 1;
    a
}

#[event]
fn pattern_ref(&a: &u8) -> u8 {
    a
}

#[event]
fn pattern_wild(_: u8, _: u8) -> u8 {
    3
}

#[event]
fn r#match(r#type: u8) -> u8 {
    r#type
}

#[event]
fn inner_attribute(a: u8) -> u8 {
    #![allow(unused_variables)]
    let b = a;
    1
}

#[event]
fn cfg_parameter(#[cfg(all())] a: u8, #[cfg(any())] b: u8) -> u8 {
    a
}

#[event]
unsafe fn unsafe_function(a: *const u8) -> bool {
    a.is_null()
}

#[event]
extern "C" fn extern_function(a: u8) -> u8 {
    a
}

#[event]
unsafe extern "C" fn unsafe_extern(a: u8) -> u8 {
    a
}

#[event]
pub(crate) fn visible() {}

#[event]
fn nested_items() -> u8 {
    const X: u8 = 4;
    fn inner() -> u8 {
        X
    }
    inner()
}

#[event]
fn loops() -> u8 {
    let mut i = 0;
    'outer: loop {
        loop {
            i += 1;
            if i > 3 {
                break 'outer i;
            }
        }
    }
}

#[event]
fn closure_inside() -> u8 {
    let add = |a: u8| -> u8 { a + 1 };
    add(1)
}

#[event]
fn macro_inside() -> Vec<u8> {
    vec![1, 2]
}

#[event]
fn let_else(text: &str) -> Option<u8> {
    let Ok(value) = text.parse() else {
        return None;
    };
    Some(value)
}

#[event]
fn shadowed_names(__call: u8, __ret: u8, __fields: u8) -> u8 {
    __call + __ret + __fields
}

#[event]
fn moves_in(text: String) -> String {
    text + "!"
}

#[event]
fn not_send(value: Rc<Cell<u8>>) -> Rc<Cell<u8>> {
    value.set(1);
    value
}

#[event]
fn higher_ranked(f: for<'a> fn(&'a str) -> &'a str) -> &'static str {
    f("x")
}

#[event]
#[inline]
#[must_use]
#[allow(dead_code)]
fn many_attributes() -> u8 {
    1
}

#[allow(dead_code)]
#[inline(never)]
#[event]
fn below_attributes() -> u8 {
    1
}

/// A doc comment above.
#[event]
/// And one below.
fn documented() {}

#[event]
#[deprecated = "only here"]
fn deprecated() {}

mod module {
    use mcpcat::event;

    #[event]
    pub(in crate::shapes) fn in_module() {}
}

macro_rules! make {
    ($name:ident, $ty:ty, $value:expr) => {
        #[event]
        fn $name() -> $ty {
            $value
        }
    };
}
make!(from_macro, u8, 3);

#[test]
fn plain_functions() {
    shape!(nothing, nothing());
    assert_eq!(shape!(one_line, one_line()), 7);
    assert_eq!(shape!(takes_and_gives, takes_and_gives(1, "x")), "1x");
    assert_eq!(shape!(returns_early, returns_early(true)), 1);
    assert_eq!(shape!(returns_early, returns_early(false)), 2);
    shape!(returns_early_unit, returns_early_unit(true));
    shape!(returns_early_unit, returns_early_unit(false));
    assert_eq!(shape!(asks, asks("3")), Ok(3));
    let _ = shape!(asks, asks("x"), "invalid digit found in string");
    assert_eq!(shape!(asks_option, asks_option(None)), None);
    assert_eq!(shape!(generic, generic(&5)), 5);
    assert_eq!(shape!(generic_where, generic_where::<u8, u16>(5)), 5);
    assert_eq!(shape!(const_generic, const_generic([1, 2])), [1, 2]);
    assert_eq!(shape!(const_default, const_default::<2, u8>()), [0, 0]);
    assert_eq!(shape!(takes_impl, takes_impl(5)), "5");
    assert_eq!(shape!(takes_impl_fn, takes_impl_fn(|x| x)), 3);
    assert_eq!(shape!(takes_dyn, takes_dyn(&5)), "5");
    assert_eq!(shape!(gives_impl, gives_impl()).sum::<u8>(), 6);
    assert_eq!(shape!(gives_impl_borrowed, gives_impl_borrowed(&[1]).count()), 1);
    assert_eq!(shape!(gives_impl_in_result, gives_impl_in_result(false).map(Iterator::count)), Ok(1));
    let _ = shape!(gives_impl_in_result, gives_impl_in_result(true).is_err(), "declined: no");
    assert_eq!(shape!(borrows, borrows(" x ")), "x");
    assert_eq!(shape!(borrows_named, borrows_named("a", "b")), "a");
    let mut values = Vec::new();
    assert_eq!(shape!(borrows_mutably, borrows_mutably(&mut values).copied()), Some(1));
    assert_eq!(shape!(borrows_anonymous, borrows_anonymous("x")), "x");
    assert_eq!(shape!(coerces_to_dyn, coerces_to_dyn()).to_string(), "5");
    assert_eq!(shape!(coerces_in_branches, coerces_in_branches(true))(1), 2);
    assert_eq!(shape!(coerces_to_slice, coerces_to_slice()).len(), 3);
    assert_eq!(shape!(coerces_to_fn, coerces_to_fn())(1), 2);
    let _ = shape!(boxed_error, boxed_error(true), "declined: boxed");
    let _ = shape!(boxed_error, boxed_error(false), "text");
    let _ = shape!(boxed_error_sync, boxed_error_sync(true), "shared");
    let _ = shape!(anyhow_error, anyhow_error(), "outer");
    let _ = shape!(alias_of_result, alias_of_result(true), "declined: alias");
    let _ = shape!(alias_of_result, alias_of_result(false));
    let _ = shape!(fmt_result, fmt_result(), Some(&*fmt::Error.to_string()));
    let _ = shape!(io_result, io_result(), "disk");
    let _ = shape!(text_error, text_error(), "owned");
    let _ = shape!(str_error, str_error(), "static");
    let _ = shape!(unit_error, unit_error(), "()");
    let _ = shape!(tuple, tuple(1));
    let _ = shape!(array, array());
    let _ =
        shape!(reference_to_result, reference_to_result(&Err(Declined("kept"))).is_err(), "declined: kept");
    let _ = shape!(option_of_result, option_of_result(), "declined: item");
    let _ = shape!(poll_of_result, poll_of_result(), "declined: polled");
    let _ = shape!(control_flow, control_flow());
    let _ = shape!(nested_result, nested_result());
    let _ = shape!(infallible, infallible());
    assert_eq!(shape!(recursive, recursive(1)), 1);
    assert_eq!(shape!(pattern_tuple, pattern_tuple((1, 2))), 3);
    assert_eq!(shape!(pattern_struct, pattern_struct(Declined("x"))), "x");
    assert_eq!(shape!(pattern_array, pattern_array([1, 2, 3, 4])), 5);
    assert_eq!(shape!(pattern_mut, pattern_mut(1)), 2);
    assert_eq!(shape!(pattern_ref, pattern_ref(&1)), 1);
    assert_eq!(shape!(pattern_wild, pattern_wild(1, 2)), 3);
    assert_eq!(shape!(r#match, r#match(1)), 1);
    assert_eq!(shape!(inner_attribute, inner_attribute(1)), 1);
    assert_eq!(shape!(cfg_parameter, cfg_parameter(1)), 1);
    // SAFETY: the function reads nothing.
    #[allow(unsafe_code, reason = "an unsafe function is one of the shapes")]
    unsafe {
        assert!(shape!(unsafe_function, unsafe_function(std::ptr::null())));
        assert_eq!(shape!(unsafe_extern, unsafe_extern(2)), 2);
    }
    assert_eq!(shape!(extern_function, extern_function(1)), 1);
    shape!(visible, visible());
    assert_eq!(shape!(nested_items, nested_items()), 4);
    assert_eq!(shape!(loops, loops()), 4);
    assert_eq!(shape!(closure_inside, closure_inside()), 2);
    assert_eq!(shape!(macro_inside, macro_inside()), [1, 2]);
    assert_eq!(shape!(let_else, let_else("x")), None);
    assert_eq!(shape!(shadowed_names, shadowed_names(1, 2, 3)), 6);
    assert_eq!(shape!(moves_in, moves_in("a".to_owned())), "a!");
    assert_eq!(shape!(not_send, not_send(Rc::default())).get(), 1);
    assert_eq!(shape!(higher_ranked, higher_ranked(|x| x)), "x");
    assert_eq!(shape!(many_attributes, many_attributes()), 1);
    assert_eq!(shape!(below_attributes, below_attributes()), 1);
    shape!(documented, documented());
    #[allow(deprecated, reason = "the attribute is the shape")]
    {
        shape!(deprecated, deprecated());
    }
    shape!(in_module, module::in_module());
    assert_eq!(shape!(from_macro, from_macro()), 3);
}

// ---- Async functions --------------------------------------------------------------------------------------------

async fn pause() {
    tokio::task::yield_now().await;
}

#[event]
async fn async_nothing() {}

#[event]
async fn async_awaits() {
    pause().await;
}

#[event]
async fn async_value(a: u8) -> u8 {
    pause().await;
    a
}

#[event]
async fn async_early(stop: bool) -> u8 {
    if stop {
        return 1;
    }
    pause().await;
    2
}

#[event]
async fn async_asks(text: &str) -> Result<u8, Box<dyn Error + Send + Sync>> {
    pause().await;
    Ok(text.parse::<u8>()?)
}

#[event]
async fn async_coerces() -> Box<dyn fmt::Display + Send> {
    Box::new(5)
}

#[event]
async fn async_only_error() -> Result<(), Declined> {
    Err(Declined("async"))
}

#[event]
async fn async_infers() -> Result<Vec<u8>, Declined> {
    let mut values = Vec::new();
    pause().await;
    values.extend("12".bytes().map(|b| b - b'0'));
    Ok(values)
}

#[event]
async fn async_borrows(text: &str) -> &str {
    pause().await;
    text.trim()
}

#[event]
async fn async_borrows_two<'a, 'b>(a: &'a str, b: &'b mut Vec<&'a str>) -> &'b mut Vec<&'a str> {
    pause().await;
    b.push(a);
    b
}

#[event]
async fn async_generic<T: Send + Clone>(value: &T) -> T
where
    T: Sync,
{
    pause().await;
    value.clone()
}

#[event]
async fn async_const_generic<const N: usize>(values: [u8; N]) -> usize {
    pause().await;
    values.len()
}

#[event]
async fn async_takes_impl(value: impl fmt::Display) -> String {
    pause().await;
    value.to_string()
}

#[event]
async fn async_gives_impl() -> impl Iterator<Item = u8> {
    pause().await;
    (0..3).map(|x| x + 1)
}

#[event]
async fn async_gives_impl_in_result() -> Result<impl fmt::Display, Declined> {
    pause().await;
    Ok(5)
}

#[event]
async fn async_gives_future() -> impl Future<Output = u8> {
    ready(1)
}

#[event]
async fn async_pattern((a, b): (u8, u8), mut c: Vec<u8>) -> usize {
    pause().await;
    c.extend([a, b]);
    c.len()
}

#[event]
async fn async_mut_argument(values: &mut Vec<u8>) {
    values.push(1);
    pause().await;
    values.push(2);
}

#[event]
async fn async_not_send(value: Rc<Cell<u8>>) -> u8 {
    pause().await;
    value.get()
}

#[event]
async fn async_recursive(n: u8) -> u8 {
    if n > 100 { Box::pin(async_recursive(n - 1)).await } else { n }
}

#[event]
async unsafe fn async_unsafe(a: u8) -> u8 {
    pause().await;
    a
}

#[event]
async fn async_block_inside() -> Result<u8, Declined> {
    let inner = async { Ok::<u8, Declined>(1) };
    inner.await
}

#[event]
async fn async_closure_inside() -> u8 {
    let f = async |a: u8| a + 1;
    f(1).await
}

#[event]
async fn async_alias(fail: bool) -> Plain {
    pause().await;
    if fail { Err(Declined("alias")) } else { Ok(1) }
}

#[event]
async fn async_returns_fn() -> impl Fn(u8) -> u8 {
    pause().await;
    |x: u8| x + 1
}

#[event]
async fn async_never(stop: bool) -> ! {
    assert!(!stop, "stopped");
    std::future::pending().await
}

#[event]
async fn async_select() -> u8 {
    tokio::select! {
        () = pause() => 1,
        value = ready(2) => value,
    }
}

#[event]
async fn async_join() -> u8 {
    let (a, b) = tokio::join!(async { 1 }, async { 2 });
    a + b
}

#[test]
fn async_functions() {
    shape!(async_nothing, block_on(async_nothing()));
    shape!(async_awaits, block_on(async_awaits()));
    assert_eq!(shape!(async_value, block_on(async_value(3))), 3);
    assert_eq!(shape!(async_early, block_on(async_early(true))), 1);
    assert_eq!(shape!(async_early, block_on(async_early(false))), 2);
    let _ = shape!(async_asks, block_on(async_asks("x")), "invalid digit found in string");
    let _ = shape!(async_asks, block_on(async_asks("5")));
    assert_eq!(shape!(async_coerces, block_on(async_coerces())).to_string(), "5");
    let _ = shape!(async_only_error, block_on(async_only_error()), "declined: async");
    assert_eq!(shape!(async_infers, block_on(async_infers())), Ok(vec![1, 2]));
    assert_eq!(shape!(async_borrows, block_on(async_borrows(" x "))), "x");
    let mut list = Vec::new();
    assert_eq!(shape!(async_borrows_two, block_on(async_borrows_two("a", &mut list)).len()), 1);
    assert_eq!(shape!(async_generic, block_on(async_generic(&1))), 1);
    assert_eq!(shape!(async_const_generic, block_on(async_const_generic([1, 2]))), 2);
    assert_eq!(shape!(async_takes_impl, block_on(async_takes_impl(1))), "1");
    assert_eq!(shape!(async_gives_impl, block_on(async_gives_impl())).sum::<u8>(), 6);
    let _ = shape!(async_gives_impl_in_result, block_on(async_gives_impl_in_result()).is_ok());
    assert_eq!(shape!(async_gives_future, block_on(async { async_gives_future().await.await })), 1);
    assert_eq!(shape!(async_pattern, block_on(async_pattern((1, 2), vec![]))), 2);
    let mut values = vec![];
    shape!(async_mut_argument, block_on(async_mut_argument(&mut values)));
    assert_eq!(values, [1, 2]);
    assert_eq!(shape!(async_not_send, block_on(async_not_send(Rc::new(Cell::new(4))))), 4);
    assert_eq!(shape!(async_recursive, block_on(async_recursive(4))), 4);
    #[allow(unsafe_code, reason = "an unsafe function is one of the shapes")]
    // SAFETY: the function asks for nothing.
    unsafe {
        assert_eq!(shape!(async_unsafe, block_on(async_unsafe(4))), 4);
    }
    let _ = shape!(async_block_inside, block_on(async_block_inside()));
    assert_eq!(shape!(async_closure_inside, block_on(async_closure_inside())), 2);
    let _ = shape!(async_alias, block_on(async_alias(true)), "declined: alias");
    assert_eq!(shape!(async_returns_fn, block_on(async_returns_fn()))(1), 2);
    let _ = shape!(
        async_never,
        std::panic::catch_unwind(|| {
            block_on(async_never(true));
        }),
        "the function panicked"
    );
    assert!(shape!(async_select, block_on(async_select())) > 0);
    assert_eq!(shape!(async_join, block_on(async_join())), 3);
}

#[test]
fn send_futures_stay_send() {
    fn send<T: Send>(_: &T) {}
    send(&async_value(1));
    send(&async_borrows("x"));
    send(&async_asks("x"));
    send(&boxed_tail(1));
    send(&opaque_send(1));
    send(&Receivers(1).async_by_value());
}

// ---- Functions that return futures ------------------------------------------------------------------------------

#[event]
fn boxed_tail(a: u8) -> Pin<Box<dyn Future<Output = Reply<u8>> + Send>> {
    Box::pin(async move {
        pause().await;
        if a == 0 { Err(Declined("tail")) } else { Ok(a) }
    })
}

#[event]
fn boxed_leading(a: u8) -> Pin<Box<dyn Future<Output = Reply<u8>> + Send>> {
    let b = a + 1;
    Box::pin(async move {
        pause().await;
        Ok(b)
    })
}

#[event]
fn boxed_early(stop: bool) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    if stop {
        return Box::pin(ready(1));
    }
    Box::pin(async move { 2 })
}

#[event]
fn boxed_borrowing<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = &'a str> + Send + 'a>> {
    Box::pin(async move { text.trim() })
}

#[event]
fn boxed_by_method(a: u8) -> BoxFuture<'static, Reply<u8>> {
    async move { Ok(a) }.boxed()
}

#[event]
fn boxed_ready() -> BoxFuture<'static, Reply<u8>> {
    Box::pin(ready(Err(Declined("ready"))))
}

#[event]
fn boxed_local(a: Rc<u8>) -> LocalBoxFuture<'static, u8> {
    Box::pin(async move { *a })
}

#[event]
fn boxed_unit() -> BoxFuture<'static, ()> {
    Box::pin(pause())
}

#[event]
fn boxed_paths() -> ::std::pin::Pin<::std::boxed::Box<dyn ::std::future::Future<Output = u8>>> {
    ::std::boxed::Box::pin(async move { 1 })
}

#[event]
fn boxed_not_move() -> Pin<Box<dyn Future<Output = u8>>> {
    Box::pin(async { 1 })
}

#[event]
fn later(text: &str) -> Later<'_, u8> {
    Box::pin(async move {
        pause().await;
        text.parse().map_err(|_| Declined("later"))
    })
}

#[event]
fn later_here(a: Rc<u8>) -> LaterHere<u8> {
    Box::pin(async move { *a })
}

#[event]
fn opaque_send(a: u8) -> impl Future<Output = Reply<u8>> + Send {
    async move {
        pause().await;
        if a == 0 { Err(Declined("opaque")) } else { Ok(a) }
    }
}

#[event]
fn opaque_ready(a: u8) -> impl Future<Output = u8> {
    ready(a)
}

#[event]
fn opaque_borrowing(text: &str) -> impl Future<Output = &str> {
    async move { text.trim() }
}

#[event]
fn opaque_infers(text: &str) -> impl Future<Output = Result<u8, Box<dyn Error>>> {
    async move {
        pause().await;
        Ok(text.parse::<u8>()?)
    }
}

#[event]
fn opaque_of_opaque() -> impl Future<Output = impl fmt::Display> {
    async { 5 }
}

#[event]
fn opaque_unit() -> impl Future<Output = ()> {
    pause()
}

#[test]
fn functions_that_return_futures() {
    let _ = shape!(boxed_tail, block_on(boxed_tail(0)), "declined: tail");
    let _ = shape!(boxed_tail, block_on(boxed_tail(1)));
    assert_eq!(shape!(boxed_leading, block_on(boxed_leading(1))), Ok(2));
    assert_eq!(shape!(boxed_early, block_on(boxed_early(true))), 1);
    assert_eq!(shape!(boxed_early, block_on(boxed_early(false))), 2);
    assert_eq!(shape!(boxed_borrowing, block_on(boxed_borrowing(" x"))), "x");
    let _ = shape!(boxed_by_method, block_on(boxed_by_method(1)));
    let _ = shape!(boxed_ready, block_on(boxed_ready()), "declined: ready");
    assert_eq!(shape!(boxed_local, block_on(boxed_local(Rc::new(3)))), 3);
    shape!(boxed_unit, block_on(boxed_unit()));
    assert_eq!(shape!(boxed_paths, block_on(boxed_paths())), 1);
    assert_eq!(shape!(boxed_not_move, block_on(boxed_not_move())), 1);
    let _ = shape!(later, block_on(later("x")), "declined: later");
    assert_eq!(shape!(later, block_on(later("4"))), Ok(4));
    assert_eq!(shape!(later_here, block_on(later_here(Rc::new(3)))), 3);
    let _ = shape!(opaque_send, block_on(opaque_send(0)), "declined: opaque");
    assert_eq!(shape!(opaque_ready, block_on(opaque_ready(3))), 3);
    assert_eq!(shape!(opaque_borrowing, block_on(opaque_borrowing(" x"))), "x");
    let _ = shape!(opaque_infers, block_on(opaque_infers("x")).is_err(), "invalid digit found in string");
    assert_eq!(shape!(opaque_of_opaque, block_on(opaque_of_opaque())).to_string(), "5");
    shape!(opaque_unit, block_on(opaque_unit()));
}

#[test]
fn a_future_that_is_never_polled_is_no_event() {
    let (_, events) = seen(|| {
        drop(async_value(1));
        drop(boxed_tail(1));
        drop(boxed_early(true));
        drop(boxed_by_method(1));
        drop(later("1"));
        drop(later_here(Rc::new(1)));
        drop(opaque_send(1));
    });
    assert!(events.is_empty(), "{events:?}");
}

// ---- Bodies that stay in place ----------------------------------------------------------------------------------

#[event]
fn gives_fn(a: u8) -> impl Fn(u8) -> u8 {
    move |x| x + a
}

#[event]
fn gives_fn_of_reference() -> impl Fn(&str) -> &str {
    |text| text.trim()
}

#[event]
fn gives_fn_in_result(fail: bool) -> Result<impl Fn(u8) -> u8, Declined> {
    if fail {
        return Err(Declined("fn"));
    }
    Ok(|x| x + 1)
}

#[event]
fn gives_boxed_fn() -> Box<impl Fn(u8) -> u8> {
    Box::new(|x| x + 1)
}

#[event]
async fn async_gives_fn_of_reference() -> impl Fn(&str) -> &str {
    pause().await;
    |text| text.trim()
}

#[event]
extern "system" fn extern_system(a: u8) -> u8 {
    a
}

#[event]
#[track_caller]
fn tracks_caller(early: bool) -> u32 {
    let line = std::panic::Location::caller().line();
    if early {
        return line;
    }
    line + 1000
}

#[event]
fn never() -> ! {
    panic!("never")
}

#[event]
fn panics() -> Reply<u8> {
    panic!("on purpose")
}

#[event]
async fn async_panics() -> Reply<u8> {
    pause().await;
    panic!("on purpose")
}

#[test]
fn bodies_that_stay_in_place() {
    assert_eq!(shape!(gives_fn, gives_fn(1))(2), 3);
    assert_eq!(shape!(gives_fn_of_reference, gives_fn_of_reference())(" x"), "x");
    assert_eq!(shape!(gives_fn_in_result, gives_fn_in_result(false)).map(|f| f(1)), Ok(2));
    assert!(shape!(gives_fn_in_result, gives_fn_in_result(true), "declined: fn").is_err());
    assert_eq!(shape!(gives_boxed_fn, gives_boxed_fn())(1), 2);
    assert_eq!(shape!(async_gives_fn_of_reference, block_on(async_gives_fn_of_reference()))(" x"), "x");
    assert_eq!(shape!(extern_system, extern_system(1)), 1);
    assert_eq!(shape!(tracks_caller, tracks_caller(true)), line!());
    assert_eq!(shape!(tracks_caller, tracks_caller(false)), line!() + 1000);
    let _ = shape!(
        never,
        std::panic::catch_unwind(|| {
            never();
        }),
        "the function panicked"
    );
    let _ = shape!(panics, std::panic::catch_unwind(panics), "the function panicked");
    let _ =
        shape!(async_panics, std::panic::catch_unwind(|| block_on(async_panics())), "the function panicked");
}

// ---- Methods ----------------------------------------------------------------------------------------------------

struct Receivers(u8);

struct Holder<'a, T> {
    items: Vec<&'a T>,
}

impl Receivers {
    #[event]
    fn associated(a: u8) -> Self {
        Self(a)
    }

    #[event]
    fn by_ref(&self) -> u8 {
        self.0
    }

    #[event]
    fn by_mut(&mut self) -> u8 {
        self.0 += 1;
        self.0
    }

    #[event]
    fn by_value(self) -> u8 {
        self.0
    }

    #[event]
    fn by_mut_value(mut self) -> Self {
        self.0 += 1;
        self
    }

    #[event]
    fn by_box(self: Box<Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_rc(self: Rc<Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_arc(self: Arc<Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_ref_arc(self: &Arc<Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_pin(self: Pin<&mut Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_self(self: Self) -> u8 {
        self.0
    }

    #[event]
    fn by_typed_ref(self: &Self) -> u8 {
        self.0
    }

    #[event]
    fn by_typed_mut(self: &mut Self) -> &mut u8 {
        &mut self.0
    }

    #[event]
    fn by_mut_box(mut self: Box<Self>) -> Box<Self> {
        self.0 += 1;
        self
    }

    #[event]
    fn by_ref_rc(self: &Rc<Self>) -> &u8 {
        &self.0
    }

    #[event]
    fn by_ref_box(self: &Box<Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_pin_ref(self: Pin<&Self>) -> u8 {
        self.0
    }

    #[event]
    fn by_pin_box(self: Pin<Box<Self>>) -> u8 {
        self.0
    }

    #[event]
    fn by_pin_arc(self: Pin<Arc<Self>>) -> Reply<u8> {
        Err(Declined("pinned"))
    }

    #[event]
    async fn async_by_box(self: Box<Self>) -> u8 {
        pause().await;
        self.0
    }

    #[event]
    async fn async_by_pin(self: Pin<&mut Self>) -> u8 {
        pause().await;
        self.0
    }

    #[event]
    fn lends(&mut self) -> Result<&mut u8, Declined> {
        Ok(&mut self.0)
    }

    #[event]
    fn lends_in_option(&self) -> Option<&u8> {
        Some(&self.0)
    }

    #[event]
    async fn async_by_ref(&self) -> u8 {
        pause().await;
        self.0
    }

    #[event]
    async fn async_by_mut(&mut self) -> &mut u8 {
        self.0 += 1;
        pause().await;
        &mut self.0
    }

    #[event]
    async fn async_by_value(self) -> u8 {
        pause().await;
        self.0
    }

    #[event]
    async fn async_by_arc(self: Arc<Self>) -> Reply<u8> {
        pause().await;
        Err(Declined("arc"))
    }

    #[event]
    fn boxed_method(&self) -> BoxFuture<'_, u8> {
        Box::pin(async move { self.0 })
    }

    #[event]
    fn opaque_method(&self) -> impl Future<Output = u8> + Send + '_ {
        async move { self.0 }
    }

    #[event]
    fn builder(mut self, add: impl Into<u8>) -> Self {
        self.0 += add.into();
        self
    }
}

impl<'a, T: fmt::Display> Holder<'a, T> {
    #[event]
    fn push(&mut self, item: &'a T) -> &mut Self {
        self.items.push(item);
        self
    }

    #[event]
    fn texts<U>(&self) -> Vec<U>
    where
        U: From<String>,
    {
        self.items.iter().map(|item| U::from(item.to_string())).collect()
    }

    #[event]
    fn iterate(&self) -> impl Iterator<Item = &&'a T> + use<'_, 'a, T> {
        self.items.iter()
    }
}

#[test]
fn methods() {
    assert_eq!(shape!(associated, Receivers::associated(1)).0, 1);
    let mut it = Receivers(1);
    assert_eq!(shape!(by_ref, it.by_ref()), 1);
    assert_eq!(shape!(by_mut, it.by_mut()), 2);
    assert_eq!(shape!(by_value, Receivers(1).by_value()), 1);
    assert_eq!(shape!(by_mut_value, Receivers(1).by_mut_value()).0, 2);
    assert_eq!(shape!(by_box, Box::new(Receivers(1)).by_box()), 1);
    assert_eq!(shape!(by_rc, Rc::new(Receivers(1)).by_rc()), 1);
    assert_eq!(shape!(by_arc, Arc::new(Receivers(1)).by_arc()), 1);
    assert_eq!(shape!(by_ref_arc, Arc::new(Receivers(1)).by_ref_arc()), 1);
    assert_eq!(shape!(by_pin, Pin::new(&mut it).by_pin()), 2);
    assert_eq!(shape!(by_self, Receivers(1).by_self()), 1);
    assert_eq!(shape!(by_typed_ref, it.by_typed_ref()), 2);
    assert_eq!(shape!(by_typed_mut, *it.by_typed_mut()), 2);
    assert_eq!(shape!(by_mut_box, Box::new(Receivers(1)).by_mut_box()).0, 2);
    assert_eq!(shape!(by_ref_rc, *Rc::new(Receivers(1)).by_ref_rc()), 1);
    assert_eq!(shape!(by_ref_box, Box::new(Receivers(1)).by_ref_box()), 1);
    assert_eq!(shape!(by_pin_ref, Pin::new(&it).by_pin_ref()), 2);
    assert_eq!(shape!(by_pin_box, Box::pin(Receivers(1)).by_pin_box()), 1);
    let _ = shape!(by_pin_arc, Arc::pin(Receivers(1)).by_pin_arc(), "declined: pinned");
    assert_eq!(shape!(async_by_box, block_on(Box::new(Receivers(1)).async_by_box())), 1);
    assert_eq!(shape!(async_by_pin, block_on(Pin::new(&mut it).async_by_pin())), 2);
    assert_eq!(shape!(lends, it.lends().copied()), Ok(2));
    assert_eq!(shape!(lends_in_option, it.lends_in_option().copied()), Some(2));
    assert_eq!(shape!(async_by_ref, block_on(it.async_by_ref())), 2);
    assert_eq!(shape!(async_by_mut, *block_on(it.async_by_mut())), 3);
    assert_eq!(shape!(async_by_value, block_on(it.async_by_value())), 3);
    let _ = shape!(async_by_arc, block_on(Arc::new(Receivers(1)).async_by_arc()), "declined: arc");
    assert_eq!(shape!(boxed_method, block_on(Receivers(1).boxed_method())), 1);
    assert_eq!(shape!(opaque_method, block_on(Receivers(1).opaque_method())), 1);
    assert_eq!(shape!(builder, Receivers(1).builder(1)).0, 2);
    let mut holder = Holder { items: Vec::new() };
    assert_eq!(shape!(push, holder.push(&5).items.len()), 1);
    assert_eq!(shape!(texts, holder.texts::<String>()), ["5"]);
    assert_eq!(shape!(iterate, holder.iterate().count()), 1);
}

// ---- Traits -----------------------------------------------------------------------------------------------------

trait Service {
    type Output;

    #[event]
    fn with_default(&self) -> u8 {
        self.required() + 1
    }

    #[event]
    fn sized_default(self) -> u8
    where
        Self: Sized,
    {
        9
    }

    #[event]
    async fn async_default(&self) -> u8 {
        pause().await;
        self.required()
    }

    fn required(&self) -> u8;
    async fn native(&self) -> Reply<u8>;
    fn opaque(&self) -> impl Future<Output = u8> + Send;
    fn associated_type(&self) -> Self::Output;
}

impl Service for Receivers {
    type Output = Result<u8, Declined>;

    #[allow(clippy::semicolon_if_nothing_returned, reason = "it returns a value")]
    fn required(&self) -> u8 {
        self.0
    }

    #[event]
    async fn native(&self) -> Reply<u8> {
        pause().await;
        Err(Declined("native"))
    }

    #[event]
    fn opaque(&self) -> impl Future<Output = u8> + Send {
        let value = self.0;
        async move { value }
    }

    #[event]
    fn associated_type(&self) -> Self::Output {
        Err(Declined("associated"))
    }
}

#[async_trait::async_trait]
trait Boxed {
    async fn by_async_trait(&self, text: &str) -> Reply<u8>;

    #[event]
    async fn boxed_default(&self) -> u8 {
        1
    }
}

#[async_trait::async_trait]
impl Boxed for Receivers {
    #[event]
    async fn by_async_trait(&self, text: &str) -> Reply<u8> {
        pause().await;
        text.parse().map_err(|_| Declined("boxed"))
    }
}

#[async_trait::async_trait(?Send)]
trait BoxedHere {
    async fn boxed_here(&mut self, value: Rc<u8>) -> u8;
}

#[async_trait::async_trait(?Send)]
impl BoxedHere for Receivers {
    #[event]
    async fn boxed_here(&mut self, value: Rc<u8>) -> u8 {
        self.0 += *value;
        self.0
    }
}

impl fmt::Display for Receivers {
    #[event]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Future for Receivers {
    type Output = Reply<u8>;

    #[event]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(Declined("poll")))
    }
}

impl Iterator for Holder<'_, u8> {
    type Item = u8;

    #[event]
    fn next(&mut self) -> Option<Self::Item> {
        self.items.pop().copied()
    }
}

struct Closes(Vec<u8>);

impl Drop for Closes {
    #[event]
    fn drop(&mut self) {
        self.0.clear();
    }
}

struct Delayed;

impl IntoFuture for Delayed {
    type Output = u8;
    type IntoFuture = Pin<Box<dyn Future<Output = u8> + Send>>;

    #[event]
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { 1 })
    }
}

#[test]
fn trait_methods() {
    let mut it = Receivers(1);
    assert_eq!(shape!(with_default, it.with_default()), 2);
    assert_eq!(shape!(sized_default, Receivers(1).sized_default()), 9);
    assert_eq!(shape!(async_default, block_on(it.async_default())), 1);
    let _ = shape!(native, block_on(it.native()), "declined: native");
    assert_eq!(shape!(opaque, block_on(it.opaque())), 1);
    let _ = shape!(associated_type, it.associated_type(), "declined: associated");
    let _ = shape!(by_async_trait, block_on(it.by_async_trait("x")), "declined: boxed");
    assert_eq!(shape!(boxed_default, block_on(it.boxed_default())), 1);
    assert_eq!(shape!(boxed_here, block_on(it.boxed_here(Rc::new(1)))), 2);
    assert_eq!(shape!(fmt, it.to_string()), "2");
    let _ = shape!(poll, block_on(it), "declined: poll");
    let five = 5;
    let mut holder = Holder { items: vec![&five] };
    assert_eq!(shape!(next, holder.next()), Some(5));
    shape!(drop, drop(Closes(vec![1])));
    assert_eq!(shape!(into_future, block_on(Delayed.into_future())), 1);
}

// ---- Whole blocks -----------------------------------------------------------------------------------------------

struct Block(HashMap<u8, u8>);

#[event(name = "block")]
impl Block {
    const START: u8 = { 1 };

    fn new() -> Self {
        Self(HashMap::from([(1, Self::START)]))
    }

    fn plain(&self) -> u8 {
        self.0[&1]
    }

    async fn asynchronous(&mut self) -> Reply<u8> {
        pause().await;
        Err(Declined("block"))
    }

    #[event(skip)]
    fn skipped(&self) -> usize {
        self.0.len()
    }

    #[event(name = "own.name")]
    fn named(self) {}

    #[event]
    fn asked_for() -> u8 {
        1
    }

    const fn constant(&self) -> u8 {
        2
    }
}

#[event]
impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Block")
    }
}

#[test]
fn blocks() {
    let name = |events: Vec<crate::support::Seen>| -> Vec<String> {
        events.into_iter().map(|event| event.name).collect()
    };
    let (mut block, events) = seen(Block::new);
    assert!(events.is_empty(), "an associated function is left out: {events:?}");
    assert_eq!(name(seen(|| block.plain()).1), ["block.plain"]);
    let (_, events) = seen(|| block_on(block.asynchronous()));
    assert_eq!(events[0].error.as_deref(), Some("declined: block"));
    assert_eq!(name(events), ["block.asynchronous"]);
    assert!(seen(|| block.skipped()).1.is_empty());
    assert!(seen(|| block.constant()).1.is_empty());
    assert_eq!(name(seen(Block::asked_for).1), ["block.asked_for"]);
    let (_, events) = seen(|| format!("{block:?}"));
    assert!(events[0].name.ends_with("::shapes::Block::fmt"), "{events:?}");
    assert_eq!(name(seen(|| block.named()).1), ["own.name"]);
}

// ---- Beside other attributes ------------------------------------------------------------------------------------

#[event]
#[tokio::main(flavor = "current_thread")]
async fn above_main() -> Reply<u8> {
    pause().await;
    Ok(1)
}

#[tokio::main(flavor = "current_thread")]
#[event]
async fn below_main() -> Reply<u8> {
    pause().await;
    Err(Declined("main"))
}

#[event]
#[tracing::instrument(skip_all)]
async fn above_instrument(a: u8) -> Reply<u8> {
    pause().await;
    Ok(a)
}

#[tracing::instrument(skip_all, err)]
#[event]
async fn below_instrument(a: u8) -> Reply<u8> {
    pause().await;
    Err(Declined(if a == 0 { "zero" } else { "more" }))
}

#[tracing::instrument]
#[event]
fn below_instrument_plain(a: u8) -> u8 {
    a
}

#[test]
fn beside_other_attributes() {
    let _ = shape!(above_main, above_main());
    let _ = shape!(below_main, below_main(), "declined: main");
    let _ = shape!(above_instrument, block_on(above_instrument(1)));
    let _ = shape!(below_instrument, block_on(below_instrument(0)), "declined: zero");
    assert_eq!(shape!(below_instrument_plain, below_instrument_plain(1)), 1);
}

#[event]
#[tokio::test]
async fn above_tokio_test() {
    pause().await;
}

#[tokio::test]
#[event]
async fn below_tokio_test() -> Result<(), Declined> {
    pause().await;
    Ok(())
}

#[event]
#[test]
fn above_test() {}

#[test]
#[event]
fn below_test() -> Result<(), Declined> {
    Ok(())
}
