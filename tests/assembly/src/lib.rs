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

/// What a library writes by hand: its own event, its own outcome, sessions carried to where the work goes on.
/// Generic, because code of a concrete implementation stands in a library before anything calls it.
struct Order<T> {
    cents: T,
}

#[cfg(annotated)]
impl<T: Copy + Into<u64>> mcpcat::EventData for Order<T> {
    fn record(&self, fields: &mut mcpcat::Fields) {
        fields.name("order");
        fields.parameter("cents", &self.cents.into());
        fields.message(&format_args!("{} cents", self.cents.into()));
    }
}

#[cfg(annotated)]
impl<T: Copy + Into<u64>> mcpcat::Outcome for Order<T> {
    fn error(&self) -> Option<mcpcat::ErrorInfo> {
        (self.cents.into() == 0).then(|| mcpcat::ErrorInfo::message("nothing to pay").with_type("order::Empty"))
    }
}

#[inline(never)]
fn pay(order: Order<u64>) -> u64 {
    order.cents.rotate_left(3)
}

#[unsafe(no_mangle)]
pub fn carried(cents: u64) -> u64 {
    let order = Order { cents };
    #[cfg(annotated)]
    {
        if let Some(client) = mcpcat::Client::installed() {
            let _ = client.publish("customer", &order);
            let _ = client.session("customer").run(|| 0);
        }
        let _ = mcpcat::publish_custom_event("customer", "proj_1", &order);
        let _ = mcpcat::publish_custom_event("customer", "proj_1", mcpcat::CustomEvent::new("paid").parameter("cents", cents));
    }
    let work = move || pay(order);
    #[cfg(annotated)]
    let work = mcpcat::carry(work);
    #[cfg(annotated)]
    let work = {
        let here = mcpcat::Carrier::current();
        move || here.run(work)
    };
    work()
}

#[unsafe(no_mangle)]
pub fn awaited(cents: u64) -> u64 {
    let work = async move { pay(Order { cents }) };
    #[cfg(annotated)]
    let work = mcpcat::InSession::in_current_session(work);
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => 0,
    }
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
