//! The life of a packet: its state, its deliveries, and its end.
//!
//! No rule about who may ask: the commands' own files have those.

use model::{DeliveryState, Digest, Moment, NodeId, PacketId, PacketState, Tick, UnitCode};

use crate::{
    DELIVERY_TIME_MAX_MS, DeliveryRecord, Effect, EventKind, PacketRecord, Refusal, cluster,
    feed::tell,
    tables::{DEBTS, DUE, DUE_FLOOR, INBOX, LOST, Tables},
};

/// The state of a packet, from its seal and its deliveries alone.
///
/// Without a seal it waits for its content, until all its deliveries ended together. Sealed and
/// with an open delivery, the one that went furthest speaks for the packet. With none open, one
/// confirmation makes it `completed`; without any, a lost content outweighs a missed deadline, that
/// a cancellation and that a rejection, so that `rejected` means that every target refused.
pub(crate) fn state_of(sealed: bool, deliveries: &[DeliveryRecord]) -> PacketState {
    let any = |state| deliveries.iter().any(|delivery| delivery.state == state);
    let open = deliveries.iter().any(|delivery| !delivery.state.is_final());
    match (sealed, open) {
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

/// Whether these holders, distinct and all of them members, are a majority of the members.
pub(crate) fn is_majority(holders: &[NodeId], members: &[NodeId]) -> bool {
    let known = holders.iter().all(|holder| members.contains(holder));
    let distinct = holders.iter().enumerate().all(|(i, holder)| !holders[..i].contains(holder));
    known && distinct && holders.len() * 2 > members.len()
}

/// How long deliveries may take, in milliseconds, that are sealed (or asked for) at a date.
pub(crate) fn delivery_ms(at: Moment, deliver_by: Option<Moment>) -> Result<u64, Refusal> {
    let Some(deadline) = deliver_by else { return Ok(DELIVERY_TIME_MAX_MS) };
    let span = deadline.since(at).as_millis() as u64;
    if (1..=DELIVERY_TIME_MAX_MS).contains(&span) {
        Ok(span)
    } else {
        Err(Refusal::DeadlineMalformed)
    }
}

/// Gives the packet so long from now on: counted, so that a clock that jumps ends nothing.
pub(crate) fn give(tables: &Tables, packet: &mut PacketRecord, ms: u64) {
    packet.due_at = Moment(tables.at.0.saturating_add(ms));
    packet.due_tick = tables.tick.plus_ms(ms);
}

/// Registers the packet's deadline.
pub(crate) fn schedule(tables: &mut Tables, packet: &PacketRecord) {
    tables.put(&DUE, &(packet.due_tick, packet.packet), &());
    if tables.get(&DUE_FLOOR, &()).is_none_or(|floor| packet.due_tick < floor) {
        tables.put(&DUE_FLOOR, &(), &packet.due_tick);
    }
}

/// Notifies every target that a sealed packet waits for it, Article 13(4).
pub(crate) fn notify(tables: &mut Tables, packet: &mut PacketRecord, digest: Digest, size: u64) {
    let at = tables.at;
    packet.digest = Some(digest);
    packet.size = Some(size);
    packet.sealed_at = Some(at);
    packet.sealed_tick = Some(tables.tick);
    for delivery in &mut packet.deliveries {
        delivery.state = DeliveryState::Notified;
        delivery.notified_at = Some(at);
    }
    packet.state = state_of(true, &packet.deliveries);
    for delivery in &packet.deliveries {
        let target = &delivery.target;
        tell(tables, target, EventKind::Available, packet, Some(target));
        tables.put(&INBOX, &(target.clone(), tables.tick, packet.packet), &());
    }
}

/// Makes one delivery final.
pub(crate) fn settle(
    tables: &mut Tables,
    (packet, sealed_tick): (PacketId, Option<Tick>),
    delivery: &mut DeliveryRecord,
    state: DeliveryState,
) {
    delivery.state = state;
    delivery.settled_at = Some(tables.at);
    // Only a sealed packet stands in inboxes.
    if let Some(sealed_tick) = sealed_tick {
        tables.delete(&INBOX, &(delivery.target.clone(), sealed_tick, packet));
    }
}

/// Settles every open delivery of the packet and returns the targets that this surprises.
pub(crate) fn settle_open(
    tables: &mut Tables,
    packet: &mut PacketRecord,
    state: DeliveryState,
) -> Vec<UnitCode> {
    let (key, mut settled) = ((packet.packet, packet.sealed_tick), Vec::new());
    for delivery in packet.deliveries.iter_mut().filter(|delivery| !delivery.state.is_final()) {
        settle(tables, key, delivery, state);
        settled.push(delivery.target.clone());
    }
    settled
}

/// Derives the packet's state after a delivery has moved; the last one ends the packet.
pub(crate) fn advance(tables: &mut Tables, packet: &mut PacketRecord) {
    packet.state = state_of(packet.sealed_at.is_some(), &packet.deliveries);
    if packet.state.is_terminal() {
        end(tables, packet);
    }
}

/// Ends the packet: its content goes, and until it has gone every node that may hold it owes its
/// purge.
fn end(tables: &mut Tables, packet: &mut PacketRecord) {
    tables.delete(&DUE, &(packet.due_tick, packet.packet));
    if packet.lost_at.is_some() {
        tables.delete(&LOST, &packet.packet);
    }
    packet.ended_at = Some(tables.at);
    packet.ended_tick = Some(tables.tick);
    // Article 9(3): nothing is kept after the exchange. A member may hold parts without being named
    // a holder, so all of them owe the purge; so does whoever else ever wrote the space.
    packet.debtors = tables.members();
    let others = packet.touched.drain(..).chain([packet.writer]);
    for node in packet.holders.drain(..).chain(others) {
        if !packet.debtors.contains(&node) && cluster::present(tables, node).is_ok() {
            packet.debtors.push(node);
        }
    }
    packet.debtors.sort();
    for node in &packet.debtors {
        tables.put(&DEBTS, &(*node, tables.tick, packet.packet), &packet.space);
    }
    tables.effects.push(Effect::Purge { packet: packet.packet, space: packet.space });
    if packet.state == PacketState::Completed {
        tell(tables, &packet.source, EventKind::Completed, packet, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(state: DeliveryState) -> DeliveryRecord {
        DeliveryRecord {
            target: "H41.03".parse().expect("a code"),
            state,
            notified_at: None,
            accepted_at: None,
            picked_up_at: None,
            settled_at: None,
            reason: None,
            mismatched_at: None,
        }
    }

    #[test]
    fn the_state_of_a_packet_follows_from_its_deliveries() {
        use DeliveryState as D;
        use PacketState as P;
        let cases: &[(bool, &[D], P)] = &[
            (false, &[D::Planned, D::Planned], P::AwaitingContent),
            (false, &[D::Expired, D::Expired], P::Expired),
            (false, &[D::Cancelled], P::Cancelled),
            (true, &[D::Notified, D::Rejected], P::Notified),
            (true, &[D::Notified, D::Accepted], P::Accepted),
            (true, &[D::Accepted, D::PickedUp], P::PickedUp),
            (true, &[D::PickedUp, D::Confirmed], P::Confirmed),
            (true, &[D::Notified, D::Confirmed], P::Confirmed),
            (true, &[D::Confirmed, D::Rejected], P::Completed),
            (true, &[D::Confirmed, D::Expired], P::Completed),
            (true, &[D::Confirmed, D::Cancelled], P::Completed),
            (true, &[D::Rejected, D::Expired], P::Expired),
            (true, &[D::Rejected, D::Cancelled], P::Cancelled),
            (true, &[D::Rejected, D::Rejected], P::Rejected),
            (true, &[D::Confirmed, D::Failed], P::Completed),
            (true, &[D::Rejected, D::Failed], P::Failed),
        ];
        for (sealed, deliveries, state) in cases {
            let deliveries: Vec<_> = deliveries.iter().map(|state| delivery(*state)).collect();
            assert_eq!(state_of(*sealed, &deliveries), *state, "{deliveries:?}");
        }
    }

    #[test]
    fn a_majority_is_of_members_each_counted_once() {
        let nodes = |ids: &[u64]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();
        let holds = |holders, members| is_majority(&nodes(holders), &nodes(members));
        assert!(
            holds(&[1], &[1]) && holds(&[3, 1], &[1, 2, 3]) && holds(&[1, 2, 3], &[1, 2, 3, 4])
        );
        assert!(!holds(&[], &[1]) && !holds(&[1], &[1, 2]) && !holds(&[1, 2], &[1, 2, 3, 4]));
        assert!(!holds(&[1, 1], &[1, 2, 3]) && !holds(&[1, 2, 9], &[1, 2, 3]));
    }
}
