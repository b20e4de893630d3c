//! How an event gets into a session: resolving a target, and recording what the event says of itself.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::target::{Kind, Target};
use super::{Scope, Session, SessionId};
use crate::client::{Client, Core, PublishError, SessionStrings, for_project};
use crate::delivery::DropReason;
use crate::event::fields::{Fields, PooledFields};
use crate::event::guard::user_code;
use crate::event::record::Header;
use crate::event::{EventData, EventId};
use crate::sessions::{REMEMBERED, State};
use crate::spool::clock;

impl Session {
    /// What the clones of this session share.
    #[cfg(feature = "rmcp")]
    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// The session of a call that goes on.
    #[cfg(feature = "rmcp")]
    pub(crate) fn of_open_call(core: &Arc<Core>, call: &crate::sessions::open_calls::OpenCall) -> Self {
        Self::kept(core, call.state())
    }

    pub(super) fn kept(core: &Arc<Core>, state: &Arc<State>) -> Self {
        Self { core: Arc::clone(core), state: Arc::clone(state), view: None }
    }

    /// The session of what belongs to no other: one for each client in each process.
    pub(crate) fn of_process(core: &Arc<Core>) -> Self {
        Self::kept(core, core.sessions.process.get_or_init(|| Self::fresh(core).state))
    }

    /// The session of a transport that serves one client. A stdio process has one session, and what happens
    /// in it outside of calls belongs there too; a second such server in the process gets its own.
    #[cfg(feature = "rmcp")]
    pub(crate) fn of_process_or_fresh(core: &Arc<Core>) -> Self {
        if core.sessions.claimed.swap(true, Ordering::Relaxed) {
            Self::fresh(core)
        } else {
            Self::of_process(core)
        }
    }

    pub(crate) fn of_text(core: &Arc<Core>, text: &str) -> Self {
        let derived = core.config.session_strings == SessionStrings::Derive;
        if derived && mcpcat_wire::session::is_id(text) && !core.sessions.warned.swap(true, Ordering::Relaxed)
        {
            crate::notice::warn(format_args!(
                "the session string `{text}` already looks like a session id and is derived into another; \
                 pass a `SessionId` (`text.parse::<SessionId>()`) to use it as it is"
            ));
        }
        Self::remembered(core, text, || Self::make(core, text))
    }

    /// The session kept under `key`, or the one that `make` makes, kept from now on.
    fn remembered(core: &Arc<Core>, key: &str, make: impl FnOnce() -> Self) -> Self {
        let mut by_text = core.sessions.by_text.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = by_text.get(key) {
            return Self::kept(core, state);
        }
        if by_text.len() >= REMEMBERED {
            // A forgotten session is only defined anew: its id depends on nothing but the key.
            by_text.clear();
        }
        let session = make();
        by_text.insert(key.to_owned(), Arc::clone(&session.state));
        session
    }

    fn make(core: &Arc<Core>, text: &str) -> Self {
        let id = match core.config.session_strings {
            // What a string of the author's says is no name of ours.
            SessionStrings::Verbatim if !core.is_names_only() => SessionId::verbatim(text),
            _ => SessionId::derive(text, &core.config.project),
        };
        Self::named(core, id, Some(text))
    }

    /// A fresh session that others will name by its id.
    #[cfg(feature = "rmcp")]
    pub(crate) fn minted(core: &Arc<Core>) -> Self {
        Self::of_id(core, Self::random_id())
    }

    pub(crate) fn of_id(core: &Arc<Core>, id: SessionId) -> Self {
        // A prefix that no text key has by accident keeps ids and derived strings apart.
        let key = format!("\0{id}");
        Self::remembered(core, &key, || Self::named(core, id, None))
    }

    /// Records an event that `write` describes, under `parent`.
    pub(crate) fn publish(
        &self,
        parent: Option<EventId>,
        write: impl FnOnce(&mut Fields),
    ) -> Result<EventId, PublishError> {
        if !self.records_event() {
            return Ok(EventStart::now(self, parent).id);
        }
        let mut loan = self.core.fields();
        // A value's `Serialize` is the author's code: its panic must not become the host's.
        if user_code(|| write(loan.fields())).is_none() {
            self.count_panicked();
            return Err(PublishError::Dropped(DropReason::Panicked));
        }
        self.publish_recorded(parent, &mut loan)
    }

    /// Records an event whose fields have been written.
    pub(crate) fn publish_recorded(
        &self,
        parent: Option<EventId>,
        loan: &mut PooledFields,
    ) -> Result<EventId, PublishError> {
        self.tell(loan.fields());
        self.publish_quietly(parent, loan).map_err(|reason| PublishError::Dropped(self.refuse(reason)))
    }

    /// Counts an event whose own code panicked while it was written.
    pub(crate) fn count_panicked(&self) {
        let _ = user_code(|| self.core.count_dropped(DropReason::Panicked));
    }

    /// Buffers for an event of this session, unless somebody else's code has to be asked first.
    #[inline]
    pub(crate) fn quick_loan(&self) -> Option<PooledFields> {
        let asks = self.core.config.consent.is_some() || !self.core.is_ready();
        (!asks).then(|| self.core.fields())
    }

    /// The part of [`publish_recorded`](Self::publish_recorded) that runs no code but this library's: nothing is
    /// reported, and a refusal is the caller's to count.
    #[inline]
    pub(crate) fn publish_quietly(
        &self,
        parent: Option<EventId>,
        loan: &mut PooledFields,
    ) -> Result<EventId, DropReason> {
        let start = EventStart::now(self, parent);
        let fields = loan.fields();
        let header = start.header(self, fields.duration_micros(), fields.outcome(), true);
        self.write(&header, fields)?;
        Ok(start.id)
    }
}

/// The beginning of an event: its identity, its place in the order and its moment.
#[derive(Clone, Copy)]
pub(crate) struct EventStart {
    pub(crate) id: EventId,
    pub(crate) parent: Option<EventId>,
    unix_micros: u64,
    sequence: u64,
}

impl EventStart {
    /// That of no event.
    pub(crate) const NONE: Self =
        Self { id: EventId::from_raw([0; 20]), parent: None, unix_micros: 0, sequence: 0 };

    #[inline(always)]
    pub(crate) fn now(session: &Session, parent: Option<EventId>) -> Self {
        let unix_micros = clock::unix_micros();
        Self {
            id: session.core().new_event_id(unix_micros),
            parent,
            unix_micros,
            sequence: session.core().next_sequence(),
        }
    }

    #[inline]
    /// It lies this far back.
    #[cfg(feature = "rmcp")]
    pub(crate) fn shift(&mut self, back: std::time::Duration) {
        self.unix_micros = self.unix_micros.saturating_sub(crate::event::time::micros(back));
    }

    pub(crate) fn header(
        &self,
        session: &Session,
        duration_micros: Option<u64>,
        is_error: Option<bool>,
        custom: bool,
    ) -> Header {
        Header {
            id: self.id,
            parent: self.parent,
            unix_micros: self.unix_micros,
            duration_micros,
            sequence: self.sequence,
            session: session.reference(),
            is_error,
            custom,
            foreign_type: false,
        }
    }
}

/// The session that an event without any belongs to, if a client is installed: its process's own.
pub(crate) fn of_installed() -> Option<Session> {
    let client = Client::installed()?;
    client.core().announce();
    client.core().ledger.unattributed();
    Some(Session::of_process(client.core()))
}

impl Client {
    /// Records an event in the session that `target` names. Returns at once; delivery is in the background.
    ///
    /// Inside a call of the same session the event is nested under it. With recording switched off this
    /// succeeds and does nothing.
    ///
    /// # Errors
    /// The target belongs to another project, its server is not tracked, or the event had to be dropped.
    pub fn publish<'a>(
        &self,
        target: impl Into<Target<'a>>,
        event: impl EventData,
    ) -> Result<EventId, PublishError> {
        let session = self.resolve(target.into())?;
        session.publish(session.ambient_parent(), |fields| event.record(fields))
    }

    /// The session that a string of the author's own names, stable over time and processes.
    #[must_use]
    pub fn session(&self, text: &str) -> Session {
        if text.is_empty() { Session::of_process(self.core()) } else { Session::of_text(self.core(), text) }
    }

    pub(crate) fn resolve(&self, target: Target<'_>) -> Result<Session, PublishError> {
        self.core().announce();
        match target.0 {
            Kind::Text(text) if text.is_empty() => {
                self.core().ledger.unattributed();
                Ok(Session::of_process(self.core()))
            }
            Kind::Text(text) => Ok(Session::of_text(self.core(), &text)),
            Kind::Id(id) => Ok(Session::of_id(self.core(), id)),
            target => resolved(target, self.project()),
        }
    }
}

impl Session {
    /// The call that runs here, if it runs in this session.
    pub(crate) fn ambient_parent(&self) -> Option<EventId> {
        Scope::current().filter(|scope| scope.session.is(self)).and_then(|scope| scope.parent)
    }
}

/// Targets that bring their own client.
fn resolved(target: Kind<'_>, project: &str) -> Result<Session, PublishError> {
    let session = match target {
        Kind::Session(session) => session,
        #[cfg(feature = "rmcp")]
        Kind::Process(client) => {
            client.core().announce();
            client.core().ledger.unattributed();
            Session::of_process(client.core())
        }
        #[cfg(feature = "rmcp")]
        Kind::Untracked(reason) => return Err(PublishError::Untracked { reason }),
        Kind::Text(_) | Kind::Id(_) => {
            return Err(PublishError::NoClient { reason: "a string names no client".to_owned() });
        }
    };
    if session.project() == project {
        Ok(session)
    } else {
        Err(PublishError::WrongProject { given: project.to_owned(), tracked: session.project().to_owned() })
    }
}

/// Records a custom event, as the product's documentation has it: in a tracked server's session, in a
/// session, or in the session that a string names.
///
/// For a string, the client is the installed one if it is of this project, else one that the process shares
/// for the project and the environment's endpoint.
///
/// ```no_run
/// # use mcpcat_runtime as mcpcat;
/// use mcpcat::CustomEvent;
///
/// mcpcat::publish_custom_event(
///     "customer-abc",
///     "proj_abc123xyz",
///     CustomEvent::new("feature_used").parameter("feature", "export"),
/// )?;
/// # Ok::<(), mcpcat::PublishError>(())
/// ```
///
/// # Errors
/// The project is empty or not the target's, no client can be made for it, or the event had to be dropped.
pub fn publish_custom_event<'a>(
    target: impl Into<Target<'a>>,
    project: &str,
    event: impl EventData,
) -> Result<EventId, PublishError> {
    if project.trim().is_empty() {
        return Err(PublishError::EmptyProject);
    }
    let target = target.into();
    let session = match target.0 {
        Kind::Text(_) | Kind::Id(_) => {
            let client =
                for_project(project).map_err(|error| PublishError::NoClient { reason: error.to_string() })?;
            client.resolve(target)?
        }
        target => resolved(target, project)?,
    };
    session.publish(session.ambient_parent(), |fields| event.record(fields))
}
