//! Values that do not fit their place in `emit!`.

use mcpcat::emit;

struct Opaque;

fn main() {
    emit!("a", plan = Opaque);
    emit!("a", first = 1, plan = Opaque, tags.last = 2);
    emit!("a", plan = debug(Opaque));
    emit!("a", plan = display(Opaque));
    emit!("a", message = Opaque);
    emit!("a", message = "{nowhere}");
    emit!("a", duration = 250);
    emit!("a", is_error = "yes");
    emit!("a", session = 5);
    emit!("a", project = 5);
    emit!("a", response = Opaque);
    emit!("a", ..Opaque);
    emit!(Opaque);
}
