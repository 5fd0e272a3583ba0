//! Commands, version 1: what can be asked of the replicated state, encoded by field number.
//!
//! A changed meaning is a new command with a new number. A number that a node does not know stops
//! the node: it may not skip what the others apply.

use minicbor::{Decode, Encode};
use model::{AccessKey, CommandId, Digest, Label, LeaseName, Moment, NodeId, Nonce, Tick, Zone};

use super::{
    AbandonSpace, AddApp, AddUnits, AdmitNode, AdoptRules, CancelPacket, ClaimSpace, CloseLost,
    ConfirmReceipts, ConfirmTime, GrantPickup, IssueJoinToken, IssueKey, LeaveNode, NewNode,
    NewReceiptKey, OpenPacket, OrderAuthority, PassTime, PostLetter, RecordHolding, RecordLost,
    RecordPickup, RecordPurge, RejectDelivery, ReleaseHoldings, RemoveNode, RemoveUnit, RenameUnit,
    ReportLetter, ReturnLease, RevokeKey, RotateClusterKey, Rules, SealPacket, SubmitPacket,
    TakeLease, TurnAuthority, TurnClusterKey, UpdateNode,
};

/// One entry of the log: proposals that the leader gathered, under one time.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Entry {
    /// The date: what a majority of the nodes' clocks says. It may step back.
    #[n(0)]
    pub at: Moment,
    /// In order; each gets its own answer.
    #[n(1)]
    pub proposals: Vec<Proposal>,
    /// How long the cluster has run; the state never lets it run backwards.
    #[n(2)]
    pub tick: Tick,
}

/// A command, and who asks for it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Proposal {
    /// A repeat of the command carries the same one and gets the same answer.
    #[n(0)]
    pub id: CommandId,
    /// Who asks.
    #[n(1)]
    pub by: Proposer,
    /// What is asked.
    #[n(2)]
    pub command: Command,
}

/// Who proposes a command (D13).
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Proposer {
    /// An application, by its signature.
    #[n(0)]
    Signed(#[n(0)] Proof),
    /// A node. The mesh has proven which one, and the leader compares.
    #[n(1)]
    Node(#[n(0)] NodeId),
    /// The node that holds a lease.
    #[n(2)]
    Carrier {
        /// The node, proven by the mesh.
        #[n(0)]
        node: NodeId,
        /// The lease that it holds.
        #[n(1)]
        lease: LeaseName,
        /// The fence that it was given.
        #[n(2)]
        fence: u64,
    },
}

impl Proposer {
    /// The node that must have carried the proposal; none where a signature speaks for itself.
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::Signed(_) => None,
            Self::Node(node) | Self::Carrier { node, .. } => Some(*node),
        }
    }

    /// The same, carried by this node: consensus writes in which one it is, so that nobody proposes in the name
    /// of another.
    pub fn carried_by(self, node: NodeId) -> Self {
        match self {
            Self::Signed(proof) => Self::Signed(proof),
            Self::Node(_) => Self::Node(node),
            Self::Carrier { lease, fence, .. } => Self::Carrier { node, lease, fence },
        }
    }
}

/// What we keep of a verified signature: enough to check window, key status and nonce again
/// against the entry's time, and kept as evidence with commit and confirmation.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Proof {
    /// Whose signature it was.
    #[n(0)]
    pub key: AccessKey,
    /// The moment that the signer wrote.
    #[n(1)]
    pub created: Moment,
    /// Passes once in the whole cluster.
    #[n(2)]
    pub nonce: Nonce,
    /// The octets that were signed: the signature base.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub base: Vec<u8>,
    /// The signature's octets.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: Vec<u8>,
    /// The body that the base names by its digest, where it is kept as evidence; else empty. At most
    /// [`crate::STATEMENT_OCTETS_MAX`].
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub statement: Vec<u8>,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Command {
    /// Founds the cluster; the first command of its life.
    #[n(0)]
    Found(#[n(0)] Found),
    /// Registers a join token by its hash.
    #[n(1)]
    IssueJoinToken(#[n(0)] IssueJoinToken),
    /// Spends a join token and registers a node; the answer carries the node's new id.
    #[n(2)]
    AdmitNode(#[n(0)] AdmitNode),
    /// A node tells its present addresses and version.
    #[n(3)]
    UpdateNode(#[n(0)] UpdateNode),
    /// Removes a node for ever, once nothing depends on it any more; the last step after `LeaveNode`.
    #[n(4)]
    RemoveNode(#[n(0)] RemoveNode),
    /// Adds units (one, or an import).
    #[n(5)]
    AddUnits(#[n(0)] AddUnits),
    /// Registers an application of a unit.
    #[n(6)]
    AddApp(#[n(0)] AddApp),
    /// Issues a key to an application.
    #[n(7)]
    IssueKey(#[n(0)] IssueKey),
    /// Revokes a key.
    #[n(8)]
    RevokeKey(#[n(0)] RevokeKey),
    /// Asks for a packet's space, Article 13(2).
    #[n(9)]
    OpenPacket(#[n(0)] OpenPacket),
    /// A node takes over the writing of a space; the answer carries the new epoch.
    #[n(10)]
    ClaimSpace(#[n(0)] ClaimSpace),
    /// Seals a space whose content is durable on a majority, and plans the deliveries, Article 13(4).
    #[n(11)]
    SealPacket(#[n(0)] SealPacket),
    /// Open and seal together, for a small content that is already durable on a majority, or rides with the entry.
    #[n(12)]
    SubmitPacket(#[n(0)] SubmitPacket),
    /// The source takes a packet back.
    #[n(13)]
    CancelPacket(#[n(0)] CancelPacket),
    /// A target says that it is ready, Article 14(2).
    #[n(14)]
    GrantPickup(#[n(0)] GrantPickup),
    /// A target holds the contents whole, Article 14(3).
    #[n(15)]
    ConfirmReceipts(#[n(0)] ConfirmReceipts),
    /// A target refuses a packet.
    #[n(16)]
    RejectDelivery(#[n(0)] RejectDelivery),
    /// A node has destroyed the contents of all ended packets below a number.
    #[n(17)]
    RecordPurge(#[n(0)] RecordPurge),
    /// A node has fetched the contents of these packets and holds them durably.
    #[n(18)]
    RecordHolding(#[n(0)] RecordHolding),
    /// Time has passed and something is due.
    #[n(19)]
    PassTime(#[n(0)] PassTime),
    /// Targets have fetched contents whole (a record; does not change what may be done).
    #[n(20)]
    RecordPickup(#[n(0)] RecordPickup),
    /// Gives up a space before its packet is sealed (tus termination); the packet is cancelled.
    /// Authorised by the space token at the node, or by the source's proof.
    #[n(21)]
    AbandonSpace(#[n(0)] AbandonSpace),
    /// An administrator at a node has seen that the clocks are right.
    #[n(22)]
    ConfirmTime(#[n(0)] ConfirmTime),
    /// No node holds the contents of these packets any more.
    #[n(23)]
    RecordLost(#[n(0)] RecordLost),
    /// An administrator ends packets whose content is lost.
    #[n(24)]
    CloseLost(#[n(0)] CloseLost),
    /// Asks for a new version of the cluster key.
    #[n(25)]
    RotateClusterKey(#[n(0)] RotateClusterKey),
    /// A step of a rotation of the cluster key.
    #[n(26)]
    TurnClusterKey(#[n(0)] TurnClusterKey),
    /// Asks for a new authority, or for the end of those before it.
    #[n(27)]
    OrderAuthority(#[n(0)] OrderAuthority),
    /// A step of a rotation of the authority.
    #[n(28)]
    TurnAuthority(#[n(0)] TurnAuthority),
    /// Gives a unit another name.
    #[n(29)]
    RenameUnit(#[n(0)] RenameUnit),
    /// Removes a unit that nothing refers to any more.
    #[n(30)]
    RemoveUnit(#[n(0)] RemoveUnit),
    /// A node is to leave: it counts for no majority of holders any more.
    #[n(31)]
    LeaveNode(#[n(0)] LeaveNode),
    /// Takes a leaving node off the holders of a bounded number of live packets.
    #[n(32)]
    ReleaseHoldings(#[n(0)] ReleaseHoldings),
    /// Adopts newer rules, which every node knows.
    #[n(33)]
    AdoptRules(#[n(0)] AdoptRules),
    /// A node renews everything that hangs on it.
    #[n(34)]
    Pulse,
    /// A node takes a lease.
    #[n(35)]
    TakeLease(#[n(0)] TakeLease),
    /// A node gives a lease back.
    #[n(36)]
    ReturnLease(#[n(0)] ReturnLease),
    /// Something must go out of the cluster.
    #[n(37)]
    PostLetter(#[n(0)] PostLetter),
    /// A carrier tells what became of a letter.
    #[n(38)]
    ReportLetter(#[n(0)] ReportLetter),
    /// Records the public keys that receipts are checked with under a version of the cluster key.
    #[n(39)]
    RecordReceiptKey(#[n(0)] NewReceiptKey),
}

impl Command {
    /// The rules since which the command may be proposed.
    pub const fn since(&self) -> Rules {
        match self {
            Self::Pulse
            | Self::TakeLease(_)
            | Self::ReturnLease(_)
            | Self::PostLetter(_)
            | Self::ReportLetter(_) => Rules::LEASES,
            _ => Rules::FIRST,
        }
    }
}

/// See [`Command::Found`].
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Found {
    /// The cluster's name for people.
    #[n(0)]
    pub name: Label,
    /// Level-1 code that the zone's own units begin with.
    #[n(1)]
    pub zone: Zone,
    /// A random name that tells this cluster from every other (hexadecimal).
    #[n(2)]
    pub cluster: String,
    /// The authority's certificate, DER.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub authority: Vec<u8>,
    /// The authority's private key, sealed under the cluster key.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub authority_key_sealed: Vec<u8>,
    /// The first node.
    #[n(5)]
    pub node: NewNode,
    /// The first administrator: its unit, application and key.
    #[n(6)]
    pub admin: AddApp,
    /// The first administrator's key.
    #[n(7)]
    pub admin_key: IssueKey,
    /// The SHA-256 of the first node's public key.
    #[n(8)]
    pub node_key: Digest,
    /// The check of the cluster key's first version, under which all of this is sealed.
    #[n(9)]
    pub key_check: Digest,
}
