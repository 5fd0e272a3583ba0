//! The server's sockets: accept, TLS, HTTP/1.1 and HTTP/2, limits, and a clean end.

use std::{
    convert::Infallible,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::Request};
use delivery::Exchange;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, interval, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    app::App,
    front::Front,
    settings::{
        CONNECTION_WINDOW, CONNECTIONS_MAX, DRAIN_TIME_MAX, HANDSHAKE_TIME_MAX, HEAD_SIZE_MAX,
        HEAD_TIME_MAX, HEADER_COUNT_MAX, IDLE_TIME_MAX, SEND_BUFFER_MAX, STREAM_WINDOW,
        STREAMS_MAX, Settings,
    },
};

/// How often a connection looks at its own clock.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// After a failed accept (no file descriptors, say) the next one waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server is made of.
pub struct Options {
    /// Where it listens; already bound, so that a taken port is told before anything starts.
    pub listener: TcpListener,
    /// Its certificate comes from a resolver, so a renewed one needs no restart. The ALPN names
    /// should be `h2` and `http/1.1`.
    pub tls: Arc<ServerConfig>,
    /// The doors of the platform.
    pub exchange: Exchange,
    /// What it is told from outside.
    pub settings: Settings,
}

/// How far a server is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// It takes connections.
    Serving,
    /// It takes no new ones; the open ones go on.
    Refusing,
    /// Open requests finish, streams of events end.
    Draining,
}

/// A running server; dropped, it ends at once.
pub struct Server {
    phase: watch::Sender<Phase>,
    task: JoinHandle<()>,
}

impl Server {
    /// Takes no new connections from now on; the open ones go on.
    pub fn stop_accepting(&self) {
        self.phase.send_if_modified(|phase| {
            let earlier = *phase < Phase::Refusing;
            *phase = Phase::Refusing.max(*phase);
            earlier
        });
    }

    /// Lets requests finish for a while, ends streams of events, then closes.
    pub async fn drain(mut self) {
        self.phase.send_replace(Phase::Draining);
        // The task ends within the drain's bound; a panic in it was told by the runtime.
        let _ = (&mut self.task).await;
    }
}

/// Without a drain there is nobody to wait for the end, so it comes at once.
impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves the API until it is drained.
pub fn serve(options: Options) -> Server {
    let Options { listener, tls, exchange, settings } = options;
    let front = Front::new(App::new(exchange, settings));
    let (phase, phases) = watch::channel(Phase::Serving);
    let task = tokio::spawn(run(listener, TlsAcceptor::from(tls), front, phases));
    Server { phase, task }
}

async fn run(
    listener: TcpListener,
    tls: TlsAcceptor,
    front: Front,
    mut phases: watch::Receiver<Phase>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = reached(&mut phases, Phase::Refusing) => break,
            Some(_) = connections.join_next() => {}
            (slot, accepted) = accept(&listener, &slots) => match accepted {
                Ok(stream) => {
                    let (front, tls) = (front.clone(), tls.clone());
                    connections.spawn(async move {
                        connection(stream, tls, front).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    reached(&mut phases, Phase::Draining).await;
    front.app().draining.send_replace(true);
    let drained =
        timeout(DRAIN_TIME_MAX, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(count = connections.len(), "connections were cut at the end of the drain");
    }
}

/// Waits until the server has come so far. One that was dropped has no sender any more: that is the
/// end too.
async fn reached(phases: &mut watch::Receiver<Phase>, awaited: Phase) {
    let _ = phases.wait_for(|phase| *phase >= awaited).await;
}

/// Waits for a free slot before it accepts: a flood waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (tokio::sync::OwnedSemaphorePermit, io::Result<TcpStream>) {
    let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
    (slot, listener.accept().await.map(|(stream, _)| stream))
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, front: Front) {
    let _counted = front.app().metrics.connection();
    // Answers are small and complete: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let stream = match timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let draining = front.app().draining.subscribe();
    let activity = Arc::new(Activity::new(if is_h2 { Heads::First } else { Heads::Each }));
    let io = TokioIo::new(Watched { stream, activity: activity.clone() });
    let service = {
        let activity = activity.clone();
        service_fn(move |request: hyper::Request<Incoming>| {
            let (mut front, busy) = (front.clone(), activity.clone().begin());
            async move {
                let request: Request = request.map(Body::new);
                let response = front.answer(request).await;
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        })
    };
    if is_h2 {
        let connection = http2().serve_connection(io, service);
        guard(connection, |connection| connection.graceful_shutdown(), &activity, draining).await;
    } else {
        let connection = http1().serve_connection(io, service);
        guard(connection, |connection| connection.graceful_shutdown(), &activity, draining).await;
    }
}

fn http1() -> conn::http1::Builder {
    let mut builder = conn::http1::Builder::new();
    // The head's time is watched below: hyper's own limit would also end idle connections.
    builder.max_buf_size(HEAD_SIZE_MAX).max_headers(HEADER_COUNT_MAX).timer(TokioTimer::new());
    builder.header_read_timeout(None);
    builder
}

fn http2() -> conn::http2::Builder<TokioExecutor> {
    let mut builder = conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_MAX)
        .max_header_list_size(HEAD_SIZE_MAX as u32);
    builder
}

/// Runs a connection to its end: its own, the drain's, or that of a client that does nothing.
async fn guard<C, E>(
    connection: C,
    shut_down: impl Fn(Pin<&mut C>),
    activity: &Activity,
    mut draining: watch::Receiver<bool>,
) where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut watch = interval(WATCH_EVERY);
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = drained(&mut draining), if !closing => {
                closing = true;
                shut_down(connection.as_mut());
            }
            _ = watch.tick() => {
                if activity.is_slow_head() {
                    return tracing::debug!("a request's head came too slowly");
                }
                if activity.is_idle() {
                    return;
                }
            }
        }
    }
}

async fn drained(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

/// Which heads of a connection have their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heads {
    /// HTTP/1.1: between two answers whatever comes in is a head.
    Each,
    /// HTTP/2: settings, credits and pings come at any time, also while a stream of events is silent,
    /// and cannot be told from a head here. Later heads are bounded by the idle time.
    First,
}

/// What moves on one connection.
struct Activity {
    heads: Heads,
    began: Instant,
    /// Milliseconds since `began` of the last octet in or out.
    moved_at: AtomicU64,
    /// When the first octet of a head came, plus one; zero while none is on its way.
    head_at: AtomicU64,
    /// Requests that are being answered.
    busy_count: AtomicU32,
}

/// Counts one request until its answer begins.
struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy_count.fetch_sub(1, Relaxed);
    }
}

impl Activity {
    fn new(heads: Heads) -> Self {
        Self {
            heads,
            began: Instant::now(),
            moved_at: 0.into(),
            // The first head is awaited from the first moment on.
            head_at: 1.into(),
            busy_count: 0.into(),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A head is whole.
    fn begin(self: Arc<Self>) -> Busy {
        self.head_at.store(0, Relaxed);
        self.busy_count.fetch_add(1, Relaxed);
        Busy(self)
    }

    fn read(&self) {
        let now = self.now();
        self.moved_at.store(now, Relaxed);
        if self.heads == Heads::Each && self.busy_count.load(Relaxed) == 0 {
            let _ = self.head_at.compare_exchange(0, now + 1, Relaxed, Relaxed);
        }
    }

    fn wrote(&self) {
        self.moved_at.store(self.now(), Relaxed);
        // While an answer goes out nothing that comes in is a head. HTTP/2 writes before the first one.
        if self.heads == Heads::Each {
            self.head_at.store(0, Relaxed);
        }
    }

    fn is_slow_head(&self) -> bool {
        let head_at = self.head_at.load(Relaxed);
        head_at > 0
            && self.busy_count.load(Relaxed) == 0
            && self.now().saturating_sub(head_at) > HEAD_TIME_MAX.as_millis() as u64
    }

    fn is_idle(&self) -> bool {
        self.busy_count.load(Relaxed) == 0
            && self.now().saturating_sub(self.moved_at.load(Relaxed))
                > IDLE_TIME_MAX.as_millis() as u64
    }
}

/// A stream that tells what moves on it.
struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    /// The settings' acknowledgement and the credits for what was read come in after the last write:
    /// no head is on its way, whatever a clock of heads would say.
    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_over_http2_is_not_taken_for_a_slow_head() {
        let (near, far) = tokio::io::duplex(1 << 20);
        let activity = Arc::new(Activity::new(Heads::First));
        let io = TokioIo::new(Watched { stream: near, activity: activity.clone() });
        let begun = activity.clone();
        let service = service_fn(move |_: hyper::Request<Incoming>| {
            let busy = begun.clone().begin();
            async move {
                drop(busy);
                // More than half of the client's window, so that it gives credit; then silence.
                let first = Ok::<_, Infallible>(Bytes::from(vec![b':'; 48 * 1024]));
                let events = stream::iter([first]).chain(stream::pending());
                Ok::<_, Infallible>(hyper::Response::new(Body::from_stream(events)))
            }
        });
        let connection = http2().serve_connection(io, service);
        let (_draining, drained) = watch::channel(false);
        let server = tokio::spawn(async move {
            guard(connection, |connection| connection.graceful_shutdown(), &activity, drained)
                .await;
        });
        let (mut sender, client) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(64 * 1024)
            .handshake(TokioIo::new(far))
            .await
            .expect("HTTP/2");
        let client = tokio::spawn(client);
        let request = hyper::Request::get("https://lgsp.example.vn/v1/events");
        let request = request.body(Body::empty()).expect("a request");
        let mut events = sender.send_request(request).await.expect("an answer").into_body();
        let mut read = 0;
        while read < 48 * 1024 {
            let frame = events.frame().await.expect("the stream goes on").expect("it is well");
            read += frame.into_data().map_or(0, |octets| octets.len());
        }
        let more = timeout(HEAD_TIME_MAX * 3, events.frame()).await;
        assert!(more.is_err(), "the stream is silent, not cut: {more:?}");
        assert!(!server.is_finished() && !client.is_finished());
        // A connection on which nothing moves at all still ends.
        tokio::time::sleep(IDLE_TIME_MAX).await;
        server.await.expect("it ends by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_over_http2_has_its_time() {
        let activity = Arc::new(Activity::new(Heads::First));
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
        let activity = Arc::new(Activity::new(Heads::Each));
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(activity.is_slow_head());
        activity.read();
        assert!(activity.is_slow_head(), "more octets of the same head do not start it anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_work_and_a_quiet_connection_are_left_alone_for_a_while() {
        let activity = Arc::new(Activity::new(Heads::Each));
        let busy = activity.clone().begin();
        tokio::time::advance(IDLE_TIME_MAX * 2).await;
        assert!(!activity.is_slow_head() && !activity.is_idle());
        activity.wrote();
        drop(busy);
        tokio::time::advance(IDLE_TIME_MAX / 2).await;
        assert!(!activity.is_slow_head() && !activity.is_idle());
        tokio::time::advance(IDLE_TIME_MAX).await;
        assert!(!activity.is_slow_head() && activity.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_head_has_its_own_time() {
        let activity = Arc::new(Activity::new(Heads::Each));
        drop(activity.clone().begin());
        activity.wrote();
        tokio::time::advance(IDLE_TIME_MAX / 2).await;
        activity.read();
        assert!(!activity.is_slow_head());
        tokio::time::advance(HEAD_TIME_MAX + Duration::from_secs(1)).await;
        assert!(activity.is_slow_head());
    }
}
