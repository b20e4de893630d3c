//! What a hook is shown of a request or a notification: enough to tell who is calling and what for.

use std::borrow::Cow;

use http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::{Extensions, JsonObject, NotificationMetaObject, RequestMetaObject};
use rmcp::service::{NotificationContext, RequestContext};

/// A request, as hooks see it; for [`resolve_session`](super::Tracked::resolve_session) also a notification.
#[derive(Debug, Clone)]
pub struct RequestInfo<'a> {
    method: Cow<'a, str>,
    name: Option<Cow<'a, str>>,
    arguments: Option<Cow<'a, JsonObject>>,
    meta: Cow<'a, RequestMetaObject>,
    extensions: Cow<'a, Extensions>,
}

impl<'a> RequestInfo<'a> {
    pub(super) fn new(
        method: &'a str,
        name: Option<&'a str>,
        arguments: Option<&'a JsonObject>,
        context: &'a RequestContext<RoleServer>,
    ) -> Self {
        Self {
            method: method.into(),
            name: name.map(Into::into),
            arguments: arguments.map(Cow::Borrowed),
            meta: Cow::Borrowed(&context.meta),
            extensions: Cow::Borrowed(&context.extensions),
        }
    }

    /// A notification, which has a method and neither name nor arguments.
    pub(super) fn of_notification(method: &'a str, context: &'a NotificationContext<RoleServer>) -> Self {
        // rmcp 3.11 takes the extensions away before it looks for the metadata in them.
        let meta = context.extensions.get::<NotificationMetaObject>().unwrap_or(&context.meta);
        Self {
            method: method.into(),
            name: None,
            arguments: None,
            meta: Cow::Owned(RequestMetaObject(meta.0.clone())),
            extensions: Cow::Borrowed(&context.extensions),
        }
    }

    /// The method: `tools/call`, `initialize`, `notifications/progress`, …
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The tool's or prompt's name, or the resource's URI.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A tool call's arguments, injected parameters among them.
    #[must_use]
    pub fn arguments(&self) -> Option<&JsonObject> {
        self.arguments.as_deref()
    }

    /// Its `_meta`.
    #[must_use]
    pub fn meta(&self) -> &RequestMetaObject {
        &self.meta
    }

    /// A header of the HTTP request; `None` over stdio, and for a value that is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.http()?.headers.get(name)?.to_str().ok()
    }

    /// The HTTP request without its body; `None` over stdio.
    #[must_use]
    pub fn http(&self) -> Option<&Parts> {
        self.extensions.get::<Parts>()
    }

    /// What a layer in front of the server left for it: first in the MCP request's extensions, then in those
    /// of the HTTP request.
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.extensions.get::<T>().or_else(|| self.http()?.extensions.get::<T>())
    }

    /// A copy that outlives the request.
    #[must_use]
    pub fn into_owned(self) -> RequestInfo<'static> {
        RequestInfo {
            method: Cow::Owned(self.method.into_owned()),
            name: self.name.map(|name| Cow::Owned(name.into_owned())),
            arguments: self.arguments.map(|arguments| Cow::Owned(arguments.into_owned())),
            meta: Cow::Owned(self.meta.into_owned()),
            extensions: Cow::Owned(self.extensions.into_owned()),
        }
    }
}

/// A request as the wire knows it.
pub(super) struct Method<'a> {
    pub(super) name: &'a str,
    /// `None`: the name behind `mcp:`.
    pub(super) event_type: Option<&'static str>,
    /// It opens a session that its transport names later.
    pub(super) opens: bool,
    /// It lasts until its client has enough of it.
    pub(super) lasts: bool,
}
