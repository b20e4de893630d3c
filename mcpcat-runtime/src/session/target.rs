//! Where an event is published to: a tracked server, a session, or a string that names one.

use std::borrow::Cow;

use super::{Session, SessionId};

/// What [`Client::publish`](crate::client::Client::publish) and
/// [`publish_custom_event`](super::publish_custom_event) take as their first argument: a tracked server or
/// its handle, a [`Session`], a [`SessionId`], or a string of the author's own that names a session.
#[derive(Debug, Clone)]
pub struct Target<'a>(pub(crate) Kind<'a>);

#[derive(Debug, Clone)]
pub(crate) enum Kind<'a> {
    Text(Cow<'a, str>),
    Id(SessionId),
    Session(Session),
    /// Outside any call, at a server of many sessions: the process's own session of this client.
    #[cfg(feature = "rmcp")]
    Process(crate::client::Client),
    #[cfg(feature = "rmcp")]
    Untracked(String),
}

impl Target<'_> {
    pub(crate) fn into_owned(self) -> Target<'static> {
        Target(match self.0 {
            Kind::Text(text) => Kind::Text(Cow::Owned(text.into_owned())),
            Kind::Id(id) => Kind::Id(id),
            Kind::Session(session) => Kind::Session(session),
            #[cfg(feature = "rmcp")]
            Kind::Process(client) => Kind::Process(client),
            #[cfg(feature = "rmcp")]
            Kind::Untracked(reason) => Kind::Untracked(reason),
        })
    }
}

impl<'a> From<&'a str> for Target<'a> {
    fn from(text: &'a str) -> Self {
        Self(Kind::Text(text.into()))
    }
}

impl<'a> From<&'a String> for Target<'a> {
    fn from(text: &'a String) -> Self {
        Self(Kind::Text(text.as_str().into()))
    }
}

impl From<Session> for Target<'_> {
    fn from(session: Session) -> Self {
        Self(Kind::Session(session))
    }
}

impl From<&Session> for Target<'_> {
    fn from(session: &Session) -> Self {
        Self(Kind::Session(session.clone()))
    }
}

impl From<SessionId> for Target<'_> {
    fn from(id: SessionId) -> Self {
        Self(Kind::Id(id))
    }
}

impl From<&SessionId> for Target<'_> {
    fn from(id: &SessionId) -> Self {
        Self(Kind::Id(id.clone()))
    }
}
