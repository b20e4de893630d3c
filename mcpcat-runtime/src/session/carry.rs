//! Carrying the current call into closures: threads, `spawn_blocking`, rayon. Futures have
//! [`InSession`](super::InSession) for it.

use super::{Scope, Session};

/// The call that runs here, to be carried elsewhere: its session, and the event under which others nest.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// # use mcpcat::Carrier;
/// let here = Carrier::current();
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| here.run(|| { /* events in here belong to the call */ }));
///     }
/// });
/// ```
#[derive(Clone)]
#[must_use = "a carrier does nothing until it runs something"]
pub struct Carrier(Option<Scope>);

impl Carrier {
    /// The call that runs here. Outside of any, what is run with it runs as it would have run.
    pub fn current() -> Self {
        Self(Scope::current())
    }

    /// The session that is carried.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        self.0.as_ref().map(|scope| &scope.session)
    }

    /// Runs a closure as part of the call, on whichever thread this is.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(scope) => scope.clone().run(f),
            None => f(),
        }
    }
}

impl std::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Carrier").field("session", &self.session()).finish_non_exhaustive()
    }
}

/// Makes a closure part of the call that runs here, to be handed to another thread.
///
/// ```
/// # use mcpcat_runtime as mcpcat;
/// # use mcpcat::carry;
/// std::thread::spawn(carry(|| { /* events in here belong to the call */ }));
/// ```
pub fn carry<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let here = Carrier::current();
    move || here.run(f)
}
