//! Code that a library could annotate: with the feature `enable` off, `--cfg annotated` may not change a byte of it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

#[cfg_attr(annotated, mcpcat::event(name = "sum.checked", params(values), response, slow = "1ms"))]
fn sum(values: &[u32]) -> Result<u32, u32> {
    let mut sum = 0u32;
    for value in values {
        sum = sum.checked_add(*value).ok_or(*value)?;
        #[cfg(annotated)]
        mcpcat::emit!("sum.step", sum, next = *value, message = "at {sum}");
    }
    Ok(sum)
}

#[cfg_attr(annotated, mcpcat::event(params(a), error_if = "|n| *n == 0"))]
async fn double(a: u32) -> u32 {
    a.wrapping_mul(2)
}

struct Account(u64);

#[cfg_attr(annotated, mcpcat::event(name = "account"))]
impl Account {
    #[inline(never)]
    fn add(&mut self, amount: u64) -> u64 {
        self.0 = self.0.wrapping_add(amount);
        self.0
    }
}

#[cfg_attr(annotated, derive(mcpcat::EventData))]
struct Added {
    _amount: u64,
}

#[unsafe(no_mangle)]
pub fn checked_sum(values: &[u32]) -> u32 {
    sum(values).unwrap_or_else(|value| value)
}

#[unsafe(no_mangle)]
pub fn doubled(a: u32) -> u32 {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(double(a)).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => 0,
    }
}

#[unsafe(no_mangle)]
pub fn added(amount: u64) -> u64 {
    let event = Added { _amount: amount };
    #[cfg(annotated)]
    mcpcat::emit!(event);
    Account(1).add(event._amount)
}
