//! Without the feature `enable` annotated code is the code that it was: `scripts/check-longer` runs this with
//! no features at all.

#![cfg(not(feature = "enable"))]

use mcpcat::{EventData, emit};

#[derive(EventData)]
#[event(name = "upgraded")]
struct Upgraded<'a, T> {
    plan: &'a str,
    /// Not `Serialize`: a build without events asks for nothing.
    seats: T,
    #[event(redact)]
    email: &'a str,
}

struct Opaque;

#[mcpcat::event(name = "double", params(n), response, error_if = "never")]
fn double(n: u32) -> Result<u32, std::num::ParseIntError> {
    emit!("doubling", n, message = "doubling {n}");
    emit!(Upgraded { plan: "pro", seats: Opaque, email: "a@example.com" });
    Ok(n * 2)
}

#[mcpcat::event]
async fn wait() -> &'static str {
    "done"
}

/// Arguments are checked for their types and never evaluated.
#[test]
fn nothing_is_evaluated() {
    let mut evaluated = 0;
    emit!(
        "count",
        n = {
            evaluated += 1;
            evaluated
        }
    );
    assert_eq!(evaluated, 0);
    assert_eq!(double(21), Ok(42));
    let future = std::pin::pin!(wait());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(future.poll(&mut context), std::task::Poll::Ready("done"));
}
