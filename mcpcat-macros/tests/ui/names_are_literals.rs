//! A name that is not a literal is told what is the way.

const NAME: &str = "charged";

#[mcpcat::event(name = NAME)]
fn by_constant() {}

#[mcpcat::event(name = concat!("a", "b"))]
fn by_macro() {}

#[derive(mcpcat::EventData)]
#[event(name = NAME)]
struct Derived;

fn main() {
    let name = "charged";
    let seats = 1;
    mcpcat::emit!(name, seats);
    mcpcat::emit!(NAME, seats = seats);
    mcpcat::emit!(&name, seats);
    mcpcat::emit!("charged", tags(region = "eu"));
    mcpcat::emit!("charged", properties(seats));
    mcpcat::emit!("charged", params(seats, a = 1), seats);
}
