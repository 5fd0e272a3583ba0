//! Links: where engines that do not know each other meet. Consensus and content speak over the mesh,
//! content's slots are sealed under the cluster key, nodes tell each other how they are.

mod dispatch;
mod network;
mod nodes;
mod peers;
mod random;
mod sealer;

pub use dispatch::{Dispatch, DispatchHandler, Services};
pub use network::MeshNetwork;
pub use nodes::{MeshNodes, Own};
pub use peers::MeshPeers;
pub use random::SystemRandom;
pub use sealer::KeyringSealer;

// Each content that a node writes has a transfer of its own to each holder; the last ones would wait
// for room that never comes.
const _: () = assert!(mesh::TRANSFERS_MAX as usize >= content::SESSIONS_MAX);

/// The first octet of every message between nodes: whom it is for. Version 1.
///
/// A number that a node does not know gets an empty answer, which every reader takes for «no»: so a
/// newer node can ask an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Topic {
    /// Raft, forwarded proposals, read indexes, snapshots.
    Consensus = 1,
    /// Copies of contents.
    Content = 2,
    /// How a node is.
    Vitals = 3,
    /// A certificate that runs out.
    Renewal = 4,
    /// A content that no command will ever name.
    Discard = 5,
    /// Who the members are, for a node that was away.
    Members = 6,
    /// A version of the cluster key, for a member that lacks it.
    ClusterKey = 7,
    /// Where the nodes are.
    Addresses = 8,
    /// Parts of contents that a node has handed out.
    Handed = 9,
    /// Facts of the history, for a node that lacks them.
    Facts = 10,
}

impl Topic {
    /// Puts the topic in front of a message.
    pub fn wrap(self, message: &[u8]) -> bytes::Bytes {
        let mut wrapped = bytes::BytesMut::with_capacity(1 + message.len());
        wrapped.extend_from_slice(&[self as u8]);
        wrapped.extend_from_slice(message);
        wrapped.freeze()
    }
}
