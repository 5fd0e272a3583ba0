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
    /// None of a packet that has not ended.
    pub(crate) fn of<R: Reader + ?Sized>(reader: &R, packet: &PacketRow) -> Self {
        let of_ended = |number| Ledger::read(reader).debts(reader, packet, number);
        packet.ended.map(of_ended).unwrap_or_default()
    }
}

/// What the nodes have destroyed, read once for many packets: most of them ended one after the other, and a node
/// destroyed many of them in one step.
pub(crate) struct Ledger(Vec<Account>);

/// What one node has destroyed. Nodes are few.
struct Account {
    node: NodeRecord,
    cursor: u64,
    /// What was found for a packet lately.
    step: Option<Step>,
}

/// The first step of a node's cursor over packets.
#[derive(Clone, Copy)]
struct Step {
    /// Over all packets from this number on,
    from: u64,
    /// below this one.
    to: u64,
    /// When; none where the node takes no step over these.
    at: Option<Moment>,
}

impl Ledger {
    /// What holds until a command changes a node or its cursor.
    pub(crate) fn read<R: Reader + ?Sized>(reader: &R) -> Self {
        let nodes = NODES.rows(reader, &NODES.all(), usize::MAX).into_iter();
        let account = |(_, node)| Account { cursor: cursor(reader, &node), node, step: None };
        Self(nodes.map(account).collect())
    }

    /// Who has destroyed the content of the packet that ended with this number, and who has not.
    pub(crate) fn debts<R: Reader + ?Sized>(
        &mut self,
        reader: &R,
        packet: &PacketRow,
        number: u64,
    ) -> Debts {
        let mut debts = Debts { undestroyed: packet.touched.clone(), ..Debts::default() };
        for account in self.0.iter_mut().filter(|account| account.node.owes_from <= number) {
            let (node, owing) = (account.node.node, account.node.owing);
            // Of those that were removed, only who left owing something.
            if owing.is_some_and(|owing| owing.from <= number && number < owing.to) {
                debts.undestroyed.push(node);
            } else if account.cursor <= number && account.node.is_present() {
                debts.debtors.push(node);
            } else {
                debts.purged.extend(account.step_over(reader, number).map(|at| (node, at)));
            }
        }
        debts.purged.sort_by_key(|(node, at)| (*at, *node));
        debts
    }
}

impl Account {
    /// When the node's cursor went over a packet.
    fn step_over<R: Reader + ?Sized>(&mut self, reader: &R, number: u64) -> Option<Moment> {
        if let Some(step) = self.step.filter(|step| (step.from..step.to).contains(&number)) {
            return step.at;
        }
        let node = self.node.node;
        let span = PURGES.under(&node).after(PURGES.key(&(node, number)));
        let found = PURGES.rows(reader, &span, 1).pop();
        let (to, at) = found.map_or((u64::MAX, None), |((_, to), at)| (to, Some(at)));
        self.step = Some(Step { from: number, to, at });
        at
    }
}
