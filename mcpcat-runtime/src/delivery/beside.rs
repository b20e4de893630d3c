//! A file of one endpoint that stands beside the spool in the state directory, private to its user. Its name is a hash:
//! what it is made from may hold a token, and is no file name.

use std::io;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::spool;

/// Where the file is, in a folder of its kind.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    state_dir: Option<PathBuf>,
    folder: &'static str,
    name: String,
}

impl Beside {
    pub(super) fn new(state_dir: Option<PathBuf>, folder: &'static str, name: String) -> Self {
        Self { state_dir, folder, name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether any process has made the folder. Asking makes nothing.
    pub(super) fn has_folder(&self) -> bool {
        spool::exists_beside(self.state_dir.clone(), self.folder)
    }

    /// The file's path; the folder is made where it is missing.
    pub(super) fn path(&self) -> io::Result<PathBuf> {
        Ok(spool::private_dir_beside(self.state_dir.clone(), self.folder)?.join(&self.name))
    }
}

/// 16 hexadecimal digits, the same for the same text.
pub(super) fn hash_name(text: &[u8]) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
