//! Failures of consensus: what went wrong, where, and whether trying again may help.

use std::{io, path::PathBuf, time::Duration};

use model::NodeId;

/// A node that cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be opened, read or written.
    #[error("cannot open {path}", path = path.display())]
    Open {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process holds the directory.
    #[error("{path} is in use by another process: stop that one first", path = directory.display())]
    Locked {
        /// Which directory.
        directory: PathBuf,
    },
    /// The log is damaged or shorter than what had been synced. The node may not vote with it.
    #[error(
        "the log in {path} is damaged: {reason}; this node must not vote with it: \
         remove it from the cluster, wipe its directory and join again as a new node",
        path = file.display()
    )]
    CorruptLog {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What the node had promised is gone. It may not vote as if it had promised nothing.
    #[error(
        "{path} is gone, and this node has taken part with it: bring the directory back (is its disk \
         mounted?), or remove this node from the cluster, wipe its directory and join again as a new node",
        path = directory.display()
    )]
    LogGone {
        /// Which directory.
        directory: PathBuf,
    },
    /// The state store is damaged.
    #[error(
        "the state in {path} is damaged: {reason}; remove this node from the cluster, \
         wipe its directory and join again as a new node",
        path = path.display()
    )]
    CorruptState {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The directory was written by a newer version of the program.
    #[error(
        "{path} has format {found} and this program knows up to {known}: use the newer program",
        path = directory.display()
    )]
    NewerFormat {
        /// Which directory.
        directory: PathBuf,
        /// The version that stands there.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The directory belongs to another node.
    #[error("{path} belongs to node {found}, not to node {expected}", path = directory.display())]
    OtherNode {
        /// Which directory.
        directory: PathBuf,
        /// Whose it is.
        found: NodeId,
        /// Who asked.
        expected: NodeId,
    },
    /// The timing makes no sense (an election shorter than a heartbeat, or alike).
    #[error("the timing makes no sense: {reason}")]
    Timing {
        /// What is wrong.
        reason: String,
    },
    /// Consensus stopped because a disk failed or an invariant broke.
    #[error("consensus has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

/// Nothing happened; the cluster has no majority that this node can reach, or is too busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no majority of the cluster can be reached now")]
pub struct Unavailable {
    /// When trying again makes sense.
    pub retry_after: Duration,
}

/// A proposal without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It has certainly not happened and will not happen by itself.
    #[error("no majority of the cluster can be reached now")]
    Unavailable {
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// It is larger than any that can travel. It has not happened, and never will.
    #[error("the proposal has {octets} octets, and no more than {max} can be carried")]
    TooLarge {
        /// How large it is.
        octets: usize,
        /// The largest.
        max: usize,
    },
    /// Some node has no room for what would ride with it. It has not happened: it may be proposed alone.
    #[error("nothing rides with proposals now: a node lacks room")]
    NoRide,
    /// It may happen or have happened: the same proposal, with the same command id, may be repeated.
    #[error("it is not known whether the proposal has been or will be accepted")]
    Unknown,
}

impl From<Unavailable> for ProposeError {
    fn from(value: Unavailable) -> Self {
        Self::Unavailable { retry_after: value.retry_after }
    }
}

/// A change of the membership that did not come about, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// No majority can be reached now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The node is a learner and does not catch up in time; trying again goes on from there.
    #[error("node {node} does not catch up with the log in time")]
    Behind {
        /// Which node.
        node: NodeId,
    },
    /// The cluster says no: another change is under way, or the last voter would go.
    #[error("the membership cannot change so: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// It may have happened: ask for the status and try again.
    #[error("it is not known whether the membership has changed")]
    Unknown,
}

/// A cluster that was not founded.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// This node belongs to a cluster.
    #[error("this node belongs to a cluster")]
    AlreadyMember,
    /// The first command has no answer.
    #[error("the first command was not accepted")]
    Propose(#[source] ProposeError),
    /// Consensus has stopped.
    #[error("consensus has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}
