//! The arguments of every command, and the environment they can also come from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::bounds::{OfProject, age, of_project, quota, size};

/// The port when none is named: MCAT on a telephone's keys.
pub(super) const DEFAULT_PORT: u16 = 6228;
/// Where a timeline is looked for when nobody says where.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:6228";

/// A local collector and session timeline for MCPcat events.
#[derive(Parser)]
#[command(name = "mcpcat-timeline", version, about, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Collect events and show them as a page (the default).
    Serve(Serve),
    /// Print events as they arrive.
    Tail(Tail),
    /// Print sessions, or the events of one.
    Query(Query),
    /// Write events as NDJSON, CSV or, for one session, as an HTML page.
    Export(Export),
    /// Send the events of NDJSON files to a timeline.
    Import(Import),
    /// Send one custom event.
    Publish(Publish),
    /// Remove everything of a session, a person or a project.
    Forget(Forget),
    /// Remove old events from a data file that no timeline has open.
    Prune(Prune),
    /// Copy the data file, also while a timeline writes to it, and read the copy back.
    Backup(Backup),
    /// Put a copy in the place of a data file that no timeline has open.
    Restore(Restore),
    /// Look for what is wrong with a data file.
    Doctor(Doctor),
    /// Ask a timeline whether it can take events in; an error if not. For supervisors.
    Health(Health),
    /// Hand out, list and revoke tokens that send events.
    #[command(subcommand)]
    Token(Token),
    /// Upload the events that a program declares, or list those never seen.
    Catalogue(Catalogue),
    /// Print a script that completes these commands in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, as `mcpcat-timeline man | man -l -`.
    Man,
}

#[derive(Args)]
pub(super) struct Serve {
    /// Address to listen on [default: 127.0.0.1:6228, or a free port when that is taken].
    #[arg(long, value_name = "ADDR", env = "MCPCAT_TIMELINE_LISTEN")]
    pub(super) listen: Option<SocketAddr>,
    /// SQLite file to keep events in [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Keep events in memory only.
    #[arg(long, conflicts_with = "data")]
    pub(super) in_memory: bool,
    /// Remove events this long after they arrived, as 30d or 12h; PROJECT=7d for one project. Can be repeated.
    #[arg(long, value_name = "[PROJECT=]AGE", env = "MCPCAT_TIMELINE_KEEP", value_parser = of_project(age), value_delimiter = ',')]
    pub(super) keep: Vec<OfProject<Duration>>,
    /// Remove the oldest events above this much data, as 500MB or 4GiB; PROJECT=1GiB for one project; 0 for no bound. Can be
    /// repeated [default: 4GiB].
    #[arg(long, value_name = "[PROJECT=]SIZE", env = "MCPCAT_TIMELINE_KEEP_SIZE", value_parser = of_project(size), value_delimiter = ',')]
    pub(super) keep_size: Vec<OfProject<u64>>,
    /// How long keyed hashes of what was forgotten are kept, so that late deliveries of it are dropped; 0s for not at all.
    #[arg(long, value_name = "AGE", env = "MCPCAT_TIMELINE_REMEMBER_FORGOTTEN", value_parser = age, default_value = "365d")]
    pub(super) remember_forgotten: Duration,
    /// Most that request bodies, answers and streams hold in memory together, as 256MiB; over it requests get a 503.
    #[arg(long, value_name = "SIZE", env = "MCPCAT_TIMELINE_MEMORY", value_parser = size, default_value = "256MiB")]
    pub(super) memory: u64,
    /// Most connections open at one time; at the bound the longest idle one is closed for a new one.
    #[arg(long, value_name = "N", env = "MCPCAT_TIMELINE_CONNECTIONS", default_value_t = crate::server::CONNECTIONS)]
    pub(super) connections: usize,
    /// Token asked for on every request; needed to listen off loopback. It may do everything: SDKs are given one that
    /// only sends events.
    #[arg(long, value_name = "TOKEN", env = "MCPCAT_TIMELINE_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Read that token from this file, without the line's end, when it starts.
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_TOKEN_FILE", conflicts_with = "token")]
    pub(super) token_file: Option<PathBuf>,
    /// Further token as RIGHT:PROJECT:TOKEN; RIGHT is ingest, read or manage, PROJECT is an id or *.
    #[arg(
        long = "grant",
        value_name = "GRANT",
        env = "MCPCAT_TIMELINE_GRANTS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub(super) grants: Vec<String>,
    /// Name under which this timeline is reached, besides loopback's.
    #[arg(long, value_name = "HOST", env = "MCPCAT_TIMELINE_ALLOWED_HOSTS", value_delimiter = ',')]
    pub(super) allowed_host: Vec<String>,
    /// Other website whose pages may talk to this timeline, as `https://app.example.org`.
    #[arg(long, value_name = "ORIGIN", env = "MCPCAT_TIMELINE_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub(super) allowed_origin: Vec<String>,
    /// Show what is there; take nothing in.
    #[arg(long, env = "MCPCAT_TIMELINE_READ_ONLY")]
    pub(super) read_only: bool,
    /// Do not keep a data file of a former format beside the one that it is brought up to.
    #[arg(long, env = "MCPCAT_TIMELINE_NO_BACKUP")]
    pub(super) no_backup: bool,
    /// What an answered event survives: the death of the process, or a power cut as well.
    #[arg(long, value_enum, default_value = "normal", env = "MCPCAT_TIMELINE_DURABILITY")]
    pub(super) durability: Durability,
    /// Path behind a proxy under which everything lives, as /timeline.
    #[arg(long, value_name = "PATH", env = "MCPCAT_TIMELINE_BASE_PATH", default_value = "")]
    pub(super) base_path: String,
    /// Where trace ids lead, as `https://jaeger.example.org/trace/{trace_id}`.
    #[arg(long, value_name = "URL", env = "MCPCAT_TIMELINE_TRACE_URL")]
    pub(super) trace_url: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Durability {
    Normal,
    Full,
}

/// A running timeline.
#[derive(Args, Clone)]
pub(super) struct Remote {
    /// Base URL of the timeline.
    #[arg(long, value_name = "URL", env = "MCPCAT_API_URL", default_value = DEFAULT_URL)]
    pub(super) url: String,
    /// Token, if it asks for one.
    #[arg(long, value_name = "TOKEN", env = "MCPCAT_TIMELINE_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
}

/// A data file, or a running timeline.
#[derive(Args)]
pub(super) struct Source {
    /// Read this data file [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA", conflicts_with = "url")]
    pub(super) data: Option<PathBuf>,
    /// Ask the timeline at this base URL instead.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// Token, if it asks for one.
    #[arg(long, value_name = "TOKEN", env = "MCPCAT_TIMELINE_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
}

/// When lines are coloured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// How lines are written.
#[derive(Args)]
pub(super) struct Look {
    /// Times in UTC instead of this machine's zone.
    #[arg(long)]
    pub(super) utc: bool,
    /// Colour; `auto` is for terminals and honours NO_COLOR.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    pub(super) color: Color,
}

#[derive(Args)]
pub(super) struct Tail {
    #[command(flatten)]
    pub(super) look: Look,
    #[command(flatten)]
    pub(super) remote: Remote,
    /// Only this session.
    #[arg(long)]
    pub(super) session: Option<String>,
    /// Only this project.
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Only errors.
    #[arg(long)]
    pub(super) errors: bool,
    /// Only custom events.
    #[arg(long)]
    pub(super) custom: bool,
    /// Whole events as JSON, one a line.
    #[arg(long)]
    pub(super) json: bool,
    /// End after this many events.
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
}

#[derive(Args)]
pub(super) struct Query {
    #[command(flatten)]
    pub(super) source: Source,
    #[command(flatten)]
    pub(super) look: Look,
    /// Show the events of this session instead of the list.
    pub(super) session: Option<String>,
    /// Filter as in the page's address, as `tool=add`, `not_tag=env=dev`, `since=24h`, `errors=1`, `q=text`.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub(super) filters: Vec<String>,
    /// JSON as the API gives it.
    #[arg(long)]
    pub(super) json: bool,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Ndjson,
    Csv,
    Html,
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    pub(super) source: Source,
    /// Only this session; needed for HTML.
    #[arg(long)]
    pub(super) session: Option<String>,
    #[arg(long, value_enum, default_value = "ndjson")]
    pub(super) format: Format,
    /// Filter as in the page's address.
    #[arg(long = "where", value_name = "NAME=VALUE")]
    pub(super) filters: Vec<String>,
    /// Write here instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Replace that file if it is there.
    #[arg(long, requires = "output")]
    pub(super) force: bool,
}

#[derive(Args)]
pub(super) struct Import {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// NDJSON files; `-` for standard input.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct Publish {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// The event's name.
    pub(super) name: Option<String>,
    /// Project of the event.
    #[arg(long, env = "MCPCAT_PROJECT_ID")]
    pub(super) project: String,
    /// Session string, derived into the same session as in every SDK; a `ses_…` id is used as it is.
    #[arg(long)]
    pub(super) session: Option<String>,
    /// What happened, in words.
    #[arg(long, short)]
    pub(super) message: Option<String>,
    /// Parameter; the value is JSON if it reads as JSON, else text.
    #[arg(long = "param", short = 'p', value_name = "KEY=VALUE")]
    pub(super) params: Vec<String>,
    /// Tag.
    #[arg(long = "tag", short = 't', value_name = "KEY=VALUE")]
    pub(super) tags: Vec<String>,
    /// Mark as an error with this message.
    #[arg(long)]
    pub(super) error: Option<String>,
    /// Duration in milliseconds.
    #[arg(long, value_name = "MS")]
    pub(super) duration: Option<f64>,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "whose")]
pub(super) struct Whose {
    /// Session id as the list shows it.
    #[arg(long)]
    pub(super) session: Option<String>,
    /// Person's id.
    #[arg(long)]
    pub(super) actor: Option<String>,
    /// Project id.
    #[arg(long)]
    pub(super) project: Option<String>,
}

#[derive(Args)]
pub(super) struct Forget {
    #[command(flatten)]
    pub(super) remote: Remote,
    #[command(flatten)]
    pub(super) whose: Whose,
    /// Show what would be removed, and remove nothing.
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
    /// Do not ask.
    #[arg(long, short)]
    pub(super) yes: bool,
}

#[derive(Args)]
pub(super) struct Prune {
    /// The data file [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Remove events that arrived longer ago, as 30d or 12h; PROJECT=7d for one project. Can be repeated.
    #[arg(long, value_name = "[PROJECT=]AGE", value_parser = of_project(age), value_delimiter = ',')]
    pub(super) keep: Vec<OfProject<Duration>>,
    /// Remove the oldest events above this much data, as 500MB or 4GiB; PROJECT=1GiB for one project. Can be repeated.
    #[arg(long, value_name = "[PROJECT=]SIZE", value_parser = of_project(size), value_delimiter = ',')]
    pub(super) keep_size: Vec<OfProject<u64>>,
}

#[derive(Args)]
pub(super) struct Backup {
    /// Where to: a file on any disk.
    pub(super) file: PathBuf,
    /// The data file [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Replace that file if it is there.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args)]
pub(super) struct Restore {
    /// The copy.
    pub(super) file: PathBuf,
    /// The data file [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Replace that file if it is there. What it remembers as forgotten is not brought back.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Args)]
pub(super) struct Health {
    /// Base URL of the timeline.
    #[arg(long, value_name = "URL", env = "MCPCAT_TIMELINE_HEALTH_URL", default_value = DEFAULT_URL)]
    pub(super) url: String,
}

#[derive(Args)]
pub(super) struct Doctor {
    /// The data file [default: timeline.sqlite3 in the state directory].
    #[arg(long, value_name = "FILE", env = "MCPCAT_TIMELINE_DATA")]
    pub(super) data: Option<PathBuf>,
    /// Put right what can be made from the events: sums and indexes. No timeline may have the file open.
    #[arg(long)]
    pub(super) mend: bool,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Subcommand)]
pub(super) enum Token {
    /// Make a token and print its secret, this once.
    Create(TokenCreate),
    /// List tokens: id, project, quota, label. Their secrets are kept nowhere.
    List {
        #[command(flatten)]
        source: Source,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Refuse a token from now on.
    Revoke {
        #[command(flatten)]
        source: Source,
        /// The token's id, as the list shows it.
        id: String,
    },
}

#[derive(Args)]
pub(super) struct TokenCreate {
    #[command(flatten)]
    pub(super) source: Source,
    /// What the token is for: it sends events, reads nothing and changes nothing. There is no other kind.
    #[arg(long, required = true)]
    pub(super) ingest: bool,
    /// The only project whose events it may send.
    #[arg(long)]
    pub(super) project: String,
    /// Whose it is, for the list.
    #[arg(long)]
    pub(super) label: Option<String>,
    /// Events that it may send in a minute; above it senders are told to wait.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) events_per_minute: Option<i64>,
    /// Bytes of events that it may send in a minute, as 10MB.
    #[arg(long, value_name = "SIZE", value_parser = quota)]
    pub(super) bytes_per_minute: Option<i64>,
}

#[derive(Args)]
pub(super) struct Catalogue {
    #[command(flatten)]
    pub(super) remote: Remote,
    /// Project of the catalogue.
    #[arg(long, env = "MCPCAT_PROJECT_ID")]
    pub(super) project: String,
    /// JSON file to upload, as `mcpcat::catalog().to_json()` writes it; without it the comparison is printed.
    pub(super) file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }
}
