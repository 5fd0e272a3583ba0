//! Sweeps: what the state reminds of is done, batch by batch (D3). Doing it twice does no harm.
//!
//! Each node destroys what it holds of packets that have ended and records it; the leader lets time
//! pass when something is due, records pickups, and brings members in and out.

use std::{collections::HashMap, time::Duration};

use consensus::Role;
use machine::{Command, PassTime, RecordPickup, RecordPurge, View};
use model::{DeliveryState, NodeId, PacketId, SpaceId};

use crate::{Error, Exchange};

/// Purges that one record names, and destroys with one sync.
const PURGE_BATCH_MAX: usize = 500;

/// Pickups that wait to be recorded; more are left out of the record.
pub(crate) const PICKUPS_WAITING_MAX: usize = 10_000;

/// Pickups that one record names.
const PICKUPS_A_RECORD_MAX: usize = 500;

/// Due things that one `PassTime` settles, so that an entry stays small.
const DUE_A_COMMAND_MAX: u32 = 500;

/// Commands of `PassTime` in one sweep; what is left is for the next.
const PASS_TIMES_A_SWEEP_MAX: usize = 20;

/// How long a node that was admitted has to appear before the next attempt to bring it in.
const ADMIT_PATIENCE: Duration = Duration::from_secs(30);

impl Exchange {
    /// Destroys what this node holds of packets that have ended, and records it. Answers whether
    /// more is waiting.
    pub(crate) async fn pay_purge_debts(&self) -> Result<bool, Error> {
        let debts: Vec<(PacketId, SpaceId)> =
            View::new(&*self.consensus().view()).debts(self.node(), None, PURGE_BATCH_MAX);
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

    /// Lets time pass where something is due. Only the leader does.
    pub(crate) async fn pass_time(&self) -> Result<(), Error> {
        for _ in 0..PASS_TIMES_A_SWEEP_MAX {
            let due = View::new(&*self.consensus().view()).next_due();
            if due.is_none_or(|due| due > self.now()) {
                return Ok(());
            }
            let command = Command::PassTime(PassTime { due_max: DUE_A_COMMAND_MAX });
            match self.propose(None, command).await? {
                machine::Outcome::TimePassed { more: true, .. } => {}
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Records who has fetched what, leaving out deliveries that have gone further since.
    pub(crate) async fn record_pickups(&self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut *self.inner.pickups.lock());
        let reader = self.consensus().view();
        let view = View::new(&*reader);
        let pickups: Vec<_> = waiting
            .into_iter()
            .filter(|(packet, target)| {
                view.packet(*packet).is_some_and(|record| {
                    let delivery = record.delivery_to(target);
                    delivery.is_some_and(|delivery| delivery.state == DeliveryState::Accepted)
                })
            })
            .collect();
        for pickups in pickups.chunks(PICKUPS_A_RECORD_MAX) {
            let command = Command::RecordPickup(RecordPickup { pickups: pickups.to_vec() });
            self.propose(None, command).await?;
        }
        Ok(())
    }

    /// Makes the voters those that the state says are members. Only the leader does.
    pub(crate) async fn arrange_members(
        &self,
        attempts: &mut HashMap<NodeId, tokio::time::Instant>,
    ) {
        let status = self.consensus().status();
        if status.role != Role::Leader {
            attempts.clear();
            return;
        }
        let nodes = View::new(&*self.consensus().view()).nodes();
        for record in nodes {
            let node = record.node;
            let is_member = status.voters.contains(&node);
            let changed = match record.removed_at {
                Some(_) if is_member || status.learners.contains(&node) => {
                    self.consensus().remove(node).await
                }
                None if !is_member => {
                    let now = tokio::time::Instant::now();
                    if attempts.get(&node).is_some_and(|at| now - *at < ADMIT_PATIENCE)
                        && self.inner.parts.nodes.vitals(node).await.is_none()
                    {
                        continue;
                    }
                    attempts.insert(node, now);
                    self.consensus().admit(node).await
                }
                _ => continue,
            };
            match changed {
                Ok(()) => tracing::info!(%node, "the members have changed"),
                Err(error) => tracing::warn!(%node, %error, "the members could not be changed"),
            }
        }
    }

    /// Tells the content store who votes: a majority of these makes a content durable.
    pub(crate) fn tell_voters(&self) {
        let voters = self.consensus().status().voters;
        if !voters.is_empty() {
            self.content().set_members(self.node(), &voters);
        }
    }
}
