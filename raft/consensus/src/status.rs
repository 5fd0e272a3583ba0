//! What a node knows of itself and its cluster.

use std::time::Duration;

use model::NodeId;

use crate::Standing;

/// The part that a node plays now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Takes the log, has no vote.
    #[default]
    Learner,
    /// Follows a leader, or waits for one.
    Follower,
    /// Stands for election.
    Candidate,
    /// Leads.
    Leader,
    /// Has stopped and must be started again.
    Stopped,
}

/// A node's view of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Who leads, if that is known.
    pub leader: Option<NodeId>,
    /// The part that this node plays.
    pub role: Role,
    /// The term of the last vote.
    pub term: u64,
    /// Index of the last entry in this node's log.
    pub last_log: Option<u64>,
    /// Index of the last entry known to be on a majority.
    pub committed: Option<u64>,
    /// Index of the last entry that this node's state holds.
    pub applied: Option<u64>,
    /// Who votes.
    pub voters: Vec<NodeId>,
    /// Who takes the log without a vote.
    pub learners: Vec<NodeId>,
    /// How long ago a majority followed the leader, as far as this node knows; none if never.
    pub since_quorum: Option<Duration>,
    /// How far this node's clock is ahead of the cluster's, in milliseconds; negative if behind.
    pub clock_offset_ms: Option<i64>,
    /// Whether this node may lead: it is allowed to, and its clock is near the cluster's.
    pub may_lead: bool,
    /// Whether this node takes part in votes and acknowledgements.
    pub standing: Standing,
    /// Why the node has stopped, if it has.
    pub failure: Option<String>,
}
