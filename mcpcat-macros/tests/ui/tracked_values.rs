//! What `track` takes, and in which order.

#[derive(Clone)]
struct Server;

impl rmcp::ServerHandler for Server {}

fn main() {
    let _ = mcpcat::track("proj_1", Server);
    let _ = mcpcat::track(1, "proj_1");
    let _ = mcpcat::track(Server, String::from("proj_1"));
    let _ = mcpcat::track(Server, &String::from("proj_1"));
}
