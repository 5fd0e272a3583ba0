//! The server's sockets: accept, TLS, HTTP/1.1 and HTTP/2, limits, and a clean end.

use std::{
    convert::Infallible,
    fs::File,
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
};
use conductor::Exchange;
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{interval, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use model::lengths::in_form;

use crate::{
    activity::{Heads, Receiving, Watched},
    app::App,
    front::Front,
    limits::Limit,
    linger::linger,
    settings::{
        CONNECTION_WINDOW, DRAIN_TIME_MAX, HANDSHAKE_TIME_MAX, HEAD_SIZE_MAX, HEADER_COUNT_MAX,
        SEND_BUFFER_MAX, STREAM_WINDOW, STREAMS_MAX, Settings,
    },
    slots::{Slot, Visitor},
};

/// How often a connection looks at its own clock.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// After a failed accept the next one waits so long; after each further one twice as long, up to
/// [`ACCEPT_PAUSE_MAX`].
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
/// Who waits in the system's queue is served within a second once there are descriptors again.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The language that a stranger reads is not known before its head is.
const USE_HTTPS: &str = "Cổng này chỉ nói HTTPS: hãy gọi lại bằng https://.\n\
    This port speaks HTTPS only: call again with https://.\n";

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
        (&mut self.task).await.ok();
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
    let mut connections = JoinSet::new();
    let mut shortage = Shortage::new();
    loop {
        tokio::select! {
            () = reached(&mut phases, Phase::Refusing) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => {
                    shortage.is_over();
                    // Dropped, the stream is closed: that is the whole answer to who has no place.
                    if let Some(slot) = front.app().slots.enter(from.ip()) {
                        connections.spawn(connection(stream, tls.clone(), front.clone(), slot));
                    }
                }
                Err(error) => shortage.meet(&listener, front.app(), &error).await,
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

/// What the loop does while the system gives no descriptors: it lives on, and whoever waits is refused
/// instead of left hanging.
struct Shortage {
    /// Held so that there is one descriptor to accept, and to close, the next connection with.
    spare: Option<File>,
    pause: Duration,
}

impl Shortage {
    fn new() -> Self {
        Self { spare: spare(), pause: ACCEPT_PAUSE }
    }

    fn is_over(&mut self) {
        self.pause = ACCEPT_PAUSE;
    }

    async fn meet(&mut self, listener: &TcpListener, app: &App, error: &io::Error) {
        let is_short = lacks_descriptors(error);
        if is_short {
            app.reached.count(Limit::Descriptors);
            // A stranger that rests makes room for those who come; callers keep what they have.
            app.slots.shed();
            self.spare = None;
            let refused = timeout(ACCEPT_PAUSE, listener.accept()).await;
            drop(refused);
            self.spare = spare();
        }
        if self.pause == ACCEPT_PAUSE {
            tracing::warn!(%error, is_short, "a connection could not be accepted");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(ACCEPT_PAUSE_MAX);
    }
}

/// Any descriptor will do. There may be none: then there is none to spare.
fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The process, or the system, has no descriptor left.
fn lacks_descriptors(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
}

/// Waits until the server has come so far. One that was dropped has no sender any more: that is the
/// end too.
async fn reached(phases: &mut watch::Receiver<Phase>, awaited: Phase) {
    phases.wait_for(|phase| *phase >= awaited).await.ok();
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, front: Front, slot: Slot) {
    let _counted = front.app().metrics.connection();
    let visitor = slot.visitor();
    // Answers are small and complete: waiting for more to send would only delay them.
    stream.set_nodelay(true).ok();
    let stream = tokio::select! {
        () = visitor.gave_way() => return,
        shaken = timeout(HANDSHAKE_TIME_MAX, shake(stream, acceptor)) => match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => return tracing::debug!("a TLS handshake took too long"),
        },
    };
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let draining = front.app().draining.subscribe();
    visitor.activity.watch(if is_h2 { Heads::First } else { Heads::Each });
    let io = TokioIo::new(Watched::new(stream, visitor.activity.clone()));
    let service = {
        let visitor = visitor.clone();
        service_fn(move |mut request: hyper::Request<Incoming>| {
            let (mut front, activity) = (front.clone(), visitor.activity.clone());
            let busy = activity.clone().begin();
            request.extensions_mut().insert(visitor.clone());
            async move {
                // Who waits for `100 Continue` would be asked for the body by reading it.
                let sent = !request.headers().contains_key(header::EXPECT);
                let request: Request =
                    request.map(|body| Body::new(Receiving::new(body, activity.clone())));
                let mut response = front.answer(request).await;
                // Nothing can follow an unread body, and whoever sends it must know (RFC 9112 section 9.6).
                if !activity.may_go_on(sent).await {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(response.map(|body| busy.sends(body)))
            }
        })
    };
    if is_h2 {
        let connection = http2().serve_connection(io, service);
        guard(connection, |connection| connection.graceful_shutdown(), visitor, draining).await;
    } else {
        let connection = http1().serve_connection(io, service);
        guard(connection, |connection| connection.graceful_shutdown(), visitor, draining).await;
    }
}

/// Whoever says nothing costs no session of TLS.
async fn shake(mut stream: TcpStream, acceptor: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    stream.readable().await?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A method is written in capitals; a handshake of TLS begins with 22.
    if first[0].is_ascii_uppercase() {
        stream.write_all(use_https().as_bytes()).await?;
        stream.shutdown().await?;
        linger(&mut stream).await;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP was spoken"));
    }
    acceptor.accept(stream).await
}

/// What plain HTTP is answered: a sentence, where a client would else tell of an alert of TLS that it cannot
/// read.
fn use_https() -> String {
    let length = USE_HTTPS.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{USE_HTTPS}"
    )
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
        .max_header_list_size(in_form(HEAD_SIZE_MAX));
    builder
}

/// Runs a connection to its end: its own, the drain's, that of a client that does nothing, or that of one
/// whose place another needs.
async fn guard<C, E>(
    connection: C,
    shut_down: impl Fn(Pin<&mut C>),
    visitor: &Visitor,
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
            () = visitor.gave_way() => return tracing::debug!("a connection gave way"),
            _ = watch.tick() => {
                if visitor.activity.is_slow_head() {
                    return tracing::debug!("a request's head came too slowly");
                }
                if visitor.activity.is_idle(visitor.is_stranger()) {
                    return;
                }
            }
        }
    }
}

async fn drained(draining: &mut watch::Receiver<bool>) {
    draining.wait_for(|draining| *draining).await.ok();
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;
    use crate::{
        limits::Limits,
        settings::{HEAD_TIME_MAX, IDLE_TIME_MAX},
        slots::Slots,
    };

    /// The settings' acknowledgement and the credits for what was read come in after the last write:
    /// no head is on its way, whatever a clock of heads would say.
    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_over_http2_is_not_taken_for_a_slow_head() {
        let (near, far) = tokio::io::duplex(1 << 20);
        let slots = Slots::new(Limits::default(), Arc::default());
        let slot = slots.enter([127, 0, 0, 1].into()).expect("a place");
        slot.visitor().activity.watch(Heads::First);
        let (app, unit) = ("app".parse().expect("a name"), "H41".parse().expect("a unit"));
        slot.visitor().is_of(&app, &unit);
        let io = TokioIo::new(Watched::new(near, slot.visitor().activity.clone()));
        let begun = slot.visitor().activity.clone();
        let service = service_fn(move |_: hyper::Request<Incoming>| {
            let busy = begun.clone().begin();
            async move {
                // More than half of the client's window, so that it gives credit; then silence.
                let first = Ok::<_, Infallible>(Bytes::from(vec![b':'; 48 * 1024]));
                let events = stream::iter([first]).chain(stream::pending());
                let body = busy.sends(Body::from_stream(events));
                Ok::<_, Infallible>(hyper::Response::new(body))
            }
        });
        let connection = http2().serve_connection(io, service);
        let (_draining, drained) = watch::channel(false);
        let server = tokio::spawn(async move {
            guard(connection, |connection| connection.graceful_shutdown(), slot.visitor(), drained)
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

    #[test]
    fn a_lack_of_descriptors_is_told_from_other_errors() {
        assert!(lacks_descriptors(&io::Error::from_raw_os_error(24)));
        assert!(lacks_descriptors(&io::Error::from_raw_os_error(23)));
        assert!(!lacks_descriptors(&io::ErrorKind::ConnectionAborted.into()));
    }
}
