//! What the server is told from outside, and its named limits.

use std::{fmt, sync::Arc, time::Duration};

use crate::limits::Limits;

/// JSON bodies: a request with 512 targets is under 40 KiB.
pub(crate) const JSON_MAX: usize = 64 * 1024;
/// JSON bodies that import or confirm many things at once: 1000 units with long names fit.
pub(crate) const JSON_BULK_MAX: usize = 1024 * 1024;
/// Multipart framing, request and policy beside the content of the one round trip.
pub(crate) const MULTIPART_FRAME_MAX: usize = 64 * 1024;
/// Items of one page of a list.
pub const PAGE_MAX: usize = 200;
/// Items of one page of a list when the caller does not say.
pub(crate) const PAGE_DEFAULT: usize = 50;
/// A client that sends nothing of its body for so long is given up.
pub(crate) const BODY_IDLE_MAX: Duration = Duration::from_secs(30);

/// Octets of bodies that callers with a key or a token may have collected at once, in sum: 64 of the
/// largest collected bodies, and a share of a node's memory that it can spare. Who comes later waits.
pub const BUFFERED_MAX_DEFAULT: usize = 256 * 1024 * 1024;
/// The same for strangers, apart, so that they cannot hold the room of the others: some hundred
/// nodes that join at once.
pub const BUFFERED_STRANGERS_MAX: usize = 8 * 1024 * 1024;
/// How long a body waits for room before its sender is told to come back.
pub(crate) const BUFFER_WAIT_MAX: Duration = Duration::from_secs(2);

/// A TLS handshake that takes longer is given up.
pub(crate) const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// A request's head that takes longer is given up (slowloris).
pub(crate) const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// A connection on which nothing moves for so long is closed.
pub(crate) const IDLE_TIME_MAX: Duration = Duration::from_secs(75);
/// Octets of a request's head: cookies are unknown here, and a signature's input is at most 4 KiB.
pub(crate) const HEAD_SIZE_MAX: usize = 32 * 1024;
/// Header fields of a request.
pub(crate) const HEADER_COUNT_MAX: usize = 64;
/// Streams at once on one HTTP/2 connection.
pub(crate) const STREAMS_MAX: u32 = 128;
/// What an HTTP/2 stream may send unread: with the connection's window this bounds a transfer's memory.
pub(crate) const STREAM_WINDOW: u32 = 512 * 1024;
/// What an HTTP/2 connection may send unread.
pub(crate) const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
/// What may wait to be written on an HTTP/2 stream.
pub(crate) const SEND_BUFFER_MAX: usize = 256 * 1024;
/// How long requests may go on after the server was told to stop.
pub(crate) const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// Streams of events at once on this node; each holds a listener.
pub(crate) const STREAMS_OF_EVENTS_MAX: usize = 1024;

/// A number that `/metrics` shows beside the server's own, given by who wires the node.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// The metric's name, as `lgsp_raft_term`.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Its present value.
    pub value: u64,
    /// Whether it only grows.
    pub counter: bool,
}

/// What the server is told from outside.
#[derive(Clone)]
pub struct Settings {
    /// The URL that applications reach this node by, without a slash at the end.
    pub public_url: String,
    /// Origins of browsers that may use spaces and events; `*` is not one.
    pub cors_origins: Vec<String>,
    /// The largest content.
    pub content_max: u64,
    /// Octets of bodies that are collected at once; no less than one body may have.
    pub buffered_max: usize,
    /// What an address, an application and a unit may hold of this node.
    pub limits: Limits,
    /// Numbers of the other parts of the node for `/metrics`.
    pub gauges: Arc<dyn Fn() -> Vec<Gauge> + Send + Sync>,
}

impl Settings {
    /// Settings with a URL and nothing else.
    pub fn new(public_url: impl Into<String>) -> Self {
        let mut public_url = public_url.into();
        public_url.truncate(public_url.trim_end_matches('/').len());
        Self {
            public_url,
            cors_origins: Vec::new(),
            content_max: CONTENT_MAX_DEFAULT,
            buffered_max: BUFFERED_MAX_DEFAULT,
            limits: Limits::default(),
            gauges: Arc::new(Vec::new),
        }
    }
}

/// The largest content unless told otherwise: 64 GiB, a disk image of a records office.
pub const CONTENT_MAX_DEFAULT: u64 = 64 * 1024 * 1024 * 1024;

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("public_url", &self.public_url)
            .field("cors_origins", &self.cors_origins)
            .field("content_max", &self.content_max)
            .field("buffered_max", &self.buffered_max)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
