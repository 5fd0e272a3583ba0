//! QUIC between the nodes of a cluster: one endpoint a node, both sides certified.
//!
//! Each node dials its own connections for its own requests: one for Raft and control, one for
//! content, so that Raft is never stuck behind content. Small messages travel on long-lived
//! streams (one a channel) as numbered frames, answered in any order; bulk travels on streams of
//! its own, held back by flow control. A node that is not a member gets nothing.
//! Nothing here knows what the messages mean, how certificates are made or who is a member.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::unwrap_used,
        reason = "a test that fails says enough"
    )
)]

mod addresses;
mod bulk;
mod error;
mod frame;
mod handshakes;
mod lane;
mod link;
mod mesh;
mod serve;
mod transport;
mod yielding;

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Digest, NodeId};

pub use bulk::{CHUNK_MAX, Receiver, Sender};
pub use error::Error;
pub use frame::{GREETING_MAX, MESSAGE_MAX};
pub use mesh::{Counts, Mesh, Options, PeerStatus, REQUEST_DEADLINE};
pub use transport::TRANSFERS_MAX;

/// What a message is about. Each channel has its own stream, and content its own connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Votes, log entries, heartbeats.
    Raft,
    /// Forwarded proposals, read indexes, membership.
    Control,
    /// Requests about content, and small contents themselves.
    Content,
}

impl Channel {
    pub(crate) const ALL: [Self; 3] = [Self::Raft, Self::Control, Self::Content];

    pub(crate) const fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// What a node does with what its peers send.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request. The futures of one channel are made in the order in which the requests
    /// were sent, and those of Raft and control are polled once in that order; then they run side
    /// by side. A future may be dropped when the mesh stops.
    fn request(&self, from: NodeId, channel: Channel, message: Bytes) -> BoxFuture<'static, Bytes>;

    /// Serves a bulk stream until its future ends.
    fn stream(
        &self,
        from: NodeId,
        header: Bytes,
        sender: Sender,
        receiver: Receiver,
    ) -> BoxFuture<'static, ()>;
}

/// A peer as it presents itself when a connection begins.
#[derive(Debug, Clone)]
pub struct Met {
    /// The node that its certificate proves it to be.
    pub node: NodeId,
    /// Where it is, as this node's socket sees it. Nodes call and listen on one socket, so this is
    /// where it listens, too, unless a translator of addresses stands between.
    pub at: SocketAddr,
    /// The random number of its process.
    pub process: u64,
    /// What it tells of itself; the octets are the program's.
    pub greeting: Bytes,
}

/// What nodes tell each other when a connection begins, before anything else is heard.
pub trait Greeter: Send + Sync + 'static {
    /// What this node tells a peer, [`GREETING_MAX`] octets at most.
    fn greeting(&self, to: NodeId) -> Bytes;

    /// A peer has told who it is. An error refuses it: the connection ends, and the octets, which
    /// must fit one datagram, are the reason that the peer is told.
    fn met(&self, peer: Met) -> BoxFuture<'static, Result<(), Bytes>>;

    /// The reason that a node is told which is no member.
    fn stranger(&self, node: NodeId) -> Bytes;

    /// A peer refuses this node, and says why.
    fn refused(&self, by: NodeId, at: SocketAddr, reason: Bytes);
}

/// How nodes are named in certificates.
pub trait Names: Send + Sync + 'static {
    /// The name that the certificate of a node carries.
    fn server_name(&self, node: NodeId) -> String;

    /// Whom a verified certificate (DER) claims to be, if it names a node of this cluster.
    fn claim_of(&self, certificate: &[u8]) -> Option<Claim>;
}

/// Whom a certificate claims to be. The number alone is nobody: whoever has the authority's key can
/// have any number certified, but only the node has the key that its record pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The number in the certificate's name.
    pub node: NodeId,
    /// The SHA-256 of the public key (SubjectPublicKeyInfo) that the certificate is for.
    pub key: Digest,
}

/// The TLS settings of both sides; each holds the node's certificate and trusts the authority.
#[derive(Debug, Clone)]
pub struct Identity {
    /// For answering; it must demand a certificate of the caller.
    pub server: Arc<rustls::ServerConfig>,
    /// For calling.
    pub client: Arc<rustls::ClientConfig>,
}

/// Whether a node with this number and this key is a member of the cluster now.
pub type Allowed = Arc<dyn Fn(Claim) -> bool + Send + Sync>;
