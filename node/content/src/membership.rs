//! The members of the cluster, as the store needs to know them.

use std::sync::Arc;

use model::NodeId;
use parking_lot::RwLock;

/// This node's number, and the nodes that vote.
#[derive(Default, Clone)]
pub(crate) struct Members {
    pub node: NodeId,
    pub voters: Vec<NodeId>,
}

/// The current members; before they are known, no node votes.
#[derive(Default)]
pub(crate) struct Membership {
    current: RwLock<Arc<Members>>,
}

impl Members {
    /// How many voters must hold a content before it counts as stored.
    pub fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }

    /// The voters other than this node.
    pub fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.voters.iter().copied().filter(|voter| *voter != self.node)
    }

    pub fn votes(&self, node: NodeId) -> bool {
        self.voters.contains(&node)
    }
}

impl Membership {
    pub fn get(&self) -> Arc<Members> {
        self.current.read().clone()
    }

    pub fn set(&self, members: Arc<Members>) {
        *self.current.write() = members;
    }
}
