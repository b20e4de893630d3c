//! The command line: serve is the default, the other commands read from or write to a timeline.

#![allow(clippy::print_stdout, reason = "a command's output is its purpose")]

mod args;
mod backup;
mod bounds;
mod catalogue;
mod doctor;
mod export;
mod forget;
mod health;
mod import;
mod manual;
mod progress;
mod prune;
mod publish;
mod query;
mod remote;
mod serve;
mod source;
mod tail;
mod text;
mod token;
mod upgrade;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// What went wrong, for the person at the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mcpcat-timeline: the async runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        // `| head` is a normal way to end.
        Err(failure) if is_broken_pipe(&*failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mcpcat-timeline: {}", crate::inert::plain(&failure.to_string()));
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        None => serve::run(cli.serve).await,
        Some(Command::Serve(args)) => serve::run(args).await,
        Some(Command::Tail(args)) => tail::run(args).await,
        Some(Command::Query(args)) => query::run(args).await,
        Some(Command::Export(args)) => export::run(args).await,
        Some(Command::Import(args)) => import::run(args).await,
        Some(Command::Publish(args)) => publish::run(args).await,
        Some(Command::Forget(args)) => forget::run(args).await,
        Some(Command::Prune(args)) => prune::run(args).await,
        Some(Command::Backup(args)) => backup::run(args).await,
        Some(Command::Restore(args)) => backup::restore(args).await,
        Some(Command::Doctor(args)) => doctor::run(args).await,
        Some(Command::Health(args)) => health::run(args).await,
        Some(Command::Token(args)) => token::run(args).await,
        Some(Command::Catalogue(args)) => catalogue::run(args).await,
        Some(Command::Completions { shell }) => manual::completions(shell),
        Some(Command::Man) => manual::man(),
    }
}

fn is_broken_pipe(failure: &(dyn std::error::Error + 'static)) -> bool {
    failure
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
