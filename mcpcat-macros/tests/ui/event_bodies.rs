//! Errors in a body are those the body would have alone.

use mcpcat::event;

struct Plan {
    name: &'static str,
}

#[event]
fn wrong_type(plan: Plan) -> u8 {
    plan.name
}

#[event]
async fn wrong_type_async(plan: Plan) -> Result<u8, String> {
    Ok(plan.name)
}

#[event]
fn half_typed(plan: Plan) -> &'static str {
    plan.
}

#[event(params(cusotmer))]
fn no_such_argument(customer: u8) -> u8 {
    customer
}

#[event(params(plan))]
fn not_serialisable(plan: Plan) {}

#[event(response)]
fn response_not_serialisable() -> Plan {
    Plan { name: "" }
}

#[event(message = "{plan}")]
fn message_not_display(plan: Plan) {}

#[event(error_if = "wrong")]
fn verdict_of_another_type() -> u8 {
    1
}

fn wrong(_: &str) -> bool {
    true
}

fn main() {
    half_typed(Plan { name: "" });
}
