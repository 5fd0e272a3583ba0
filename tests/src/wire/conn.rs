//! One connection to one node: it is made when needed and given up after any error.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Answer, Request, answer::Framing};

/// How long a request may take unless the caller says otherwise; the peers' client waits as long.
const PATIENCE: Duration = Duration::from_secs(20);
/// A connection on loopback is there in a millisecond, or the node is not.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// What one read may bring: a few TLS records.
const READ_SIZE: usize = 64 * 1024;

/// A body up to this size shares its first TLS record with the head.
const TOGETHER_MAX: usize = 16 * 1024;

/// TLS that believes the cluster's authority only; shared by all connections.
#[derive(Clone)]
pub struct Tls {
    h1: TlsConnector,
    h2: TlsConnector,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Believes the authority with this certificate.
    pub fn trusting(authority: CertificateDer<'static>) -> Result<Self> {
        let config = https::tls_config(&https::Trust::Authority(authority.to_vec()), None)?;
        let speaking = |version: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![version.to_vec()];
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self { h1: speaking(b"http/1.1"), h2: speaking(b"h2") })
    }
}

/// Where a node's API is, and how it is trusted.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Its address.
    pub address: SocketAddr,
    /// What `Host` says: the address as in the node's URL.
    pub authority: String,
    tls: Tls,
}

impl Endpoint {
    /// The API at an address.
    pub fn new(address: SocketAddr, tls: &Tls) -> Arc<Self> {
        Arc::new(Self { address, authority: address.to_string(), tls: tls.clone() })
    }

    /// The certificate that the node presents to a connection made now.
    pub async fn presented(&self) -> Result<CertificateDer<'static>> {
        let io = self.connect().await?;
        let (_, session) = io.get_ref();
        let chain = session.peer_certificates().context("a server has a certificate")?;
        Ok(chain[0].clone().into_owned())
    }

    async fn connect(&self) -> Result<TlsStream<TcpStream>> {
        let address = self.address;
        let connected = timeout(CONNECT_TIME_MAX, async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            self.tls.h1.connect(ServerName::from(address.ip()), tcp).await
        })
        .await;
        connected
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .with_context(|| format!("cannot connect to {address}"))
    }

    /// A bare connection from an address of this machine.
    pub async fn dial(&self, from: IpAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((from, 0).into())?;
        socket.connect(self.address).await
    }

    /// Speaks TLS over such a connection, for HTTP/1.1 or HTTP/2.
    pub async fn shake(&self, tcp: TcpStream, is_h2: bool) -> io::Result<TlsStream<TcpStream>> {
        let connector = if is_h2 { &self.tls.h2 } else { &self.tls.h1 };
        connector.connect(ServerName::from(self.address.ip()), tcp).await
    }

    /// The same API under another public name.
    pub fn called(&self, authority: &str) -> Arc<Self> {
        Arc::new(Self { authority: authority.to_owned(), ..self.clone() })
    }
}

/// One connection, one request at a time.
#[derive(Debug)]
pub struct Conn {
    endpoint: Arc<Endpoint>,
    io: Option<TlsStream<TcpStream>>,
    inbox: BytesMut,
    outbox: Vec<u8>,
    left: Option<Left>,
    /// How long one request may take.
    pub patience: Duration,
}

/// What has yet to come of a body.
#[derive(Debug, Clone, Copy)]
enum Left {
    Octets(u64),
    /// Octets of the present chunk, its line break included; then the next chunk's size.
    Chunk(u64),
}

impl Conn {
    /// A connection that is made by the first request.
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self {
            endpoint: endpoint.clone(),
            io: None,
            inbox: BytesMut::new(),
            outbox: Vec::new(),
            left: None,
            patience: PATIENCE,
        }
    }

    /// The node it speaks to.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Closes it; the next request makes a new one.
    pub fn close(&mut self) {
        self.io = None;
        self.inbox.clear();
        self.left = None;
    }

    /// Sends a request and reads its whole answer. Any status is an answer.
    pub async fn call(&mut self, request: &Request) -> Result<Answer> {
        let patience = self.patience;
        let done = timeout(patience, async {
            let mut answer = self.begin(request).await?;
            answer.body = self.rest().await?;
            anyhow::Ok(answer)
        })
        .await
        .unwrap_or_else(|_| bail!("no answer in {patience:?} from {}", self.endpoint.authority));
        if done.is_err() {
            self.close();
        }
        done
    }

    /// Sends a request and reads the head of its answer; [`Conn::chunk`] then gives the body.
    pub async fn begin(&mut self, request: &Request) -> Result<Answer> {
        self.send_head(request, request.body.len() as u64).await?;
        self.answer(request.method).await
    }

    /// Sends the head of a request whose body [`Conn::write`] will send, and [`Conn::answer`] ends.
    /// The request's own body is sent as the beginning.
    pub async fn send_head(&mut self, request: &Request, length: u64) -> Result<()> {
        if self.left.is_some() {
            // A body that nobody read to its end: the connection is of no more use.
            self.close();
        }
        if self.io.is_none() {
            self.connect().await?;
        }
        self.outbox.clear();
        write_head(&mut self.outbox, request, &self.endpoint.authority, length);
        // A small body goes out with the head; a large one is not copied for that.
        let (small, large) = if request.body.len() <= TOGETHER_MAX {
            (&request.body[..], &[][..])
        } else {
            (&[][..], &request.body[..])
        };
        self.outbox.extend_from_slice(small);
        let io = self.io.as_mut().context("just connected")?;
        let sent = async {
            io.write_all(&self.outbox).await?;
            io.write_all(large).await?;
            io.flush().await
        }
        .await;
        self.keep_if(sent)
    }

    /// Sends a piece of a request's body.
    pub async fn write(&mut self, piece: &[u8]) -> Result<()> {
        let io = self.io.as_mut().context("no request has begun")?;
        let sent = io.write_all(piece).await;
        self.keep_if(sent)
    }

    /// Reads the head of the answer.
    pub async fn answer(&mut self, method: &str) -> Result<Answer> {
        if let Some(io) = self.io.as_mut() {
            let flushed = io.flush().await;
            self.keep_if(flushed)?;
        }
        let answer = loop {
            match Answer::take_head(&mut self.inbox)? {
                Some(answer) if answer.status == 100 => {}
                Some(answer) => break answer,
                None => self.fill().await?,
            }
        };
        self.left = match answer.framing(method)? {
            Framing::Exactly(0) => None,
            Framing::Exactly(octets) => Some(Left::Octets(octets)),
            Framing::Chunked => Some(Left::Chunk(0)),
        };
        Ok(answer)
    }

    /// The next octets of the answer's body; none at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        loop {
            let left = self.left;
            match left {
                None => return Ok(None),
                Some(Left::Octets(0)) => self.left = None,
                Some(Left::Octets(left)) if self.inbox.has_remaining() => {
                    let piece = self.take(left);
                    self.left = Some(Left::Octets(left - piece.len() as u64));
                    return Ok(Some(piece));
                }
                Some(Left::Chunk(0)) if self.next_chunk()? => {}
                // The line break after a chunk's data.
                Some(Left::Chunk(left @ 1..=2)) if self.inbox.has_remaining() => {
                    let piece = self.take(left);
                    self.left = Some(Left::Chunk(left - piece.len() as u64));
                }
                Some(Left::Chunk(left @ 3..)) if self.inbox.has_remaining() => {
                    let piece = self.take(left - 2);
                    self.left = Some(Left::Chunk(left - piece.len() as u64));
                    return Ok(Some(piece));
                }
                _ => self.fill().await?,
            }
        }
    }

    /// The rest of the body as one.
    pub async fn rest(&mut self) -> Result<Bytes> {
        let Some(first) = self.chunk().await? else { return Ok(Bytes::new()) };
        let Some(second) = self.chunk().await? else { return Ok(first) };
        let mut whole = BytesMut::from(&first[..]);
        whole.extend_from_slice(&second);
        while let Some(piece) = self.chunk().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    fn take(&mut self, at_most: u64) -> Bytes {
        let count = usize::try_from(at_most).unwrap_or(usize::MAX).min(self.inbox.len());
        self.inbox.split_to(count).freeze()
    }

    /// Reads the size of the next chunk, if its line is there; at the last one the body ends.
    fn next_chunk(&mut self) -> Result<bool> {
        let Some(end) = self.inbox.windows(2).position(|window| window == b"\r\n") else {
            ensure!(self.inbox.len() < 64, "a chunk without a size");
            return Ok(false);
        };
        let size = std::str::from_utf8(&self.inbox[..end])
            .ok()
            .and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
        let size = size.context("a chunk's size is not a number")?;
        if size > 0 {
            self.inbox.advance(end + 2);
            self.left = Some(Left::Chunk(size + 2));
        } else if self.inbox.len() >= end + 4 {
            self.inbox.advance(end + 4);
            self.left = None;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    async fn fill(&mut self) -> Result<()> {
        self.inbox.reserve(READ_SIZE);
        let io = self.io.as_mut().context("the connection is closed")?;
        let read = match io.read_buf(&mut self.inbox).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other.map(|_| ()),
        };
        self.keep_if(read)
    }

    fn keep_if(&mut self, outcome: io::Result<()>) -> Result<()> {
        outcome.map_err(|error| {
            self.close();
            anyhow::Error::new(error)
                .context(format!("the connection to {} broke", self.endpoint.authority))
        })
    }

    async fn connect(&mut self) -> Result<()> {
        self.close();
        let io = self.endpoint.connect().await?;
        self.io = Some(io);
        Ok(())
    }
}

fn write_head(out: &mut Vec<u8>, request: &Request, authority: &str, length: u64) {
    let mut line = |parts: &[&str]| {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    };
    line(&[request.method, " ", &request.target, " HTTP/1.1"]);
    line(&["host: ", authority]);
    for (name, value) in &request.headers {
        line(&[name, ": ", value]);
    }
    if length > 0 || !matches!(request.method, "GET" | "HEAD" | "OPTIONS" | "DELETE") {
        line(&["content-length: ", &length.to_string()]);
    }
    line(&[]);
}
