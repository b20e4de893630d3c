//! Copies the data file, and brings a copy back.

use super::args::{Backup, Restore};
use super::{Failure, progress, source};
use crate::store::sqlite::backup;

pub(super) async fn run(args: Backup) -> Result<(), Failure> {
    let data = source::data_file(args.data.as_ref())?;
    tokio::task::spawn_blocking(move || {
        let bar = progress::part("copying pages", 0);
        let done = backup::backup(&data, &args.file, args.force, &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let contents = done.map_err(|error| format!("{}: {error}", data.display()))?;
        println!(
            "{}: {} events in {} sessions, checksum {}; read back and the same",
            args.file.display(),
            contents.events,
            contents.sessions,
            contents.checksum
        );
        Ok(())
    })
    .await?
}

pub(super) async fn restore(args: Restore) -> Result<(), Failure> {
    let data = source::named_file(args.data.as_ref())?;
    tokio::task::spawn_blocking(move || {
        let wait = progress::spinner("reading the copy");
        let done = crate::timeline::restore(&args.file, &data, args.force);
        wait.finish_and_clear();
        let done = done?;
        let contents = &done.contents;
        let sum = match done.was_summed {
            true => format!("checksum {} as it was written", contents.checksum),
            false => "whole, but without a checksum of `backup` in it".to_owned(),
        };
        println!("{}: {} events in {} sessions, {sum}", data.display(), contents.events, contents.sessions);
        if done.forgotten > 0 {
            println!("{} of them were forgotten since and are left out", done.forgotten);
        }
        Ok(())
    })
    .await?
}
