//! The life of a packet: its rows, its deliveries, and its end.
//!
//! No rule about who may ask: the commands' own files have those. Whoever changes a packet's row here puts it
//! back at the end of the rule, once.

use model::{DeliveryState, Digest, Moment, NodeId, PacketId, UnitCode, lengths::millis_of};

use crate::{
    feed::tell,
    keys::Timer,
    limits::DELIVERY_TIME_MAX_MS,
    queue,
    refusal::Refusal,
    tables::{
        DELIVERIES, ENDED, ENDED_NEXT, LIVE, LOST, NODES, PACKETS, TIMER_FLOOR, TIMERS, Tables,
    },
    v1::{DeliveryRow, Effect, Ended, EndedRow, EventKind, PacketRow, TARGETS_MAX, What},
};

/// Whether these holders, distinct and all of them members, are a majority of the members.
pub(crate) fn is_majority(holders: &[NodeId], members: &[NodeId]) -> bool {
    let known = holders.iter().all(|holder| members.contains(holder));
    let distinct = holders.iter().enumerate().all(|(i, holder)| !holders[..i].contains(holder));
    known && distinct && holders.len() * 2 > members.len()
}

/// How long deliveries may take, in milliseconds, that are sealed (or asked for) at a date.
pub(crate) fn delivery_ms(at: Moment, deliver_by: Option<Moment>) -> Result<u64, Refusal> {
    let Some(deadline) = deliver_by else { return Ok(DELIVERY_TIME_MAX_MS) };
    let span = millis_of(deadline.since(at));
    if (1..=DELIVERY_TIME_MAX_MS).contains(&span) {
        Ok(span)
    } else {
        Err(Refusal::DeadlineMalformed)
    }
}

/// Gives the packet so long from now on: counted, so that a clock that jumps ends nothing.
pub(crate) fn give(tables: &Tables, packet: &mut PacketRow, ms: u64) {
    packet.due_at = Moment(tables.at.0.saturating_add(ms));
    packet.due_tick = tables.tick.plus_ms(ms);
}

/// What ends the packet if nothing else does.
const fn timer(packet: &PacketRow) -> Timer {
    match packet.sealed_at {
        None => Timer::SpaceEnds(packet.packet),
        Some(_) => Timer::GiveUp(packet.packet),
    }
}

/// Enters a new packet: it lives until it ends.
pub(crate) fn enter(tables: &mut Tables, packet: &PacketRow) {
    tables.put(&LIVE, &packet.packet, &());
}

/// Plans the deliveries of a packet whose content is still to come.
pub(crate) fn plan(tables: &mut Tables, packet: &PacketRow, targets: &[UnitCode]) {
    for target in targets {
        let key = (packet.packet, target.clone());
        tables.put(&DELIVERIES, &key, &DeliveryRow::planned());
    }
}

/// Sets the timer of the packet's deadline.
pub(crate) fn schedule(tables: &mut Tables, packet: &PacketRow) {
    tables.put(&TIMERS, &(packet.due_tick, timer(packet)), &());
    lower_timer_floor(tables, packet.due_tick);
}

/// No timer is set before the floor.
pub(crate) fn lower_timer_floor(tables: &mut Tables, due: model::Tick) {
    if tables.get(&TIMER_FLOOR, &()).is_none_or(|floor| due < floor) {
        tables.put(&TIMER_FLOOR, &(), &due);
    }
}

/// Takes the timer of the packet's deadline back.
pub(crate) fn unschedule(tables: &mut Tables, packet: &PacketRow) {
    tables.delete(&TIMERS, &(packet.due_tick, timer(packet)));
}

/// Puts a packet's row.
pub(crate) fn put(tables: &mut Tables, packet: &PacketRow) {
    tables.put(&PACKETS, &packet.packet, packet);
}

/// The targets of a packet, in the order of their codes.
pub(crate) fn targets(tables: &Tables, packet: PacketId) -> Vec<(UnitCode, DeliveryRow)> {
    let rows = DELIVERIES.rows(&tables.store, &DELIVERIES.under(&packet), TARGETS_MAX);
    rows.into_iter().map(|((_, target), delivery)| (target, delivery)).collect()
}

/// The targets whose delivery is not final.
pub(crate) fn open_targets(tables: &Tables, packet: PacketId) -> Vec<(UnitCode, DeliveryRow)> {
    let mut targets = targets(tables, packet);
    targets.retain(|(_, delivery)| !delivery.state.is_final());
    targets
}

/// Notifies every target that a sealed packet waits for it, Article 13(4). The packet's deadline stands.
pub(crate) fn notify(
    tables: &mut Tables,
    packet: &mut PacketRow,
    digest: Digest,
    size: u64,
    targets: &[UnitCode],
) {
    packet.digest = Some(digest);
    packet.size = Some(size);
    packet.sealed_at = Some(tables.at);
    packet.sealed_tick = Some(tables.tick);
    for target in targets {
        step(tables, packet, target, &mut DeliveryRow::planned(), DeliveryState::Notified);
        tell(tables, target, EventKind::Available, packet, Some(target));
        queue::offer(tables, target, packet);
    }
}

/// Moves one delivery to another state: its row, the packet's counts, and its target's queue.
pub(crate) fn step(
    tables: &mut Tables,
    packet: &mut PacketRow,
    target: &UnitCode,
    delivery: &mut DeliveryRow,
    state: DeliveryState,
) {
    packet.counts.step(delivery.state, state);
    delivery.state = state;
    let at = Some(tables.at);
    match state {
        DeliveryState::Accepted => delivery.accepted_at = at,
        DeliveryState::PickedUp => delivery.picked_up_at = at,
        state if state.is_final() => {
            delivery.settled_at = at;
            queue::withdraw(tables, target, packet);
        }
        _ => {}
    }
    tables.put(&DELIVERIES, &(packet.packet, target.clone()), delivery);
}

/// Settles every open delivery of the packet and returns the targets that this surprises.
pub(crate) fn settle_open(
    tables: &mut Tables,
    packet: &mut PacketRow,
    state: DeliveryState,
    reason: Option<&str>,
) -> Vec<UnitCode> {
    let mut settled = Vec::new();
    for (target, mut delivery) in open_targets(tables, packet.packet) {
        if let Some(reason) = reason {
            delivery.reason = reason.parse().ok();
        }
        step(tables, packet, &target, &mut delivery, state);
        settled.push(target);
    }
    settled
}

/// Ends the packet if its last delivery has settled: its content goes, and every node that may hold an octet
/// of it destroys it when its cursor comes there.
///
/// `open` is what has just become of the deliveries that were open, where they settled together.
pub(crate) fn advance(tables: &mut Tables, packet: &mut PacketRow, open: Option<DeliveryState>) {
    let state = packet.state();
    if !state.is_terminal() {
        return;
    }
    unschedule(tables, packet);
    tables.delete(&LIVE, &packet.packet);
    if packet.lost_at.is_some() {
        tables.delete(&LOST, &packet.packet);
    }
    // Article 9(3): nothing is kept after the exchange. All nodes of this moment owe it, those that vote, those
    // that learn and those that leave: each may hold parts without being named a holder.
    let number = tables.get(&ENDED_NEXT, &()).unwrap_or_default();
    let ended = EndedRow { packet: packet.packet, space: packet.space, tick: tables.tick };
    tables.put(&ENDED, &number, &ended);
    tables.put(&ENDED_NEXT, &(), &(number + 1));
    packet.ended = Some(number);
    packet.ended_at = Some(tables.at);
    packet.holders.clear();
    // Those that were removed before cannot: the packet keeps them, and says so.
    packet.touched.retain(|node| !NODES.get(&tables.store, node).is_some_and(|n| n.is_present()));
    tables.effects.push(Effect::Purge);
    tables.record(What::Ended(Ended { packet: packet.packet, state, open }));
    if state == model::PacketState::Completed {
        tell(tables, &packet.source, EventKind::Completed, packet, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::Counts;

    #[test]
    fn the_state_of_a_packet_follows_from_its_deliveries() {
        use DeliveryState as D;
        use model::PacketState as P;
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
            let mut counts = Counts::of(D::Planned, deliveries.len() as u32);
            deliveries.iter().for_each(|state| counts.step(D::Planned, *state));
            assert_eq!(counts.state(*sealed), *state, "{deliveries:?}");
            assert_eq!(counts.sum(), deliveries.len() as u32);
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
