//! The logs of a client, and how one is opened with the worker that delivers it.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use super::{dead_letters, rests_scrubbed, spool_options, unanswered};
use crate::client::config::Config;
use crate::delivery::ledger::Ledger;
use crate::delivery::mailbox::Mailbox;
use crate::delivery::thread::Running;
use crate::delivery::worker::{self, Setup};
use crate::notice;
use crate::spool::{self, Backend, Spool};

/// The logs that a client has had, newest last: one, unless recording was switched off and on again, or this is a forked
/// child. A list without a lock, because every event looks for the last.
#[derive(Default)]
pub(super) struct Lives(OnceLock<Box<Link>>);

struct Link {
    live: Live,
    next: Lives,
}

impl Lives {
    #[inline]
    pub(super) fn newest(&self) -> Option<&Live> {
        let mut newest = self.0.get()?;
        while let Some(next) = newest.next.0.get() {
            newest = next;
        }
        Some(&newest.live)
    }

    pub(super) fn push(&self, live: Live) {
        let mut last = self;
        while let Some(link) = last.0.get() {
            last = &link.next;
        }
        // One at a time pushes.
        let _ = last.0.set(Box::new(Link { live, next: Self::default() }));
    }
}

/// A log and the worker that delivers it. Of one process: a forked child has neither.
pub(super) struct Live {
    pub(super) spool: Arc<Spool>,
    /// Behind a spool in memory: where the worker keeps what it has scrubbed.
    pub(super) scrubbed: Option<Arc<Spool>>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) generation: u64,
}

impl Live {
    /// In memory where descriptors are so short that the thread cannot be had beside files.
    pub(super) fn open(
        config: &Config,
        ledger: &Arc<Ledger>,
        names_only: &Arc<AtomicBool>,
    ) -> std::io::Result<(Self, Running)> {
        Self::open_in(config, ledger, names_only, config.backend).or_else(|error| {
            if config.backend == Backend::Memory {
                return Err(error);
            }
            let live = Self::open_in(config, ledger, names_only, Backend::Memory)?;
            crate::notice::warn(format_args!(
                "events are kept in memory and lost with the process: {error}; raise its limit of open files"
            ));
            Ok(live)
        })
    }

    fn open_in(
        config: &Config,
        ledger: &Arc<Ledger>,
        names_only: &Arc<AtomicBool>,
        backend: Backend,
    ) -> std::io::Result<(Self, Running)> {
        let first = if rests_scrubbed(config) { Backend::Memory } else { backend };
        let mut opened = spool::open(spool_options(config).backend(first));
        let mut warnings = std::mem::take(&mut opened.warnings);
        let mut scrubbed = None;
        if rests_scrubbed(config) && backend != Backend::Memory {
            let mut disk = spool::open(spool_options(config).backend(backend));
            warnings.append(&mut disk.warnings);
            // Where there is no disk, events are sent from the memory that they are in.
            if disk.backend != Backend::Memory {
                opened.adopter = disk.adopter;
                scrubbed = Some((disk.spool, disk.reader));
            }
        }
        let scrubbed_log = scrubbed.as_ref().map(|(spool, _)| Arc::clone(spool));
        let mailbox = Arc::new(Mailbox::new());
        let setup = Setup {
            spool: Arc::clone(&opened.spool),
            reader: opened.reader,
            adopter: opened.adopter,
            privacy: config.privacy.clone(),
            project: config.project.to_string(),
            ingest: Arc::new(config.connection.ingest(&config.base, config.request_timeout)),
            dialect: config.dialect.clone(),
            sample: config.sample,
            ledger: Arc::clone(ledger),
            mailbox: Arc::clone(&mailbox),
            dead_letters: dead_letters(config),
            on_loss: config.on_loss.clone(),
            scrubbed,
            drain: config.drain,
            unanswered: unanswered(config),
            names_only: Arc::clone(names_only),
        };
        let running = worker::spawn(setup)?;
        for warning in &warnings {
            notice::warn(warning);
        }
        crate::client::exit::register(config.drain_at_exit);
        let generation = spool::fork_generation();
        Ok((Self { spool: opened.spool, scrubbed: scrubbed_log, mailbox, generation }, running))
    }
}
