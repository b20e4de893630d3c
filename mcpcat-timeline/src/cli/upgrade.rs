//! Brings a data file of a former format up to date before a command uses it, and says so: it may take minutes.

use std::path::{Path, PathBuf};

use super::{Failure, progress};
use crate::store::sqlite::{Stage, Upgrade};

/// Says on standard error what was done; nothing for a file of this version's format.
pub(super) async fn bring_up(path: &Path, keep_old: bool) -> Result<(), Failure> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || run(&path, keep_old)).await?
}

/// The same where a collector may have the file open, which has then seen to it.
pub(super) async fn bring_up_unless_open(path: &Path) -> Result<(), Failure> {
    match bring_up(path, true).await {
        Err(failure) if matches!(failure.downcast_ref(), Some(crate::Error::InUse { .. })) => Ok(()),
        other => other,
    }
}

fn run(path: &Path, keep_old: bool) -> Result<(), Failure> {
    let (mut bar, mut said) = (None, None);
    let mut told = |stage: Stage| match stage {
        Stage::Events { done, total } => {
            let bar = bar.get_or_insert_with(|| {
                eprintln!(
                    "the data file has a former format; its {total} events are brought to this version's"
                );
                progress::part("upgrading", total)
            });
            bar.set_position(done);
        }
        Stage::Done { from, kept, unread } => said = Some((from, kept, unread)),
    };
    let outcome = crate::timeline::bring_up(path, &mut Upgrade { keep_old, told: &mut told });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    outcome?;
    if let Some((from, kept, unread)) = said {
        eprintln!("{}", done(from, kept, unread));
    }
    Ok(())
}

fn done(from: i64, kept: Option<PathBuf>, unread: u64) -> String {
    let mut text = format!("the data file was of format {from} and is up to date");
    match kept {
        Some(kept) => {
            text.push_str(&format!("; as it was, it is {}: remove it when all is well", kept.display()))
        }
        None => text.push_str("; the old one was not kept"),
    }
    if unread > 0 {
        text.push_str(&format!(
            "; {unread} events that this version cannot read are kept in its table `unread`"
        ));
    }
    text
}
