//! Leases: what exactly one node does at a time (D19).
//!
//! A node's pulse renews everything that hangs on it with one command each few seconds. When a pulse lapses,
//! all of it is free from that moment on. A lease that is taken gets a fence higher than any before; whatever is
//! done under it names the fence, so that a holder who has lost it without knowing does nothing any more.

use model::{LeaseName, NodeId};

use crate::{
    keys::Timer,
    limits::{LEASES_A_NODE_MAX, PULSE_TIME_MS},
    packets,
    refusal::Refusal,
    store::{Reader, Store},
    tables::{HELD, LEASES, PULSES, TIMERS, Tables},
    v1::{Answer, LeaseRecord, Outcome, ReturnLease, TakeLease, Time},
};

/// A lease that the proposer holds at this entry.
pub(crate) struct Held {
    pub(crate) name: LeaseName,
}

/// Checks that a node holds a lease with this fence.
pub(crate) fn held<S: Store>(
    store: &S,
    now: Time,
    node: NodeId,
    name: &LeaseName,
    fence: u64,
) -> Result<Held, Refusal> {
    let lease = LEASES.get(store, name).ok_or(Refusal::LeaseHeld)?;
    if lease.holder != Some(node) || lease.fence != fence || !pulses(store, now, node) {
        return Err(Refusal::LeaseHeld);
    }
    Ok(Held { name: name.clone() })
}

/// Whether a node's pulse holds what hangs on it. By the tick: the timer that frees it may be late.
fn pulses<R: Reader + ?Sized>(reader: &R, now: Time, node: NodeId) -> bool {
    PULSES.get(reader, &node).is_some_and(|until| now.tick < until)
}

/// Renews everything that hangs on a node.
pub(crate) fn pulse(tables: &mut Tables, node: NodeId) -> Answer {
    let until = tables.tick.plus_ms(PULSE_TIME_MS);
    if let Some(old) = tables.get(&PULSES, &node) {
        if old <= tables.tick {
            // It lapsed, and others may know: what hung on it is free, whatever comes now.
            free_all(tables, node);
        }
        tables.delete(&TIMERS, &(old, Timer::PulseLapses(node)));
    }
    tables.put(&PULSES, &node, &until);
    tables.put(&TIMERS, &(until, Timer::PulseLapses(node)), &());
    packets::lower_timer_floor(tables, until);
    Ok(Outcome::Done)
}

/// A node's pulse has lapsed.
pub(crate) fn lapse(tables: &mut Tables, node: NodeId) {
    free_all(tables, node);
    tables.delete(&PULSES, &node);
}

fn free_all(tables: &mut Tables, node: NodeId) {
    for key in HELD.keys(&tables.store, &HELD.under(&node), LEASES_A_NODE_MAX) {
        let lease = tables.get(&LEASES, &key.1).expect("a lease that is held has a row");
        let changed_at = tables.at;
        tables.put(&LEASES, &key.1, &LeaseRecord { holder: None, changed_at, ..lease });
        tables.delete(&HELD, &key);
    }
}

/// Takes a lease that is free. A node that holds it gets the fence that it has.
pub(crate) fn take(tables: &mut Tables, node: NodeId, command: &TakeLease) -> Answer {
    let now = tables.time();
    if !pulses(&tables.store, now, node) {
        pulse(tables, node)?;
    }
    let lease = tables.get(&LEASES, &command.name);
    let fence = lease.as_ref().map_or(0, |lease| lease.fence);
    if let Some(holder) = lease.and_then(|lease| lease.holder) {
        if holder == node {
            return Ok(Outcome::LeaseTaken { fence });
        }
        if pulses(&tables.store, now, holder) {
            return Err(Refusal::LeaseHeld);
        }
        tables.delete(&HELD, &(holder, command.name.clone()));
    }
    let held = HELD.keys(&tables.store, &HELD.under(&node), LEASES_A_NODE_MAX).len();
    if held == LEASES_A_NODE_MAX {
        return Err(Refusal::ListMalformed);
    }
    let fence = fence + 1;
    let lease = LeaseRecord { holder: Some(node), fence, changed_at: tables.at };
    tables.put(&LEASES, &command.name, &lease);
    tables.put(&HELD, &(node, command.name.clone()), &());
    Ok(Outcome::LeaseTaken { fence })
}

/// Gives a lease back, so that another node need not wait for the pulse to lapse.
pub(crate) fn give_back(tables: &mut Tables, node: NodeId, command: &ReturnLease) -> Answer {
    let lease = tables.get(&LEASES, &command.name).ok_or(Refusal::LeaseHeld)?;
    if lease.holder != Some(node) || lease.fence != command.fence {
        return Err(Refusal::LeaseHeld);
    }
    let changed_at = tables.at;
    tables.put(&LEASES, &command.name, &LeaseRecord { holder: None, changed_at, ..lease });
    tables.delete(&HELD, &(node, command.name.clone()));
    Ok(Outcome::Done)
}
