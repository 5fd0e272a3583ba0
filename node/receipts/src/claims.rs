//! What a receipt says: claims that follow from a fact, in one order, so that the fact alone decides them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use machine::{Destroyed, Fact, Lapse, Sending, Step, What};
use model::{Digest, Moment, NodeId, Title, UnitCode};
use serde::{Deserialize, Serialize};

use crate::evidence::EvidenceClaims;

/// What a receipt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The packet was accepted: its content is durable on a majority of the nodes, Article 13(4).
    Accepted,
    /// A target confirmed that it holds the content, Article 14(3).
    Confirmed,
    /// A target refused the packet.
    Rejected,
    /// Every node that held octets of the content has destroyed them, or was removed owing it,
    /// Article 9(3).
    Destroyed,
}

impl Kind {
    /// Which receipt a fact is good for; none for the others.
    pub const fn of(what: &What) -> Option<Self> {
        match what {
            What::Accepted(_) => Some(Self::Accepted),
            What::Confirmed(_) => Some(Self::Confirmed),
            What::Rejected(_) => Some(Self::Rejected),
            What::Destroyed(_) => Some(Self::Destroyed),
            _ => None,
        }
    }

    /// As the claim spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::Destroyed => "destroyed",
        }
    }
}

/// The payload. Texts are as the fact has them: equal to it or refused, so they are not parsed again.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    /// The cluster.
    pub(crate) iss: String,
    /// Seconds since 1970, as JWT wants it; the same moment as `at`.
    iat: u64,
    kind: Kind,
    at: String,
    packet: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destroyed: Option<Vec<Destruction>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undestroyed: Option<Vec<NodeId>>,
    /// Which leaf of the history.
    pub(crate) position: u64,
    /// The leaf itself, base64url.
    pub(crate) fact: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<EvidenceClaims>,
}

/// A node and when it destroyed the content.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Destruction {
    node: NodeId,
    at: String,
}

impl Claims {
    /// What follows from a fact; none where it is good for no receipt.
    pub(crate) fn of(
        iss: String,
        (position, octets): (u64, &[u8]),
        fact: &Fact,
        evidence: Option<EvidenceClaims>,
    ) -> Option<Self> {
        let about = About::of(&fact.what)?;
        let destroyed = about.destroyed.map(|destroyed| {
            let nodes = destruction(destroyed).into_iter();
            nodes.map(|(node, at)| Destruction { node, at: at.to_string() }).collect()
        });
        Some(Self {
            iss,
            iat: fact.at.secs(),
            kind: about.kind,
            at: fact.at.to_string(),
            packet: fact.what.packet()?.to_string(),
            source: about.source.map(UnitCode::to_string),
            targets: about.targets.iter().map(|target| target.to_string()).collect(),
            title: about.title.map(Title::to_string),
            size: about.size,
            digest: about.digest.map(|digest| digest.to_string()),
            reason: about.reason.map(ToString::to_string),
            destroyed,
            undestroyed: about.destroyed.map(|destroyed| destroyed.undestroyed.clone()),
            position,
            fact: URL_SAFE_NO_PAD.encode(octets),
            evidence,
        })
    }

    /// The first claim that is not as it should be.
    pub(crate) fn first_difference(&self, expected: &Self) -> Option<&'static str> {
        let claims = [
            ("iat", self.iat == expected.iat),
            ("kind", self.kind == expected.kind),
            ("at", self.at == expected.at),
            ("packet", self.packet == expected.packet),
            ("source", self.source == expected.source),
            ("targets", self.targets == expected.targets),
            ("title", self.title == expected.title),
            ("size", self.size == expected.size),
            ("digest", self.digest == expected.digest),
            ("reason", self.reason == expected.reason),
            ("destroyed", self.destroyed == expected.destroyed),
            ("undestroyed", self.undestroyed == expected.undestroyed),
        ];
        claims.into_iter().find(|(_, same)| !same).map(|(claim, _)| claim)
    }
}

/// Which node destroyed the content, and when.
pub(crate) fn destruction(destroyed: &Destroyed) -> Vec<(NodeId, Moment)> {
    let moment = |(node, lapse): &(NodeId, Lapse)| (*node, lapse.after(destroyed.opened_at));
    destroyed.purged.iter().map(moment).collect()
}

/// What a fact says of a packet, whatever its kind.
pub(crate) struct About<'f> {
    pub(crate) kind: Kind,
    pub(crate) source: Option<&'f UnitCode>,
    pub(crate) targets: Vec<&'f UnitCode>,
    pub(crate) title: Option<&'f Title>,
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<Digest>,
    pub(crate) reason: Option<&'f model::Label>,
    pub(crate) destroyed: Option<&'f Destroyed>,
}

impl<'f> About<'f> {
    pub(crate) fn of(what: &'f What) -> Option<Self> {
        let kind = Kind::of(what)?;
        Some(match what {
            What::Accepted(sending) => Self::sending(kind, sending),
            What::Confirmed(step) | What::Rejected(step) => Self::step(kind, step),
            What::Destroyed(destroyed) => Self::destroyed(kind, destroyed),
            _ => return None,
        })
    }

    fn sending(kind: Kind, sending: &'f Sending) -> Self {
        Self {
            kind,
            source: Some(&sending.source),
            targets: sending.targets.iter().collect(),
            title: Some(&sending.title),
            size: Some(sending.size),
            digest: Some(sending.digest),
            reason: None,
            destroyed: None,
        }
    }

    fn step(kind: Kind, step: &'f Step) -> Self {
        Self {
            kind,
            source: step.source.as_ref(),
            targets: vec![&step.target],
            title: None,
            size: step.size,
            digest: step.digest,
            reason: step.reason.as_ref(),
            destroyed: None,
        }
    }

    fn destroyed(kind: Kind, destroyed: &'f Destroyed) -> Self {
        Self {
            kind,
            source: Some(&destroyed.source),
            targets: destroyed.deliveries.iter().map(|delivery| &delivery.target).collect(),
            title: Some(&destroyed.title),
            size: destroyed.size,
            digest: destroyed.digest,
            reason: None,
            destroyed: Some(destroyed),
        }
    }

    /// The unit that signed, where it follows from what happened.
    pub(crate) fn signer(&self) -> Option<&'f UnitCode> {
        match self.kind {
            Kind::Accepted => self.source,
            Kind::Confirmed | Kind::Rejected => self.targets.first().copied(),
            Kind::Destroyed => None,
        }
    }
}
