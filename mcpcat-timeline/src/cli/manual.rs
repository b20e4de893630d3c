//! What a shell and `man` have to know of the commands, made from the commands themselves.

use std::io::Write as _;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Failure;
use super::args::Cli;

pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mcpcat-timeline", &mut text);
    Ok(std::io::stdout().lock().write_all(&text)?)
}

/// One page for all commands, each with its options.
pub(super) fn man() -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set()) {
        let man = clap_mangen::Man::new(sub.clone());
        writeln!(text, ".SH \"{}\"", sub.get_name().to_uppercase())?;
        if let Some(about) = sub.get_about() {
            writeln!(text, "{about}")?;
        }
        man.render_synopsis_section(&mut text)?;
        man.render_options_section(&mut text)?;
    }
    Ok(std::io::stdout().lock().write_all(&text)?)
}
