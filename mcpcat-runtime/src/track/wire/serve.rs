//! Serving a tracked server on a pipe. The methods are inherent and so come before those of `rmcp::ServiceExt`: a program
//! says `server.serve(stdio())` as ever, and its transport is wrapped.

use std::any::TypeId;
use std::error::Error;
use std::future::Future;

use rmcp::service::{MaybeSendFuture, RunningService, ServerInitializeError, serve_server_with_ct};
use rmcp::transport::{DynamicTransportError, IntoTransport, Transport, TransportAdapterIdentity};
use rmcp::{RoleServer, ServerHandler};
use tokio_util::sync::CancellationToken;

use super::super::tracked::Tracked;
use super::seam::Seam;

impl<H: ServerHandler> Tracked<H> {
    /// Serves one client over a pipe, as `rmcp::ServiceExt::serve` does, and sees what the client really gets: refusals and
    /// what rmcp makes of answers, the requests that the server sends meanwhile, and answers that never leave. The event of
    /// a request is in the log before its answer leaves.
    ///
    /// A program that imports `rmcp::ServiceExt` for this alone does not need the import any more.
    ///
    /// # Errors
    /// Those of rmcp.
    pub fn serve<T, E, A>(
        self,
        transport: T,
    ) -> impl Future<Output = Result<RunningService<RoleServer, Self>, ServerInitializeError>> + MaybeSendFuture
    where
        T: IntoTransport<RoleServer, E, A>,
        E: Error + Send + Sync + 'static,
    {
        self.serve_with_ct(transport, CancellationToken::default())
    }

    /// [`serve`](Self::serve), which ends when the token is cancelled.
    ///
    /// # Errors
    /// Those of rmcp.
    pub fn serve_with_ct<T, E, A>(
        self,
        transport: T,
        ct: CancellationToken,
    ) -> impl Future<Output = Result<RunningService<RoleServer, Self>, ServerInitializeError>> + MaybeSendFuture
    where
        T: IntoTransport<RoleServer, E, A>,
        E: Error + Send + Sync + 'static,
    {
        on(self, transport.into_transport(), ct)
    }
}

async fn on<H, T>(
    server: Tracked<H>,
    transport: T,
    ct: CancellationToken,
) -> Result<RunningService<RoleServer, Tracked<H>>, ServerInitializeError>
where
    H: ServerHandler,
    T: Transport<RoleServer> + 'static,
{
    let seam = Seam::new(transport, server.observe(), false);
    serve_server_with_ct::<_, _, _, TransportAdapterIdentity>(server, seam, ct).await.map_err(|error| {
        match error {
            // The transport that failed is the one that was given.
            ServerInitializeError::TransportError { error, context }
                if error.transport_type_id == TypeId::of::<Seam<T>>() =>
            {
                let DynamicTransportError { error, .. } = error;
                let error = DynamicTransportError::from_parts(T::name(), TypeId::of::<T>(), error);
                ServerInitializeError::TransportError { error, context }
            }
            other => other,
        }
    })
}
