//! Answers what this node holds, and asks other nodes what they hold.

use std::sync::Arc;

use bytes::BytesMut;
use model::{NodeId, SpaceId, lengths::in_memory};

use crate::{
    Error, Holding, Peers, Stat,
    files::Files,
    frames::PIECE,
    index::{Index, Location},
    opener::{Opened, Opener},
    protocol::{self, AskHolds, Description, HOLDS_MAX, Operation, ReadRaw},
    source::Source,
};

/// No file is longer, on any system: a peer's offset beyond it is behind every end.
const OFFSET_MAX: u64 = i64::MAX as u64 - PIECE as u64;

/// What this node holds, and what it has heard from others.
pub(crate) struct Holdings {
    index: Arc<Index>,
    files: Arc<Files>,
    opener: Arc<Opener>,
    peers: Arc<dyn Peers>,
}

impl Holdings {
    pub fn new(
        index: Arc<Index>,
        files: Arc<Files>,
        opener: Arc<Opener>,
        peers: Arc<dyn Peers>,
    ) -> Self {
        Self { index, files, opener, peers }
    }

    /// What this node's complete copy is.
    pub async fn stat(&self, space: SpaceId) -> Result<Stat, Error> {
        let Opened { packet, size, digest, .. } = self.opener.open_here(space).await?;
        Ok(Stat { packet, size, digest })
    }

    /// What this node's complete copy is, for a peer.
    pub async fn describe(&self, space: SpaceId) -> Result<Description, Error> {
        Ok(self.opener.open_here(space).await?.description())
    }

    /// Raw octets of this node's copy, for a peer.
    pub async fn raw(&self, ask: ReadRaw) -> Result<BytesMut, Error> {
        let ReadRaw { space, offset, len } = ask;
        self.files.check(space)?;
        let len = (len as usize).min(PIECE);
        let (source, len) = match self.index.location(space) {
            // A writer that takes over reads an incomplete log too.
            Some(Location::File { .. }) => (Source::file(space, self.files.raw(space).await?), len),
            Some(Location::Record(at)) => {
                let rest = u64::from(at.total).saturating_sub(offset);
                (self.opener.record_at(space, at)?, len.min(in_memory(rest)))
            }
            None => return Err(Error::Missing { space }),
        };
        // Behind every end; the sum with the record's own place would run over.
        if len == 0 || offset > OFFSET_MAX {
            return Ok(BytesMut::new());
        }
        source.read(offset, len).await
    }

    /// What this node has of a content.
    pub async fn holding(&self, space: SpaceId) -> Holding {
        let location = || self.index.location(space);
        match location() {
            None => return Holding::Nothing,
            Some(Location::Record(_) | Location::File { complete: true }) => {
                return Holding::Whole;
            }
            Some(Location::File { complete: false }) => {}
        }
        // Its seal may be there without the mark that a start looks for. Without the seal it never was
        // a whole copy, and nobody can make it one.
        match (self.files.lock(space).await, location()) {
            (Ok(log), _) if log.layout.seal().is_some() => Holding::Whole,
            (Ok(_), _) | (Err(Error::Purged { .. } | Error::Missing { .. }), _) => Holding::Nothing,
            (Err(_), Some(Location::Record(_))) => Holding::Whole,
            (Err(_), _) => Holding::Unread,
        }
    }

    /// Asks a peer what it has of these contents; none where it does not answer for all of them.
    pub async fn ask(&self, peer: NodeId, spaces: Vec<SpaceId>) -> Option<Vec<Holding>> {
        let mut holdings = Vec::with_capacity(spaces.len());
        for spaces in spaces.chunks(HOLDS_MAX) {
            let ask = AskHolds { spaces: spaces.to_vec() };
            let message = protocol::message(Operation::Holds, &ask);
            let answer = self.peers.request(peer, message).await.ok()?;
            let octets = protocol::accepted(&answer, *spaces.first()?).ok()?;
            if octets.len() != spaces.len() {
                return None;
            }
            for octet in octets {
                holdings.push(Holding::from_u8(octet)?);
            }
        }
        Some(holdings)
    }
}
