//! Who belongs to the cluster, as far as this node can know: a number and the key that it is pinned to.
//!
//! The state says it. What the state does not know yet (this node was away, or has only just joined) is
//! asked of the members that are known; a number that nobody known vouches for is nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
    time::Duration,
};

use conductor::Exchange;
use consensus::Consensus;
use machine::View;
use mesh::{Channel, Claim, Mesh};
use minicbor::{Decode, Encode};
use model::{Digest, NodeId};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};

use super::{FirstPeer, Identity, book::Book};
use crate::links::Topic;

/// Members that one answer may tell of: more than a cluster ever has, and a bound on what is kept.
const TOLD_MAX: usize = 256;
/// The pause between two questions: certificates of unknown numbers cannot make us ask without end.
const ASK_PAUSE: Duration = Duration::from_millis(500);
/// How long one member has to answer; the next is asked after it.
const ASK_DEADLINE: Duration = Duration::from_secs(1);

/// A member as another member tells of it, version 1.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Told {
    /// Its number.
    #[n(0)]
    pub node: NodeId,
    /// The digest of its public key, as the state pins it.
    #[n(1)]
    pub key: Digest,
    /// Where its mesh is reached.
    #[n(2)]
    pub mesh_address: String,
}

/// The members that this node's state knows, to be told to a member that asks.
pub fn tell(exchange: &Exchange) -> Vec<Told> {
    let nodes = exchange.members().present().into_iter().take(TOLD_MAX);
    let told = |record: machine::NodeRecord| Told {
        node: record.node,
        key: record.key,
        mesh_address: record.now.mesh_address,
    };
    nodes.map(told).collect()
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// A member, with this key and no other.
    Member(Digest),
    /// It was removed, or never admitted.
    Nobody,
    /// Only another member can say.
    Unknown,
}

/// What is known beside the state.
struct Roll {
    own: NodeId,
    /// All members at the time when this node was admitted.
    first: BTreeMap<NodeId, FirstPeer>,
    /// What members have told since, and who told it.
    told: BTreeMap<NodeId, (Told, NodeId)>,
}

impl Roll {
    /// What is known of a number, given what the state knows.
    fn standing(&self, node: NodeId, state: &impl Fn(NodeId) -> Standing) -> Standing {
        // Numbers are given out once and in order: one before ours that the join answer did not name
        // had been removed by then, whatever an older state says on its way to the present one.
        if node < self.own && !self.first.contains_key(&node) {
            return Standing::Nobody;
        }
        match (state(node), self.first.get(&node), self.told.get(&node)) {
            (Standing::Unknown, Some(first), _) => Standing::Member(first.key),
            // A word is worth as much as the one who gave it is now. A word is only taken from a
            // member, so that this ends.
            (Standing::Unknown, None, Some((told, by))) => match self.standing(*by, state) {
                Standing::Member(_) => Standing::Member(told.key),
                _ => Standing::Unknown,
            },
            (standing, ..) => standing,
        }
    }

    /// Takes a member's word for numbers of which nothing is known.
    fn hear(&mut self, by: NodeId, told: Vec<Told>, state: &impl Fn(NodeId) -> Standing) {
        self.told.retain(|node, _| state(*node) == Standing::Unknown);
        for told in told.into_iter().take(TOLD_MAX) {
            let known = self.standing(by, state);
            let room = self.told.len() < TOLD_MAX || self.told.contains_key(&told.node);
            if room
                && matches!(known, Standing::Member(_))
                && self.standing(told.node, state) == Standing::Unknown
            {
                self.told.insert(told.node, (told, by));
            }
        }
    }
}

/// Who belongs to the cluster, as far as this node can know.
pub(super) struct Members {
    roll: Mutex<Roll>,
    consensus: OnceLock<Consensus>,
    /// Where the nodes were last known to be.
    book: Arc<Book>,
    /// What the operator says: some node is there.
    hints: Mutex<Vec<String>>,
    /// Somebody has shown a number of which only another member can say whose it is.
    unknown: Notify,
}

impl Members {
    pub(super) fn new(identity: &Identity, book: Arc<Book>, hints: Vec<String>) -> Self {
        let first = identity.first_peers.iter().map(|peer| (peer.node, peer.clone())).collect();
        Self {
            roll: Mutex::new(Roll { own: identity.node, first, told: BTreeMap::new() }),
            consensus: OnceLock::new(),
            book,
            hints: Mutex::new(hints),
            unknown: Notify::new(),
        }
    }

    /// From now on the state says who belongs; before, nobody does.
    pub(super) fn follow(&self, consensus: Consensus) {
        assert!(self.consensus.set(consensus).is_ok(), "a node's members follow one consensus");
    }

    /// Judges who connects to us and whom we connect to.
    pub(super) fn allowed(self: &Arc<Self>) -> mesh::Allowed {
        let members = self.clone();
        Arc::new(move |claim| members.allows(claim))
    }

    fn allows(&self, claim: Claim) -> bool {
        let Some(consensus) = self.consensus.get() else { return false };
        match self.roll.lock().standing(claim.node, &|node| in_state(consensus, node)) {
            Standing::Member(key) => key == claim.key,
            Standing::Nobody => false,
            Standing::Unknown => {
                self.unknown.notify_one();
                false
            }
        }
    }

    /// Whether a node of this number and with this key is known as a member. Whoever asks may be
    /// anybody: nothing is done about a number that is not known.
    pub(super) fn knows(&self, claim: Claim) -> bool {
        let Some(consensus) = self.consensus.get() else { return false };
        let standing = self.roll.lock().standing(claim.node, &|node| in_state(consensus, node));
        standing == Standing::Member(claim.key)
    }

    /// The same, or was one: a node that was removed is told so, if it is the very one.
    pub(super) fn has_been(&self, claim: Claim) -> bool {
        let recorded = |consensus: &Consensus| {
            consensus.peek(|rows| View::new(rows).node(claim.node).map(|record| record.key))
        };
        self.knows(claim) || self.consensus.get().and_then(recorded) == Some(claim.key)
    }

    /// Whether this node's state says that a node was removed.
    pub(super) fn was_removed(&self, node: NodeId) -> bool {
        let Some(consensus) = self.consensus.get() else { return false };
        in_state(consensus, node) == Standing::Nobody
    }

    /// Takes other hints of the operator.
    pub(super) fn hint(&self, hints: Vec<String>) {
        *self.hints.lock() = hints;
    }

    /// Where each of the others may be, the likeliest address first: what it told itself, where it was
    /// met, what others say, the record; and the operator's hints, which may be anybody's.
    pub(super) fn addresses(&self) -> Vec<(NodeId, Vec<String>)> {
        let hints = self.hints.lock().clone();
        let of = |(node, recorded): (NodeId, String)| {
            let mut addresses = self.book.addresses(node);
            addresses.push(recorded);
            addresses.extend_from_slice(&hints);
            let mut known = BTreeSet::new();
            addresses.retain(|address| known.insert(address.clone()));
            (node, addresses)
        };
        self.recorded().into_iter().map(of).collect()
    }

    /// Where the others are by the record: the state's word, that of the member that let this node in,
    /// and that of members who know more.
    fn recorded(&self) -> Vec<(NodeId, String)> {
        let roll = self.roll.lock();
        let nodes = |consensus: &Consensus| consensus.peek(|rows| View::new(rows).nodes());
        let nodes = self.consensus.get().map(nodes).unwrap_or_default();
        let known = |node: &NodeId| nodes.iter().any(|record| record.node == *node);
        let mut addresses = BTreeMap::new();
        let told = roll.told.values().map(|(told, _)| (told.node, told.mesh_address.clone()));
        let first = roll.first.values().map(|first| (first.node, first.mesh_address.clone()));
        addresses.extend(told.chain(first).filter(|(node, _)| !known(node)));
        let present = nodes.iter().filter(|record| record.removed_at.is_none());
        addresses.extend(present.map(|record| (record.node, record.now.mesh_address.clone())));
        addresses.remove(&roll.own);
        addresses.into_iter().collect()
    }

    /// Asks the known members about unknown numbers, whenever one shows itself.
    pub(super) async fn ask(&self, mesh: &Mesh) {
        loop {
            self.unknown.notified().await;
            for (peer, _) in self.addresses() {
                let question = Topic::Members.wrap(&[]);
                let asked = mesh.request_within(peer, Channel::Control, question, ASK_DEADLINE);
                let Ok(answer) = asked.await else { continue };
                if let Ok(told) = minicbor::decode::<Vec<Told>>(&answer) {
                    self.hear(peer, told);
                }
            }
            mesh.set_peers(&self.addresses());
            sleep(ASK_PAUSE).await;
        }
    }

    fn hear(&self, by: NodeId, told: Vec<Told>) {
        let Some(consensus) = self.consensus.get() else { return };
        self.roll.lock().hear(by, told, &|node| in_state(consensus, node));
    }
}

fn in_state(consensus: &Consensus, node: NodeId) -> Standing {
    match consensus.peek(|rows| View::new(rows).node(node)) {
        Some(record) if record.removed_at.is_none() => Standing::Member(record.key),
        Some(_) => Standing::Nobody,
        None => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> Digest {
        Digest([octet; 32])
    }

    fn told(node: u64, octet: u8) -> Told {
        Told { node: NodeId(node), key: key(octet), mesh_address: format!("n{node}:1") }
    }

    /// Node 5, which was let in by 1 and 4; 2 and 3 had been removed by then.
    fn roll() -> Roll {
        let first = [1, 4].map(NodeId).map(|node| {
            let key = key(node.0 as u8);
            (node, FirstPeer { node, mesh_address: format!("n{node}:1"), key })
        });
        Roll { own: NodeId(5), first: first.into(), told: BTreeMap::new() }
    }

    fn nothing(_: NodeId) -> Standing {
        Standing::Unknown
    }

    #[test]
    fn a_new_node_believes_those_that_the_join_answer_named() {
        let roll = roll();
        let standing = |node| roll.standing(NodeId(node), &nothing);
        assert_eq!(standing(1), Standing::Member(key(1)));
        assert_eq!(standing(4), Standing::Member(key(4)));
        assert_eq!(standing(3), Standing::Nobody);
        assert_eq!(standing(999), Standing::Unknown);
        // A state on its way, in which node 3 has not been removed yet.
        let old = |node: NodeId| Standing::Member(key(node.0 as u8));
        assert_eq!(roll.standing(NodeId(3), &old), Standing::Nobody);
    }

    #[test]
    fn the_state_has_the_last_word() {
        let mut roll = roll();
        roll.hear(NodeId(1), vec![told(6, 6)], &nothing);
        let state = |node: NodeId| match node.0 {
            1 => Standing::Nobody,
            6 => Standing::Member(key(66)),
            _ => Standing::Unknown,
        };
        assert_eq!(roll.standing(NodeId(1), &state), Standing::Nobody);
        assert_eq!(roll.standing(NodeId(6), &state), Standing::Member(key(66)));
    }

    #[test]
    fn only_a_member_vouches_and_only_while_it_is_one() {
        let mut roll = roll();
        roll.hear(NodeId(999), vec![told(6, 6)], &nothing);
        assert_eq!(roll.standing(NodeId(6), &nothing), Standing::Unknown);
        roll.hear(NodeId(4), vec![told(6, 6), told(3, 3), told(1, 11)], &nothing);
        assert_eq!(roll.standing(NodeId(6), &nothing), Standing::Member(key(6)));
        assert_eq!(roll.standing(NodeId(3), &nothing), Standing::Nobody, "removed before us");
        assert_eq!(roll.standing(NodeId(1), &nothing), Standing::Member(key(1)), "pinned");
        // Node 6 vouches in turn. Once node 4 is removed, neither word is worth anything.
        roll.hear(NodeId(6), vec![told(7, 7)], &nothing);
        assert_eq!(roll.standing(NodeId(7), &nothing), Standing::Member(key(7)));
        let removed = |node: NodeId| match node.0 {
            4 => Standing::Nobody,
            _ => Standing::Unknown,
        };
        assert_eq!(roll.standing(NodeId(6), &removed), Standing::Unknown);
        assert_eq!(roll.standing(NodeId(7), &removed), Standing::Unknown);
        roll.hear(NodeId(1), vec![told(6, 66)], &removed);
        assert_eq!(roll.standing(NodeId(6), &removed), Standing::Member(key(66)));
    }

    #[test]
    fn what_is_told_is_bounded() {
        let mut roll = roll();
        for part in 0..4 {
            let told = (0..TOLD_MAX as u64).map(|node| told(10 + part * 1000 + node, 1)).collect();
            roll.hear(NodeId(1), told, &nothing);
        }
        assert_eq!(roll.told.len(), TOLD_MAX);
    }
}
