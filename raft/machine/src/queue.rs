//! What a target is offered next: by importance, then by deadline, then by age.
//!
//! Rows at the front of a queue are deleted one after the other, and a search for the first would walk over
//! what is left of them. A floor for each band stands in for it: no row lies before it. It is lowered when an
//! earlier deadline comes, and raised now and then.

use model::{PacketId, Tick, UnitCode};

use crate::{
    keys::Band,
    store::Reader,
    tables::{QUEUE, QUEUE_FLOORS, Span, Tables},
    v1::PacketRow,
};

/// A packet's place in the queue of a target; none before the seal.
fn place(target: &UnitCode, packet: &PacketRow) -> Option<(UnitCode, Band, Tick, Tick, PacketId)> {
    let sealed_tick = packet.sealed_tick?;
    let band = Band::of(packet.importance);
    Some((target.clone(), band, packet.due_tick, sealed_tick, packet.packet))
}

/// Offers a sealed packet to a target.
pub(crate) fn offer(tables: &mut Tables, target: &UnitCode, packet: &PacketRow) {
    let place = place(target, packet).expect("only a sealed packet is offered");
    let floor = (place.0.clone(), place.1);
    if tables.get(&QUEUE_FLOORS, &floor).is_some_and(|floor| place.2 < floor) {
        tables.put(&QUEUE_FLOORS, &floor, &place.2);
    }
    tables.put(&QUEUE, &place, &());
}

/// Takes a packet out of a target's queue.
pub(crate) fn withdraw(tables: &mut Tables, target: &UnitCode, packet: &PacketRow) {
    if let Some(place) = place(target, packet) {
        tables.delete(&QUEUE, &place);
    }
}

/// Moves the floors of a target's queue up to what is left in it.
pub(crate) fn raise_floors(tables: &mut Tables, target: &UnitCode) {
    for band in Band::ALL {
        let floor = (target.clone(), band);
        let first = QUEUE.first(&tables.store, &band_span(&tables.store, target, band));
        // An empty band begins with whatever comes: a new deadline lowers the floor again.
        let raised = first.map_or(tables.tick, |(_, _, deadline, _, _)| deadline);
        if tables.get(&QUEUE_FLOORS, &floor).is_none_or(|old| old < raised) {
            tables.put(&QUEUE_FLOORS, &floor, &raised);
        }
    }
}

/// The packets that wait for a target, the first of them first.
pub(crate) fn waiting<R: Reader + ?Sized>(
    reader: &R,
    target: &UnitCode,
    after: Option<&PacketRow>,
    limit: usize,
) -> Vec<PacketId> {
    let after = after.and_then(|packet| place(target, packet));
    let mut found = Vec::new();
    for band in Band::ALL {
        let mut span = band_span(reader, target, band);
        match &after {
            Some(after) if after.1 > band => continue,
            Some(after) if after.1 == band => span = span.after(QUEUE.key(after)),
            _ => {}
        }
        let keys = QUEUE.keys(reader, &span, limit - found.len());
        found.extend(keys.into_iter().map(|(.., packet)| packet));
        if found.len() == limit {
            break;
        }
    }
    found
}

fn band_span<R: Reader + ?Sized>(reader: &R, target: &UnitCode, band: Band) -> Span {
    let floor = QUEUE_FLOORS.get(reader, &(target.clone(), band)).unwrap_or_default();
    let from = QUEUE.prefix(&(target.clone(), band, floor));
    QUEUE.under(&(target.clone(), band)).from(from)
}
