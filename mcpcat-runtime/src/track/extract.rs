//! `Session` as a parameter of a tool or a prompt. It works on servers that are not tracked too, so that a
//! tool does not have to know.

use std::sync::OnceLock;

use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::ErrorData;

use crate::client::Client;
use crate::session::Session;

/// The session of the call: what a layer in front put into the request's extensions, else the call that runs
/// here. On a server that is not tracked it is the process's own session of the installed client; without
/// one, a session whose events go nowhere.
impl<C: AsRequestContext> FromContextPart<C> for Session {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        context
            .as_request_context()
            .extensions
            .get::<Self>()
            .cloned()
            .or_else(Self::current)
            .or_else(|| Client::installed().map(|client| Self::of_process(client.core())))
            .or_else(nowhere)
            .ok_or_else(|| ErrorData::internal_error("there is no session to give to this call", None))
    }
}

/// A session of a client that is switched off.
fn nowhere() -> Option<Session> {
    static OFF: OnceLock<Option<Client>> = OnceLock::new();
    let make = || Client::builder("untracked").base_url("http://127.0.0.1").enabled(false).build().ok();
    OFF.get_or_init(make).as_ref().map(|client| Session::of_process(client.core()))
}
