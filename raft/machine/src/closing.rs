//! Ended packets on their way out of the state (D17).
//!
//! Once every node has destroyed a packet's content nothing happens to it any more: the history gets it whole,
//! as one fact. Some time later its rows go, and the history alone knows it.

use model::{NodeId, PacketId, Tick};

use crate::{
    cluster,
    debts::{self, Ledger},
    keys::Newest,
    limits::SETTLED_ROWS_MAX,
    packets, past,
    store::Reader,
    tables::{CLOSING, CURSORS, DELIVERIES, ENDED, NODES, PACKETS, PURGES, SENT, SPACES, Tables},
    v1::{Closing, Destroyed, What},
};

/// Rows that are read for the facts of one command, before the rest waits for the next one.
const RECORDED_ROWS_MAX: usize = 2_048;

/// Octets of the facts of one command, some more than that of one packet.
const RECORDED_OCTETS_MAX: usize = 256 << 10;

/// Steps of a node's cursor that one passing of time forgets: more than a node takes between two of them.
const STEPS_FORGOTTEN_MAX: usize = 256;

/// Packets leave in so many steps of the time that they are kept, which is late by as much at most.
const LEFT_STEPS: u64 = 64;
/// The shortest step, for tests.
const LEFT_STEP_MIN_MS: u64 = 100;
/// The longest step.
const LEFT_STEP_MAX_MS: u64 = 30_000;

/// A node has destroyed more, or is gone: what every node has destroyed now is recorded.
pub(crate) fn advance(tables: &mut Tables) {
    let mut closing = tables.get(&CLOSING, &()).unwrap_or_default();
    let before = closing.clone();
    // Nodes are few.
    let nodes = NODES.rows(&tables.store, &NODES.all(), usize::MAX);
    let present = nodes.into_iter().filter(|(_, node)| node.is_present());
    let lowest = present.map(|(_, node)| debts::cursor(&tables.store, &node)).min();
    closing.destroyed = closing.destroyed.max(lowest.unwrap_or_default());
    record(tables, &mut closing);
    put(tables, &before, &closing);
}

fn put(tables: &mut Tables, before: &Closing, closing: &Closing) {
    if before != closing {
        tables.put(&CLOSING, &(), closing);
    }
}

/// Records packets that every node has destroyed, as many as one command may.
fn record(tables: &mut Tables, closing: &mut Closing) {
    if closing.recorded >= closing.destroyed {
        return;
    }
    let (mut ledger, mut rows, mut octets) = (Ledger::read(&tables.store), 0, 0);
    while closing.recorded < closing.destroyed
        && rows < RECORDED_ROWS_MAX
        && octets < RECORDED_OCTETS_MAX
    {
        let ended = tables.get(&ENDED, &closing.recorded).expect("every number is a packet's");
        let fact = closed(tables, &mut ledger, ended.packet, closing.recorded);
        rows += 2 + fact.deliveries.len();
        octets += tables.record(What::Destroyed(Box::new(fact)));
        closing.recorded += 1;
    }
}

/// The packet as the state knows it last.
fn closed(tables: &Tables, ledger: &mut Ledger, id: PacketId, number: u64) -> Destroyed {
    let packet = tables.get(&PACKETS, &id).expect("what has ended is a packet");
    let debts = ledger.debts(&tables.store, &packet, number);
    past::destroyed(packet, packets::targets(tables, id), debts)
}

/// Time has passed: the rest is recorded, and packets that ended long enough ago leave. Answers whether there
/// is more.
pub(crate) fn pass_time(tables: &mut Tables, kept_ms: u64) -> bool {
    let Some(mut closing) = tables.get(&CLOSING, &()) else { return false };
    let before = closing.clone();
    record(tables, &mut closing);
    while tables.written() < SETTLED_ROWS_MAX && is_due(tables, &closing, kept_ms) {
        leave(tables, closing.left);
        closing.left += 1;
    }
    if closing.left > before.left {
        closing.facts = tables.facts.next;
        forget_steps(tables, closing.left);
    }
    put(tables, &before, &closing);
    closing.recorded < closing.destroyed || is_due(tables, &closing, kept_ms)
}

fn is_due(tables: &Tables, closing: &Closing, kept_ms: u64) -> bool {
    next_left(&tables.store, closing, kept_ms).is_some_and(|due| due <= tables.tick)
}

/// When the next packet leaves.
fn next_left<R: Reader + ?Sized>(reader: &R, closing: &Closing, kept_ms: u64) -> Option<Tick> {
    if closing.left >= closing.recorded {
        return None;
    }
    let ended = ENDED.get(reader, &closing.left).expect("every number is a packet's");
    // In steps, so that packets which ended one after the other leave together.
    let step = (kept_ms / LEFT_STEPS).clamp(LEFT_STEP_MIN_MS, LEFT_STEP_MAX_MS);
    let due = ended.tick.plus_ms(kept_ms).0;
    Some(Tick(due.div_ceil(step).saturating_mul(step)))
}

/// When passing time does something for packets that have ended.
pub(crate) fn next_due<R: Reader + ?Sized>(reader: &R, kept_ms: u64) -> Option<Tick> {
    let closing = CLOSING.get(reader, &())?;
    if closing.recorded < closing.destroyed {
        return Some(Tick::default());
    }
    next_left(reader, &closing, kept_ms)
}

/// The rows of an ended packet go.
fn leave(tables: &mut Tables, number: u64) {
    let ended = tables.get(&ENDED, &number).expect("every number is a packet's");
    let id = ended.packet;
    let packet = tables.get(&PACKETS, &id).expect("what has ended is a packet");
    for (target, _) in packets::targets(tables, id) {
        tables.delete(&DELIVERIES, &(id, target));
    }
    tables.delete(&PACKETS, &id);
    tables.delete(&SPACES, &packet.space);
    tables.delete(&SENT, &(packet.source, Newest(id)));
    tables.delete(&ENDED, &number);
}

/// Steps of cursors that lie before every packet in the state say nothing any more.
fn forget_steps(tables: &mut Tables, left: u64) {
    let nodes: Vec<NodeId> = NODES.keys(&tables.store, &NODES.all(), usize::MAX);
    for node in nodes {
        let span = PURGES.under(&node).below(PURGES.key(&(node, left + 1)));
        let present = cluster::present(&tables.store, node).is_ok();
        let cursor = tables.get(&CURSORS, &node);
        for key in PURGES.keys(&tables.store, &span, STEPS_FORGOTTEN_MAX) {
            // Where a node's cursor stands is a step for as long as it is a node.
            if !(present && cursor == Some(key.1)) {
                tables.delete(&PURGES, &key);
            }
        }
    }
}
