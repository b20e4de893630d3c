//! The command `mcpcat-timeline`.

fn main() -> std::process::ExitCode {
    mcpcat_timeline::cli::main()
}
