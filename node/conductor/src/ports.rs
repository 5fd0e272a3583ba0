//! What the conductor asks of other nodes, beyond consensus and content; the mesh answers it in production.

use futures_util::future::BoxFuture;
use model::{Moment, NodeId, SpaceId};

use crate::fetches::HandedPart;

/// A version of the cluster key on its way to a member that lacks it.
pub type KeyOctets = zeroize::Zeroizing<[u8; 32]>;

/// What other nodes tell of themselves; the mesh answers it in production.
pub trait Nodes: Send + Sync + 'static {
    /// Asks one node; none when it does not answer in time.
    fn vitals(&self, node: NodeId) -> BoxFuture<'static, Option<Vitals>>;

    /// This node's own.
    fn own_vitals(&self) -> Vitals;

    /// Asks one member for a version of the cluster key; none when it does not answer or has none.
    fn cluster_key(&self, node: NodeId, version: u32) -> BoxFuture<'static, Option<KeyOctets>>;

    /// Asks one node for facts of the history from a position on, proved under the root of this size: an encoded
    /// [`history::Run`](::history::Run). None or nothing where it has none to give.
    fn facts(&self, node: NodeId, from: u64, size: u64)
    -> BoxFuture<'static, Option<bytes::Bytes>>;

    /// Asks the other nodes to destroy a content that no command will ever name. Best effort: what
    /// is not heard is destroyed by reconciliation, a day later.
    fn discard(&self, space: SpaceId) -> BoxFuture<'static, ()>;

    /// Tells the other nodes which parts of contents this one has handed out. Best effort: what is not heard
    /// leaves a delivery `accepted` until its receipt comes.
    fn tell_handed(&self, parts: Vec<HandedPart>) -> BoxFuture<'static, ()>;
}

/// What a node tells of itself.
#[derive(Debug, Clone, Default, PartialEq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Vitals {
    /// Its wall clock.
    #[n(0)]
    pub now: Moment,
    /// The log index that its state has applied.
    #[n(1)]
    pub applied: u64,
    /// Contents that it holds.
    #[n(2)]
    pub contents_count: u64,
    /// Free octets on the disk of its data directory.
    #[n(3)]
    pub disk_free: u64,
    /// All octets of that disk.
    #[n(4)]
    pub disk_total: u64,
    /// The version of its program.
    #[n(5)]
    pub version: String,
    /// Free octets below which it takes no contents.
    #[n(6)]
    pub disk_reserve: u64,
    /// Whether it takes part in votes and acknowledgements, as a word of [`consensus::Standing`].
    #[n(7)]
    pub standing: String,
    /// Contents that it should hold, and that nobody who answered it has.
    #[n(8)]
    pub contents_missing: u64,
    /// Second lives that it has met and refused in the last minutes.
    #[n(9)]
    pub second_lives: Vec<SecondLife>,
    /// Connections that it can serve with the descriptors that its system grants.
    #[n(10)]
    pub connections_max: u64,
    /// Connections that its configuration asks for.
    #[n(11)]
    pub connections_wanted: u64,
    /// Facts of the history that it lacks, at most, and that nobody who answers it has.
    #[n(12)]
    pub facts_wanted: u64,
}

/// A node that was met in two places, as the one who met it tells.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct SecondLife {
    /// The node.
    #[n(0)]
    pub node: NodeId,
    /// Where the one lives that was known.
    #[n(1)]
    pub lives_at: String,
    /// Where the other one was refused.
    #[n(2)]
    pub refused_at: String,
}
