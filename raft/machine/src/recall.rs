//! A packet that has been destroyed everywhere: from its fact to what is read of it.

use model::{DeliveryState, PacketState, lengths::in_form};

use crate::{
    v1::{Counts, Destroyed, ExchangePolicy, Lapse},
    view::{DeliveryRecord, PacketRecord},
};

impl PacketRecord {
    /// A packet that has left the state, as the history knows it.
    pub fn of_history(fact: Destroyed) -> Self {
        let state = state_of(&fact);
        let opened_at = fact.opened_at;
        let at = |lapse: Lapse| lapse.after(opened_at);
        let sealed_at = fact.sealed.map(at);
        let deliveries = fact.deliveries.into_iter().map(|delivery| DeliveryRecord {
            target: delivery.target,
            state: delivery.state,
            notified_at: sealed_at,
            accepted_at: delivery.accepted.map(at),
            picked_up_at: delivery.picked_up.map(at),
            settled_at: delivery.settled.map(at),
            reason: delivery.reason,
            mismatched_at: delivery.mismatched.map(at),
        });
        Self {
            packet: fact.packet,
            space: fact.space,
            source: fact.source,
            sealed_by: fact.sealed_by.or_else(|| sealed_at.map(|_| fact.app.clone())),
            app: fact.app,
            title: fact.title,
            importance: fact.importance,
            media_type: fact.media_type,
            policy: ExchangePolicy { deliver_by: fact.deliver_by.map(at) },
            state,
            size: fact.size,
            digest: fact.digest,
            holders: Vec::new(),
            deliveries: deliveries.collect(),
            opened_at,
            sealed_at,
            due_at: at(fact.due),
            ended_at: fact.ended.map(at),
            debtors: Vec::new(),
            purged: fact.purged.into_iter().map(|(node, lapse)| (node, at(lapse))).collect(),
            undestroyed: fact.undestroyed,
            lost_at: fact.lost.map(at),
        }
    }
}

fn state_of(fact: &Destroyed) -> PacketState {
    let planned = DeliveryState::Planned;
    let mut counts = Counts::of(planned, in_form(fact.deliveries.len()));
    fact.deliveries.iter().for_each(|delivery| counts.step(planned, delivery.state));
    counts.state(fact.sealed.is_some())
}
