//! What consensus needs from outside: a way to ask a peer, and the wall clock.
//!
//! No sockets and no clock of its own: the app wires the mesh in, simulation its own network.
//! Monotonic time is tokio's, so paused time works.

use std::fmt;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Moment, NodeId};

/// Which kind of traffic a message is, so that votes never wait behind a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Votes, heartbeats and log entries: first of all.
    Raft,
    /// Forwarded proposals, read indexes, pulses and membership.
    Control,
    /// Blocks of a snapshot.
    Bulk,
}

/// A peer that could not be asked, or did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// There is no way to the peer now; the message has certainly not arrived.
    #[error("the node cannot be reached: {0}")]
    Unreachable(String),
    /// The message may have arrived; no answer came in time.
    #[error("the node did not answer: {0}")]
    NoAnswer(String),
}

/// Asks peers. Each message is opaque and is given to [`crate::Consensus::handle`] over there.
pub trait Network: Send + Sync + 'static {
    /// Sends a message to a node and waits for its answer.
    fn request(
        &self,
        to: NodeId,
        lane: Lane,
        message: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>>;
}

/// The wall clock of this node.
pub trait Clock: Send + Sync + 'static {
    /// The moment that this node believes it is.
    fn now(&self) -> Moment;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Moment(since.as_millis().min(u128::from(u64::MAX)) as u64)
    }
}

impl fmt::Debug for dyn Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
