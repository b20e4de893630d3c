//! The seam of stateful HTTP: a session manager whose sessions' transports are wrapped.

use std::future::Future;
use std::sync::Arc;

use futures_util::Stream;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::{
    EventStore, RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
};

use super::seam::Seam;
use super::table::Table;

/// Wraps the session manager of a `StreamableHttpService` whose server is tracked, so that its events say what clients
/// really get, as [`Tracked::serve`](crate::track::Tracked::serve) does on a pipe. Needs the feature `streamable-http`.
///
/// ```no_run
/// # use mcpcat_runtime as mcpcat;
/// # use std::sync::Arc;
/// # use rmcp::transport::streamable_http_server::{StreamableHttpService, session::local::LocalSessionManager};
/// # fn serve<H: rmcp::ServerHandler + Clone>(handler: H) {
/// let service = StreamableHttpService::new(
///     move || Ok(mcpcat::track(handler.clone(), "proj_abc123xyz")),
///     Arc::new(mcpcat::sessions(LocalSessionManager::default())),
///     Default::default(),
/// );
/// # }
/// ```
#[must_use]
pub fn sessions<M: SessionManager>(manager: M) -> Sessions<M> {
    Sessions(manager)
}

/// A session manager whose sessions are observed. Made by [`sessions`].
#[derive(Debug, Default)]
pub struct Sessions<M>(M);

impl<M> Sessions<M> {
    /// The manager inside.
    #[must_use]
    pub fn inner(&self) -> &M {
        &self.0
    }
}

fn observed<T: Transport<RoleServer>>(transport: T) -> Seam<T> {
    Seam::new(transport, Some(Table::new(None)), true)
}

impl<M: SessionManager> SessionManager for Sessions<M> {
    type Error = M::Error;
    type Transport = Seam<M::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.0.create_session().await?;
        Ok((id, observed(transport)))
    }

    fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<ServerJsonRpcMessage, Self::Error>> + Send {
        self.0.initialize_session(id, message)
    }

    fn has_session(&self, id: &SessionId) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        self.0.has_session(id)
    }

    fn close_session(&self, id: &SessionId) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.0.close_session(id)
    }

    fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<
        Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>,
    > + Send {
        self.0.create_stream(id, message)
    }

    fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.0.accept_message(id, message)
    }

    fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> impl Future<
        Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>,
    > + Send {
        self.0.create_standalone_stream(id)
    }

    fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> impl Future<
        Output = Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error>,
    > + Send {
        self.0.resume(id, last_event_id)
    }

    async fn restore_session(&self, id: SessionId) -> Result<RestoreOutcome<Self::Transport>, Self::Error> {
        Ok(match self.0.restore_session(id).await? {
            RestoreOutcome::Restored(transport) => RestoreOutcome::Restored(observed(transport)),
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    fn event_store(&self) -> Option<Arc<dyn EventStore>> {
        self.0.event_store()
    }
}
