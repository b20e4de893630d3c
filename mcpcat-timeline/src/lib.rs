//! A collector and session timeline for MCPcat events, for one's own machine.
//!
//! It speaks the ingest API of the hosted product, keeps events in an SQLite file and shows them as sessions on a
//! page. The binary `mcpcat-timeline` is the usual way to run it; this library puts it inside a program or a test:
//!
//! ```
//! # async fn example() -> Result<(), mcpcat_timeline::Error> {
//! let timeline = mcpcat_timeline::Timeline::builder().in_memory().start().await?;
//! println!("open {}, and run a server with MCPCAT_API_URL={}", timeline.url(), timeline.ingest_url());
//! timeline.shutdown().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! The HTTP API is described in the package's `API.md`.

#![forbid(unsafe_code)]

mod budget;
mod catalogue;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod connection;
mod error;
mod event;
mod http;
mod ids;
mod inert;
mod ingest;
mod lock;
mod metrics;
mod private;
mod server;
mod store;
mod timeline;
mod token;

pub use error::Error;
pub use http::guard::{Right, Token};
pub use store::sqlite::Durability;
pub use timeline::{Data, Running, Timeline, TimelineBuilder};

/// The data file where nobody names one: `timeline.sqlite3` in the folder `mcpcat` of `MCPCAT_STATE_DIR`, else of the
/// platform's state directory.
///
/// Linux and the like: `$XDG_STATE_HOME` or `~/.local/state`; macOS: `~/Library/Application Support`; Windows:
/// `%LOCALAPPDATA%`. `None` when the environment names no home.
#[must_use]
pub fn default_data_file() -> Option<std::path::PathBuf> {
    Some(mcpcat_wire::state_dir::StateDir::find(None)?.ours().join("timeline.sqlite3"))
}
