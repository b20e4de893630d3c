//! Removes what is too old or too much from a data file that no timeline has open, and gives the room back.

use super::Failure;
use super::args::Prune;
use super::bounds::retention;
use super::progress;
use super::source::data_file;
use crate::store::Store as _;
use crate::store::sqlite::{Durability, Upgrade};

/// Events removed in one step.
const STEP: usize = 250;

pub(super) async fn run(args: Prune) -> Result<(), Failure> {
    if args.keep.is_empty() && args.keep_size.is_empty() {
        return Err("say what to keep: --keep 30d, --keep-size 1GiB, or both".into());
    }
    let path = data_file(args.data.as_ref())?;
    let keep = retention(&args.keep, &args.keep_size, None);
    super::upgrade::bring_up(&path, true).await?;
    tokio::task::spawn_blocking(move || {
        let mut upgrade = Upgrade { keep_old: true, told: &mut |_| {} };
        let (store, _lock) = crate::timeline::open(&path, Durability::Normal, &mut upgrade)?;
        let before = store.size().map_err(|error| error.to_string())?;
        let bar = progress::count("bytes in use");
        let now = jiff::Timestamp::now().as_microsecond();
        while store.prune(&keep, STEP, now).map_err(|error| error.to_string())? {
            bar.set_position(store.size().map_err(|error| error.to_string())?.bytes);
        }
        bar.finish_and_clear();
        let after = store.size().map_err(|error| error.to_string())?;
        println!(
            "{} bytes and {} sessions before, {} bytes and {} sessions now",
            before.bytes, before.sessions, after.bytes, after.sessions
        );
        Ok::<_, Failure>(())
    })
    .await?
}
