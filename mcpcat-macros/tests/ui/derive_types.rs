//! Fields of derived events that cannot be recorded.

use mcpcat::EventData;

struct Opaque;

#[derive(EventData)]
struct Event {
    plan: Opaque,
    #[event(debug)]
    debug: Opaque,
    #[event(display)]
    display: Opaque,
    #[event(message)]
    message: Opaque,
    #[event(duration)]
    duration: u64,
    #[event(flatten)]
    flatten: Opaque,
    #[event(redact)]
    redacted: Opaque,
    #[event(error)]
    error: Opaque,
}

fn main() {}
