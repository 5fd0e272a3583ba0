//! The door of the crate: opens the store of one node and says what may be asked of it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Digest, NodeId, PacketId, SpaceId};

use crate::{
    Disk, Error, FrameSink, FrameSource, Held, Holding, KeySealer, Metrics, Offset, Peers, Random,
    Stat, Stored, reader, seal, store, writer,
};

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
    /// The size of a segment, [`crate::SEGMENT_BYTES`] in production.
    pub segment_bytes: u32,
}

/// The store; clones are the same store.
#[derive(Clone)]
pub struct Content {
    pub(crate) store: Arc<store::Store>,
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

    /// Takes a small content (at most [`crate::SMALL_MAX`]) and returns when a majority holds it.
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
