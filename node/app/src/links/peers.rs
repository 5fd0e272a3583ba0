//! Copies of contents over the mesh.

use bytes::Bytes;
use content::{FrameSink, FrameSource, PeerError, Peers};
use futures_util::future::BoxFuture;
use mesh::{Channel, Mesh};
use model::NodeId;

use super::Topic;

/// Reaches the content stores of the other nodes.
pub struct MeshPeers(pub Mesh);

impl Peers for MeshPeers {
    fn request(&self, to: NodeId, message: Bytes) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let mesh = self.0.clone();
        Box::pin(async move {
            let message = Topic::Content.wrap(&message);
            mesh.request(to, Channel::Content, message).await.map_err(peer_error)
        })
    }

    fn open_stream(
        &self,
        to: NodeId,
        header: Bytes,
    ) -> BoxFuture<'static, Result<(Box<dyn FrameSink>, Box<dyn FrameSource>), PeerError>> {
        let mesh = self.0.clone();
        Box::pin(async move {
            let opened = mesh.open_stream(to, Topic::Content.wrap(&header)).await;
            let (sender, receiver) = opened.map_err(peer_error)?;
            Ok((sink(sender), source(receiver)))
        })
    }
}

pub(super) fn sink(sender: mesh::Sender) -> Box<dyn FrameSink> {
    Box::new(Sink(Some(sender)))
}

pub(super) fn source(receiver: mesh::Receiver) -> Box<dyn FrameSource> {
    Box::new(Source(receiver))
}

fn peer_error(error: mesh::Error) -> PeerError {
    if error.is_before_sending() { PeerError::Unreachable } else { PeerError::Deadline }
}

struct Sink(Option<mesh::Sender>);

impl FrameSink for Sink {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), PeerError>> {
        Box::pin(async move {
            let sender = self.0.as_mut().ok_or(PeerError::Unreachable)?;
            sender.send(frame).await.map_err(peer_error)
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // The other side sees a clean end; what it lacks it asks for.
        if let Some(Err(error)) = self.0.take().map(mesh::Sender::finish) {
            tracing::debug!(%error, "a stream ended before it was finished");
        }
    }
}

struct Source(mesh::Receiver);

impl FrameSource for Source {
    fn next(&mut self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            self.0.receive().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "a stream broke");
                None
            })
        })
    }
}
