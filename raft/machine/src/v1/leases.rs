//! Forms of leases and of the outbox, version 1 (D19).

use minicbor::{Decode, Encode};
use model::{Label, LeaseName, Moment, NodeId, PacketId, Tick, UnitCode};

/// See [`crate::Command::TakeLease`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct TakeLease {
    /// Which lease.
    #[n(0)]
    pub name: LeaseName,
}

/// See [`crate::Command::ReturnLease`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ReturnLease {
    /// Which lease.
    #[n(0)]
    pub name: LeaseName,
    /// The fence that the node was given with it.
    #[n(1)]
    pub fence: u64,
}

/// A lease that was ever taken. The row stays when the lease is free, so that no fence comes again.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct LeaseRecord {
    /// Who holds it; none when it is free.
    #[n(0)]
    pub holder: Option<NodeId>,
    /// Higher than any before.
    #[n(1)]
    pub fence: u64,
    /// When it was taken or given back last.
    #[n(2)]
    pub changed_at: Moment,
}

/// Names a letter; minted by the node that posts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct LetterId(#[n(0)] pub u64);

/// See [`crate::Command::PostLetter`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PostLetter {
    /// The lease under which it is carried.
    #[n(0)]
    pub carrier: LeaseName,
    /// The packet that it carries.
    #[n(1)]
    pub packet: PacketId,
    /// The target that it carries it to.
    #[n(2)]
    pub target: UnitCode,
}

/// What must go out of the cluster.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Letter {
    /// Its number, given once; carriers use it as their idempotency key.
    #[n(0)]
    pub letter: LetterId,
    /// The lease under which it is carried.
    #[n(1)]
    pub carrier: LeaseName,
    /// The packet that it carries.
    #[n(2)]
    pub packet: PacketId,
    /// The target.
    #[n(3)]
    pub target: UnitCode,
    /// When it was posted.
    #[n(4)]
    pub posted_at: Moment,
    /// Not to be sent before this tick.
    #[n(5)]
    pub due_tick: Tick,
    /// How often it was tried.
    #[n(6)]
    pub tries: u32,
    /// What the other side said last.
    #[n(7)]
    pub said: Option<Label>,
    /// Where it stands.
    #[n(8)]
    pub state: LetterState,
}

/// Where a letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum LetterState {
    /// It waits for its carrier.
    #[n(0)]
    Waiting,
    /// The other side has taken it.
    #[n(1)]
    Taken,
    /// The other side has refused it for good.
    #[n(2)]
    Refused,
}

/// See [`crate::Command::ReportLetter`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ReportLetter {
    /// Which letter.
    #[n(0)]
    pub letter: LetterId,
    /// What became of it.
    #[n(1)]
    pub report: Report,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Report {
    /// The other side has taken it.
    #[n(0)]
    Taken(#[n(0)] Label),
    /// The other side has refused it for good.
    #[n(1)]
    Refused(#[n(0)] Label),
    /// It is tried again, not before so many milliseconds have passed.
    #[n(2)]
    Again {
        /// What the other side said, or how the try failed.
        #[n(0)]
        said: Label,
        /// The pause.
        #[n(1)]
        after_ms: u64,
    },
}
