//! The door of the crate: opens the store of one node, wires its parts and says what may be asked.

use std::{
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use model::{Digest, NodeId, PacketId, SpaceId};

use crate::{
    Disk, Error, FrameSink, FrameSource, Held, Holding, KeySealer, Metrics, Offset, Peers, Random,
    Reading, SealedRecord, Stat, Stored, Writer,
    copies::Copies,
    fetch::{Fetcher, Wanted},
    files::Files,
    format,
    heal::Healer,
    holdings::Holdings,
    incoming::Incoming,
    index::Index,
    membership::{Members, Membership},
    opener::Opener,
    poll::Poll,
    purge::Purger,
    reading::Readings,
    seal::{Sealer, SmallContent},
    segments::{Segments, Verdict},
    serve::Responder,
    takeover::Takeover,
    tasks::Tasks,
    transfers::Transfers,
    volume::Volume,
    words::Claim,
    writers::Writers,
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
    parts: Arc<Parts>,
}

/// What every part stands on: the disk, what lies on it, and the ways to others.
struct Ground {
    volume: Arc<Volume>,
    metrics: Arc<Metrics>,
    tasks: Arc<Tasks>,
    membership: Arc<Membership>,
    peers: Arc<dyn Peers>,
    sealer: Arc<Sealer>,
    index: Arc<Index>,
    segments: Arc<Segments>,
    files: Arc<Files>,
    opener: Arc<Opener>,
}

/// The parts of a store that the door speaks to.
struct Parts {
    ground: Ground,
    copies: Arc<Copies>,
    holdings: Arc<Holdings>,
    incoming: Arc<Incoming>,
    writers: Arc<Writers>,
    fetcher: Arc<Fetcher>,
    readings: Arc<Readings>,
    purger: Arc<Purger>,
    responder: Responder,
}

impl Ground {
    /// Reads what is in the directory.
    async fn open(options: Options) -> Result<Self, Error> {
        let Options { disk, peers, keys, random, reserve, segment_bytes } = options;
        format::check(&*disk).await?;
        let (metrics, tasks) = (Arc::<Metrics>::default(), Arc::<Tasks>::default());
        let index = Arc::<Index>::default();
        let volume = Arc::new(Volume::new(disk, reserve, metrics.clone()));
        let sealer = Arc::new(Sealer::new(keys.clone(), random));
        let (on, counted) = (volume.clone(), metrics.clone());
        let segments = Segments::open(on, index.clone(), &tasks, counted, segment_bytes).await?;
        let segments = Arc::new(segments);
        let files = Files::open(volume.clone(), index.clone(), keys.clone()).await?;
        let files = Arc::new(files);
        let opener =
            Opener::new(index.clone(), segments.clone(), files.clone(), keys, peers.clone());
        let (opener, membership) = (Arc::new(opener), Arc::default());
        Ok(Self {
            volume,
            metrics,
            tasks,
            membership,
            peers,
            sealer,
            index,
            segments,
            files,
            opener,
        })
    }

    fn copies(&self) -> Copies {
        Copies::new(
            self.segments.clone(),
            self.index.clone(),
            self.volume.clone(),
            self.peers.clone(),
            self.sealer.clone(),
            self.tasks.clone(),
            self.metrics.clone(),
        )
    }

    fn writers(&self) -> Writers {
        let poll = Arc::new(Poll::new(self.peers.clone(), self.membership.clone()));
        let transfers = Transfers::new(
            self.files.clone(),
            self.peers.clone(),
            self.membership.clone(),
            self.tasks.clone(),
        );
        let takeover = Takeover::new(
            self.files.clone(),
            Arc::new(transfers),
            self.sealer.clone(),
            poll.clone(),
            self.peers.clone(),
            self.metrics.clone(),
        );
        Writers::new(self.files.clone(), self.volume.clone(), takeover, poll)
    }

    fn fetcher(&self, incoming: Arc<Incoming>) -> Fetcher {
        Fetcher::new(
            self.index.clone(),
            self.segments.clone(),
            self.files.clone(),
            self.volume.clone(),
            self.opener.clone(),
            incoming,
            self.membership.clone(),
        )
    }

    fn readings(&self, fetcher: Arc<Fetcher>) -> Readings {
        let (membership, metrics) = (self.membership.clone(), self.metrics.clone());
        let healer = Healer::new(fetcher, membership, self.tasks.clone(), metrics);
        Readings::new(
            self.index.clone(),
            self.files.clone(),
            self.opener.clone(),
            Arc::new(healer),
            self.membership.clone(),
            self.metrics.clone(),
        )
    }

    fn purger(&self, writers: Arc<Writers>) -> Purger {
        Purger::new(
            self.index.clone(),
            self.segments.clone(),
            self.files.clone(),
            writers,
            self.volume.clone(),
            self.tasks.clone(),
            self.metrics.clone(),
        )
    }
}

impl Parts {
    /// Ties each part to the parts that it needs.
    fn on(ground: Ground) -> Self {
        let (files, peers) = (&ground.files, &ground.peers);
        let (index, opener) = (&ground.index, &ground.opener);
        let copies = Arc::new(ground.copies());
        let holdings = Holdings::new(index.clone(), files.clone(), opener.clone(), peers.clone());
        let holdings = Arc::new(holdings);
        let incoming = Arc::new(Incoming::new(files.clone()));
        let writers = Arc::new(ground.writers());
        let fetcher = Arc::new(ground.fetcher(incoming.clone()));
        let readings = Arc::new(ground.readings(fetcher.clone()));
        let purger = Arc::new(ground.purger(writers.clone()));
        let responder =
            Responder::new(copies.clone(), files.clone(), holdings.clone(), writers.clone());
        Self { ground, copies, holdings, incoming, writers, fetcher, readings, purger, responder }
    }
}

impl Content {
    /// Opens the store in a directory, which it makes ready if it is empty.
    pub fn open(options: Options) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            let ground = Ground::open(options).await?;
            Ok(Self { parts: Arc::new(Parts::on(ground)) })
        })
    }

    /// Says which node this is and which nodes vote; before the first call nothing can be written.
    pub fn set_members(&self, node: NodeId, voters: &[NodeId]) {
        let members = Arc::new(Members { node, voters: voters.to_vec() });
        self.parts.ground.membership.set(members.clone());
        self.parts.copies.set_members(members);
    }

    /// Turns true when the disk has failed: the node must stop.
    pub fn failed(&self) -> tokio::sync::watch::Receiver<bool> {
        self.parts.ground.volume.failure()
    }

    /// Takes a small content (at most [`crate::SMALL_MAX`]) and returns when a majority holds it.
    ///
    /// A space is put once: a caller that tries again mints a new space. What an unfinished put left
    /// on a minority is listed by [`Content::list_held`] and may be purged when no packet claims it.
    pub fn put_small(
        &self,
        space: SpaceId,
        packet: PacketId,
        meta: Bytes,
        plaintext: Bytes,
    ) -> BoxFuture<'_, Result<Stored, Error>> {
        let content = SmallContent { space, packet, meta, plaintext };
        Box::pin(self.parts.copies.put(content))
    }

    /// Seals a small content, and keeps nothing of it here.
    ///
    /// The record may travel beside a proposal; each node that is given it writes the same octets.
    pub fn seal_small(
        &self,
        space: SpaceId,
        packet: PacketId,
        meta: Bytes,
        plaintext: Bytes,
    ) -> Result<SealedRecord, Error> {
        let content = SmallContent { space, packet, meta, plaintext };
        Ok(self.parts.ground.sealer.record(&content, &[])?.record)
    }

    /// Writes sealed records here with the next group commit; never waits, and asks no other node.
    ///
    /// They are agreed on, so they may take of the reserve, and go beyond the cap on contents: whoever takes in
    /// new ones asks [`Content::has_room`] first. `done` is told for each of them, in order, that it is durable,
    /// or why it will not be; it is dropped untold when the store ends first.
    pub fn keep_sealed<F>(&self, records: Vec<SealedRecord>, done: F)
    where
        F: FnOnce(Vec<Result<(), Error>>) + Send + 'static,
    {
        let ground = &self.parts.ground;
        let spaces: Vec<_> = records.iter().map(SealedRecord::space).collect();
        if ground.volume.alive().is_err() {
            return done(spaces.iter().map(|_| Err(Error::Failed)).collect());
        }
        let answer = move |verdicts: Vec<Verdict>| {
            let told = verdicts.into_iter().zip(spaces);
            done(told.map(|(verdict, space)| verdict.into_result(space)).collect());
        };
        ground.segments.keep(&ground.tasks, records, Box::new(answer));
    }

    /// Whether new contents may come in, as of the last look at the disk; a look that is due begins now.
    pub fn has_room(&self) -> bool {
        let Ground { volume, index, tasks, .. } = &self.parts.ground;
        if volume.room_is_due() {
            let volume = volume.clone();
            tasks.spawn(async move { volume.ask_room().await });
        }
        volume.alive().and_then(|()| volume.has_room()).and_then(|()| index.check_room()).is_ok()
    }

    /// The sealed record of a small content that this node holds, as it was written.
    ///
    /// `Missing` where there is none: the content may be large, or be on other nodes only.
    pub fn sealed(&self, space: SpaceId) -> BoxFuture<'_, Result<SealedRecord, Error>> {
        Box::pin(self.parts.ground.segments.sealed(space))
    }

    /// Opens the writing of a space under an epoch that the state gave to this node.
    ///
    /// A session that this node already has under that epoch goes on; else the holders are fenced
    /// and what a majority holds is taken over. `Fenced` means: claim the space again. With
    /// `expected`, a content that ends elsewhere is refused as `Offset`.
    ///
    /// `former` are the lists of voters since the space was granted, other than the present one. A majority of any
    /// of them may hold what was acknowledged; so a half of each has to answer, or the space stays as it is.
    pub fn open_writer(
        &self,
        claim: Claim,
        former: Vec<Vec<NodeId>>,
        meta: Bytes,
        expected: Option<u64>,
    ) -> BoxFuture<'_, Result<Writer, Error>> {
        Box::pin(async move { self.parts.writers.open(claim, &former, meta, expected).await })
    }

    /// Where the upload of a space stands, confirmed by a majority; `former` as in [`Content::open_writer`].
    pub fn offset(
        &self,
        space: SpaceId,
        former: Vec<Vec<NodeId>>,
    ) -> BoxFuture<'_, Result<Offset, Error>> {
        Box::pin(async move { self.parts.writers.offset(space, &former).await })
    }

    /// Opens a complete content for reading, from this node's copy or from another holder's.
    ///
    /// A copy with another digest than `digest` is not the content and is passed over.
    pub fn read(
        &self,
        space: SpaceId,
        range: Option<Range<u64>>,
        digest: Option<Digest>,
    ) -> BoxFuture<'_, Result<Reading, Error>> {
        Box::pin(self.parts.readings.open(Wanted { space, digest }, range))
    }

    /// The meta that the content's writer gave.
    pub fn meta(&self, space: SpaceId) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            let wanted = Wanted { space, digest: None };
            self.parts.readings.open(wanted, None).await?.meta().await
        })
    }

    /// Whether this node holds the complete content.
    pub fn holds(&self, space: SpaceId) -> bool {
        self.parts.ground.index.is_complete(space)
    }

    /// What this node's complete copy is.
    pub fn stat(&self, space: SpaceId) -> BoxFuture<'_, Result<Stat, Error>> {
        Box::pin(self.parts.holdings.stat(space))
    }

    /// Opens every frame of this node's copy: an error says which one is damaged.
    pub fn verify(&self, space: SpaceId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move { self.parts.ground.opener.open_here(space).await?.verify().await })
    }

    /// Destroys the contents and their keys on this node; what is not here is no error.
    pub fn purge(&self, spaces: Vec<SpaceId>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.parts.purger.purge(spaces))
    }

    /// What this node holds, in the order of the spaces, after `after`.
    pub fn list_held(&self, after: Option<SpaceId>, limit: usize) -> Vec<Held> {
        self.parts.ground.index.list(after, limit)
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
        self.parts.fetcher.fetch(Wanted { space, digest }, holders).await
    }

    /// What this node has of a content.
    pub async fn holding(&self, space: SpaceId) -> Holding {
        self.parts.holdings.holding(space).await
    }

    /// Asks another node what it has of these contents, in their order; none where it does not answer.
    pub async fn ask_holdings(&self, node: NodeId, spaces: Vec<SpaceId>) -> Option<Vec<Holding>> {
        self.parts.holdings.ask(node, spaces).await
    }

    /// Answers a peer's message.
    pub fn handle(&self, from: NodeId, message: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(self.parts.responder.handle(from, message))
    }

    /// Serves a stream that a peer opened, until it ends.
    pub fn handle_stream(
        &self,
        from: NodeId,
        header: Bytes,
        sink: Box<dyn FrameSink>,
        source: Box<dyn FrameSource>,
    ) -> BoxFuture<'_, ()> {
        Box::pin(self.parts.incoming.serve(from, header, sink, source))
    }

    /// The store's counters.
    pub fn metrics(&self) -> &Metrics {
        let metrics = &*self.parts.ground.metrics;
        metrics.queue_bytes.store(self.parts.ground.segments.queued(), Relaxed);
        metrics
    }

    /// Whether anything new may be written to the disk: an error where only its reserve is left.
    pub fn check_disk(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.parts.ground.volume.check_room())
    }

    /// How many contents this node holds.
    pub fn count(&self) -> usize {
        self.parts.ground.index.len()
    }

    /// Where a content lies, for tests that damage it there.
    #[cfg(test)]
    pub(crate) fn location(&self, space: SpaceId) -> Option<crate::index::Location> {
        self.parts.ground.index.location(space)
    }

    /// Ends all tasks; what was acknowledged is durable already.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.parts.ground.membership.set(Arc::default());
            self.parts.copies.close();
            self.parts.writers.end_all();
            self.parts.ground.tasks.end_all();
        })
    }
}
