//! What the store needs from outside: peers, the cluster key, random octets.
//!
//! The app ties them to the mesh and to the certificates; tests and simulation to their own.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::NodeId;
use zeroize::Zeroizing;

/// The largest message that the store hands to [`Peers::request`] or answers, and more than any
/// frame of a stream: a small content with its overhead, or one batch of them.
pub const MESSAGE_MAX: usize = (1 << 20) + (64 << 10);

/// Fills a slice with random octets; steered in simulation.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// Why a peer did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// No connection.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the peer did not answer in time")]
    Deadline,
}

/// The two ends of an open stream of frames.
pub type FrameStream = (Box<dyn FrameSink>, Box<dyn FrameSource>);

/// The other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Sends a message of up to [`MESSAGE_MAX`] octets and waits for the answer, under a deadline.
    fn request(&self, to: NodeId, message: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>>;

    /// Opens a stream of frames both ways.
    fn open_stream(
        &self,
        to: NodeId,
        header: Bytes,
    ) -> BoxFuture<'static, Result<FrameStream, PeerError>>;
}

/// The sending end of a stream; dropping it ends the stream.
pub trait FrameSink: Send + 'static {
    /// Sends one frame of up to 1 MiB; waits while the peer cannot take it.
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), PeerError>>;
}

/// The receiving end of a stream.
pub trait FrameSource: Send + 'static {
    /// The next frame; none when the stream has ended or broken.
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>>;
}

/// A content key: 256 bits that leave memory with their owner.
pub type ContentKey = Zeroizing<[u8; 32]>;

/// The cluster key could not do it: wrong version, wrong octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster key does not open this")]
pub struct KeyError;

/// Seals content keys under the cluster key.
pub trait KeySealer: Send + Sync + 'static {
    /// Seals a key; at most [`SLOT_MAX`] octets come back.
    fn seal(&self, aad: &[u8], key: &ContentKey) -> Result<Vec<u8>, KeyError>;
    /// Opens what `seal` gave for the same `aad`.
    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<ContentKey, KeyError>;
}

/// The largest sealed key: 32 octets, nonce, tag, a key version and room for a later envelope.
pub const SLOT_MAX: usize = 256;
