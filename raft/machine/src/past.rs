//! A packet that has been destroyed everywhere: from the rows of the state to its fact.
//!
//! Here alone the two forms meet. The state's may change from one program to the next; the history's stays.

use model::UnitCode;

use crate::{
    debts::Debts,
    v1::{DeliveryRow, Destroyed, Lapse, PacketRow, Settled},
};

/// The packet as the state knows it last.
pub(crate) fn destroyed(
    packet: PacketRow,
    deliveries: Vec<(UnitCode, DeliveryRow)>,
    debts: Debts,
) -> Destroyed {
    let opened_at = packet.opened_at;
    let lapse = |at| Lapse::between(opened_at, at);
    let deliveries = deliveries.into_iter().map(|(target, delivery)| Settled {
        target,
        state: delivery.state,
        accepted: delivery.accepted_at.map(lapse),
        picked_up: delivery.picked_up_at.map(lapse),
        settled: delivery.settled_at.map(lapse),
        reason: delivery.reason,
        mismatched: delivery.mismatched_at.map(lapse),
    });
    Destroyed {
        packet: packet.packet,
        space: packet.space,
        source: packet.source,
        sealed_by: packet.sealed_by.filter(|app| *app != packet.app),
        app: packet.app,
        title: packet.title,
        importance: packet.importance,
        media_type: packet.media_type,
        size: packet.size,
        digest: packet.digest,
        opened_at,
        sealed: packet.sealed_at.map(lapse),
        due: lapse(packet.due_at),
        deliver_by: packet.policy.deliver_by.map(lapse),
        ended: packet.ended_at.map(lapse),
        lost: packet.lost_at.map(lapse),
        deliveries: deliveries.collect(),
        purged: debts.purged.into_iter().map(|(node, at)| (node, lapse(at))).collect(),
        undestroyed: debts.undestroyed,
    }
}
