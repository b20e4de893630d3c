//! Which session a request belongs to. What the transport gives decides:
//!
//! | transport | session |
//! |---|---|
//! | stdio, duplex | one for the process, a new one after 30 idle minutes |
//! | stateful HTTP | one for each `mcp-session-id`, which exists only after `initialize` |
//! | stateless HTTP | the conversation that the client names, else one for each request, marked as unlinked |
//!
//! A client that is known to open transport sessions as it likes is believed before its transport.
//!
//! Two HTTP sessions never merge, whatever instances the server is built from. A session that the transport takes
//! up again from a store goes on; it does not begin a second time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{Extensions, Implementation, InitializeRequestParams, ProtocolVersion};
use rmcp::service::Peer as RmcpPeer;
// The clock of the host's runtime: where that is paused, as in a test, sessions age with it.
use tokio::time::Instant;

use super::whose::Whose;
use crate::client::Core;
use crate::session::{Peer, Session, SessionId};

/// A stdio session ends after this long without a request (the product's rule), also while the machine sleeps.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// Sessions remembered by one instance that serves many.
const REMEMBERED: usize = 4_096;
/// Sessions that were opened and have not been named yet.
const OPENINGS: usize = 64;

const SESSION_HEADER: &str = "mcp-session-id";
const VERSION_HEADER: &str = "mcp-protocol-version";
/// The revision from which a session header means nothing.
const SESSIONLESS: &str = "2026-07-28";

/// What the wrapper of one handler instance knows of those it serves.
#[derive(Default)]
pub(super) struct Connection(Mutex<State>);

#[derive(Default)]
struct State {
    lone: Option<Lone>,
    by_header: HashMap<Box<str>, Bound>,
    openings: Vec<Opening>,
}

/// The session of a transport that carries one.
struct Lone {
    session: Session,
    last_request: Moment,
}

/// A moment on two clocks. The runtime's stands still while a laptop sleeps; the wall's may be set back.
#[derive(Clone, Copy)]
struct Moment {
    running: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { running: Instant::now(), wall: SystemTime::now() }
    }

    /// The longer of what the clocks say.
    fn since(self, earlier: Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        self.running.duration_since(earlier.running).max(wall)
    }
}

/// A session that its transport has named.
struct Bound {
    session: Session,
    /// The handshake of the connection that serves it, where that is known: another one is another connection.
    handshake: Option<Arc<InitializeRequestParams>>,
}

/// A session between its `initialize` and the first request that carries its id.
struct Opening {
    peer: RmcpPeer<RoleServer>,
    session: Session,
}

/// What is asked about a request.
pub(super) struct Asked<'a> {
    pub(super) extensions: &'a Extensions,
    /// The request's own protocol version, from its `_meta`.
    pub(super) version: Option<ProtocolVersion>,
    pub(super) peer: &'a RmcpPeer<RoleServer>,
    pub(super) opens: bool,
    /// What is known of whose request it is.
    pub(super) whose: &'a Whose,
}

/// What linked a request to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// The transport, a resolver or a handle.
    Named,
    /// The conversation that its client names.
    Conversation,
    /// Nothing: it is alone in its session.
    Nothing,
}

/// A request's session.
pub(super) struct Found {
    pub(super) session: Session,
    pub(super) link: Link,
    /// The transport links this request to no other.
    pub(super) single: bool,
    /// The peer's handshake is real: not one that a stateless service made up.
    pub(super) handshake: bool,
    /// An `initialize` that no client has sent: the transport took up a session from its store, and plays again what
    /// began it.
    pub(super) replayed: bool,
}

impl Connection {
    /// The session of a request; makes one where there is none yet.
    pub(super) fn session(&self, core: &Arc<Core>, asked: &Asked<'_>) -> Found {
        let parts = asked.extensions.get::<Parts>();
        let header = parts.and_then(|parts| {
            let header = parts.headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok());
            header.filter(|_| !is_sessionless(asked, parts))
        });
        let single = parts.is_some() && header.is_none() && !asked.opens;
        // Who opens a session over HTTP has introduced itself; without one the service makes up a name.
        let handshake = parts.is_none() || header.is_some() || asked.opens;
        let found = |session, link| Found { session, link, single, handshake, replayed: false };
        if let Some(id) = asked.whose.session(true) {
            return found(Session::of_id(core, id.clone()), Link::Conversation);
        }
        if parts.is_none() {
            return found(self.lone(core), Link::Named);
        }
        if let Some(id) = header {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (session, replayed) = state.by_header(core, id, asked);
            return Found { replayed, ..found(session, Link::Named) };
        }
        let spoken = asked.whose.session(false).cloned();
        if asked.opens {
            let session = Session::awaiting_name(core, spoken);
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if state.openings.len() == OPENINGS {
                state.openings.remove(0);
            }
            state.openings.push(Opening { peer: asked.peer.clone(), session: session.clone() });
            return found(session, Link::Named);
        }
        match spoken {
            Some(id) => found(Session::of_id(core, id), Link::Conversation),
            None => found(Session::fresh(core), Link::Nothing),
        }
    }

    /// The session of a pipe.
    pub(super) fn lone(&self, core: &Arc<Core>) -> Session {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        let lone = state
            .lone
            .get_or_insert_with(|| Lone { session: Session::of_process_or_fresh(core), last_request: now });
        if now.since(lone.last_request) > IDLE {
            let next = Session::fresh(core);
            next.inherit(&lone.session);
            lone.session = next;
        }
        lone.last_request = now;
        lone.session.clone()
    }

    /// Whether nothing seen so far has been a transport with sessions of its own.
    pub(super) fn is_unlinked_so_far(&self) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.lone.is_none() && state.by_header.is_empty() && state.openings.is_empty()
    }

    /// The session of whoever publishes from outside a call: only where there is no doubt.
    pub(super) fn only_session(&self) -> Option<Session> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let served = state.by_header.len() + state.openings.len();
        state.lone.as_ref().filter(|_| served == 0).map(|lone| lone.session.clone())
    }
}

impl Asked<'_> {
    /// Whether the transport says nothing of the session that a request belongs to.
    pub(super) fn is_unlinked(&self) -> bool {
        match self.extensions.get::<Parts>() {
            None => false,
            Some(parts) => {
                !self.opens && (!parts.headers.contains_key(SESSION_HEADER) || is_sessionless(self, parts))
            }
        }
    }
}

impl State {
    /// The session of this id, and whether its `initialize` is a replay. A client sends that without an id, which
    /// it does not have yet; with one, it is said again on a connection that served it before, or else replayed.
    fn by_header(&mut self, core: &Arc<Core>, id: &str, asked: &Asked<'_>) -> (Session, bool) {
        if let Some(bound) = self.by_header.get_mut(id) {
            let replayed = asked.opens
                && bound.handshake.is_some()
                && !is_same(&bound.handshake, &asked.peer.peer_info());
            if asked.opens {
                // What is negotiated now will be stored in its place: learned with what follows.
                bound.handshake = None;
            } else if bound.handshake.is_none() {
                bound.handshake = asked.peer.peer_info();
            }
            return (bound.session.clone(), replayed);
        }
        let name = SessionId::derive(id, &core.config.project);
        let here = asked.peer.peer_info();
        let opening = self.openings.iter().position(|it| is_same(&here, &it.peer.peer_info()));
        let replayed = asked.opens && opening.is_none();
        let session = match opening {
            Some(index) => {
                let session = self.openings.remove(index).session;
                session.name(&name);
                session
            }
            None => Session::named(core, name, Some(id)),
        };
        if self.by_header.len() >= REMEMBERED {
            // A forgotten session is only defined anew: its id depends on nothing but the header.
            self.by_header.clear();
        }
        let handshake = here.filter(|_| !asked.opens);
        self.by_header.insert(id.into(), Bound { session: session.clone(), handshake });
        (session, replayed)
    }
}

/// Whether two handshakes are of one connection: each stores its own once, so that the address tells.
fn is_same(
    here: &Option<Arc<InitializeRequestParams>>,
    there: &Option<Arc<InitializeRequestParams>>,
) -> bool {
    matches!((here, there), (Some(here), Some(there)) if Arc::ptr_eq(here, there))
}

fn is_sessionless(asked: &Asked<'_>, parts: &Parts) -> bool {
    let header = || parts.headers.get(VERSION_HEADER).and_then(|value| value.to_str().ok());
    // Versions are dates: they compare as text.
    match &asked.version {
        Some(version) => version.as_str() >= SESSIONLESS,
        None => header().is_some_and(|version| version >= SESSIONLESS),
    }
}

/// A program's own name for itself.
pub(super) fn peer_of(implementation: &Implementation) -> Peer {
    Peer { name: implementation.name.clone(), version: implementation.version.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_slept_was_idle_and_a_clock_that_was_set_back_says_nothing() {
        let before = Moment::now();
        let (second, two_hours) = (Duration::from_secs(1), Duration::from_secs(7_200));
        let slept = Moment { running: before.running + second, wall: before.wall + two_hours };
        assert_eq!(slept.since(before), two_hours);
        let set_back = Moment { running: before.running + second, wall: before.wall - two_hours };
        assert_eq!(set_back.since(before), second);
    }
}
