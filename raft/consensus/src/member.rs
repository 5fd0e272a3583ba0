//! Changes of the membership: founding, a learner before a voter, removal, hand-over.
//!
//! Any node may be asked; the leader does it. Each message is short, and the one who asked comes
//! again until it is done, so a leader that dies in between costs nothing but time.

use std::{collections::BTreeSet, time::Duration};

use machine::{Answer, Proposal};
use model::NodeId;
use openraft::{
    ChangeMembers, EmptyNode,
    async_runtime::WatchReceiver as _,
    errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError},
};
use tokio::time::{Instant, timeout};

use crate::{
    FoundError, Lane, MemberError, Unavailable,
    node::Inner,
    options::RETRY_AFTER,
    propose,
    types::Types,
    wire::{self, Change, Changed, Kind},
};

/// A learner becomes a voter when it lacks no more than so many entries: the rest comes while the
/// change itself is being agreed on.
const CAUGHT_UP_ENTRIES: u64 = 64;

/// How long a learner may take to catch up before the one who asked is told. A large snapshot over
/// a slow line takes its time; asking again goes on from there.
const ADMIT_DEADLINE: Duration = Duration::from_secs(120);

/// How long any other change may take.
const CHANGE_DEADLINE: Duration = Duration::from_secs(15);

/// Between two questions whether it is done.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// One change on the leader may take so long before it counts as unknown.
const ONE_CHANGE: Duration = Duration::from_secs(5);

/// See [`crate::Consensus::found`].
pub(crate) async fn found(inner: &Inner, proposal: Proposal) -> Result<Answer, FoundError> {
    let stopped =
        |reason: &dyn std::fmt::Display| FoundError::Stopped { reason: reason.to_string() };
    match inner.raft.initialize(BTreeSet::from([inner.node.0])).await {
        Ok(()) => {}
        Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
            return Err(FoundError::AlreadyMember);
        }
        Err(error) => return Err(stopped(&error)),
    }
    propose::propose(inner, proposal, None).await.map_err(FoundError::Propose)
}

/// See [`crate::Consensus::admit`].
pub(crate) async fn admit(inner: &Inner, node: NodeId) -> Result<(), MemberError> {
    ask_until(inner, Change::Learn(node.0), CHANGE_DEADLINE).await?;
    match ask_until(inner, Change::Promote(node.0), ADMIT_DEADLINE).await {
        Err(MemberError::Refused { reason }) if reason.is_empty() => {
            Err(MemberError::Behind { node })
        }
        other => other,
    }
}

/// See [`crate::Consensus::remove`].
pub(crate) async fn remove(inner: &Inner, node: NodeId) -> Result<(), MemberError> {
    ask_until(inner, Change::Remove(node.0), CHANGE_DEADLINE).await
}

/// See [`crate::Consensus::transfer_leadership`].
pub(crate) async fn hand_over(inner: &Inner) -> Result<(), MemberError> {
    ask_until(inner, Change::HandOver, CHANGE_DEADLINE).await
}

/// Asks whoever leads until the change is done, refused, or out of time.
async fn ask_until(inner: &Inner, change: Change, span: Duration) -> Result<(), MemberError> {
    let deadline = Instant::now() + span;
    let mut last = Changed::NotLeader;
    loop {
        let leader = inner.leader();
        let answer = match leader {
            Some(leader) if leader == inner.node.0 => Some(inner.change_here(change).await),
            Some(leader) => ask(inner, leader, change, deadline).await,
            None => None,
        };
        match answer {
            Some(Changed::Done) => return Ok(()),
            Some(Changed::Refused(reason)) => return Err(MemberError::Refused { reason }),
            Some(other) => last = other,
            None => {}
        }
        if Instant::now() >= deadline {
            return Err(match last {
                Changed::Behind => MemberError::Refused { reason: String::new() },
                Changed::Unknown | Changed::Busy => MemberError::Unknown,
                _ => MemberError::Unavailable(Unavailable { retry_after: RETRY_AFTER }),
            });
        }
        inner.leader_changes(leader, deadline.min(Instant::now() + ASK_AGAIN)).await;
    }
}

async fn ask(inner: &Inner, leader: u64, change: Change, deadline: Instant) -> Option<Changed> {
    let message = wire::request(Kind::Member, &wire::to_cbor(&change));
    let asked = inner.network.request(NodeId(leader), Lane::Control, message);
    let answer = tokio::select! {
        answer = asked => answer.ok()?,
        () = inner.leader_changes(Some(leader), deadline) => return Some(Changed::Unknown),
    };
    wire::from_cbor(&wire::parse_answer(&answer).ok()?).ok()
}

impl Inner {
    /// As leader: makes one step of a change.
    pub(crate) async fn change_here(&self, change: Change) -> Changed {
        if !self.leads() {
            return Changed::NotLeader;
        }
        let (voters, learners) = self.members();
        let known = |node| voters.contains(&node) || learners.contains(&node);
        match change {
            Change::Learn(node) if known(node) => Changed::Done,
            Change::Learn(node) => {
                let added = self.raft.add_learner(node, EmptyNode::default(), false);
                self.changed(added).await
            }
            Change::Promote(node) if voters.contains(&node) => Changed::Done,
            Change::Promote(node) if !self.caught_up(node) => Changed::Behind,
            Change::Promote(node) => {
                let voter = ChangeMembers::AddVoterIds(BTreeSet::from([node]));
                self.changed(self.raft.change_membership(voter, false)).await
            }
            Change::Remove(node) if !known(node) => Changed::Done,
            Change::Remove(node) if voters == [node] => {
                Changed::Refused("the last voter stays".into())
            }
            Change::Remove(node) => {
                let nodes = BTreeSet::from([node]);
                let gone = if voters.contains(&node) {
                    ChangeMembers::RemoveVoters(nodes)
                } else {
                    ChangeMembers::RemoveNodes(nodes)
                };
                self.changed(self.raft.change_membership(gone, false)).await
            }
            Change::HandOver => self.hand_over_here().await,
        }
    }

    async fn changed<T>(
        &self,
        change: impl Future<Output = Result<T, RaftError<Types, ClientWriteError<Types>>>>,
    ) -> Changed {
        let Ok(result) = timeout(ONE_CHANGE, change).await else { return Changed::Unknown };
        match result {
            Ok(_) => Changed::Done,
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Changed::NotLeader,
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => match error
            {
                ChangeMembershipError::InProgress(_)
                | ChangeMembershipError::UncommittedLeaderLog(_) => Changed::Busy,
                error => Changed::Refused(error.to_string()),
            },
            Err(_) => Changed::Unknown,
        }
    }

    fn caught_up(&self, node: u64) -> bool {
        let metrics = self.raft.metrics();
        let now = metrics.borrow_watched();
        let matched = now.replication.as_ref().and_then(|progress| progress.get(&node)?.as_ref());
        let last = now.last_log_index.unwrap_or(0);
        matched.is_some_and(|id| id.index().saturating_add(CAUGHT_UP_ENTRIES) >= last)
    }

    /// Hands leadership to the voter that has the most of the log, and waits until it has it.
    pub(crate) async fn hand_over_here(&self) -> Changed {
        let own = self.node.0;
        let to = {
            let metrics = self.raft.metrics();
            let now = metrics.borrow_watched();
            let progress = now.replication.clone().unwrap_or_default();
            let voters = now.membership_config.voter_ids().filter(|voter| *voter != own);
            voters.max_by_key(|voter| progress.get(voter).cloned().flatten())
        };
        let Some(to) = to else {
            return Changed::Refused("there is no other voter".into());
        };
        if self.raft.trigger().transfer_leader(to).await.is_err() {
            return Changed::Unknown;
        }
        // An election at most. If nobody takes it by then, this node leads on by name: the library takes no write
        // in this term any more and sends no heartbeat, so that another stands as soon as one may.
        let deadline = Instant::now() + self.timing.election_max;
        while self.leads() && Instant::now() < deadline {
            self.leader_changes(Some(own), deadline).await;
        }
        if self.leads() { Changed::Behind } else { Changed::Done }
    }
}
