//! What moves on one connection: heads on their way, requests in work, answers that are being read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, timeout},
};

use model::lengths::millis_of;

use crate::{
    limits::{STRANGER_ANSWER_MAX, STRANGER_IDLE_MAX},
    linger::Linger,
    settings::{HEAD_TIME_MAX, IDLE_TIME_MAX, JSON_MAX},
};

/// Which heads of a connection have their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heads {
    /// HTTP/1.1: between two answers whatever comes in is a head.
    Each,
    /// HTTP/2: settings, credits and pings come at any time, also while a stream of events is silent,
    /// and cannot be told from a head here. Later heads are bounded by the idle time.
    First,
}

/// What moves on one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    /// See [`Heads::Each`].
    each_head: AtomicBool,
    began: Instant,
    /// Milliseconds since `began` of the last octet in or out.
    moved_at: AtomicU64,
    /// When the first octet of a head came, plus one; zero while none is on its way.
    head_at: AtomicU64,
    /// When the last request was answered, or the connection began.
    rested_at: AtomicU64,
    /// Requests that are being answered.
    busy_count: AtomicU32,
    /// Answers whose body is not sent yet.
    sending_count: AtomicU32,
    /// The body of the last request was not read to its end.
    unread: AtomicBool,
    /// What its handler has left of it, over HTTP/1.1 and if it is little.
    rest: Mutex<Option<Incoming>>,
    /// All is said, and what still comes is read and dropped.
    lingers: AtomicBool,
}

/// Octets of a body that are still read behind a refusal, so that its connection goes on: as many as a client
/// has sent before it could hear of it.
const REST_MAX: u64 = JSON_MAX as u64;
/// How long they are waited for while nothing comes, and in all: they are on their way already.
const REST_PAUSE_MAX: Duration = Duration::from_millis(100);
const REST_TIME_MAX: Duration = Duration::from_secs(1);

/// The body of a request, which says whether it was read to its end.
pub(crate) struct Receiving {
    /// None once it is dropped.
    body: Option<Incoming>,
    activity: Arc<Activity>,
}

impl Receiving {
    /// The body of a request that begins now.
    pub(crate) fn new(body: Incoming, activity: Arc<Activity>) -> Self {
        activity.unread.store(!body.is_end_stream(), Relaxed);
        Self { body: Some(body), activity }
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if self.activity.is_unread() {
            let few =
                |body: &Incoming| body.size_hint().upper().is_some_and(|left| left <= REST_MAX);
            *self.activity.rest.lock() = self.body.take().filter(few);
        }
    }
}

impl hyper::body::Body for Receiving {
    type Data = bytes::Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let body = self.body.as_mut().expect("it is there until it is dropped");
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || body.is_end_stream() {
            self.activity.unread.store(false, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Incoming::size_hint)
    }
}

/// Counts one request until its answer begins.
pub(crate) struct Busy(Arc<Activity>);

/// The body of an answer, counted until it is sent.
pub(crate) struct Sending {
    body: Body,
    activity: Arc<Activity>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.rest();
        self.0.busy_count.fetch_sub(1, Relaxed);
    }
}

impl Busy {
    /// The answer begins.
    pub(crate) fn sends(self, body: Body) -> Sending {
        self.0.sending_count.fetch_add(1, Relaxed);
        Sending { body, activity: self.0.clone() }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.activity.rest();
        self.activity.sending_count.fetch_sub(1, Relaxed);
    }
}

impl hyper::body::Body for Sending {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Activity {
    /// A connection that begins now.
    pub(crate) fn new() -> Self {
        Self {
            each_head: AtomicBool::new(false),
            began: Instant::now(),
            moved_at: 0.into(),
            // The first head is awaited from the first moment on.
            head_at: 1.into(),
            rested_at: 0.into(),
            busy_count: 0.into(),
            sending_count: 0.into(),
            unread: false.into(),
            rest: Mutex::default(),
            lingers: false.into(),
        }
    }

    /// Which version it speaks is known once TLS is there.
    pub(crate) fn watch(&self, heads: Heads) {
        self.each_head.store(heads == Heads::Each, Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How long the connection has been there.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    fn rest(&self) {
        self.rested_at.store(self.now(), Relaxed);
    }

    /// A head is whole.
    pub(crate) fn begin(self: Arc<Self>) -> Busy {
        self.head_at.store(0, Relaxed);
        self.busy_count.fetch_add(1, Relaxed);
        Busy(self)
    }

    /// Whether another request may follow on the connection: its last body is at its end, or a small rest of it
    /// that has been sent already is read now.
    pub(crate) async fn may_go_on(&self, sent: bool) -> bool {
        let rest = self.rest.lock().take().filter(|_| sent);
        if let Some(mut body) = rest {
            let read = async {
                while !body.is_end_stream() {
                    match timeout(REST_PAUSE_MAX, body.frame()).await {
                        Ok(Some(Ok(_))) => {}
                        Ok(Some(Err(_))) | Err(_) => return,
                        Ok(None) => break,
                    }
                }
                self.unread.store(false, Relaxed);
            };
            // Whether it came in time is what the flag says.
            timeout(REST_TIME_MAX, read).await.ok();
        }
        !self.is_unread()
    }

    /// Whether the peer may still be sending what nobody will read, over HTTP/1.1.
    fn is_unread(&self) -> bool {
        self.each_head.load(Relaxed) && self.unread.load(Relaxed)
    }

    fn read(&self) {
        let now = self.now();
        self.moved_at.store(now, Relaxed);
        if self.each_head.load(Relaxed) && self.busy_count.load(Relaxed) == 0 {
            // Where a head is being read already, its own beginning stands.
            self.head_at.compare_exchange(0, now + 1, Relaxed, Relaxed).ok();
        }
    }

    fn wrote(&self) {
        self.moved_at.store(self.now(), Relaxed);
        // While an answer goes out nothing that comes in is a head. HTTP/2 writes before the first one.
        if self.each_head.load(Relaxed) {
            self.head_at.store(0, Relaxed);
        }
    }

    /// Nothing is being answered: whoever closes it takes nothing from anybody but the connection.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.busy_count.load(Relaxed) == 0 && self.sending_count.load(Relaxed) == 0
    }

    /// A head comes too slowly.
    pub(crate) fn is_slow_head(&self) -> bool {
        let head_at = self.head_at.load(Relaxed);
        head_at > 0
            && self.busy_count.load(Relaxed) == 0
            && self.now().saturating_sub(head_at) > millis_of(HEAD_TIME_MAX)
    }

    /// Nothing moves for longer than one like this may be quiet. What a stranger moves does not count,
    /// only what it asks: octets cost it nothing.
    pub(crate) fn is_idle(&self, is_stranger: bool) -> bool {
        // Who lingers has bounds of its own.
        if self.busy_count.load(Relaxed) > 0 || self.lingers.load(Relaxed) {
            return false;
        }
        let (since, max) = match (is_stranger, self.sending_count.load(Relaxed)) {
            (false, _) => (&self.moved_at, IDLE_TIME_MAX),
            (true, 0) => (&self.rested_at, STRANGER_IDLE_MAX),
            (true, _) => (&self.rested_at, STRANGER_ANSWER_MAX),
        };
        self.now().saturating_sub(since.load(Relaxed)) > millis_of(max)
    }
}

/// A stream that tells what moves on it.
pub(crate) struct Watched<S> {
    /// What carries the octets.
    pub(crate) stream: S,
    /// Who is told.
    pub(crate) activity: Arc<Activity>,
    /// What comes in behind the last answer.
    linger: Option<Linger>,
}

impl<S> Watched<S> {
    /// A stream on which something is about to move.
    pub(crate) const fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, linger: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.read();
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        if written.is_ready() {
            self.activity.wrote();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        if written.is_ready() {
            self.activity.wrote();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says that no more comes; then reads for a while what the peer still sends, so that it hears the answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.activity.is_unread() {
                return Poll::Ready(Ok(()));
            }
            // What comes in from here on is no head.
            this.activity.head_at.store(0, Relaxed);
            this.activity.lingers.store(true, Relaxed);
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        linger.poll(Pin::new(&mut this.stream), cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaking(heads: Heads) -> Arc<Activity> {
        let activity = Arc::new(Activity::new());
        activity.watch(heads);
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_over_http2_has_its_time() {
        let activity = speaking(Heads::First);
        activity.wrote();
        activity.read();
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(activity.is_slow_head());
        drop(activity.clone().begin());
        activity.read();
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(!activity.is_slow_head());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_come_is_given_up() {
        let activity = speaking(Heads::Each);
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(activity.is_slow_head());
        activity.read();
        assert!(activity.is_slow_head(), "more octets of the same head do not start it anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_work_and_a_quiet_connection_are_left_alone_for_a_while() {
        let activity = speaking(Heads::Each);
        let busy = activity.clone().begin();
        tokio::time::advance(IDLE_TIME_MAX * 2).await;
        assert!(!activity.is_slow_head() && !activity.is_idle(false) && !activity.is_idle(true));
        activity.wrote();
        drop(busy);
        tokio::time::advance(IDLE_TIME_MAX / 2).await;
        assert!(!activity.is_slow_head() && !activity.is_idle(false));
        tokio::time::advance(IDLE_TIME_MAX).await;
        assert!(!activity.is_slow_head() && activity.is_idle(false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_head_has_its_own_time() {
        let activity = speaking(Heads::Each);
        drop(activity.clone().begin());
        activity.wrote();
        tokio::time::advance(IDLE_TIME_MAX / 2).await;
        activity.read();
        assert!(!activity.is_slow_head());
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(activity.is_slow_head());
    }

    #[tokio::test(start_paused = true)]
    async fn octets_keep_no_stranger_alive() {
        let activity = speaking(Heads::First);
        drop(activity.clone().begin());
        for _ in 0..6 {
            tokio::time::advance(Duration::from_secs(2)).await;
            activity.read();
            activity.wrote();
        }
        assert!(activity.is_idle(true) && !activity.is_idle(false));
        assert!(activity.is_at_rest());
        // An answer that is being read has its own time, and the same for everybody's streams.
        let sending = activity.clone().begin().sends(Body::empty());
        assert!(!activity.is_at_rest());
        tokio::time::advance(STRANGER_IDLE_MAX * 2).await;
        assert!(!activity.is_idle(true));
        tokio::time::advance(STRANGER_ANSWER_MAX).await;
        assert!(activity.is_idle(true));
        drop(sending);
        assert!(activity.is_at_rest() && !activity.is_idle(true));
    }
}
