//! Items that cannot be timed.

use mcpcat::event;

#[event]
const fn constant() -> u8 {
    1
}

#[event]
struct Struct;

#[event]
enum Enum {}

#[event]
mod module {}

#[event]
static STATIC: u8 = 1;

trait Trait {
    #[event]
    fn without_body(&self);
}

#[event]
trait Whole {
    fn method(&self) {}
}

#[event(params(a), skip)]
impl Struct {
    #[event(nam = "x")]
    fn method(&self, a: u8) -> u8 {
        a
    }
}

struct Block;

#[event]
impl Block {
    #[event(nam = "x")]
    fn broken(&self) {}

    #[event]
    const fn constant(&self) {}

    fn fine(&self) {}
}

fn main() {
    constant();
    Struct.method(1);
    Block.broken();
    Block.constant();
    Block.fine();
}
