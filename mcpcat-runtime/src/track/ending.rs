//! How a request ended for its client. rmcp lets a handler run on after its request was cancelled and throws
//! the answer away: an `Ok` alone does not say that anybody got it.

use rmcp::RoleServer;
use rmcp::service::{Peer, RequestContext};
use tokio_util::sync::CancellationToken;

use crate::event::ErrorInfo;
use crate::event::error::Cause;

pub(super) struct Ending {
    cancelled: CancellationToken,
    peer: Peer<RoleServer>,
    /// One HTTP exchange is all there is: a client can cancel only by hanging up.
    single: bool,
    /// The request lasts until somebody ends it: that its client does is no error.
    lasts: bool,
}

impl Ending {
    pub(super) fn of(context: &RequestContext<RoleServer>, single: bool, lasts: bool) -> Self {
        Self { cancelled: context.ct.clone(), peer: context.peer.clone(), single, lasts }
    }

    /// Whether the request lasts until somebody ends it.
    pub(super) fn lasts(&self) -> bool {
        self.lasts
    }

    /// Until the client has ended the request.
    pub(super) fn cancelled(&self) -> impl Future<Output = ()> + Send + use<> {
        self.cancelled.clone().cancelled_owned()
    }

    fn is_disconnected(&self) -> bool {
        self.single || self.peer.is_transport_closed()
    }

    /// In a word, how a request ended that lasts; `None` for any other.
    pub(super) fn of_lasting(&self) -> Option<&'static str> {
        self.lasts.then(|| match self.cancelled.is_cancelled() {
            false => "completed",
            true if self.is_disconnected() => "disconnected",
            true => "cancelled",
        })
    }

    /// Whether its client has ended a request that lasts until then.
    pub(super) fn is_clients_end(&self) -> bool {
        self.lasts && self.cancelled.is_cancelled()
    }

    /// Why nobody got the answer, if nobody did. `error` is what the handler itself failed with.
    pub(super) fn interruption(&self, error: Option<&ErrorInfo>) -> Option<ErrorInfo> {
        if self.lasts || !self.cancelled.is_cancelled() {
            return None;
        }
        Some(interrupted(self.is_disconnected(), error))
    }
}

/// Why nobody got an answer. `error` is what the handler itself failed with.
pub(super) fn interrupted(disconnected: bool, error: Option<&ErrorInfo>) -> ErrorInfo {
    let mut why = if disconnected {
        ErrorInfo::message("the client went away while the request ran; its answer was discarded")
            .with_type("disconnected")
    } else {
        ErrorInfo::message("the request was cancelled while it ran; its answer was discarded")
            .with_type("cancelled")
    };
    why.chain.extend(error.map(|error| Cause { message: error.to_string() }));
    why
}
