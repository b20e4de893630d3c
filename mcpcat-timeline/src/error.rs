//! Why a timeline did not start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a timeline could not be built or started. Each text says what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The data file cannot be used.
    Data {
        /// The file.
        path: PathBuf,
        /// What the file system or the database said.
        reason: String,
    },
    /// Another timeline has the data file open.
    InUse {
        /// The file.
        path: PathBuf,
        /// Where the other one listens, if it said so.
        url: Option<String>,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address is reachable from other machines and there is no token.
    TokenNeeded {
        /// The address.
        addr: SocketAddr,
    },
    /// An option has a value that cannot be used.
    Option {
        /// The option's name.
        name: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A thread could not be started.
    Thread(std::io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Data { path, reason } => {
                write!(out, "data file {}: {reason}; choose another file with `data`", path.display())
            }
            Self::InUse { path, url: Some(url) } => {
                write!(
                    out,
                    "data file {} is in use by the timeline at {url}; open that, or choose another file",
                    path.display()
                )
            }
            Self::InUse { path, url: None } => {
                write!(
                    out,
                    "data file {} is in use by another timeline; stop it, or choose another file",
                    path.display()
                )
            }
            Self::Listen { addr, source } => {
                write!(out, "cannot listen on {addr}: {source}; choose another address with `listen`")
            }
            Self::TokenNeeded { addr } => {
                write!(
                    out,
                    "{addr} can be reached from other machines: set a `token`, or listen on 127.0.0.1"
                )
            }
            Self::Option { name, reason } => write!(out, "option `{name}`: {reason}"),
            Self::Thread(source) => write!(out, "the writer thread could not be started: {source}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Thread(source) => Some(source),
            _ => None,
        }
    }
}
