//! Which nodes have destroyed the contents of ended packets, and what they owe (D15).
//!
//! A packet that ends gets the next number. Each node destroys in that order and tells one number: «I hold
//! nothing of all below it». So a purge costs no command a packet and no row a packet and node, a debt is a
//! distance, and a node that was away goes on where it was.

use model::{Moment, NodeId};

use crate::{
    store::Reader,
    tables::{CURSORS, ENDED_NEXT, NODES, PURGES},
    v1::{NodeRecord, Owing, PacketRow},
};

/// The number that the next packet gets that ends.
pub(crate) fn next<R: Reader + ?Sized>(reader: &R) -> u64 {
    ENDED_NEXT.get(reader, &()).unwrap_or_default()
}

/// The number below which a node has destroyed everything.
pub(crate) fn cursor<R: Reader + ?Sized>(reader: &R, node: &NodeRecord) -> u64 {
    CURSORS.get(reader, &node.node).unwrap_or_default().max(node.owes_from)
}

/// What a node has yet to destroy.
pub(crate) fn owing<R: Reader + ?Sized>(reader: &R, node: &NodeRecord) -> Option<Owing> {
    let owing = Owing { from: cursor(reader, node), to: next(reader) };
    (owing.from < owing.to).then_some(owing)
}

/// Who has destroyed the content of an ended packet, and who has not.
#[derive(Debug, Default)]
pub(crate) struct Debts {
    pub(crate) debtors: Vec<NodeId>,
    pub(crate) purged: Vec<(NodeId, Moment)>,
    pub(crate) undestroyed: Vec<NodeId>,
}

impl Debts {
    /// None of a packet that has not ended. Nodes are few.
    pub(crate) fn of<R: Reader + ?Sized>(reader: &R, packet: &PacketRow) -> Self {
        let Some(number) = packet.ended else { return Self::default() };
        let mut debts = Self { undestroyed: packet.touched.clone(), ..Self::default() };
        let nodes = NODES.rows(reader, &NODES.all(), usize::MAX).into_iter().map(|(_, node)| node);
        for node in nodes.filter(|node| node.owes_from <= number) {
            let owed = node.owing.is_some_and(|owing| owing.from <= number && number < owing.to);
            // Of those that were removed, only who left owing something.
            if owed {
                debts.undestroyed.push(node.node);
            } else if cursor(reader, &node) <= number && node.is_present() {
                debts.debtors.push(node.node);
            } else {
                // The first step of its cursor over the packet.
                let span = PURGES.under(&node.node).after(PURGES.key(&(node.node, number)));
                let step = PURGES.rows(reader, &span, 1).pop();
                debts.purged.extend(step.map(|(_, at)| (node.node, at)));
            }
        }
        debts.purged.sort_by_key(|(node, at)| (*at, *node));
        debts
    }
}
