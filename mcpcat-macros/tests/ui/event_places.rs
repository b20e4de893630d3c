//! Arguments that stop midway, and those that mean nothing where they stand.

use mcpcat::event;

#[event(name = "a" response)]
fn no_comma() {}

#[event(= 5)]
fn no_word() {}

#[event(params(plan.))]
fn half_a_key(plan: Plan) {}

#[event(params(plan =))]
fn half_a_value(plan: Plan) {}

#[event(params(plan = plan.))]
fn half_an_expression(plan: Plan) {}

#[event(params("plan"))]
fn quoted_without_value(plan: Plan) {}

#[event(params(plan seats))]
fn fields_without_comma(plan: Plan, seats: u8) {}

#[event(params(display(plan)))]
fn text_without_key(plan: Plan) {}

#[event(params("" = 1))]
fn empty_key() {}

#[event(name = " padded ")]
fn padded_name() {}

#[event(reponse, parms(a), tag(a), property(a), sesion = "a", okif = "a", err_if = "a", samples = 1, slowest = "1s")]
fn near_words() {}

#[event(response, response, on = "error", on = "error", tags(), tags(), ok_if = "a", ok_if = "a")]
fn doubled_words() {}

#[event(response)]
#[track_caller]
fn response_of_a_body_in_place() -> u8 {
    1
}

#[event(error_if = "|_| true")]
fn verdict_on_a_closure() -> impl Fn(u8) -> u8 {
    |x| x
}

#[event(ok_if = "|_| true")]
fn verdict_on_never() -> ! {
    panic!()
}

struct Plan {
    name: &'static str,
}

impl Plan {
    #[event(params(self))]
    fn whole_self(&self) -> &str {
        self.name
    }
}

#[event]
macro_rules! not_a_function {
    () => {};
}

#[event(name = "a")]
impl Plan {
    #[event = "b"]
    fn not_a_list(&self) {}

    #[event(nam = "c")]
    fn unknown(&self) {}

    fn fine(&self) {}
}

fn main() {
    // Every function is still there.
    no_comma();
    no_word();
    half_a_key(Plan { name: "a" });
    half_a_value(Plan { name: "a" });
    half_an_expression(Plan { name: "a" });
    near_words();
    doubled_words();
    response_of_a_body_in_place();
    verdict_on_a_closure()(1);
    Plan { name: "a" }.whole_self();
    Plan { name: "a" }.unknown();
    Plan { name: "a" }.fine();
}
