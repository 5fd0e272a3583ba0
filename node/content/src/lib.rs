//! The sealed streaming store of packet content of one node, and its copies to the other holders.
//!
//! An engine: disk and peers, no rules of the regulation. Small contents lie in segments with
//! group commit, large ones in files of their own; every content has its own key in a slot that
//! the purge overwrites. What is acknowledged is durable on a majority of the voters.
//!
//! It deliberately lacks: who may read or write (delivery), what a packet's state is (machine),
//! connections (mesh), the cluster key (certs), the lock of the directory (app).

mod behind;
mod copies;
mod error;
mod files;
mod index;
mod lanes;
mod layout;
mod metrics;
mod ports;
mod protocol;
mod purge;
mod reader;
mod reconcile;
mod record;
mod recover;
mod seal;
mod segments;
mod serve;
mod store;
mod takeover;
mod writer;

pub mod disk;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Digest, NodeId, PacketId, SpaceId};

pub use disk::{Disk, RealDisk, SimDisk};
pub use error::Error;
pub use metrics::Metrics;
pub use ports::{
    ContentKey, FrameSink, FrameSource, FrameStream, KeyError, KeySealer, MESSAGE_MAX, PeerError,
    Peers, Random, SLOT_MAX,
};
pub use writer::SESSIONS_MAX;

/// The largest content of the small path: what comes whole in one multipart body. Above it, a
/// file of its own costs less than its share of a segment's group commit delays others.
pub const SMALL_MAX: usize = 1 << 20;
/// The largest meta: a file name, a media type and room for more.
pub const META_MAX: usize = 4096;
/// The size of a segment by default: a purge of its last record frees it whole.
pub const SEGMENT_BYTES: u32 = 64 << 20;

/// How a store is opened.
pub struct Options {
    /// The store's directory.
    pub disk: Arc<dyn Disk>,
    /// The other nodes.
    pub peers: Arc<dyn Peers>,
    /// The cluster key.
    pub keys: Arc<dyn KeySealer>,
    /// Random octets.
    pub random: Random,
    /// Octets of the disk that are kept free.
    pub reserve: u64,
    /// The size of a segment, [`SEGMENT_BYTES`] in production.
    pub segment_bytes: u32,
}

/// A content that is durable on a majority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// SHA-256 of its plaintext.
    pub digest: Digest,
    /// Octets of plaintext.
    pub size: u64,
    /// The voters that hold it durably by now; a majority. The others follow in the background.
    pub holders: Vec<NodeId>,
}

/// A content that this node holds, in whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its space.
    pub space: SpaceId,
    /// Its packet.
    pub packet: PacketId,
    /// Whether it is complete.
    pub complete: bool,
}

/// What a node has of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Holding {
    /// No octet that could become the content.
    Nothing = 0,
    /// A whole copy, as far as its node can tell without reading it.
    Whole = 1,
    /// A copy that its node cannot read now.
    Unread = 2,
}

impl Holding {
    fn from_u8(octet: u8) -> Option<Self> {
        [Self::Nothing, Self::Whole, Self::Unread].get(usize::from(octet)).copied()
    }
}

/// What a complete content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its packet.
    pub packet: PacketId,
    /// Octets of plaintext.
    pub size: u64,
    /// SHA-256 of its plaintext, as this node's copy says.
    pub digest: Digest,
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// So many octets are acknowledged; a later answer is never lower.
    At(u64),
    /// Its writer cannot be asked: claim the space, open a writer and ask that.
    Unclaimed,
}

/// The store; clones are the same store.
#[derive(Clone)]
pub struct Content {
    store: Arc<store::Store>,
}

/// One request's hold on the writing of a space; dropping it keeps what it wrote.
pub struct Writer {
    writing: writer::Writing,
}

/// A content being read, piece by piece.
pub struct Reader {
    reading: reader::Reading,
}

impl Content {
    /// Opens the store in a directory, which it makes ready if it is empty.
    pub fn open(options: Options) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move { Ok(Self { store: store::Store::open(options).await? }) })
    }

    /// Who this node is and who votes; before the first call nothing can be written.
    pub fn set_members(&self, node: NodeId, voters: &[NodeId]) {
        self.store.set_members(node, voters);
    }

    /// Turns true when the disk has failed: the node must stop.
    pub fn failed(&self) -> tokio::sync::watch::Receiver<bool> {
        self.store.watch_failure()
    }

    /// Takes a small content (at most [`SMALL_MAX`]) and returns when a majority holds it.
    ///
    /// A space is put once: who tries again mints a new space. What an unfinished put left on a
    /// minority is listed by [`Content::list_held`] and may be purged when nobody can claim it.
    pub fn put_small(
        &self,
        space: SpaceId,
        packet: PacketId,
        meta: Bytes,
        plaintext: Bytes,
    ) -> BoxFuture<'_, Result<Stored, Error>> {
        Box::pin(async move { self.store.put_small(space, packet, meta, plaintext).await })
    }

    /// Opens the writing of a space under an epoch that the state gave to this node.
    ///
    /// A session that this node already has under that epoch goes on; else the holders are fenced
    /// and what a majority holds is taken over. `Fenced` means: claim the space anew. With
    /// `expected`, a content that ends elsewhere is refused as `Offset`.
    pub fn open_writer(
        &self,
        space: SpaceId,
        packet: PacketId,
        epoch: u32,
        meta: Bytes,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<Writer, Error>> {
        Box::pin(async move {
            let writing = self.store.open_writer(space, packet, epoch, meta, expected).await?;
            Ok(Writer { writing })
        })
    }

    /// Where the upload of a space stands, confirmed by a majority.
    pub fn offset(&self, space: SpaceId) -> BoxFuture<'_, Result<Offset, Error>> {
        Box::pin(async move { self.store.offset(space).await })
    }

    /// Opens a complete content for reading, from this node's copy or from another holder's.
    ///
    /// A copy with another digest than `digest` is not the content and is passed over.
    pub fn read(
        &self,
        space: SpaceId,
        range: Option<Range<u64>>,
        digest: Option<Digest>,
    ) -> BoxFuture<'_, Result<Reader, Error>> {
        Box::pin(async move {
            let reading = reader::Reading::open(self.store.clone(), space, range, digest).await?;
            Ok(Reader { reading })
        })
    }

    /// The meta that the content's writer gave.
    pub fn meta(&self, space: SpaceId) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            reader::Reading::open(self.store.clone(), space, None, None).await?.meta().await
        })
    }

    /// Whether this node holds the complete content.
    pub fn holds(&self, space: SpaceId) -> bool {
        self.store.index.lock().get(space).is_some_and(|entry| entry.is_complete())
    }

    /// What this node's complete copy is.
    pub fn stat(&self, space: SpaceId) -> BoxFuture<'_, Result<Stat, Error>> {
        Box::pin(async move { self.store.stat(space).await })
    }

    /// Opens every frame of this node's copy: an error says which one is damaged.
    pub fn verify(&self, space: SpaceId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.store.verify(space).await })
    }

    /// Destroys the contents and their keys on this node; what is not here is no error.
    pub fn purge(&self, spaces: Vec<SpaceId>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.store.purge(spaces).await })
    }

    /// What this node holds, in the order of the spaces, after `after`.
    pub fn list_held(&self, after: Option<SpaceId>, limit: usize) -> Vec<Held> {
        self.store.index.lock().list(after, limit)
    }

    /// Copies a complete content from one of the holders and makes it durable here.
    ///
    /// A copy of another digest that lies here is replaced.
    pub async fn fetch(
        &self,
        space: SpaceId,
        digest: Option<Digest>,
        holders: &[NodeId],
    ) -> Result<(), Error> {
        self.store.fetch(space, digest, holders, false).await
    }

    /// What this node has of a content.
    pub async fn holding(&self, space: SpaceId) -> Holding {
        self.store.holding(space).await
    }

    /// Asks another node what it has of these contents, in their order; none where it does not answer.
    pub async fn ask_holdings(&self, node: NodeId, spaces: Vec<SpaceId>) -> Option<Vec<Holding>> {
        self.store.ask_holdings(node, spaces).await
    }

    /// Answers a peer's message.
    pub fn handle(&self, from: NodeId, message: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(async move { self.store.handle(from, message).await })
    }

    /// Serves a stream that a peer opened, until it ends.
    pub fn handle_stream(
        &self,
        from: NodeId,
        header: Bytes,
        sink: Box<dyn FrameSink>,
        source: Box<dyn FrameSource>,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.store.handle_stream(from, header, sink, source).await;
        })
    }

    /// The store's counters.
    pub fn metrics(&self) -> &Metrics {
        let metrics = &self.store.metrics;
        metrics
            .queue_bytes
            .store(self.store.segments.queued(), std::sync::atomic::Ordering::Relaxed);
        metrics
    }

    /// Whether anything new may be written to the disk: an error where only its reserve is left.
    pub fn check_disk(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.store.check_disk())
    }

    /// How many contents this node holds.
    pub fn count(&self) -> usize {
        self.store.index.lock().len()
    }

    /// Ends all tasks; what was acknowledged is durable already.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.store.shutdown();
        })
    }
}

impl Writer {
    fn session(&mut self) -> Result<&mut writer::Session, Error> {
        self.writing.as_mut().ok_or(Error::Failed)
    }

    /// Octets taken so far.
    pub fn offset(&self) -> u64 {
        self.writing.as_ref().map_or(0, |session| session.offset())
    }

    /// Octets acknowledged so far.
    pub fn synced(&self) -> u64 {
        self.writing.as_ref().map_or(0, |session| session.synced)
    }

    /// SHA-256 of the octets taken so far.
    pub fn digest(&self) -> Digest {
        self.writing.as_ref().map_or_else(|| seal::digest_of(&[]), |session| session.digest())
    }

    /// Takes octets; waits while the disk or a needed peer is behind.
    pub async fn write(&mut self, data: Bytes) -> Result<(), Error> {
        self.session()?.write(data).await
    }

    /// Makes what was taken durable on a majority; the answer is the acknowledged offset.
    pub async fn sync(&mut self) -> Result<u64, Error> {
        self.session()?.sync().await
    }

    /// Drops what was taken since the last sync (a piece whose checksum was wrong).
    pub async fn rollback(&mut self) -> Result<u64, Error> {
        self.session()?.rollback().await
    }

    /// Completes the content; a second call gives the same answer.
    pub async fn finish(&mut self) -> Result<Stored, Error> {
        self.session()?.finish().await
    }
}

impl Reader {
    /// The content's whole size.
    pub fn size(&self) -> u64 {
        self.reading.size()
    }

    /// The range that is given out.
    pub fn range(&self) -> Range<u64> {
        self.reading.range.clone()
    }

    /// SHA-256 of the whole content.
    pub fn digest(&self) -> Digest {
        self.reading.digest()
    }

    /// The meta that the content's writer gave.
    pub fn meta(&mut self) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(self.reading.meta())
    }

    /// The next piece of the plaintext; none at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.reading.next().await
    }
}

#[cfg(test)]
mod tests;
