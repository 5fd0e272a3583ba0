//! What a command brings about: its outcome, and effects that remind of what the state now says.

use minicbor::{Decode, Encode};
use model::{AccessKey, LeaseName, Moment, NodeId, PacketId, SpaceId, UnitCode};

use crate::Refusal;

/// The answer to a proposal.
pub type Answer = Result<Outcome, Refusal>;

/// What was done.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Outcome {
    /// Done, nothing to add.
    #[n(0)]
    Done,
    /// A node was admitted (or the cluster founded with it).
    #[n(1)]
    NodeAdmitted(#[n(0)] NodeId),
    /// A space was granted; also the answer to a repeat by idempotency key, with the first ids.
    #[n(2)]
    SpaceGranted(#[n(0)] Granted),
    /// The node may write the space under this epoch.
    #[n(3)]
    SpaceClaimed {
        /// The packet that the space belongs to.
        #[n(0)]
        packet: PacketId,
        /// Higher than any before.
        #[n(1)]
        epoch: u32,
        /// The content's size if it is known.
        #[n(2)]
        size: Option<u64>,
    },
    /// The packet is sealed and its targets are notified.
    #[n(4)]
    Accepted {
        /// Which packet; for a repeat by idempotency key the first one.
        #[n(0)]
        packet: PacketId,
        /// When it was accepted.
        #[n(1)]
        at: Moment,
        /// Whether this answer repeats an earlier one, so that content copied for it must go.
        #[n(2)]
        repeated: bool,
    },
    /// The target may fetch the content of this space.
    #[n(5)]
    PickupGranted {
        /// Which packet.
        #[n(0)]
        packet: PacketId,
        /// Its space.
        #[n(1)]
        space: SpaceId,
    },
    /// One answer a receipt, in the order of the command.
    #[n(6)]
    Receipts(#[n(0)] Vec<ReceiptAnswer>),
    /// How many due things were settled, and whether more is due, or to be forgotten, now.
    #[n(7)]
    TimePassed {
        /// Settled by this command.
        #[n(0)]
        settled: u32,
        /// Whether more is due now, or after the pause between two prunings.
        #[n(1)]
        more: bool,
    },
    /// How far a leaving node was taken off the holders.
    #[n(8)]
    HoldingsReleased {
        /// Whether no live packet needs the node any more.
        #[n(0)]
        is_released: bool,
        /// A packet that needs it still: the others must copy its content first.
        #[n(1)]
        needed_for: Option<PacketId>,
    },
    /// A lease was taken, or is held already.
    #[n(9)]
    LeaseTaken {
        /// Goes with everything that is done under the lease.
        #[n(0)]
        fence: u64,
    },
}

/// A granted space.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Granted {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// Its space.
    #[n(1)]
    pub space: SpaceId,
    /// After this moment the space is gone.
    #[n(2)]
    pub expires_at: Moment,
    /// Whether this answer repeats an earlier one.
    #[n(3)]
    pub repeated: bool,
}

/// The answer to one receipt.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ReceiptAnswer {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// Why it was refused; none when it was taken.
    #[n(1)]
    pub refusal: Option<Refusal>,
}

/// Something that the state now says and that somebody should act on. Doing it twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A unit's feed has grown up to this position.
    Notice {
        /// Whose feed.
        unit: UnitCode,
        /// Its last position.
        position: u64,
    },
    /// A packet has ended: every node destroys what it holds of its content.
    Purge,
    /// A content rode with a command that made no packet of it: every node destroys it.
    Unwanted(SpaceId),
    /// A key died: its open connections end.
    KeyRevoked(AccessKey),
    /// The nodes of the cluster changed: addresses, admissions, removals.
    NodesChanged,
    /// The cluster key is to be rotated, or its rotation has gone a step further.
    ClusterKeyTurned,
    /// A new authority is wanted, or certifies, or older ones are honoured no longer.
    AuthorityTurned,
    /// A letter waits for this carrier.
    Letter(LeaseName),
}
