//! Sweeps: what the state reminds of is done, batch by batch (D3). Doing it twice does no harm.
//!
//! Each node destroys what it holds of packets that have ended and records it; the leader lets time
//! pass when something is due, records pickups, and brings members in and out.

use std::{collections::HashMap, time::Duration};

use consensus::Role;
use machine::{Command, PassTime, Reader, RecordPickup, RecordPurge, View};
use model::{DeliveryState, NodeId, PacketId, SpaceId, UnitCode};
use tokio::time::{Instant, sleep};

use crate::{Error, Exchange};

/// Purges that one record names, and destroys with one sync.
const PURGE_BATCH_MAX: usize = 500;

/// Debts that are looked up at once: while they are read, nothing is applied.
const DEBTS_A_PEEK_MAX: usize = 50;

/// Pickups that wait to be recorded; more are left out of the record.
pub(crate) const PICKUPS_WAITING_MAX: usize = 10_000;

/// Pickups that one record names.
const PICKUPS_A_RECORD_MAX: usize = 500;

/// Due things that one `PassTime` settles, so that an entry stays small.
const DUE_A_COMMAND_MAX: u32 = 500;

/// Commands of `PassTime` in one sweep; what is left is for the next.
const PASS_TIMES_A_SWEEP_MAX: usize = 20;

/// The machine's pause between two prunings is shorter; what is due later is for the next sweep.
const PRUNE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Between the end of an attempt to bring a node in and the next one.
const ADMIT_PAUSE: Duration = Duration::from_secs(5);

impl Exchange {
    /// Destroys what this node holds of packets that have ended, and records it. Answers whether
    /// more is waiting.
    pub(crate) async fn pay_purge_debts(&self) -> Result<bool, Error> {
        let debts = self.purge_debts();
        if debts.is_empty() {
            return Ok(false);
        }
        let (packets, spaces): (Vec<_>, Vec<_>) = debts.into_iter().unzip();
        for space in &spaces {
            self.inner.uploads.forget(*space);
        }
        let more = packets.len() == PURGE_BATCH_MAX;
        self.content().purge(spaces).await?;
        self.propose(None, Command::RecordPurge(RecordPurge { node: self.node(), packets }))
            .await?;
        Ok(more)
    }

    /// The oldest contents that this node has yet to destroy, slice by slice: such rows are young, and a
    /// view would settle them a moment before they go.
    fn purge_debts(&self) -> Vec<(PacketId, SpaceId)> {
        let mut debts: Vec<(PacketId, SpaceId)> = Vec::new();
        while debts.len() < PURGE_BATCH_MAX {
            let after = debts.last().map(|(packet, _)| *packet);
            let limit = DEBTS_A_PEEK_MAX.min(PURGE_BATCH_MAX - debts.len());
            let more = |rows: &dyn Reader| View::new(rows).debts(self.node(), after, limit);
            let more = self.consensus().peek(more);
            debts.extend_from_slice(&more);
            if more.len() < limit {
                break;
            }
        }
        debts
    }

    /// Lets time pass where something is due. Only the leader does.
    pub(crate) async fn pass_time(&self) -> Result<(), Error> {
        let mut more = false;
        for _ in 0..PASS_TIMES_A_SWEEP_MAX {
            let due = self.consensus().peek(|rows| View::new(rows).next_due());
            let Some(due) = due else { return Ok(()) };
            let wait = due.since(self.consensus().tick());
            if !wait.is_zero() {
                // Only where the last command was cut short: what is left of its rows is due after
                // a short pause, and a look a second would forget fewer than a busy cluster makes.
                if !more || wait > PRUNE_PAUSE_MAX {
                    return Ok(());
                }
                sleep(wait).await;
            }
            let command = Command::PassTime(PassTime { due_max: DUE_A_COMMAND_MAX });
            let outcome = self.propose(None, command).await?;
            more = matches!(outcome, machine::Outcome::TimePassed { more: true, .. });
            if !more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Records who has fetched what, leaving out deliveries that have gone further since.
    pub(crate) async fn record_pickups(&self) -> Result<(), Error> {
        let waiting = self.inner.pickups.take();
        for (index, chunk) in waiting.chunks(PICKUPS_A_RECORD_MAX).enumerate() {
            // Each for itself, and the rule looks again.
            let view = View::new(self.consensus().latest());
            let state = |(packet, target): &(PacketId, UnitCode)| {
                Some(view.packet_row(*packet)?.delivery_to(target)?.state)
            };
            let is_due = |pickup: &&_| state(pickup) == Some(DeliveryState::Accepted);
            let pickups: Vec<_> = chunk.iter().filter(is_due).cloned().collect();
            if pickups.is_empty() {
                continue;
            }
            let command = Command::RecordPickup(RecordPickup { pickups });
            if let Err(error) = self.propose(None, command).await {
                // Without a majority for the moment: what is recorded twice is recorded once.
                for (packet, target) in waiting.into_iter().skip(index * PICKUPS_A_RECORD_MAX) {
                    self.picked_up(packet, target);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes out of consensus whom the state says is removed. Only the leader does.
    pub(crate) async fn take_members_out(&self) {
        let status = self.consensus().status();
        if status.role != Role::Leader {
            return;
        }
        let nodes = self.consensus().peek(|rows| View::new(rows).nodes());
        for record in nodes.into_iter().filter(|record| record.removed_at.is_some()) {
            let node = record.node;
            if status.voters.contains(&node) || status.learners.contains(&node) {
                tell_changed(node, self.consensus().remove(node).await);
            }
        }
    }

    /// Brings into consensus whom the state says belongs, once it is up. Only the leader does. One
    /// that does not catch up may hold this up for minutes.
    pub(crate) async fn bring_members_in(&self, attempts: &mut HashMap<NodeId, Instant>) {
        let status = self.consensus().status();
        if status.role != Role::Leader {
            attempts.clear();
            return;
        }
        for record in self.present_nodes() {
            let node = record.node;
            let tried = attempts.get(&node).is_some_and(|ended| ended.elapsed() < ADMIT_PAUSE);
            // Who does not answer would only be waited for.
            if status.voters.contains(&node)
                || tried
                || self.inner.parts.nodes.vitals(node).await.is_none()
            {
                continue;
            }
            tell_changed(node, self.consensus().admit(node).await);
            attempts.insert(node, Instant::now());
        }
    }

    /// Tells the content store who votes: a majority of these makes a content durable. A node that
    /// the state has removed counts no more, even while consensus still lets it go.
    pub(crate) fn tell_voters(&self) {
        let mut voters = self.consensus().status().voters;
        let view = View::new(self.consensus().latest());
        voters.retain(|voter| view.node(*voter).is_none_or(|node| node.removed_at.is_none()));
        if !voters.is_empty() {
            self.content().set_members(self.node(), &voters);
        }
    }
}

fn tell_changed(node: NodeId, changed: Result<(), consensus::MemberError>) {
    match changed {
        Ok(()) => tracing::info!(%node, "the members have changed"),
        Err(error) => tracing::warn!(%node, %error, "the members could not be changed"),
    }
}
