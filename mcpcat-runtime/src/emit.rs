//! What `emit!` calls: one cold function that finds the session, writes the values and publishes.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::client::{Client, for_project, recording};
use crate::delivery::DropReason;
use crate::event::EventData;
use crate::event::callsite::Callsite;
use crate::event::fields::{Fields, PooledFields, Value};
use crate::event::guard::user_code;
use crate::policy::Policy;
use crate::session::{Kind, Scope, Session, Target, of_installed};

/// Whether anybody records: when not, the arguments of `emit!` are not even evaluated.
#[inline]
#[must_use]
pub fn enabled() -> bool {
    recording()
}

/// Publishes an event whose values line up with the callsite's fields.
#[cold]
#[inline(never)]
pub fn emit(callsite: &'static Callsite, values: &[&dyn Value]) {
    publish(|fields| {
        fields.name_of(callsite);
        fields.values(callsite, values);
    });
}

/// Publishes an event of a type of the author's own.
#[cold]
#[inline(never)]
pub fn emit_value(data: &dyn EventData) {
    publish(|fields| data.record(fields));
}

fn publish(write: impl FnOnce(&mut Fields)) {
    let Some(mut loan) = Scope::lent(|scope| scope.session.quick_loan()).flatten() else {
        return publish_asking(write);
    };
    // A value's `Serialize` is the author's code: its panic must not become the host's.
    match user_code(|| write(loan.fields())) {
        Some(()) => record_here(&mut loan),
        None => count_panicked(),
    }
}

/// Records an event of the current scope. The scope is borrowed for that, so what runs the host's code comes before
/// and after it: reports, the hook for losses.
fn record_here(loan: &mut PooledFields) {
    if !loan.fields().problems().is_empty() {
        tell_here(loan.fields());
    }
    let recorded = Scope::lent(|scope| scope.session.publish_quietly(scope.parent, loan).err());
    if let Some(Some(reason)) = recorded {
        count_refused(reason);
    }
}

#[cold]
fn tell_here(fields: &Fields) {
    if let Some(session) = Session::current() {
        session.tell(fields);
    }
}

#[cold]
fn count_refused(reason: DropReason) {
    if let Some(session) = Session::current() {
        session.refuse(reason);
    }
}

#[cold]
fn count_panicked() {
    if let Some(session) = Session::current() {
        session.count_panicked();
    }
}

/// Outside of any scope, or where the author is asked for consent, or in a forked child.
#[cold]
fn publish_asking(write: impl FnOnce(&mut Fields)) {
    let scope = Scope::current();
    let parent = scope.as_ref().and_then(|scope| scope.parent);
    let Some(session) = scope.map(|scope| scope.session).or_else(of_installed) else { return };
    // The ledger knows why an event found no place; `emit!` has no result to say it with.
    let _ = session.publish(parent, write);
}

/// An event with reserved fields while it is being written: its fields, and where it goes.
#[derive(Debug)]
pub struct Emission {
    loan: PooledFields,
    target: Option<Target<'static>>,
    project: Option<String>,
}

impl Emission {
    /// The session to publish into, instead of the current one.
    pub fn session<'a>(&mut self, target: impl Into<Target<'a>>) {
        self.target = Some(target.into().into_owned());
    }

    /// The project whose client publishes a plain session string.
    pub fn project<T: AsRef<str> + ?Sized>(&mut self, project: &T) {
        self.project = Some(project.as_ref().to_owned());
    }

    /// Lets the author's code write the event. Whether it came to its end.
    #[inline(always)]
    fn attempt(&mut self, callsite: &'static Callsite, write: &mut dyn FnMut(&mut Self)) -> bool {
        self.loan.fields().name_of(callsite);
        user_code(|| write(self)).is_some()
    }

    fn named(&mut self, here: Option<&Session>) -> Option<Session> {
        let project = self.project.take();
        named(self.target.take()?, project.as_deref(), here)
    }
}

/// The session that a target names for whoever runs in `here`; one that cannot be resolved is reported, and
/// the event goes where it would have gone without.
pub(crate) fn named(target: Target<'_>, project: Option<&str>, here: Option<&Session>) -> Option<Session> {
    let client = match project {
        Some(project) => for_project(project)
            .inspect_err(|error| {
                crate::notice::warn(format_args!("`project` of an event cannot be used: {error}"))
            })
            .ok(),
        None => None,
    };
    let resolved = match (target.0, client) {
        (target, Some(client)) => client.resolve(Target(target)),
        (Kind::Session(session), None) => Ok(session),
        (Kind::Text(text), None) if here.is_some() => Ok(Session::of_text(here?.core(), &text)),
        (Kind::Id(id), None) if here.is_some() => Ok(Session::of_id(here?.core(), id)),
        (target, None) => Client::installed()?.resolve(Target(target)),
    };
    resolved
        .inspect_err(|error| {
            crate::notice::warn(format_args!("`session` of an event cannot be used: {error}"))
        })
        .ok()
}

impl Deref for Emission {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        self.loan.shared()
    }
}

impl DerefMut for Emission {
    fn deref_mut(&mut self) -> &mut Fields {
        self.loan.fields()
    }
}

/// Publishes an event with reserved fields. `write` may be called twice: the session it names may belong to
/// a client of another policy.
#[cold]
#[inline(never)]
pub fn emit_with(callsite: &'static Callsite, write: &mut dyn FnMut(&mut Emission)) {
    let Some(loan) = Scope::lent(|scope| scope.session.quick_loan()).flatten() else {
        return emit_asking(callsite, write, None);
    };
    let mut emission = Emission { loan, target: None, project: None };
    let sound = emission.attempt(callsite, write);
    match emission.target {
        None if sound => record_here(&mut emission.loan),
        None => count_panicked(),
        Some(_) => emit_asking(callsite, write, Some((emission, sound))),
    }
}

/// The same where the event goes elsewhere, where the author is asked for consent, or in a forked child. `attempted`
/// is what the first call made, and whether it came to its end.
#[cold]
fn emit_asking(
    callsite: &'static Callsite,
    write: &mut dyn FnMut(&mut Emission),
    attempted: Option<(Emission, bool)>,
) {
    let scope = Scope::current();
    let here = scope.as_ref().map(|scope| &scope.session);
    let installed = if here.is_none() { Client::installed() } else { None };
    let process = installed.map(|client| Session::of_process(client.core()));
    let likely = here.or(process.as_ref());
    let buffers = || match likely {
        Some(session) => session.core().fields(),
        None => PooledFields::take(&Arc::new(Policy::default())),
    };
    let (mut emission, mut sound) = attempted.unwrap_or_else(|| {
        let mut emission = Emission { loan: buffers(), target: None, project: None };
        // The event may name another session; until that is known, nothing of one without consent is serialised.
        emission.loan.fields().mute(likely.is_some_and(|session| !session.records()));
        let sound = emission.attempt(callsite, write);
        (emission, sound)
    });
    let elsewhere = emission.named(here).or_else(|| if here.is_none() { of_installed() } else { None });
    let Some(session) = elsewhere.as_ref().or(here) else { return };
    if !session.records_event() {
        return;
    }
    let muted = emission.loan.fields().mute(false);
    if emission.loan.restart(&session.core().config.policy, session.core().is_names_only()) || muted {
        sound = emission.attempt(callsite, write);
    }
    if sound {
        let parent = scope.as_ref().filter(|scope| scope.session.is(session)).and_then(|scope| scope.parent);
        let _ = session.publish_recorded(parent, &mut emission.loan);
    } else {
        session.count_panicked();
    }
}
