//! What publishers and the worker share: commands, wake-ups, and names for sessions that their transport names late.
//!
//! Publishers must not wait for the worker, and the worker must not miss what they leave: see the pairing of fences in
//! [`Mailbox::appended`] and [`Mailbox::park`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::Notify;

use super::Stats;
use crate::spool::fence;

/// The shared part of one client's delivery.
#[derive(Debug)]
pub(crate) struct Mailbox {
    notify: Notify,
    parked: AtomicBool,
    /// A segment was opened since the worker last made ready.
    rolled: AtomicBool,
    /// `None` once the worker has ended.
    commands: Mutex<Option<Vec<Command>>>,
    /// Sessions whose transport has not named them yet, by reference. Whoever fills the cell first decides.
    unnamed: Mutex<HashMap<u64, Arc<OnceLock<String>>>>,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self {
            notify: Notify::new(),
            parked: AtomicBool::new(false),
            rolled: AtomicBool::new(false),
            commands: Mutex::new(Some(Vec::new())),
            unnamed: Mutex::default(),
        }
    }

    /// One that no worker reads: every command comes back.
    pub(crate) fn unattended() -> Self {
        Self { commands: Mutex::new(None), ..Self::new() }
    }

    /// After an append: wakes the worker if it is parked, which costs a load otherwise.
    pub(crate) fn appended(&self) {
        // Pairs with the fence in `park`: either the worker sees the record or this sees that it is parked.
        fence::often();
        if self.parked.load(Ordering::Relaxed) {
            self.notify.notify_one();
        }
    }

    /// Hands a command to the worker, or gives it back when the worker has ended.
    pub(crate) fn command(&self, command: Command) -> Result<(), Command> {
        match lock(&self.commands).as_mut() {
            Some(commands) => commands.push(command),
            None => return Err(command),
        }
        self.notify.notify_one();
        Ok(())
    }

    /// After an append that opened a segment: the worker makes the next one ready.
    pub(crate) fn wake(&self) {
        self.rolled.store(true, Ordering::Relaxed);
        self.notify.notify_one();
    }

    /// Whether the worker will take no more commands.
    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.commands).is_none()
    }

    pub(crate) fn expect_name(&self, reference: u64, cell: Arc<OnceLock<String>>) {
        lock(&self.unnamed).insert(reference, cell);
    }

    /// What came since the last call, in order.
    pub(super) fn take_commands(&self) -> Vec<Command> {
        lock(&self.commands).as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes no more commands; those that came last are returned.
    pub(super) fn close(&self) -> Vec<Command> {
        lock(&self.commands).take().unwrap_or_default()
    }

    /// Until a publisher or a command wakes the worker.
    pub(super) async fn notified(&self) {
        self.notify.notified().await;
    }

    /// Whether a segment was opened since the last call.
    pub(super) fn take_rolled(&self) -> bool {
        self.rolled.swap(false, Ordering::Relaxed)
    }

    /// From now on an append wakes the worker, which has to look for records once more before it sleeps. `false` where
    /// the system has no barrier for it: the worker has to look again after a while.
    pub(super) fn park(&self) -> bool {
        self.parked.store(true, Ordering::Relaxed);
        // Pairs with the fence in `appended`.
        fence::seldom()
    }

    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::Relaxed);
    }

    /// The transport has said that nobody will name a session.
    pub(super) fn expect_no_name(&self, reference: u64) {
        lock(&self.unnamed).remove(&reference);
    }

    /// The name of a session, if somebody has given it one; `overdue` gives it `provisional` for good.
    pub(super) fn name(&self, reference: u64, provisional: &str, overdue: bool) -> Option<String> {
        let mut unnamed = lock(&self.unnamed);
        let Some(cell) = unnamed.get(&reference) else {
            // Only this process names its sessions: nobody will any more.
            return Some(provisional.to_owned());
        };
        let name = if overdue { cell.get_or_init(|| provisional.to_owned()) } else { cell.get()? }.clone();
        unnamed.remove(&reference);
        Some(name)
    }
}

/// A poisoned lock still holds good data: nothing here is left half-changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What a flush waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What was published before it, and what was adopted.
    All,
    /// What this process published before it. An answer to a user waits for it: it comes first, and changes
    /// nothing of how long events wait for a name or the endpoint is left alone.
    Own,
}

/// Whom to tell how it ended.
pub(crate) type Reply = Box<dyn FnOnce(Stats) + Send>;

pub(crate) enum Command {
    /// Answer when everything before the mark numbered `mark` has ended, or at the deadline. Sent before
    /// the mark is appended.
    Flush { mark: u64, scope: Scope, deadline: std::time::Instant, reply: Reply },
    /// The mark found no room: answer when nothing is left.
    MarkRefused(u64),
    /// Send the dead letters again, and say how many there are.
    Resend(Box<dyn FnOnce(u64) + Send>),
    /// The user has said no: give up everything that waits, send nothing more, end the worker.
    Discard,
    /// Deliver what there is until the deadline, answer, end the worker.
    Shutdown { deadline: std::time::Instant, reply: Reply },
}

impl Command {
    pub(crate) fn into_reply(self) -> Option<Reply> {
        match self {
            Self::Flush { reply, .. } | Self::Shutdown { reply, .. } => Some(reply),
            Self::MarkRefused(_) | Self::Resend(_) | Self::Discard => None,
        }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Flush { .. } => "Flush",
            Self::MarkRefused(_) => "MarkRefused",
            Self::Resend(_) => "Resend",
            Self::Discard => "Discard",
            Self::Shutdown { .. } => "Shutdown",
        })
    }
}

/// Closes the mailbox of a worker that ended by a panic: whoever asks it something is not to wait for ever.
pub(super) struct LastWord(pub(super) Arc<Mailbox>);

impl Drop for LastWord {
    fn drop(&mut self) {
        // Their replies are dropped with them, which is an answer.
        drop(self.0.close());
        if std::thread::panicking() {
            crate::notice::error(
                "the delivery panicked and has ended; what is on disk is delivered by the next start",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::delivery::thread;

    /// Whoever asks a worker that has panicked gets his command back, or his reply dropped: nobody waits for ever.
    #[test]
    fn nobody_waits_for_a_worker_that_has_panicked() {
        let mailbox = Arc::new(Mailbox::new());
        let (sender, receiver) = std::sync::mpsc::channel::<Stats>();
        let flush = |sender: std::sync::mpsc::Sender<Stats>| Command::Flush {
            mark: 1,
            scope: Scope::All,
            deadline: std::time::Instant::now() + Duration::from_secs(600),
            reply: Box::new(move |stats| drop(sender.send(stats))),
        };
        mailbox.command(flush(sender.clone())).unwrap();
        let last_word = LastWord(Arc::clone(&mailbox));
        let running = thread::run(move || async move {
            let _last_word = last_word;
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .unwrap();
        running.wait(std::time::Instant::now() + Duration::from_secs(60));
        assert!(mailbox.has_ended());
        assert!(mailbox.command(flush(sender)).is_err());
        assert!(receiver.recv().is_err(), "the reply of before went with its worker");
    }
}
