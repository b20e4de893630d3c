//! What `emit!` does not understand.

use mcpcat::emit;

fn main() {
    let (plan, seats) = ("gold", 3);
    emit!();
    emit!(plan = plan);
    emit!(5);
    emit!(plan, seats);
    emit!("");
    emit!("a.{plan}");
    emit!("a", plan: 1);
    emit!("a", plan => 1);
    emit!("a", plan = );
    emit!("a", plan = %plan);
    emit!("a", plan = ?plan);
    emit!("a", debug(plan));
    emit!("a", plan.len());
    emit!("a", plan, plan = 1);
    emit!("a", message = "m", message = "n");
    emit!("a", "no value");
    emit!("a", = 1);
    emit!("a", tag.region = 1);
    emit!("a", tags.this_key_is_longer_than_tags_may_be = 1);
    emit!("a", plan seats);
    emit!("a", ..);
    emit!("a", ..plan, seats);
    emit!("a", plan = 1, seats: 2, also = , last = missing);
}
