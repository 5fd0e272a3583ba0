//! Why a node must not run: it was removed, or it is not the one that the cluster knows.

use std::path::PathBuf;

use model::NodeId;

/// A node that has no place in the cluster, or whose place another one holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Outcast {
    /// It was removed from its cluster; this is remembered in its directory.
    #[error("this node was removed from its cluster")]
    Removed {
        /// Its directory.
        path: PathBuf,
    },
    /// Its directory is a copy.
    #[error("{} lies in a copied directory, or on a machine that was restored ({mark})", path.display())]
    Copied {
        /// The file that shows it.
        path: PathBuf,
        /// What shows it: `birth time`, `inode` or `generation`.
        mark: &'static str,
    },
    /// The same node lives elsewhere.
    #[error("node {node} lives at {elsewhere} already, says node {by}; this one is at {here}")]
    Twice {
        /// This node's number.
        node: NodeId,
        /// Who says so.
        by: NodeId,
        /// Where the other one lives.
        elsewhere: String,
        /// Where this one was met.
        here: String,
    },
}
