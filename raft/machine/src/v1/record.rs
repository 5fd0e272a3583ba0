//! Records, version 1: what the state keeps, encoded by field number.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, CommandId, DeliveryState, Digest, Importance, Label, MediaType, Moment,
    NodeId, PacketId, PacketState, SpaceId, Tick, Title, UnitCode, Zone,
};

use super::{Answer, ExchangePolicy};

/// Who had something made or changed: the application that signed, and its key. A record without one was
/// made or changed by the founding or by the nodes.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct By {
    /// The access key.
    #[n(0)]
    pub key: AccessKey,
    /// Its application.
    #[n(1)]
    pub app: AppId,
}

/// The cluster itself.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct ClusterRecord {
    /// Its name for people.
    #[n(0)]
    pub name: Label,
    /// The level-1 code of its own units.
    #[n(1)]
    pub zone: Zone,
    /// Tells it from every other cluster.
    #[n(2)]
    pub cluster: String,
    /// The id that the next node gets.
    #[n(3)]
    pub next_node: NodeId,
    /// When it was founded.
    #[n(4)]
    pub founded_at: Moment,
}

/// A packet without its deliveries, which have rows of their own.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PacketRow {
    /// Its id.
    #[n(0)]
    pub packet: PacketId,
    /// Its space.
    #[n(1)]
    pub space: SpaceId,
    /// The unit that sends it.
    #[n(2)]
    pub source: UnitCode,
    /// The application that sends it.
    #[n(3)]
    pub app: AppId,
    /// Its title.
    #[n(4)]
    pub title: Title,
    /// How important it is.
    #[n(5)]
    pub importance: Importance,
    /// The kind of data.
    #[n(6)]
    pub media_type: MediaType,
    /// The source's policy.
    #[n(7)]
    pub policy: ExchangePolicy,
    /// How many of its deliveries are in which state.
    #[n(8)]
    pub counts: Counts,
    /// Octets of plaintext, once known.
    #[n(9)]
    pub size: Option<u64>,
    /// The digest that the source signed, once sealed.
    #[n(10)]
    pub digest: Option<Digest>,
    /// Who writes the space, and under which epoch.
    #[n(11)]
    pub writer: NodeId,
    /// See [`PacketRow::writer`]; starts at 1.
    #[n(12)]
    pub epoch: u32,
    /// Nodes that hold the content durably.
    #[n(13)]
    pub holders: Vec<NodeId>,
    /// When it was asked for.
    #[n(14)]
    pub opened_at: Moment,
    /// When it was sealed.
    #[n(15)]
    pub sealed_at: Option<Moment>,
    /// The date of the present deadline: of the space until the seal, of the deliveries after it. The
    /// row keeps what was meant when it was given; a [`crate::View`] says what is to be expected now.
    #[n(16)]
    pub due_at: Moment,
    /// When it came to an end.
    #[n(17)]
    pub ended_at: Option<Moment>,
    /// When it was sealed, counted: its place in its targets' queues.
    #[n(18)]
    pub sealed_tick: Option<Tick>,
    /// The present deadline, counted: what ends the packet.
    #[n(19)]
    pub due_tick: Tick,
    /// Its number among the packets that have ended.
    #[n(20)]
    pub ended: Option<u64>,
    /// The application that sealed it, which may be another one of the unit.
    #[n(21)]
    pub sealed_by: Option<AppId>,
    /// Other nodes that may hold octets of the content and make nothing durable: those that wrote
    /// the space before its present writer, and those that left with it. After the end, those of them that were
    /// removed before it.
    #[n(22)]
    pub touched: Vec<NodeId>,
    /// When it was found that no node holds the content; none again once one does. It stays at a
    /// packet that ended so.
    #[n(23)]
    pub lost_at: Option<Moment>,
}

impl PacketRow {
    /// Remembers that a node may hold octets of the content.
    pub(crate) fn touch(&mut self, node: NodeId) {
        if !self.touched.contains(&node) {
            self.touched.push(node);
        }
    }

    /// Its state, which follows from the seal and the counts of its deliveries.
    pub fn state(&self) -> PacketState {
        self.counts.state(self.sealed_at.is_some())
    }
}

/// How many deliveries of a packet are in which state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Counts(#[n(0)] BTreeMap<DeliveryState, u32>);

impl Counts {
    /// So many deliveries in one state.
    pub fn of(state: DeliveryState, count: u32) -> Self {
        Self(BTreeMap::from([(state, count)]))
    }

    /// The count of one state.
    pub fn count(&self, state: DeliveryState) -> u32 {
        self.0.get(&state).copied().unwrap_or_default()
    }

    /// All deliveries.
    pub fn sum(&self) -> u32 {
        self.0.values().sum()
    }

    /// Deliveries that are not final.
    pub fn open(&self) -> u32 {
        self.0.iter().filter(|(state, _)| !state.is_final()).map(|(_, count)| count).sum()
    }

    /// One delivery goes from one state to another.
    pub(crate) fn step(&mut self, from: DeliveryState, to: DeliveryState) {
        let left = self.count(from).checked_sub(1).expect("a delivery is counted in its state");
        match left {
            0 => self.0.remove(&from),
            _ => self.0.insert(from, left),
        };
        *self.0.entry(to).or_default() += 1;
    }

    /// The state of a packet, from its seal and its deliveries alone.
    ///
    /// Without a seal it waits for its content, until all its deliveries ended together. Sealed and
    /// with an open delivery, the one that went furthest speaks for the packet. With none open, one
    /// confirmation makes it `completed`; without any, a lost content outweighs a missed deadline, that
    /// a cancellation and that a rejection, so that `rejected` means that every target refused.
    pub fn state(&self, sealed: bool) -> PacketState {
        let any = |state| self.count(state) > 0;
        match (sealed, self.open() > 0) {
            (false, true) => PacketState::AwaitingContent,
            (true, true) if any(DeliveryState::Confirmed) => PacketState::Confirmed,
            (true, true) if any(DeliveryState::PickedUp) => PacketState::PickedUp,
            (true, true) if any(DeliveryState::Accepted) => PacketState::Accepted,
            (true, true) => PacketState::Notified,
            (_, false) if any(DeliveryState::Confirmed) => PacketState::Completed,
            (_, false) if any(DeliveryState::Failed) => PacketState::Failed,
            (_, false) if any(DeliveryState::Expired) => PacketState::Expired,
            (_, false) if any(DeliveryState::Cancelled) => PacketState::Cancelled,
            (_, false) => PacketState::Rejected,
        }
    }
}

/// One delivery; packet and target stand in its key. It was notified when the packet was sealed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryRow {
    /// How far it is.
    #[n(0)]
    pub state: DeliveryState,
    /// When the target said that it is ready.
    #[n(1)]
    pub accepted_at: Option<Moment>,
    /// When it had fetched the content whole.
    #[n(2)]
    pub picked_up_at: Option<Moment>,
    /// When the delivery became final.
    #[n(3)]
    pub settled_at: Option<Moment>,
    /// Why it was rejected.
    #[n(4)]
    pub reason: Option<Label>,
    /// When the target first confirmed another digest than the one that the source signed.
    #[n(5)]
    pub mismatched_at: Option<Moment>,
}

impl DeliveryRow {
    /// A delivery that nothing has happened to.
    pub(crate) const fn planned() -> Self {
        Self {
            state: DeliveryState::Planned,
            accepted_at: None,
            picked_up_at: None,
            settled_at: None,
            reason: None,
            mismatched_at: None,
        }
    }
}

/// A packet that has ended; its number is the key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct EndedRow {
    /// Which packet.
    #[n(0)]
    pub(crate) packet: PacketId,
    /// Its space, whose content goes.
    #[n(1)]
    pub(crate) space: SpaceId,
    /// When it ended, counted.
    #[n(2)]
    pub(crate) tick: Tick,
}

/// How far packets that have ended are on their way out of the state; numbers of ended packets, each the first
/// to which it has not happened yet.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Closing {
    /// Destroyed by every node that owes it.
    #[n(0)]
    pub(crate) destroyed: u64,
    /// The same, and the history says so.
    #[n(1)]
    pub(crate) recorded: u64,
    /// Gone from the state; the history alone knows them.
    #[n(2)]
    pub(crate) left: u64,
    /// All facts about packets that have left stand before this position of the history.
    #[n(3)]
    pub(crate) facts: u64,
}

/// What was first asked and answered under an idempotency key.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct IdempotencyRecord {
    /// Of the request.
    #[n(0)]
    pub fingerprint: Digest,
    /// The first packet.
    #[n(1)]
    pub packet: PacketId,
    /// Its space.
    #[n(2)]
    pub space: SpaceId,
    /// When it was asked.
    #[n(3)]
    pub at: Moment,
    /// Whether it was a submission; otherwise a space was asked for.
    #[n(4)]
    pub submitted: bool,
    /// When it was asked, counted: its age.
    #[n(5)]
    pub tick: Tick,
}

/// A nonce that passed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Spent {
    /// With which command.
    #[n(0)]
    pub(crate) command: CommandId,
    /// What that command was answered.
    #[n(1)]
    pub(crate) answer: Answer,
}
