//! What consensus needs from outside: a way to ask a peer, the wall clock, and a place for what rides with entries.
//!
//! No sockets and no clock of its own: the app wires the mesh in, simulation its own network.
//! Monotonic time is tokio's, so paused time works.

use std::{fmt, io};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Moment, NodeId, lengths::millis_of};

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
        Moment(millis_of(since))
    }
}

/// Where the facts go that the state counts: the history (D17).
///
/// It is told first and the state later, so that the state never counts a fact that a crash could take. All of it
/// blocks; an error stops the node.
pub trait FactLog: Send + Sync + 'static {
    /// The state counts so many facts. What the history has not of them it lacks, as after a snapshot, and gets
    /// from others; the next one goes behind them. Called at each start and whenever a snapshot was taken in.
    fn begin(&self, size: u64) -> io::Result<()>;

    /// Adds facts from a position on. Those that are there already must be the same: entries are applied again
    /// after a crash.
    fn append(&self, position: u64, facts: &[Vec<u8>]) -> io::Result<()>;

    /// Makes durable what was added before the call.
    fn sync(&self) -> io::Result<()>;
}

/// The name of what rides with a proposal.
pub type AttachmentKey = [u8; 16];

/// What rides with a proposal to every node, beside the log and never in it. Opaque here.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub key: AttachmentKey,
    /// Its octets, the same on every node.
    pub record: Bytes,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What rides prints as nothing.
        write!(f, "an attachment of {} octets", self.record.len())
    }
}

/// What became of attachments that were to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Each is durable here.
    Whole,
    /// Some were destroyed here before and do not come back; the others are durable.
    Partly,
    /// There is no room for them now. Nothing is wrong with the disk, and trying again may help.
    NoRoom,
    /// They cannot be kept: the node must stop.
    Failed(String),
}

/// Told once; dropped untold it means that they were not kept.
pub type TellKept = Box<dyn FnOnce(Kept) + Send>;

/// Where a node keeps what rides with entries. An append is acknowledged when both are durable, the entry in
/// the log and what rides with it here.
pub trait Attachments: Send + Sync + 'static {
    /// Whether the octets are what the name says; what is not is carried no further.
    fn is_sound(&self, attachment: &Attachment) -> bool;

    /// Whether this node has room for more than what is under way. Where one has not, nothing rides.
    fn has_room(&self) -> bool;

    /// Writes attachments and tells when they are durable. Never waits.
    fn keep(&self, attachments: Vec<Attachment>, tell: TellKept);

    /// Whether it is here, durably.
    fn holds(&self, key: AttachmentKey) -> bool;

    /// The octets as they were kept; none where they are not here, or not any more.
    fn find(&self, key: AttachmentKey) -> BoxFuture<'static, Option<Bytes>>;
}

/// A node on which nothing rides.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttachments;

impl Attachments for NoAttachments {
    fn is_sound(&self, _: &Attachment) -> bool {
        false
    }

    fn has_room(&self) -> bool {
        false
    }

    fn keep(&self, _: Vec<Attachment>, tell: TellKept) {
        tell(Kept::Failed("this node keeps nothing that rides with entries".into()));
    }

    fn holds(&self, _: AttachmentKey) -> bool {
        false
    }

    fn find(&self, _: AttachmentKey) -> BoxFuture<'static, Option<Bytes>> {
        Box::pin(std::future::ready(None))
    }
}

impl fmt::Debug for dyn Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attachments")
    }
}

impl fmt::Debug for dyn Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}
