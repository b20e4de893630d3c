//! What a client keeps of its sessions: who they are, what is known of their two ends, where they were defined last. Data
//! alone, below the client, which holds it; what a session does is in [`session`](crate::session).

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use mcpcat_wire::values::TraceContext;

pub use id::SessionId;

use crate::event::record::Actor;
use crate::privacy::consent::Known;
use crate::spool::Mark;

pub(crate) mod causes;
mod id;
#[cfg(feature = "rmcp")]
pub(crate) mod open_calls;

/// What the clones of a session share. Apart from the core, so that the client can keep sessions without
/// keeping itself alive.
pub(crate) struct State {
    /// The number under which event headers name the session.
    pub(crate) reference: u64,
    pub(crate) name: Name,
    /// The string that the id was derived from.
    pub(crate) key: Option<Box<str>>,
    pub(crate) facts: RwLock<Facts>,
    pub(crate) consent: Arc<Known>,
    /// Where the newest definition is.
    pub(crate) defined: Mark,
    /// Views of calls whose hooks ended before the transport had named the session.
    pub(crate) waiting: Mutex<Vec<Arc<View>>>,
}

impl Drop for State {
    fn drop(&mut self) {
        // Nobody is left who could give the name.
        if let Name::Awaited { cell, provisional } = &self.name {
            let _ = cell.set(provisional.as_str().to_owned());
        }
    }
}

/// How a session is called on the wire.
pub(crate) enum Name {
    Fixed(SessionId),
    /// The transport has not said it yet. The cell is shared with the worker, which falls back to the
    /// provisional name when nobody gives one in time.
    Awaited {
        cell: Arc<OnceLock<String>>,
        provisional: SessionId,
    },
}

/// What is known of the two ends of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) client: Option<Peer>,
    pub(crate) server: Option<Peer>,
    pub(crate) actor: Option<Actor>,
    /// Who an authentication layer says is behind it. Asked about consent, and written nowhere.
    pub(crate) principal: Option<Box<str>>,
}

/// A program that speaks MCP, as it names itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What hooks said of a call: JSON objects as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values {
    pub(crate) tags: Option<String>,
    pub(crate) properties: Option<String>,
}

/// One call's view of its session; see `session::view`.
pub(crate) struct View {
    pub(crate) trace: Option<TraceContext>,
    pub(crate) awaited: Option<Awaited>,
}

/// A view whose hooks are still running, or were.
pub(crate) struct Awaited {
    /// The number under which event headers name this view.
    pub(crate) reference: u64,
    /// Filled by the worker when it has waited long enough.
    pub(crate) given_up: Arc<OnceLock<String>>,
    pub(crate) values: Mutex<Option<Values>>,
    pub(crate) defined: Mark,
}

impl Awaited {
    pub(crate) fn values(&self) -> Option<Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sessions by string that a client remembers, so that each is defined once and not with every event.
pub(crate) const REMEMBERED: usize = 1_024;

/// What a client keeps of its sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    pub(crate) process: OnceLock<Arc<State>>,
    pub(crate) by_text: Mutex<HashMap<String, Arc<State>>>,
    /// A connection of one client has made the process's session its own.
    pub(crate) claimed: AtomicBool,
    pub(crate) warned: AtomicBool,
    pub(crate) causes: causes::Causes,
    /// Calls that go on in a later request.
    #[cfg(feature = "rmcp")]
    pub(crate) open_calls: open_calls::OpenCalls,
}
