//! Failures of the mesh, and whether the request may have been carried out.

use std::io;

use model::NodeId;

/// Why a request, a stream or the endpoint failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address of this node is known, or it was removed.
    #[error("node {0} is not a known peer")]
    UnknownPeer(NodeId),
    /// There is no connection to the node, and none could be made in a short time.
    #[error("node {0} cannot be reached")]
    Unreachable(NodeId),
    /// The connection was lost; the request may have been carried out or not.
    #[error("the connection to node {0} was lost")]
    Lost(NodeId),
    /// No answer within the deadline; the request may have been carried out or not.
    #[error("node {0} did not answer in time")]
    Expired(NodeId),
    /// The node received the request and could not answer it.
    #[error("node {0} failed to answer")]
    Failed(NodeId),
    /// A message or chunk beyond its limit; nothing was sent.
    #[error("a message of {size} octets is beyond the limit of {limit}")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The node sent something that is not in the protocol.
    #[error("node {node} broke the protocol: {reason}")]
    Protocol {
        /// The node.
        node: NodeId,
        /// What is wrong, for people.
        reason: &'static str,
    },
    /// The mesh was shut down.
    #[error("the mesh has been shut down")]
    Stopped,
    /// The endpoint could not be opened.
    #[error("cannot open the UDP endpoint")]
    Bind(#[source] io::Error),
    /// TLS settings that QUIC cannot use.
    #[error("the TLS settings do not fit QUIC")]
    Tls(#[source] quinn::crypto::rustls::NoInitialCipherSuite),
}

impl Error {
    /// Whether the request certainly was not carried out, so that repeating it is harmless.
    pub const fn is_before_sending(&self) -> bool {
        matches!(self, Self::UnknownPeer(_) | Self::Unreachable(_) | Self::TooLarge { .. })
    }
}
