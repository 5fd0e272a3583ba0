//! Consensus over the mesh.

use std::time::Duration;

use bytes::Bytes;
use consensus::{Lane, Network, NetworkError};
use futures_util::future::BoxFuture;
use mesh::{Channel, Mesh};
use model::NodeId;

use super::Topic;

/// Consensus gives each part of a snapshot its own time, disk and switch included; the mesh must not
/// give up before.
const BULK_DEADLINE: Duration = Duration::from_secs(90);

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
        let deadline = if lane == Lane::Bulk { BULK_DEADLINE } else { mesh::REQUEST_DEADLINE };
        Box::pin(async move {
            let message = Topic::Consensus.wrap(&message);
            mesh.request_within(to, channel, message, deadline).await.map_err(|error| {
                if error.is_before_sending() {
                    NetworkError::Unreachable(error.to_string())
                } else {
                    NetworkError::NoAnswer(error.to_string())
                }
            })
        })
    }
}
