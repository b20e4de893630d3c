//! Notices that a user has said no or yes while a client lives: the folders of the two files are watched by the system, on
//! the delivery thread. No event pays for it, and an idle process makes no system call. Where the system cannot watch
//! (another one than Linux, no more watches), the files are looked at each second.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::core::Core;
use crate::delivery::thread::{self, Running};
use crate::spool;

/// How often the files are looked at where nothing tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The least time between two looks: others may be busy in a folder above.
const REST: Duration = Duration::from_millis(20);

/// Watches the folders for a client until it is gone or `stop` is told.
pub(super) fn start(core: Weak<Core>, folders: Vec<PathBuf>, stop: Arc<Notify>) -> io::Result<Running> {
    thread::run(move || async move {
        tokio::select! {
            biased;
            () = stop.notified() => {}
            () = watch(&core, &folders) => {}
        }
    })
}

async fn watch(core: &Weak<Core>, folders: &[PathBuf]) {
    loop {
        // First the watch, then the look: what comes in between is told.
        let watch = spool::watch_dirs(&nearest(folders));
        match core.upgrade() {
            Some(core) => core.reconsider(),
            None => return,
        }
        tokio::time::sleep(REST).await;
        let told = match watch {
            Some(watch) => watch.changed().await.is_ok(),
            None => false,
        };
        if !told {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Each folder, or what is there of the path to it.
fn nearest(folders: &[PathBuf]) -> Vec<PathBuf> {
    let there = |folder: &Path| folder.ancestors().find(|path| path.is_dir()).map(Path::to_owned);
    folders.iter().filter_map(|folder| there(folder)).collect()
}
