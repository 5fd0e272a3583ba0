//! Where the raw octets of a copy come from: a file here, or a peer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use model::{NodeId, SpaceId};

use crate::{
    Error, Peers,
    disk::File,
    protocol::{self, Operation, ReadRaw},
};

/// The form of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Record,
    File,
}

/// A copy of a space's content, good or not: raw octets by their place in the record or the file.
#[derive(Clone)]
pub(crate) struct Source {
    pub space: SpaceId,
    pub form: Form,
    origin: Origin,
}

#[derive(Clone)]
enum Origin {
    Here { file: Arc<dyn File>, base: u64 },
    Peer { peers: Arc<dyn Peers>, node: NodeId },
}

impl Source {
    /// A record in a segment.
    pub fn record(space: SpaceId, file: Arc<dyn File>, offset: u32) -> Self {
        let origin = Origin::Here { file, base: u64::from(offset) };
        Self { space, form: Form::Record, origin }
    }

    /// A file of its own.
    pub fn file(space: SpaceId, file: Arc<dyn File>) -> Self {
        Self { space, form: Form::File, origin: Origin::Here { file, base: 0 } }
    }

    /// A peer's copy.
    pub fn peer(space: SpaceId, form: Form, peers: Arc<dyn Peers>, node: NodeId) -> Self {
        Self { space, form, origin: Origin::Peer { peers, node } }
    }

    /// The peer whose copy it is; none if it is this node's.
    pub fn node(&self) -> Option<NodeId> {
        match self.origin {
            Origin::Here { .. } => None,
            Origin::Peer { node, .. } => Some(node),
        }
    }

    /// Reads up to `len` octets; fewer only at the end of the copy.
    pub async fn read(&self, offset: u64, len: usize) -> Result<BytesMut, Error> {
        match &self.origin {
            Origin::Here { file, base } => {
                let read = file.read(base + offset, len).await;
                read.map_err(|source| Error::Disk { what: "read a content", source })
            }
            Origin::Peer { peers, node } => {
                let asked = u32::try_from(len).unwrap_or(u32::MAX);
                let body = ReadRaw { space: self.space, offset, len: asked };
                let octets = ask(&**peers, *node, self.space, Operation::Read, &body).await?;
                if octets.len() > len {
                    return Err(Error::Malformed { what: "more octets than were asked for" });
                }
                Ok(octets.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])))
            }
        }
    }
}

/// Asks a peer about a space.
pub(crate) async fn ask(
    peers: &dyn Peers,
    node: NodeId,
    space: SpaceId,
    operation: Operation,
    body: &impl minicbor::Encode<()>,
) -> Result<Bytes, Error> {
    let answer = peers.request(node, protocol::message(operation, body)).await;
    protocol::accepted(&answer.map_err(|_| Error::Unavailable { space })?, space)
}
