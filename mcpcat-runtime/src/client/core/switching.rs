//! Recording is switched off and on while a client lives: by its user, and in a forked child, which opens a log of its own.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::live::Live;
use super::{Core, RECORDING, opt_out};
use crate::client::consent::{self, Decision};
use crate::client::switch::Off;
use crate::client::watch;
use crate::delivery::mailbox::Command;
use crate::delivery::thread::{self, Running};
use crate::notice;
use crate::spool;

impl Core {
    /// Opens a log and starts its delivery.
    pub(super) fn open(&self) -> std::io::Result<()> {
        let (live, running) = Live::open(&self.config, &self.ledger, &self.names_only)?;
        self.lives.push(live);
        self.keep(running);
        self.take_events(true);
        Ok(())
    }

    /// What a forked child starts nobody waits for: the lock may have been held at the `fork`.
    pub(super) fn keep(&self, running: Running) {
        if !self.is_forked() {
            self.running.lock().unwrap_or_else(PoisonError::into_inner).push(running);
        }
    }

    pub(super) fn take_events(&self, on: bool) {
        if self.on.swap(on, Ordering::AcqRel) != on {
            match on {
                true => RECORDING.fetch_add(1, Ordering::Relaxed),
                false => RECORDING.fetch_sub(1, Ordering::Relaxed),
            };
        }
    }

    /// Changes of one process image come one after the other; a lock that was held at a `fork` is not its child's.
    pub(super) fn turning(&self) -> MutexGuard<'_, ()> {
        let slot = &self.turning[spool::fork_generation() as usize % self.turning.len()];
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notices from now on what the user says.
    pub(super) fn watch(&self) {
        let folders: Vec<_> = self.config.choice.folders().collect();
        if folders.is_empty() {
            return;
        }
        match watch::start(Weak::clone(&self.me), folders, Arc::clone(&self.stop_watching)) {
            Ok(running) => self.keep(running),
            Err(error) => notice::warn(format_args!(
                "a no that its user says from now on counts at the next start only: {error}"
            )),
        }
    }

    /// Looks whether the user has said something else since, and does it.
    pub(in crate::client) fn reconsider(&self) {
        let _turning = self.turning();
        if self.config.off.is_some() || self.closed.load(Ordering::Relaxed) {
            return;
        }
        match (self.config.choice.off(), self.on.load(Ordering::Acquire)) {
            (Some(off), true) => {
                self.take_events(false);
                if let Some(live) = self.live() {
                    // A worker that has ended has nothing left.
                    let _ = live.mailbox.command(Command::Discard);
                }
                self.clear(&off);
                let text = format_args!("nothing is recorded any more: {}", off.why);
                notice::inform(text, self.config.quiet.as_deref());
            }
            (None, false) => match self.open() {
                Ok(()) if self.announced.load(Ordering::Relaxed) => {
                    let text = "events are recorded again: the user has taken the no back";
                    notice::inform(text, self.config.quiet.as_deref());
                }
                Ok(()) => self.announce(),
                Err(error) => notice::error(format_args!("recording cannot be switched on again: {error}")),
            },
            _ => {}
        }
    }

    /// After a no: waits until the delivery has given up what waited, for at most a moment.
    pub(in crate::client) fn await_cleared(&self) {
        const MOMENT: Duration = Duration::from_secs(1);
        let deadline = Instant::now() + MOMENT;
        while !thread::is_here()
            && self.live().is_some_and(|live| !live.mailbox.has_ended())
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Deletes what earlier processes left on the disk: this program's for this project and endpoint, and where the user
    /// has said no to all servers, every program's.
    pub(super) fn clear(&self, off: &Off) {
        opt_out(&self.config);
        if matches!(off.by, Decision::File(_) | Decision::Call) {
            self.config.choice.forget_all();
        }
    }

    /// Says where events go, once: nobody should have to guess.
    pub(crate) fn announce(&self) {
        if !self.announced.load(Ordering::Relaxed) {
            self.announce_first();
        }
    }

    #[cold]
    fn announce_first(&self) {
        if self.records()
            && !self.config.connection.is_dry_run()
            && !self.announced.swap(true, Ordering::Relaxed)
        {
            let text = consent::first_line(&self.config, self.is_names_only());
            notice::inform(text, self.config.quiet.as_deref());
        }
    }

    #[cold]
    pub(super) fn open_own(&self) {
        let _turning = self.turning();
        // Not for a child of a child, and not where another thread has.
        if self.lives.newest().is_none_or(|newest| newest.generation != self.generation) || !self.is_forked()
        {
            return;
        }
        #[cfg(all(unix, feature = "signals"))]
        crate::client::signals::leave_alone();
        // What the parent published is the parent's to deliver and to count.
        self.ledger.restart();
        if let Some(scrubbed) = self.lives.newest().and_then(|live| live.scrubbed.as_ref()) {
            scrubbed.leave_to_parent();
        }
        match Live::open(&self.config, &self.ledger, &self.names_only) {
            Ok((live, _)) => {
                self.lives.push(live);
                consent::register(&self.me);
                self.watch();
            }
            Err(error) => notice::error(format_args!("this forked child records nothing: {error}")),
        }
    }
}
