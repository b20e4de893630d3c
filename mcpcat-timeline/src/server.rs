//! Accepts connections, with a bound on their number: at the bound, the one that has been waiting longest gives way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::budget::Budget;
use crate::connection::{Activity, Answering, BUFFER, Timed};

/// How long a connection may be idle between requests; longer than any SDK's own bound.
const IDLE: Duration = Duration::from_secs(100);
/// Connections open at one time unless said otherwise; more wait in the system's queue if none can be closed.
pub(crate) const CONNECTIONS: usize = 4096;
/// Pause before the next look when there is no room for a connection.
const FULL: Duration = Duration::from_millis(50);
/// Open requests get this long to end once the server goes down.
const GRACE: Duration = Duration::from_secs(5);

/// The connections that are open, and how many may be.
struct Open {
    most: usize,
    connections: Mutex<HashMap<u64, Arc<Activity>>>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection that has been without a request for longest. False when all have one.
    fn close_the_longest_waiting(&self) -> bool {
        let mut open = self.lock();
        let oldest = open
            .iter()
            .filter_map(|(number, activity)| Some((activity.waiting_since()?, *number)))
            .min()
            .and_then(|(_, number)| open.remove(&number));
        oldest.inspect(|activity| activity.close.notify_one()).is_some()
    }

    /// Whether one more may be accepted, now or by closing another.
    fn has_room(&self) -> bool {
        let open = self.lock();
        open.len() < self.most || open.values().any(|activity| activity.waiting_since().is_some())
    }
}

/// Serves until `closing` turns true, then lets open requests end.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    budget: Budget,
    most: usize,
    mut closing: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let open = Arc::new(Open { most, connections: Mutex::default() });
    for number in 0.. {
        while !open.has_room() && !*closing.borrow() {
            tokio::time::sleep(FULL).await;
        }
        let stream = tokio::select! {
            stream = accept(&listener, &open) => stream,
            () = down(&mut closing) => break,
        };
        if open.lock().len() >= most {
            open.close_the_longest_waiting();
        }
        let activity = Arc::new(Activity::new());
        open.lock().insert(number, Arc::clone(&activity));
        let connection = connection(stream, router.clone(), budget.clone(), Arc::clone(&activity), &graceful);
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                },
                () = activity.close.notified() => tracing::debug!("a waiting connection made room for another"),
            }
            open.lock().remove(&number);
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were still open at shutdown");
    }
}

/// The next client. Out of file descriptors, a waiting connection gives way.
async fn accept(listener: &TcpListener, open: &Open) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                open.close_the_longest_waiting();
                // The next try would fail at once as well.
                tokio::time::sleep(FULL).await;
            }
        }
    }
}

/// Serves one connection to its end.
fn connection(
    stream: TcpStream,
    router: Router,
    budget: Budget,
    activity: Arc<Activity>,
    graceful: &GracefulShutdown,
) -> impl Future<Output = hyper::Result<()>> + Send + 'static {
    // Small answers should not wait for company.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no-delay was refused");
    }
    let io = TokioIo::new(Timed::new(stream, Arc::clone(&activity), budget));
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        activity.busy();
        let (answer, activity) = (inner.call(request), Arc::clone(&activity));
        async move {
            Ok::<_, std::convert::Infallible>(
                answer.await?.map(|body| Body::new(Answering::new(body, activity))),
            )
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER);
    graceful.watch(builder.serve_connection(io, service))
}

/// Ends once the server is to go down, or its owner is gone.
async fn down(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}
