//! What the end of the process waits for: whether events still wait for the delivery thread, and whether the
//! endpoint answers at all.
//!
//! [`wait`] runs in a handler of the C library's `exit`. Thread-local values with a destructor are gone by then,
//! and any other thread may be in the middle of anything. So it uses one mutex that no user code runs under, one
//! condition variable, atomic counters and one byte written to a socket: no channel, no runtime, no `tracing`.

#[cfg(unix)]
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::mailbox::Mailbox;
use super::thread;
use crate::spool;

static STATE: Mutex<State> = Mutex::new(State {
    members: Vec::new(),
    #[cfg(unix)]
    bell: None,
});
/// A member has gone on since [`ASKED`] was set.
static CHANGED: Condvar = Condvar::new();
/// The process is ending: deliver what there is.
static ASKED: AtomicBool = AtomicBool::new(false);

struct State {
    members: Vec<Arc<Member>>,
    /// Wakes the delivery thread. Elsewhere nothing is needed: the tasks are woken one by one.
    #[cfg(unix)]
    bell: Option<Bell>,
}

#[cfg(unix)]
type Bell = std::os::unix::net::UnixStream;

/// One client's delivery, as the end of the process sees it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// How long the end may wait for it.
    pub(crate) limit: Duration,
    /// Waiting would be in vain: the endpoint fails, and what may be kept for the next start is kept.
    pub(crate) in_vain: AtomicBool,
}

impl Member {
    fn is_settled(&self) -> bool {
        self.ledger.pending() == 0 || self.in_vain.load(Ordering::Acquire)
    }
}

/// Nothing under this lock can panic half-way.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the end of the process wait for a member until the registration is dropped. In a forked child it does not: the
/// lock may have been held in the parent at the `fork`, and the child's events are on disk.
pub(crate) fn register(member: &Arc<Member>) -> Registration {
    if spool::fork_generation() != 0 {
        return Registration(None);
    }
    state().members.push(Arc::clone(member));
    Registration(Some(Arc::clone(member)))
}

/// A member that the end of the process waits for.
#[derive(Debug)]
pub(crate) struct Registration(Option<Arc<Member>>);

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(member) = self.0.take().filter(|_| spool::fork_generation() == 0) {
            state().members.retain(|other| !Arc::ptr_eq(other, &member));
            CHANGED.notify_all();
        }
    }
}

/// Whether the process is ending.
pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Acquire)
}

/// Said by the delivery thread while the process is ending, whenever something may have ended.
pub(crate) fn changed() {
    // Taken so that the waiting thread is either before its look at the members or asleep.
    drop(state());
    CHANGED.notify_all();
}

/// Waits until every member has delivered what it had or would wait in vain, at most for the longest limit of one.
///
/// Returns at once in a forked child, on the delivery thread (which would wait for itself), and with nothing to wait
/// for.
pub(crate) fn wait() {
    if spool::fork_generation() != 0 || thread::is_here() {
        return;
    }
    let began = Instant::now();
    let Some(mut state) = state_within(Duration::from_secs(1)) else { return };
    let limit = state.members.iter().map(|member| member.limit).max().unwrap_or_default();
    if limit.is_zero() || state.members.iter().all(|member| member.is_settled()) {
        return;
    }
    ASKED.store(true, Ordering::Release);
    ring(&state);
    while !state.members.iter().all(|member| member.is_settled()) {
        let Some(left) = limit.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else { return };
        state = match CHANGED.wait_timeout(state, left) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
}

/// The state, unless another thread holds it for that long: it may have been stopped there for good.
fn state_within(bound: Duration) -> Option<MutexGuard<'static, State>> {
    let began = Instant::now();
    loop {
        match STATE.try_lock() {
            Ok(state) => return Some(state),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) if began.elapsed() >= bound => return None,
            Err(std::sync::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

#[cfg(unix)]
fn ring(state: &State) {
    use std::io::Write as _;
    if let Some(mut bell) = state.bell.as_ref() {
        // Without it the thread still finds out at its next look, and the wait has its bound.
        let _ = bell.write(&[1]);
    }
}

#[cfg(not(unix))]
fn ring(state: &State) {
    state.members.iter().for_each(|member| member.mailbox.wake());
}

/// Sets up what wakes the delivery thread when the process ends; the task is to be run on it. `None` where there
/// are no descriptors left, or nothing is needed.
#[cfg(unix)]
pub(super) fn bell() -> Option<impl Future<Output = ()> + use<>> {
    let make = || -> io::Result<_> {
        let (bell, heard) = Bell::pair()?;
        bell.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        Ok((bell, tokio::net::UnixStream::from_std(heard)?))
    };
    let (bell, heard) = make().ok()?;
    state().bell = Some(bell);
    Some(async move {
        // Ends with an error when another thread's bell takes the place of this one.
        while heard.readable().await.is_ok() {
            match heard.try_read(&mut [0; 8]) {
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
                Ok(_) => state().members.iter().for_each(|member| member.mailbox.wake()),
            }
        }
    })
}

#[cfg(not(unix))]
pub(super) fn bell() -> Option<std::future::Ready<()>> {
    None
}
