//! SIGTERM and Ctrl-C: what was published is delivered first, and then the signal does what it would have done.
//!
//! signal-hook keeps the handlers that are there and ends the process by the signal itself, so whoever waits for it
//! sees the signal and not an exit code.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use super::{Client, Handle, deadline};
use crate::delivery::wait;

/// Whose events are delivered first, and for how long at most.
static WATCHED: Mutex<Vec<(Weak<Handle>, Duration)>> = Mutex::new(Vec::new());
/// The thread that waits for signals is there.
static STARTED: Mutex<bool> = Mutex::new(false);
/// From now on the signals do at once what they would without us.
static AT_ONCE: AtomicBool = AtomicBool::new(false);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// Delivers what was published, for at most `timeout`, when the process gets SIGTERM or SIGINT (Ctrl-C); after
    /// that the signal ends the process as it would have. A second signal ends it at once. For programs that do
    /// nothing else about these signals: who handles them calls [`shutdown`](Self::shutdown) there.
    ///
    /// Call it after handlers of your own are set, if any. A handler that was there before (tokio's too) still runs,
    /// at once, and decides alone how the process ends: events are delivered beside it. A signal that was ignored
    /// stays ignored. Where there is no `/proc`, handlers of your own still run, but cannot be told from none, and
    /// the process ends after the delivery.
    ///
    /// Several clients can ask for it; all are waited for. Whatever is not delivered stays on disk for the next
    /// start. Starts one thread, once. A forked child that has published ends at once; one that has not ignores
    /// these signals until it executes something else.
    ///
    /// # Errors
    /// The signals cannot be watched, or no thread is to be had.
    pub fn flush_on_signals(&self, timeout: Duration) -> io::Result<()> {
        {
            let mut watched = lock(&WATCHED);
            watched.retain(|(handle, _)| {
                handle.strong_count() > 0 && !std::ptr::eq(handle.as_ptr(), Arc::as_ptr(&self.0))
            });
            watched.push((Arc::downgrade(&self.0), timeout));
        }
        let mut started = lock(&STARTED);
        if !*started {
            watch()?;
            *started = true;
        }
        Ok(())
    }
}

/// In a forked child, where nobody waits for signals.
pub(super) fn leave_alone() {
    AT_ONCE.store(true, Ordering::SeqCst);
}

/// What a signal did before we came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disposition {
    Default,
    Ignored,
    Handled,
}

/// What the kernel says of a signal, in the text of `/proc/self/status`.
fn disposition(status: &str, signal: i32) -> Disposition {
    let in_mask = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
        mask >> (signal - 1) & 1 == 1
    };
    match () {
        () if in_mask("SigIgn:") => Disposition::Ignored,
        () if in_mask("SigCgt:") => Disposition::Handled,
        () => Disposition::Default,
    }
}

fn watch() -> io::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut wanted = [SIGTERM, SIGINT].map(|signal| (signal, disposition(&status, signal))).to_vec();
    wanted.retain(|(_, before)| *before != Disposition::Ignored);
    // This comes first, so that the second signal ends the process whatever the thread is at.
    for (signal, _) in wanted.iter().filter(|(_, before)| *before == Disposition::Default) {
        flag::register_conditional_default(*signal, &AT_ONCE)?;
    }
    let mut signals = Signals::new(wanted.iter().map(|(signal, _)| *signal))?;
    std::thread::Builder::new().name("mcpcat-signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let ends = wanted.contains(&(signal, Disposition::Default));
            if ends {
                AT_ONCE.store(true, Ordering::SeqCst);
            }
            deliver();
            if ends && let Err(error) = low_level::emulate_default_handler(signal) {
                crate::notice::error(format_args!("the process cannot be ended by signal {signal}: {error}"));
            }
        }
    })?;
    Ok(())
}

/// Waits for all clients at once, for each as long as was asked.
fn deliver() {
    let clients: Vec<_> =
        lock(&WATCHED).iter().filter_map(|(handle, most)| Some((Client(handle.upgrade()?), *most))).collect();
    let asked: Vec<_> = clients
        .iter()
        .map(|(client, most)| {
            let (sender, receiver) = mpsc::channel();
            let deadline = deadline(*most);
            client.core().flush(deadline, Box::new(move |stats| drop(sender.send(stats))));
            (receiver, deadline)
        })
        .collect();
    for (receiver, deadline) in asked {
        let _ = wait::answer_blocking(&receiver, deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_a_signal_did_before() {
        // SIGINT is the second signal, SIGTERM the fifteenth.
        let status =
            "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000002\nSigCgt:\t0000000000004000\n";
        assert_eq!(disposition(status, SIGINT), Disposition::Ignored);
        assert_eq!(disposition(status, SIGTERM), Disposition::Handled);
        assert_eq!(disposition(&status.replace("4000", "0000"), SIGTERM), Disposition::Default);
        assert_eq!(disposition("", SIGTERM), Disposition::Default);
    }
}
