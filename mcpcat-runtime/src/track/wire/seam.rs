//! A transport around a transport. It passes messages on as they are and in their order; what it adds is that the event
//! of a request is in the log before the request's answer is given to the transport inside.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rmcp::RoleServer;
use rmcp::model::{ClientNotification, GetExtensions as _, JsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use super::table::{OnWire, Table};
use crate::client::Client;

/// See the module. Without a table it only passes on.
#[allow(unreachable_pub, reason = "the transport of a manager that users name")]
pub struct Seam<T> {
    inner: T,
    table: Option<Arc<Table>>,
    /// Requests carry the table to their handler, which cannot find it otherwise.
    carries: bool,
}

impl<T> Seam<T> {
    pub(super) fn new(inner: T, table: Option<Arc<Table>>, carries: bool) -> Self {
        Self { inner, table, carries }
    }

    fn show(&self, message: &mut RxJsonRpcMessage<RoleServer>) {
        let Some(table) = &self.table else { return };
        match message {
            JsonRpcMessage::Request(request) => {
                table.received(&request.id, &request.request);
                if self.carries {
                    request.request.extensions_mut().insert(OnWire(Arc::clone(table)));
                }
            }
            JsonRpcMessage::Response(response) => table.answered(&response.id, Ok(&response.result)),
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &error.id {
                    table.answered(id, Err(&error.error));
                }
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    table.cancelled(id);
                }
            }
        }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Seam<T> {
    type Error = T::Error;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let settles = self.table.as_ref().and_then(|table| table.sending(&item));
        Sending { settling: settles.map(settle), inner: self.inner.send(item) }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let mut message = self.inner.receive().await?;
        self.show(&mut message);
        Some(message)
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        if let Some(table) = &self.table {
            table.close();
        }
        self.inner.close()
    }
}

impl<T> Drop for Seam<T> {
    fn drop(&mut self) {
        if let Some(table) = &self.table {
            table.close();
        }
    }
}

impl<T> std::fmt::Debug for Seam<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seam").finish_non_exhaustive()
    }
}

type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

fn settle(client: Client) -> Settling {
    Box::pin(async move { client.flush_before_response().await })
}

pin_project_lite::pin_project! {
    /// A message on its way, which waits for its event where it has been asked to.
    struct Sending<F> {
        settling: Option<Settling>,
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for Sending<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(settling) = this.settling {
            ready!(settling.as_mut().poll(context));
            *this.settling = None;
        }
        this.inner.poll(context)
    }
}
