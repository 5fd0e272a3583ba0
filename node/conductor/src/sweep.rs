//! Sweeps: what the state reminds of is done, batch by batch (D3). Doing it twice does no harm.
//!
//! Each node destroys what it holds of packets that have ended and records it; the leader lets time
//! pass when something is due, and brings members in and out.

use std::{collections::HashMap, time::Duration};

use consensus::Role;
use machine::{AdoptRules, Command, NodeRecord, PassTime, Reader, RecordPurge, View};
use model::{NodeId, SpaceId, lengths::millis_of};
use tokio::time::{Instant, sleep};

use crate::{Error, Exchange};

/// Debts that are looked up at once: while they are read, nothing is applied.
const DEBTS_A_PEEK_MAX: usize = 100;

/// Contents that are destroyed with one sync and one record.
const PURGE_BATCH_MAX: usize = 500;

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
        let (spaces, below) = self.purge_debts();
        if spaces.is_empty() {
            return Ok(false);
        }
        for space in &spaces {
            self.inner.uploads.forget(*space);
        }
        let more = spaces.len() == PURGE_BATCH_MAX;
        self.inner.discards.destroy(spaces).await?;
        self.propose(Command::RecordPurge(RecordPurge { below })).await?;
        Ok(more)
    }

    /// The oldest contents that this node has yet to destroy, and the number below which all are destroyed with
    /// them. Page by page: these rows are young, and a view would settle them a moment before they go. Each
    /// page is read under the lock, so that no number is passed over.
    fn purge_debts(&self) -> (Vec<SpaceId>, u64) {
        let (mut spaces, mut page) = (Vec::new(), None);
        loop {
            let limit = DEBTS_A_PEEK_MAX.min(PURGE_BATCH_MAX - spaces.len());
            let debts = |rows: &dyn Reader| View::new(rows).debts(self.node(), page, limit);
            let (more, below) = self.consensus().peek(debts);
            spaces.extend_from_slice(&more);
            page = Some(below);
            if more.len() < limit || spaces.len() == PURGE_BATCH_MAX {
                return (spaces, below);
            }
        }
    }

    /// Lets time pass where something is due. Only the leader does.
    pub(crate) async fn pass_time(&self) -> Result<(), Error> {
        let mut more = false;
        for _ in 0..PASS_TIMES_A_SWEEP_MAX {
            let kept_ms = millis_of(self.inner.ended_kept);
            let due = self.consensus().peek(|rows| View::new(rows).next_due(kept_ms));
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
            let pass = PassTime { due_max: DUE_A_COMMAND_MAX, ended_kept_ms: kept_ms };
            let command = Command::PassTime(pass);
            let outcome = self.propose(command).await?;
            more = matches!(outcome, machine::Outcome::TimePassed { more: true, .. });
            if !more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adopts the rules that every node of the cluster knows, once a rolling upgrade has come to the last one
    /// (D12). Only the leader does.
    pub(crate) async fn adopt_rules(&self) -> Result<(), Error> {
        let (adopted, known) = self.consensus().peek(|rows| {
            let view = View::new(rows);
            (view.rules(), view.rules_known_to_all())
        });
        if known <= adopted {
            return Ok(());
        }
        self.propose(Command::AdoptRules(AdoptRules { rules: known })).await?;
        tracing::info!(rules = known.0, "the cluster has adopted newer rules");
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
        let stays = |record: &NodeRecord| record.leaving.is_none();
        for record in self.core().present_nodes().into_iter().filter(stays) {
            let node = record.node;
            let tried = attempts.get(&node).is_some_and(|ended| ended.elapsed() < ADMIT_PAUSE);
            // Who does not answer would only be waited for.
            if status.voters.contains(&node)
                || tried
                || self.inner.nodes.vitals(node).await.is_none()
            {
                continue;
            }
            tell_changed(node, self.consensus().admit(node).await);
            attempts.insert(node, Instant::now());
        }
    }
}

fn tell_changed(node: NodeId, changed: Result<(), consensus::MemberError>) {
    match changed {
        Ok(()) => tracing::info!(%node, "the members have changed"),
        Err(error) => tracing::warn!(%node, %error, "the members could not be changed"),
    }
}
