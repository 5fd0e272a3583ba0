//! The mesh of one node: its endpoint, its peers, and what it knows of them.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use model::{Digest, NodeId};
use parking_lot::Mutex;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use rustls_pki_types::CertificateDer;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    Allowed, Channel, Claim, Error, Greeter, Handler, Identity, MESSAGE_MAX, Met, Names, Receiver,
    Sender,
    addresses::Addresses,
    handshakes::Handshakes,
    link::{CLOSE_BROKEN, CLOSE_DONE, CLOSE_REFUSED, Link, Purpose},
    serve, transport,
};

/// How long a request may take unless the caller says otherwise.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(5);
/// Connections that one peer may hold to us: two in use, two that follow after its restart, and
/// some attempts side by side. The oldest is closed for a further one.
const CONNECTIONS_MAX: usize = 16;
/// How long a shutdown waits for peers to hear of it.
const FAREWELL_MAX: Duration = Duration::from_millis(500);

/// What a mesh is made of.
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// Where it listens (UDP).
    pub listen: SocketAddr,
    /// Its certificates, in TLS settings.
    pub identity: Identity,
    /// How nodes are named in certificates.
    pub names: Arc<dyn Names>,
    /// Who is a member.
    pub allowed: Allowed,
    /// What is done with what peers send.
    pub handler: Arc<dyn Handler>,
    /// What is told to peers and thought of them when a connection begins.
    pub greeter: Arc<dyn Greeter>,
    /// A random number for this process of the node: peers see by it that it was restarted.
    pub process: u64,
}

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// The node.
    pub node: NodeId,
    /// Where it is called: one address after the other.
    pub addresses: Vec<String>,
    /// Where the connection for Raft and control leads, and to which process of the node.
    pub reached: Option<(SocketAddr, u64)>,
    /// Whether the connection for Raft and control is up.
    pub connected: bool,
    /// Whether the connection for content is up.
    pub content_connected: bool,
    /// The round trip as measured on the former.
    pub rtt: Option<Duration>,
    /// How long ago the peer was last heard on it (idle connections speak every 3 s).
    pub heard: Option<Duration>,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent.
    pub requests: u64,
    /// Requests that failed, for whatever reason.
    pub failures: u64,
    /// Requests received.
    pub served: u64,
    /// Connections taken from members.
    pub accepted: u64,
    /// Handshakes that failed and connections of nodes that are no members.
    pub refused: u64,
    /// Streams that broke the protocol.
    pub broken: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    failures: AtomicU64,
    served: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
}

impl Counters {
    pub fn served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub fn broken(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }
}

struct Peer {
    addresses: Addresses,
    control: Link,
    content: Link,
}

impl Peer {
    const fn link(&self, purpose: Purpose) -> &Link {
        match purpose {
            Purpose::Control => &self.control,
            Purpose::Content => &self.content,
        }
    }
}

/// A connection that a peer has dialled.
struct Incoming {
    /// The digest of the key that its certificate carries.
    key: Digest,
    connection: Connection,
    /// Which process of the peer, once it has greeted.
    process: Option<u64>,
}

type Peers = Mutex<BTreeMap<NodeId, Arc<Peer>>>;

/// What the tasks of a mesh share.
pub(crate) struct Shared {
    pub node: NodeId,
    pub endpoint: Endpoint,
    pub names: Arc<dyn Names>,
    pub allowed: Allowed,
    pub handler: Arc<dyn Handler>,
    pub greeter: Arc<dyn Greeter>,
    pub counters: Counters,
    pub handshakes: Arc<Handshakes>,
    pub process: u64,
    client: Mutex<transport::ClientConfigs>,
    incoming: Mutex<BTreeMap<NodeId, Vec<Incoming>>>,
    peers: Weak<Peers>,
    stop: watch::Sender<bool>,
}

impl Shared {
    pub fn client_config(&self, purpose: Purpose) -> ClientConfig {
        let configs = self.client.lock();
        match purpose {
            Purpose::Control => configs.control.clone(),
            Purpose::Content => configs.content.clone(),
        }
    }

    /// Whom the certificate of a connection's other side, which TLS has verified, claims to be.
    pub fn claim_of(&self, connection: &Connection) -> Option<Claim> {
        let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        self.names.claim_of(chain.first()?)
    }

    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub fn register(&self, from: Claim, connection: &Connection) {
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        let mut incoming = self.incoming.lock();
        let held = incoming.entry(from.node).or_default();
        if held.len() >= CONNECTIONS_MAX {
            held.remove(0).connection.close(CLOSE_REFUSED, b"");
        }
        held.push(Incoming { key: from.key, connection: connection.clone(), process: None });
    }

    pub fn unregister(&self, from: NodeId, connection: &Connection) {
        let mut incoming = self.incoming.lock();
        if let Some(held) = incoming.get_mut(&from) {
            held.retain(|held| held.connection.stable_id() != connection.stable_id());
            if held.is_empty() {
                incoming.remove(&from);
            }
        }
    }

    /// A peer has greeted. One that is refused is told why, and the connection ends. Of one that is
    /// taken, all connections with another process are closed, in both directions: a node lives once.
    pub async fn meet(
        &self,
        from: NodeId,
        connection: &Connection,
        process: u64,
        greeting: Bytes,
    ) -> bool {
        let at = connection.remote_address();
        let at = SocketAddr::new(at.ip().to_canonical(), at.port());
        if let Err(reason) = self.greeter.met(Met { node: from, at, process, greeting }).await {
            self.counters.refused();
            connection.close(CLOSE_REFUSED, &reason);
            return false;
        }
        self.settle(from, connection, process);
        let peer = self.peers.upgrade().and_then(|peers| peers.lock().get(&from).cloned());
        if let Some(peer) = peer {
            peer.control.met(process);
            peer.content.met(process);
        }
        true
    }

    /// Notes whose process called on a connection, and closes what other processes of that node hold.
    fn settle(&self, from: NodeId, connection: &Connection, process: u64) {
        let mut incoming = self.incoming.lock();
        for held in incoming.get_mut(&from).into_iter().flatten() {
            if held.connection.stable_id() == connection.stable_id() {
                held.process = Some(process);
            } else if held.process.is_some_and(|other| other != process) {
                held.connection.close(CLOSE_BROKEN, b"");
            }
        }
    }

    /// A connection has ended; where the peer refuses this node, the program is told.
    pub fn ended(&self, peer: NodeId, connection: &Connection) {
        if let Some(ConnectionError::ApplicationClosed(close)) = connection.close_reason()
            && close.error_code == CLOSE_REFUSED
            && !close.reason.is_empty()
        {
            self.greeter.refused(peer, connection.remote_address(), close.reason);
        }
    }

    /// Closes the connections from those of whom the predicate says so.
    fn close_incoming(&self, which: impl Fn(Claim) -> bool) {
        for (node, held) in &*self.incoming.lock() {
            let reason = self.greeter.stranger(*node);
            let closed = held.iter().filter(|held| which(Claim { node: *node, key: held.key }));
            closed.for_each(|held| held.connection.close(CLOSE_REFUSED, &reason));
        }
    }
}

/// The mesh of one node. Cheap to clone; it lives until `shutdown`.
#[derive(Clone)]
pub struct Mesh {
    shared: Arc<Shared>,
    peers: Arc<Peers>,
}

impl Mesh {
    /// Opens the endpoint and begins to answer. Must be called inside a tokio runtime.
    pub fn bind(options: Options) -> Result<Self, Error> {
        let endpoint = transport::endpoint(options.listen, &options.identity)?;
        let peers = Arc::new(Peers::default());
        let shared = Arc::new(Shared {
            node: options.node,
            endpoint,
            names: options.names,
            allowed: options.allowed,
            handler: options.handler,
            greeter: options.greeter,
            counters: Counters::default(),
            handshakes: Arc::default(),
            process: options.process,
            client: Mutex::new(transport::client_configs(&options.identity)?),
            incoming: Mutex::default(),
            peers: Arc::downgrade(&peers),
            stop: watch::channel(false).0,
        });
        // It ends when `shutdown` closes the endpoint.
        tokio::spawn(serve::accept(shared.clone()));
        Ok(Self { shared, peers })
    }

    /// Where the endpoint listens; the port is known here when 0 was asked for.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        self.shared.endpoint.local_addr().map_err(Error::Bind)
    }

    /// Names the peers and where each may be (`host:port`), the likeliest address first. New peers
    /// are dialled, absent ones are dialled no more; changed addresses hold from the next attempt on.
    pub fn set_peers(&self, wanted: &[(NodeId, Vec<String>)]) {
        if *self.shared.stop.borrow() {
            return;
        }
        let mut peers = self.peers.lock();
        peers.retain(|node, _| wanted.iter().any(|(wanted, _)| wanted == node));
        for (node, named) in wanted.iter().filter(|(node, _)| *node != self.shared.node) {
            if let Some(peer) = peers.get(node) {
                peer.addresses.name(named);
                continue;
            }
            let addresses = Addresses::new(named);
            let start =
                |purpose| Link::start(self.shared.clone(), *node, addresses.clone(), purpose);
            let (control, content) = (start(Purpose::Control), start(Purpose::Content));
            peers.insert(*node, Arc::new(Peer { addresses, control, content }));
        }
    }

    /// Forgets a peer and closes its connections in both directions at once.
    pub fn remove_peer(&self, node: NodeId) {
        let removed = self.peers.lock().remove(&node);
        drop(removed);
        self.shared.close_incoming(|from| from.node == node);
    }

    /// Asks again who is a member, and closes the connections of those who are no more.
    pub fn recheck(&self) {
        let allowed = &self.shared.allowed;
        for peer in self.peers.lock().values() {
            peer.control.recheck(allowed);
            peer.content.recheck(allowed);
        }
        self.shared.close_incoming(|from| !allowed(from));
    }

    /// Renews this node's certificate: new connections use it, those that exist go on.
    pub fn set_identity(&self, identity: &Identity) -> Result<(), Error> {
        let server = transport::server_config(identity)?;
        *self.shared.client.lock() = transport::client_configs(identity)?;
        self.shared.endpoint.set_server_config(Some(server));
        Ok(())
    }

    /// Sends a request and waits for the answer, `REQUEST_DEADLINE` at most.
    pub async fn request(
        &self,
        to: NodeId,
        channel: Channel,
        message: Bytes,
    ) -> Result<Bytes, Error> {
        self.request_within(to, channel, message, REQUEST_DEADLINE).await
    }

    /// Sends a request and waits for the answer so long.
    pub async fn request_within(
        &self,
        to: NodeId,
        channel: Channel,
        message: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, Error> {
        let counters = &self.shared.counters;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        let answer = self.send(to, channel, message, Instant::now() + deadline).await;
        if answer.is_err() {
            counters.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn send(
        &self,
        to: NodeId,
        channel: Channel,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        if message.len() > MESSAGE_MAX {
            return Err(Error::TooLarge { size: message.len(), limit: MESSAGE_MAX });
        }
        self.peer(to)?.link(Purpose::of(channel)).request(channel, message, deadline).await
    }

    /// Opens a bulk stream on the content connection.
    pub async fn open_stream(
        &self,
        to: NodeId,
        header: Bytes,
    ) -> Result<(Sender, Receiver), Error> {
        if header.len() > MESSAGE_MAX {
            return Err(Error::TooLarge { size: header.len(), limit: MESSAGE_MAX });
        }
        self.peer(to)?.content.open_stream(header).await
    }

    fn peer(&self, node: NodeId) -> Result<Arc<Peer>, Error> {
        if *self.shared.stop.borrow() {
            return Err(Error::Stopped);
        }
        self.peers.lock().get(&node).cloned().ok_or(Error::UnknownPeer(node))
    }

    /// Every peer as it is now, by node.
    pub fn peers(&self) -> Vec<PeerStatus> {
        let peers: Vec<_> =
            self.peers.lock().iter().map(|(node, peer)| (*node, peer.clone())).collect();
        let status = |(node, peer): (NodeId, Arc<Peer>)| {
            let control = peer.control.current();
            PeerStatus {
                node,
                addresses: peer.addresses.named(),
                reached: control
                    .as_ref()
                    .map(|live| (live.connection.remote_address(), live.process)),
                connected: control.is_some(),
                content_connected: peer.content.current().is_some(),
                rtt: control.as_ref().map(|live| live.connection.rtt()),
                heard: control.as_ref().map(|live| live.silence()),
            }
        };
        peers.into_iter().map(status).collect()
    }

    /// What has happened since the start.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&counters.requests),
            failures: read(&counters.failures),
            served: read(&counters.served),
            accepted: read(&counters.accepted),
            refused: read(&counters.refused),
            broken: read(&counters.broken),
        }
    }

    /// Closes every connection and the endpoint, and lets peers know.
    pub async fn shutdown(&self) {
        self.shared.stop.send_replace(true);
        let peers = std::mem::take(&mut *self.peers.lock());
        drop(peers);
        self.shared.endpoint.close(CLOSE_DONE, b"");
        // A peer that does not answer finds out by itself.
        timeout(FAREWELL_MAX, self.shared.endpoint.wait_idle()).await.ok();
    }
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mesh({})", self.shared.node)
    }
}
