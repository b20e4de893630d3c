//! One client's connection: what it is doing, and how long it may take over that.
//!
//! The HTTP library has a time for a request's head, but not for a reader that stops reading, and does not say which
//! connections are idle. Both are known where the bytes pass.

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use crate::budget::{Budget, Lease, Purpose};

/// A client has to finish its request's head within this time.
const HEAD: Duration = Duration::from_secs(10);
/// A client that takes fewer bytes than this in one [`WRITE`] while more are waiting is no longer waited for.
const PROGRESS: usize = 16 * 1024;
const WRITE: Duration = Duration::from_secs(15);
/// Heads above this many bytes are paid for, as what they may grow to.
const SMALL_HEAD: usize = 8 * 1024;
/// The largest head, and the most that the HTTP library holds of what is to be written.
pub(crate) const BUFFER: usize = 64 * 1024;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Between requests.
    Idle = 0,
    /// In the head of a request.
    Head = 1,
    /// In a request's body, its work, or its answer.
    Busy = 2,
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The state of a connection as its server sees it.
#[derive(Debug)]
pub(crate) struct Activity {
    phase: AtomicU8,
    /// When the phase began, in milliseconds since [`START`].
    since: AtomicU64,
    /// Told when the connection is to be closed for a newer one.
    pub(crate) close: Notify,
}

impl Activity {
    /// A client that has just come owes a head, whether or not it has sent a byte of it.
    pub(crate) fn new() -> Self {
        let activity =
            Self { phase: AtomicU8::new(Phase::Head as u8), since: AtomicU64::new(0), close: Notify::new() };
        activity.set(Phase::Head);
        activity
    }

    fn set(&self, phase: Phase) {
        self.since.store(START.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    /// A whole head is here; the request is being worked on.
    pub(crate) fn busy(&self) {
        self.set(Phase::Busy);
    }

    /// When it last did something, unless a request is being worked on.
    pub(crate) fn waiting_since(&self) -> Option<u64> {
        (!self.is(Phase::Busy)).then(|| self.since.load(Ordering::Relaxed))
    }
}

/// An answer's body; the connection is idle again once it has been handed over.
pub(crate) struct Answering {
    body: Body,
    activity: Arc<Activity>,
}

impl Answering {
    pub(crate) fn new(body: Body, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.set(Phase::Idle);
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The bytes of a connection, with a clock on them.
pub(crate) struct Timed {
    stream: TcpStream,
    activity: Arc<Activity>,
    budget: Budget,
    /// Runs while a head is arriving.
    head: Option<Pin<Box<Sleep>>>,
    head_bytes: usize,
    /// What a large head was paid with; its room stays with the connection.
    lease: Option<Lease>,
    /// Runs while the client does not take what is to be written.
    write: Option<Pin<Box<Sleep>>>,
    /// Bytes taken since that began.
    taken: usize,
}

impl Timed {
    pub(crate) fn new(stream: TcpStream, activity: Arc<Activity>, budget: Budget) -> Self {
        let head = Some(Box::pin(sleep(HEAD)));
        Self { stream, activity, budget, head, head_bytes: 0, lease: None, write: None, taken: 0 }
    }

    /// Counts the bytes of a head as they arrive.
    fn arrived(&mut self, count: usize) -> std::io::Result<()> {
        if self.activity.is(Phase::Busy) {
            return Ok(());
        }
        if self.activity.is(Phase::Idle) {
            self.activity.set(Phase::Head);
            self.head = None;
            self.head_bytes = 0;
        }
        self.head_bytes += count;
        if self.head_bytes > SMALL_HEAD && self.lease.is_none() {
            self.lease = self.budget.take(Purpose::Body, BUFFER);
            if self.lease.is_none() {
                return Err(Error::new(ErrorKind::OutOfMemory, "no memory is left for a large head"));
            }
        }
        Ok(())
    }

    /// Notes what a write did; a reader that takes too little for too long is an error.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        asked: usize,
        wrote: Poll<std::io::Result<usize>>,
    ) -> Poll<std::io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(count)) => {
                self.taken += count;
                if count == asked {
                    self.write = None;
                }
                wrote
            }
            Poll::Pending => {
                if self.write.is_none() {
                    self.write = Some(Box::pin(sleep(WRITE)));
                    self.taken = 0;
                }
                while let Some(clock) = &mut self.write {
                    ready!(clock.as_mut().poll(cx));
                    if self.taken < PROGRESS {
                        return Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client does not read")));
                    }
                    self.taken = 0;
                    clock.as_mut().reset(tokio::time::Instant::now() + WRITE);
                }
                Poll::Pending
            }
            Poll::Ready(Err(_)) => wrote,
        }
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.arrived(buffer.filled().len() - before)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if self.activity.is(Phase::Head) {
                    let clock = self.head.get_or_insert_with(|| Box::pin(sleep(HEAD)));
                    ready!(clock.as_mut().poll(cx));
                    return Poll::Ready(Err(Error::new(
                        ErrorKind::TimedOut,
                        "the request's head is too slow",
                    )));
                }
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, bytes.len(), wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let asked = parts.iter().map(|part| part.len()).sum();
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.written(cx, asked, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        // Otherwise the HTTP library copies what it is to write, and the copy is not paid for.
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
