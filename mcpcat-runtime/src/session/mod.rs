//! Whose event it is: sessions, how they are named, how they travel with the code that runs in them, and how
//! an event is published into one.

mod carry;
mod explain;
mod publish;
mod scope;
mod target;
#[cfg(feature = "rmcp")]
mod view;

use std::fmt;
#[cfg(feature = "rmcp")]
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) use crate::sessions::Peer;
pub use crate::sessions::SessionId;
#[cfg(feature = "rmcp")]
pub(crate) use crate::sessions::open_calls::{Asked as AskedInput, OpenCall, OpenCalls};
use crate::sessions::{Awaited, Name, State, View};
#[cfg(feature = "rmcp")]
pub(crate) use crate::sessions::{Facts, Values};
pub use carry::{Carrier, carry};
pub use explain::explain;
pub use mcpcat_wire::values::{ParseSessionIdError, TraceContext};
pub use publish::publish_custom_event;
pub(crate) use publish::{EventStart, of_installed};
pub use scope::{InSession, Scoped};
pub(crate) use scope::{Scope, Slot};
pub(crate) use target::Kind;
pub use target::Target;

use crate::client::Core;
use crate::delivery::DropReason;
use crate::event::fields::Fields;
use crate::event::guard::{cut_to, user_code};
use crate::event::names_only;
use crate::event::record::{Actor, Definition, Header};
use crate::privacy::Asked;
use crate::spool::{self, Mark, clock};

/// One conversation of one client with a server: what events are grouped by.
///
/// Inside a tracked call it is ambient ([`Session::current`]); it can be carried elsewhere with
/// [`InSession`] and [`Session::run`], and it is a target to publish to. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    core: Arc<Core>,
    state: Arc<State>,
    /// Inside a call of which more is known than its session.
    view: Option<Arc<View>>,
}

impl Session {
    fn with_name(core: &Arc<Core>, name: Name, key: Option<&str>) -> Self {
        let state = State {
            reference: core.next_reference(),
            name,
            key: key.map(Into::into),
            facts: RwLock::default(),
            consent: Arc::default(),
            defined: Mark::default(),
            waiting: Mutex::default(),
        };
        Self { core: Arc::clone(core), state: Arc::new(state), view: None }
    }

    /// A session with this id.
    pub(crate) fn named(core: &Arc<Core>, id: SessionId, key: Option<&str>) -> Self {
        Self::with_name(core, Name::Fixed(id), key)
    }

    /// A session with a random id.
    pub(crate) fn fresh(core: &Arc<Core>) -> Self {
        Self::named(core, Self::random_id(), None)
    }

    /// A session whose transport will name it; until then its events wait. `otherwise` is its name if none comes, a
    /// random one without.
    #[cfg(feature = "rmcp")]
    pub(crate) fn awaiting_name(core: &Arc<Core>, otherwise: Option<SessionId>) -> Self {
        let cell = Arc::new(OnceLock::new());
        let provisional = otherwise.unwrap_or_else(Self::random_id);
        let name = Name::Awaited { cell: Arc::clone(&cell), provisional };
        let session = Self::with_name(core, name, None);
        core.expect_name(session.state.reference, cell);
        session
    }

    fn random_id() -> SessionId {
        SessionId::random(clock::unix_micros(), spool::fork_generation())
    }

    /// Gives the name that was awaited. The first name stays.
    #[cfg(feature = "rmcp")]
    pub(crate) fn name(&self, id: &SessionId) {
        if let Name::Awaited { cell, .. } = &self.state.name
            && cell.set(id.as_str().to_owned()).is_ok()
        {
            self.state.consent.named();
            self.state.defined.outdate();
            Self { view: None, ..self.clone() }.define();
            self.define_waiting();
        }
    }

    /// Whether anything of this session may be recorded. Asks the author's hook where nobody has yet.
    pub(crate) fn records(&self) -> bool {
        self.core.records() && self.consents()
    }

    fn consents(&self) -> bool {
        let Some(consent) = &self.core.config.consent else { return true };
        let asked = || {
            let facts = self.state.facts.read().unwrap_or_else(PoisonError::into_inner);
            let mut asked = Asked::default();
            asked.id = self.id().map(|id| id.as_str().to_owned());
            asked.key = self.key().map(str::to_owned);
            asked.client_name = facts.client.as_ref().map(|peer| peer.name.clone());
            asked.principal = facts.principal.as_deref().map(str::to_owned);
            asked
        };
        let ledger = &self.core.ledger;
        let tell = || -> Arc<dyn Fn(String) + Send + Sync> {
            let ledger = Arc::clone(ledger);
            Arc::new(move |why| ledger.hook_failed(why))
        };
        consent.given(&self.state.consent, asked, tell)
    }

    /// [`records`](Self::records) for an event, which is counted when it may not be recorded.
    pub(crate) fn records_event(&self) -> bool {
        let records = self.core.records();
        let consents = records && self.consents();
        if records && !consents {
            self.core.ledger.without_consent();
        }
        consents
    }

    /// The id that the session has on the wire; `None` while its transport has not named it (during
    /// `initialize` over HTTP).
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        match &self.state.name {
            Name::Fixed(id) => Some(id.clone()),
            Name::Awaited { cell, .. } => cell.get().map(|name| SessionId::verbatim(name)),
        }
    }

    /// The string that the id was derived from, when there is one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.state.key.as_deref()
    }

    /// The project that the session's events belong to.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.core.config.project
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Changes what is known of the session; what is already recorded gets it too, if it still waits.
    #[cfg(feature = "rmcp")]
    pub(crate) fn update(&self, change: impl FnOnce(&mut Facts)) {
        let mut facts = self.state.facts.write().unwrap_or_else(PoisonError::into_inner);
        let before = facts.clone();
        change(&mut facts);
        if *facts != before {
            self.state.defined.outdate();
        }
    }

    /// Whether nothing is known yet of the two ends.
    #[cfg(feature = "rmcp")]
    pub(crate) fn needs_facts(&self) -> bool {
        self.state.facts.read().unwrap_or_else(PoisonError::into_inner).client.is_none()
    }

    /// Whether the client has introduced itself.
    #[cfg(feature = "rmcp")]
    pub(crate) fn knows_client(&self) -> bool {
        !self.needs_facts()
    }

    /// Says who is behind the session. The first word stays.
    #[cfg(feature = "rmcp")]
    pub(crate) fn behind(&self, principal: &str) {
        if self.state.facts.read().unwrap_or_else(PoisonError::into_inner).principal.is_none() {
            // No part of the definition: what is recorded already stays as it is.
            let mut facts = self.state.facts.write().unwrap_or_else(PoisonError::into_inner);
            facts.principal.get_or_insert_with(|| principal.into());
        }
    }

    /// Whether somebody is known to be behind the session.
    #[cfg(feature = "rmcp")]
    pub(crate) fn is_identified(&self) -> bool {
        self.state.facts.read().unwrap_or_else(PoisonError::into_inner).actor.is_some()
    }

    /// Takes over what is known of an earlier session of the same connection.
    #[cfg(feature = "rmcp")]
    pub(crate) fn inherit(&self, earlier: &Self) {
        let known = earlier.state.facts.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.update(|facts| *facts = known);
    }

    /// Whether two values are the same session of the same client. The client forgets sessions of old, so another
    /// state of the same id is the same session.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
            || (Arc::ptr_eq(&self.core, &other.core) && self.id().is_some_and(|id| other.id() == Some(id)))
    }

    fn definition(&self) -> Definition {
        let facts = self.state.facts.read().unwrap_or_else(PoisonError::into_inner);
        let (session_id, pending) = match &self.state.name {
            Name::Fixed(id) => (id.as_str().to_owned(), false),
            Name::Awaited { cell, provisional } => match cell.get() {
                Some(name) => (name.clone(), false),
                None => (provisional.as_str().to_owned(), true),
            },
        };
        let values = self.awaited().map(Awaited::values);
        let pending = pending || matches!(values, Some(None));
        let values = values.flatten().unwrap_or_default();
        // What the other end calls itself is as long as it likes.
        let bounded = |text: &str| {
            let mut text = text.to_owned();
            cut_to(&mut text, self.core.config.policy.limits.name_bytes);
            text
        };
        let name = |peer: &Option<Peer>| peer.as_ref().map(|peer| bounded(&peer.name));
        let version = |peer: &Option<Peer>| peer.as_ref().map(|peer| bounded(&peer.version));
        let actor = facts.actor.as_ref().map(|actor| Actor {
            id: bounded(&actor.id),
            name: actor.name.as_deref().map(bounded),
            data: actor.data.clone(),
        });
        let mut definition = Definition {
            reference: self.reference(),
            project: self.core.config.project.to_string(),
            session_id: Some(session_id),
            pending,
            instance: self.core.instance.clone(),
            client_name: name(&facts.client),
            client_version: version(&facts.client),
            server_name: name(&facts.server),
            server_version: version(&facts.server),
            actor,
            tags: values.tags,
            properties: values.properties,
        };
        if self.core.is_names_only() {
            names_only::reduce_session(&mut definition);
        }
        definition
    }

    fn awaited(&self) -> Option<&Awaited> {
        self.view.as_ref()?.awaited.as_ref()
    }

    /// Where the newest definition is.
    fn defined(&self) -> &Mark {
        self.awaited().map_or(&self.state.defined, |awaited| &awaited.defined)
    }

    fn define(&self) {
        // Nothing of a session that must not be recorded is written, its ends and its name included.
        if !self.records() {
            return;
        }
        self.core.define(self.defined(), || self.definition());
    }

    /// Adds to an event what the session says of each: its trace, the share it is one of. Whether that share keeps
    /// it.
    #[inline]
    fn annotate(&self, header: &Header, fields: &mut Fields) -> bool {
        self.view.is_none() && self.core.config.sample.rate().is_none() || self.annotate_with(header, fields)
    }

    #[inline(never)]
    fn annotate_with(&self, header: &Header, fields: &mut Fields) -> bool {
        if let Some(trace) = self.view.as_ref().and_then(|view| view.trace.as_ref()) {
            fields.property("trace_id", &trace.trace_id);
            fields.property("span_id", &trace.span_id);
        }
        if let Some(rate) = self.core.config.sample.rate() {
            let failed = header.is_error == Some(true);
            // A session without a name yet is decided about when it has one, by the worker.
            if !failed && self.id().is_some_and(|id| !self.core.config.sample.keeps(id.as_str())) {
                return false;
            }
            fields.fact("mcpcat_sample_rate", &rate);
        }
        true
    }

    /// Writes an event of this session. Every segment that holds one of its events holds its definition, so that a
    /// log is complete in itself at any moment.
    #[inline(always)]
    pub(crate) fn record(&self, header: &Header, fields: &mut Fields) -> Result<(), DropReason> {
        self.tell(fields);
        self.write(header, fields).map_err(|reason| self.refuse(reason))
    }

    /// Reports what was left out of an event. The subscriber of `tracing` is a user's code, and may be gone in a
    /// thread's last moments.
    pub(crate) fn tell(&self, fields: &Fields) {
        if !fields.problems().is_empty() {
            let _ = user_code(|| self.core.report(fields));
        }
    }

    /// Counts an event that was refused; the hook for losses is a user's code.
    pub(crate) fn refuse(&self, reason: DropReason) -> DropReason {
        let _ = user_code(|| self.core.refuse(reason));
        reason
    }

    /// [`record`](Self::record) without a word to anybody about what was left out, or why nothing was written.
    #[inline(always)]
    fn write(&self, header: &Header, fields: &mut Fields) -> Result<(), DropReason> {
        if !self.annotate(header, fields) {
            self.core.ledger.sampled_out();
            return Ok(());
        }
        if header.is_error == Some(true) {
            self.core.sessions.causes.link(header, fields);
        }
        self.core.write(fields.record(header), self.defined(), || self.definition())
    }

    pub(crate) fn reference(&self) -> u64 {
        self.awaited().map_or(self.state.reference, |awaited| awaited.reference)
    }
}

/// Sessions of one project are equal if their ids are, and one that has no id yet only to itself.
impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.is(other)
            || (self.project() == other.project() && self.id().is_some_and(|id| other.id() == Some(id)))
    }
}

impl Eq for Session {}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .field("project", &self.project())
            .finish_non_exhaustive()
    }
}
