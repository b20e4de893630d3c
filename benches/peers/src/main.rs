//! mcpcat beside its peers: every peer in each situation, in a process of its own, on one machine in one run.
//!
//! `cargo run --release` prints the tables; with a name (`callsite`, `tool-call`, `delivery`, `memory`, `loss`,
//! `footprint`) only that one. Loopback only, bounded in count and time. Times are of a shared machine: compare
//! rows of one run. Counts (instructions, allocations, events lost) do not depend on load.

mod child;
mod endpoint;
mod footprint;
mod measure;
mod peer;
mod report;
mod spawn;
mod table;
mod toolcall;

use clap::Parser;

#[derive(Parser)]
#[command(about = "mcpcat beside its peers")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How long the outage lasts, in seconds.
    #[arg(long, default_value_t = 60, global = true)]
    outage: u64,
}

#[derive(clap::Subcommand)]
enum What {
    /// The cost of an event where it is raised.
    Callsite,
    /// What tracking adds to a tool call.
    ToolCall,
    /// Events a second and CPU each.
    Delivery,
    /// Memory while an endpoint hangs.
    Memory,
    /// What is lost when a process or the endpoint goes away.
    Loss,
    /// Crates, size and build time of a minimal server.
    Footprint,
    /// One measurement; what the others start.
    #[command(hide = true)]
    Child {
        peer: String,
        url: String,
        #[command(subcommand)]
        task: child::Task,
    },
}

fn main() {
    let arguments = Arguments::parse();
    let mut report = report::Report::default();
    match arguments.what {
        Some(What::Child { peer, url, task }) => return child::run(&task, &peer, &url),
        Some(What::Callsite) => report.callsite(),
        Some(What::ToolCall) => report.tool_call(),
        Some(What::Delivery) => report.delivery(),
        Some(What::Memory) => report.memory(),
        Some(What::Loss) => report.loss(arguments.outage),
        Some(What::Footprint) => report.footprint(),
        None => {
            report.machine();
            report.callsite();
            report.tool_call();
            report.delivery();
            report.memory();
            report.loss(arguments.outage);
            report.footprint();
        }
    }
    report.targets();
}
