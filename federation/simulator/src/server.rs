//! The server: connections on loopback, header lines as long as the axis' own, and answers that go wrong on the way.
//!
//! HTTP/1.1 only, as the SDKs speak it. There is no `Date` header: the simulator's time is not this machine's.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use wire::vxp::{Endpoint, HEADER_OCTETS_MAX};

use crate::{
    clock::{Clock, Ticking},
    control,
    fault::{Fault, SwitchError},
    gateway, hints,
    hub::{Began, Hub},
    provided::{self, ProvidedError},
    reply::{BODY_OCTETS_MAX, Head, Outcome, Reply, TEXT},
    route::Route,
    settings::{Settings, Tls},
    tls::Identity,
    vxp, xroad,
};

/// Octets of all bodies that are here or on their way here: eight of the longest. Further ones wait before they are read.
pub const BODIES_OCTETS_MAX: usize = 8 * BODY_OCTETS_MAX;
/// Octets of all answers that are made or being sent, once more: documents are a third longer in them. A call that may
/// have a long answer waits for room, and gives back what it does not need.
pub const ANSWERS_OCTETS_MAX: usize = 8 * ANSWER_OCTETS_MAX;
/// Octets of the longest answer: a document of [`BODY_OCTETS_MAX`] in base64.
const ANSWER_OCTETS_MAX: usize = BODY_OCTETS_MAX / 3 * 4;
/// Connections at a time. Further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 512;
/// How long a connection may take for TLS and for the head of its next request, so that idle ones do not hold all of
/// [`CONNECTIONS_MAX`]: what proxies give by default.
pub const HEAD_PATIENCE: Duration = Duration::from_secs(60);
/// Octets of an answer that takes no room: all connections together have half a gigabyte of such.
const SMALL_ANSWER_MAX: usize = 1 << 20;
/// Octets of the body of a question to the simulator itself: ten thousand switches.
const QUESTION_OCTETS_MAX: usize = 1 << 20;
/// How long a body may take on its way: the longest one at 1 MB a second.
pub const BODY_PATIENCE: Duration = Duration::from_secs(100);
/// What octets of bodies and answers are counted in; a permit stands for so many.
const UNIT: usize = 1 << 10;
/// How long a connection lives. Then its last answer has [`BODY_PATIENCE`] to be read, so that whoever reads none holds
/// neither a connection nor room for ever; others find an idle one closed, as proxies do it.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
/// Rest after a connection that could not be accepted, so that a machine out of files is not kept busy too.
const REST: Duration = Duration::from_millis(100);
/// Octets of all headers of a request: the longest parameter and the signed object that repeats it, whose quotes may be
/// escaped, and room for the others.
const HEAD_OCTETS_MAX: usize = 4 * HEADER_OCTETS_MAX;
/// Headers of a request: a call signs 256 parameters at most, and proxies add some. The SDK itself would accept 20,000;
/// hyper makes room for all of them at each request, which at that number costs more than everything else.
pub const HEADERS_COUNT_MAX: usize = 4096;

/// Why the simulator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or not ours to take.
    #[error("cannot listen on port {port} of loopback")]
    Listen {
        /// Which.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A switch makes no sense here.
    #[error("a fault cannot be turned on")]
    Fault(#[from] SwitchError),
    /// Services that cannot be provided together.
    #[error("the services cannot be provided")]
    Provided(#[from] ProvidedError),
    /// A script of a body that is not there under this code, or is the integrator's own.
    #[error("the body {body} cannot follow a script")]
    Script {
        /// Its code.
        body: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] certs::Error),
}

/// The simulator.
#[derive(Debug, Clone, Copy)]
pub struct Simulator;

/// A simulator that runs. It stops when it is dropped.
pub struct Running {
    hub: Arc<Hub>,
    address: SocketAddr,
    authority: Option<String>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Simulator {
    /// Starts it, on loopback only.
    ///
    /// # Errors
    ///
    /// A port that is taken, faults that make no sense, or no certificate.
    pub async fn start(settings: Settings) -> Result<Running, StartError> {
        control::check(&settings.faults, settings.tls)?;
        if let Some(scene) = &settings.scene {
            let switches: Vec<_> = scene.switches().cloned().collect();
            control::check(&switches, settings.tls)?;
        }
        provided::check(&settings.provided)?;
        let port = settings.port;
        let listen = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // Certificates are looked at by clients whose clock is this machine's.
        let now = Ticking::of_this_machine().now();
        let own = match settings.tls {
            Tls::Off => None,
            Tls::Own => Some(Identity::new("vxp-simulator", &["localhost"], now)?),
        };
        let foreign = Identity::new("somebody-else", &["somebody-else.example"], now)?;
        let authority = own.as_ref().map(|own| own.authority.clone());
        let hub = Arc::new(Hub::new(settings));
        let strange = hub.world().strange_script();
        if let Some(body) = strange {
            return Err(StartError::Script { body });
        }
        let (stop, stopped) = watch::channel(false);
        let bodies = Arc::new(Semaphore::new(BODIES_OCTETS_MAX / UNIT));
        let answers = Arc::new(Semaphore::new(ANSWERS_OCTETS_MAX / UNIT));
        let door = Arc::new(Door { hub: hub.clone(), own, foreign, bodies, answers });
        let task = tokio::spawn(accept(listener, door, stopped));
        Ok(Running { hub, address, authority, stop, task })
    }
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that a client is given.
    pub fn base(&self) -> String {
        let scheme = if self.hub.settings.tls == Tls::Off { "http" } else { "https" };
        format!("{scheme}://{}", self.address)
    }

    /// What it was started with.
    pub fn settings(&self) -> &Settings {
        &self.hub.settings
    }

    /// The authority that a client must trust, in PEM; none without TLS.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// What to type next, in Vietnamese and English.
    pub fn next_steps(&self) -> String {
        hints::next_steps(&self.base(), &self.hub.settings)
    }

    /// Stops it: no connection is left behind.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // It ends by itself, and a panic in it was reported where it happened.
        (&mut self.task).await.ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What each connection needs.
struct Door {
    hub: Arc<Hub>,
    own: Option<Identity>,
    foreign: Identity,
    /// Room for bodies, in units of [`UNIT`].
    bodies: Arc<Semaphore>,
    /// Room for answers, in the same.
    answers: Arc<Semaphore>,
}

/// Waits for room for so many octets.
async fn room_for(room: &Arc<Semaphore>, octets: usize) -> OwnedSemaphorePermit {
    let units = u32::try_from(octets.div_ceil(UNIT)).unwrap_or(u32::MAX);
    room.clone().acquire_many_owned(units).await.expect("nobody closes it")
}

/// Gives back what is not needed for so many octets.
fn shrink(room: &mut OwnedSemaphorePermit, octets: usize) {
    let surplus = room.num_permits().saturating_sub(octets.div_ceil(UNIT));
    drop(room.split(surplus));
}

async fn accept(listener: TcpListener, door: Arc<Door>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop_is_asked(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(door.clone(), stream));
                }
                // The other side went away before we looked, or we have too many files open.
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(REST).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// Ends when the simulator should stop, or its owner is gone.
async fn stop_is_asked(stopped: &mut watch::Receiver<bool>) {
    stopped.wait_for(|stopped| *stopped).await.ok();
}

async fn connection(door: Arc<Door>, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection has no TCP_NODELAY");
    }
    let struck = door.hub.connect();
    let identity = if struck.by(Fault::ForeignTls) {
        Some(&door.foreign)
    } else if struck.by(Fault::PlainHttp) {
        None
    } else {
        door.own.as_ref()
    };
    match identity {
        None => speak(&door, stream).await,
        Some(identity) => match timeout(HEAD_PATIENCE, identity.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => speak(&door, stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client does not accept our TLS"),
            Err(_) => tracing::debug!("a client began TLS and did not go on"),
        },
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(door: &Door, stream: S) {
    let service = service_fn(|request| serve(door, request));
    let mut server = http1::Builder::new();
    server.max_buf_size(HEAD_OCTETS_MAX).max_headers(HEADERS_COUNT_MAX);
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE).auto_date_header(false);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = match timeout(CONNECTION_LIFE, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(BODY_PATIENCE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// The answer was lost on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Lost;

async fn serve(door: &Door, request: Request<Incoming>) -> Result<Response<Answer>, Lost> {
    let hub = &*door.hub;
    let (parts, incoming) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let head = Head { method: parts.method, target, headers: parts.headers };
    let too_long = || Ok(response(Reply::new(413, TEXT, "The body is too long.\n"), false));
    // Whoever says how much will come need not send it.
    let hint = incoming.size_hint();
    let most = u64::try_from(BODY_OCTETS_MAX).unwrap_or(u64::MAX);
    if hint.lower() > most {
        return too_long();
    }
    let route = Route::of(&head);
    // Questions to the simulator itself are never kept waiting, and are short.
    let longest = if route == Route::Control { QUESTION_OCTETS_MAX } else { BODY_OCTETS_MAX };
    let announced = hint.upper().and_then(|octets| usize::try_from(octets).ok());
    let announced = announced.unwrap_or(longest).min(longest);
    let mut room = match route {
        Route::Control => None,
        _ => Some(room_for(&door.bodies, announced).await),
    };
    let read = timeout(BODY_PATIENCE, Limited::new(incoming, longest).collect()).await;
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return too_long(),
        // Whoever sends half a body hears nothing.
        Ok(Err(_)) => return Err(Lost),
        Err(_) => return Ok(response(Reply::new(408, TEXT, "The body did not come.\n"), false)),
    };
    if let Some(room) = &mut room {
        shrink(room, body.len());
    }
    let Some((family, call)) = route.name() else {
        let reply = if route == Route::Control {
            control::answer(hub, &head, &body)
        } else {
            hub.unknown(&head);
            Reply::new(404, TEXT, "There is no such call; ask GET /_sim/\n")
        };
        return Ok(response(reply, false));
    };
    let mut answering = match route {
        Route::Vxp(Endpoint::GetEdoc | Endpoint::DownloadEdoc) => {
            Some(room_for(&door.answers, ANSWER_OCTETS_MAX).await)
        }
        _ => None,
    };
    let began = hub.begin(family, call);
    let mut outcome = match instead(&began) {
        Some(outcome) => outcome,
        None => effect(hub, &began, route, (&head, &body)).await,
    };
    spoil(&began, &mut outcome.reply);
    hub.end(&began, &body, &outcome);
    let octets = outcome.reply.body.len();
    match &mut answering {
        Some(answering) => shrink(answering, octets),
        // A provider's, say. It is here already, but no more of its kind are read until there is room.
        None if octets > SMALL_ANSWER_MAX => {
            answering = Some(room_for(&door.answers, octets.min(ANSWERS_OCTETS_MAX)).await);
        }
        None => {}
    }
    if began.struck.by(Fault::Slow) {
        tokio::time::sleep(hub.settings.slow).await;
    }
    if began.struck.by(Fault::LostAnswer) {
        return Err(Lost);
    }
    let mut response = response(outcome.reply, began.struck.by(Fault::Cut));
    response.body_mut().room = answering;
    Ok(response)
}

/// What is answered instead of an effect.
fn instead(began: &Began) -> Option<Outcome> {
    let reply = if began.struck.by(Fault::Error500) {
        Reply::new(500, TEXT, "Internal Server Error")
    } else if began.struck.by(Fault::Html) {
        let page = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
        Reply::new(200, "text/html", page)
    } else {
        return None;
    };
    Some(Outcome::refused(reply, "fault"))
}

async fn effect(hub: &Hub, began: &Began, route: Route, call: (&Head, &Bytes)) -> Outcome {
    match route {
        Route::Vxp(endpoint) => vxp::answer(hub, began, endpoint, call),
        Route::Gateway(which) => gateway::answer(hub, began, which, call),
        Route::XRoad(which) => xroad::answer(hub, began, which, call).await,
        Route::Control | Route::Unknown => {
            Outcome::ok(Reply::new(404, TEXT, "There is no such call.\n"))
        }
    }
}

/// What becomes of an answer after the effect.
fn spoil(began: &Began, reply: &mut Reply) {
    if began.struck.by(Fault::WrongJson) {
        reply.body = Bytes::from_static(b"{\"status\":\"OK\",\"ErrorCode\":\"0\",\"data\":[{");
    }
    if began.struck.by(Fault::Empty) {
        (reply.http, reply.body) = (200, Bytes::new());
    }
}

fn response(reply: Reply, is_cut: bool) -> Response<Answer> {
    let mut response = Response::new(Answer::new(reply.body, is_cut));
    let status = StatusCode::from_u16(reply.http);
    *response.status_mut() = status.expect("the families answer with statuses of HTTP");
    for (name, value) in reply.headers {
        let pair = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = pair {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body that is whole, or announces itself whole and ends in its middle.
struct Answer {
    left: Option<Bytes>,
    length: u64,
    is_cut: bool,
    /// Whether what was handed out had its turn to be sent.
    is_flushed: bool,
    /// Its room, while it is being sent.
    room: Option<OwnedSemaphorePermit>,
}

impl Answer {
    fn new(body: Bytes, is_cut: bool) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let sent = if is_cut { body.slice(..body.len() / 2) } else { body };
        Self {
            left: Some(sent).filter(|sent| !sent.is_empty()),
            length,
            is_cut,
            is_flushed: false,
            room: None,
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        match self.left.take() {
            Some(octets) => Poll::Ready(Some(Ok(Frame::data(octets)))),
            None if self.is_cut && self.is_flushed => Poll::Ready(Some(Err(Lost))),
            None if self.is_cut => {
                // The server sends what it holds only while it waits for more.
                self.is_flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        // The server drops what has ended before it is sent; its room is needed until then.
        self.left.is_none() && !self.is_cut && self.room.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
