//! Events, version 1: what a feed keeps, and where it stands, encoded by field number.

use minicbor::{Decode, Encode};
use model::{
    AccessKey, AppId, Digest, Grant, Grants, Importance, Moment, PacketId, Title, UnitCode,
};

use super::By;

/// Where a unit's feed stands.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct UnitHead {
    /// The last position of its feed; 0 before the first event.
    #[n(0)]
    pub last: u64,
    /// No event before this position is kept.
    #[n(1)]
    pub first: u64,
    /// How many events are kept.
    #[n(2)]
    pub kept: u64,
    /// The sources that hold more than their share of the feed: three of them at the most, or for a
    /// moment four.
    #[n(3)]
    pub heavy: Vec<UnitCode>,
}

/// What one source has in one unit's feed; no row where it has nothing.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Told {
    /// How many events.
    #[n(0)]
    pub(crate) count: u64,
    /// None of them before this position.
    #[n(1)]
    pub(crate) from: u64,
}

/// What happened, for one unit's feed.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Event {
    /// Position in the unit's feed; starts at 1 and is given once. What is not kept any more leaves a hole.
    #[n(0)]
    pub position: u64,
    /// When.
    #[n(1)]
    pub at: Moment,
    /// What.
    #[n(2)]
    pub kind: EventKind,
    /// What it is about.
    #[n(3)]
    pub about: About,
    /// Who told it: the packet's source, or the unit of the administrator.
    #[n(4)]
    pub source: UnitCode,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum About {
    /// A packet that the unit sends or receives.
    #[n(0)]
    Packet(#[n(0)] PacketNews),
    /// An application of the unit, or a key of one.
    #[n(1)]
    Access(#[n(0)] AccessNews),
}

/// Of a packet, what an event tells.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PacketNews {
    /// Which packet.
    #[n(0)]
    pub packet: PacketId,
    /// The target it is about; none where it is about the whole packet.
    #[n(1)]
    pub target: Option<UnitCode>,
    /// How important the packet is.
    #[n(2)]
    pub importance: Importance,
    /// The packet's title.
    #[n(3)]
    pub title: Title,
    /// Octets of plaintext.
    #[n(4)]
    pub size: Option<u64>,
    /// The content's digest.
    #[n(5)]
    pub digest: Option<Digest>,
}

/// Of what may act for a unit, what an event tells: who changed it, and how.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct AccessNews {
    /// The application.
    #[n(0)]
    pub app: AppId,
    /// The key; none where it is about the application itself.
    #[n(1)]
    pub key: Option<AccessKey>,
    /// Who did it.
    #[n(2)]
    pub by: By,
    /// Until when a revoked key goes on; none if it ended at once.
    #[n(3)]
    pub ends_at: Option<Moment>,
}

/// Of an event, who told it. Making room asks for nothing else.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct EventSource {
    /// See [`Event::source`].
    #[n(4)]
    pub(crate) source: UnitCode,
}

impl Event {
    /// Whether an application with these grants hears of it in the feed of its unit: what happens to
    /// what the unit has sent is for who may send, what waits for it for who may receive, and who may act
    /// for the unit is for all who do.
    pub fn is_for(&self, unit: &UnitCode, grants: Grants) -> bool {
        let About::Packet(news) = &self.about else { return true };
        let (source, target) = self.kind.sides();
        (source && self.source == *unit && grants.has(Grant::Send))
            || (target && news.target.as_ref() == Some(unit) && grants.has(Grant::Receive))
    }
}

/// The kinds of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum EventKind {
    /// To the target: a packet waits for it.
    #[n(0)]
    Available,
    /// To the source: a target confirmed.
    #[n(1)]
    Confirmed,
    /// To the source: a target rejected.
    #[n(2)]
    Rejected,
    /// To the source, and to targets that had not settled: a deadline passed.
    #[n(3)]
    Expired,
    /// To targets that had not settled: the source took it back.
    #[n(4)]
    Cancelled,
    /// To the source: every delivery is final.
    #[n(5)]
    Completed,
    /// To the source: a target has confirmed another digest; told once a delivery.
    #[n(6)]
    Mismatched,
    /// To the source, and to targets that had not settled: no node holds the content any more.
    #[n(7)]
    ContentLost,
    /// To the same: a node holds the content again.
    #[n(8)]
    ContentFound,
    /// To the source, and to targets that had not settled: the packet ended, as its content is lost.
    #[n(9)]
    Failed,
    /// To the unit: an application of it was registered.
    #[n(10)]
    AppAdded,
    /// To the unit: a key of one of its applications was issued.
    #[n(11)]
    KeyIssued,
    /// To the unit: a key of one of its applications was revoked, or will end.
    #[n(12)]
    KeyRevoked,
}

impl EventKind {
    /// Whether it is told to sources, and whether to targets.
    const fn sides(self) -> (bool, bool) {
        match self {
            Self::Confirmed | Self::Rejected | Self::Completed | Self::Mismatched => (true, false),
            Self::Available | Self::Cancelled => (false, true),
            Self::Expired | Self::ContentLost | Self::ContentFound | Self::Failed => (true, true),
            Self::AppAdded | Self::KeyIssued | Self::KeyRevoked => (false, false),
        }
    }

    /// The last part of the CloudEvents type, as in `packet.available`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Available => "packet.available",
            Self::Confirmed => "packet.confirmed",
            Self::Rejected => "packet.rejected",
            Self::Expired => "packet.expired",
            Self::Cancelled => "packet.cancelled",
            Self::Completed => "packet.completed",
            Self::Mismatched => "packet.mismatched",
            Self::ContentLost => "packet.content_lost",
            Self::ContentFound => "packet.content_found",
            Self::Failed => "packet.failed",
            Self::AppAdded => "app.added",
            Self::KeyIssued => "key.issued",
            Self::KeyRevoked => "key.revoked",
        }
    }
}
