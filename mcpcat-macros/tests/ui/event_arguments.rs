//! Arguments of `#[event]` that mean nothing.

use mcpcat::event;

#[event(nam = "a")]
fn unknown() {}

#[event(name = "a", name = "b")]
fn doubled() {}

#[event("a")]
fn bare_name() {}

#[event(name)]
fn name_without_value() {}

#[event(name = 5)]
fn name_not_text() {}

#[event(name = "")]
fn name_empty() {}

#[event(name = "a.{tier}")]
fn name_not_constant() {}

#[event(params = a)]
fn params_without_list(a: u8) {}

#[event(params(request.plan))]
fn path_without_key(request: Request) {}

#[event(params(a: 1))]
fn colon(a: u8) {}

#[event(params(a = %a))]
fn sigil(a: u8) {}

#[event(params(a, a = 1))]
fn key_twice(a: u8) {}

#[event(tags("not/allowed" = 1))]
fn bad_tag() {}

#[event(response = true)]
fn response_with_value() {}

#[event(message = 5)]
fn message_not_text() {}

#[event(session = "self.")]
fn session_not_expression() {}

#[event(ok_if = "is_ok", error_if = "is_err")]
fn both_verdicts() {}

#[event(on = "success")]
fn on_what() {}

#[event(slow = "250")]
fn slow_without_unit() {}

#[event(sample = 10)]
fn sample_too_large() {}

#[event(crate = "not a path")]
fn crate_not_path() {}

#[event(skip)]
fn skip_outside_block() {}

#[event(nam = "a", sample = "b", zebra)]
fn all_at_once() {}

struct Request {
    plan: u8,
}

fn main() {
    // Every function is still there.
    unknown();
    doubled();
    all_at_once();
    let _ = Request { plan: 1 }.plan;
}
