//! Consensus over the mesh.

use bytes::Bytes;
use consensus::{Lane, Network, NetworkError};
use futures_util::future::BoxFuture;
use mesh::{Channel, Mesh};
use model::NodeId;

use super::Topic;

/// Sends the messages of consensus.
pub struct MeshNetwork(pub Mesh);

impl Network for MeshNetwork {
    fn request(
        &self,
        to: NodeId,
        lane: Lane,
        message: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let mesh = self.0.clone();
        // Blocks of a snapshot travel with content, so that votes never wait behind them.
        let channel = match lane {
            Lane::Raft => Channel::Raft,
            Lane::Control => Channel::Control,
            Lane::Bulk => Channel::Content,
        };
        Box::pin(async move {
            mesh.request(to, channel, Topic::Consensus.wrap(&message)).await.map_err(|error| {
                if error.is_before_sending() {
                    NetworkError::Unreachable(error.to_string())
                } else {
                    NetworkError::NoAnswer(error.to_string())
                }
            })
        })
    }
}
