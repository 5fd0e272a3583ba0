//! Opens copies: finds one here or at a peer, and has it prove that it is the content.
//!
//! A copy opens in constant time: a record's frames follow from its head, a file's from the run
//! table in its seal frame. It deliberately lacks: reading a content to its end (reading), making
//! a bad copy good (heal).

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Digest, NodeId, PacketId, SpaceId,
    lengths::{in_form, in_memory},
};

use crate::{
    Error, KeySealer, Peers, SLOT_MAX,
    files::Files,
    frames::open_frames,
    index::{Index, Location, RecordAt},
    layout::{Run, cursor_at},
    protocol::{self, About, Description, Operation},
    record::{
        FILE_HEAD, FRAME, FrameKind, Identity, RECORD_HEAD, RecordHead, SEAL_PLACE, SealMark,
        frame_total,
    },
    seal::{Cipher, Sealed, SlotOwner},
    segments::Segments,
    source::{Form, Source, ask},
};

/// Opens the copies of this node and of its peers.
pub(crate) struct Opener {
    index: Arc<Index>,
    segments: Arc<Segments>,
    files: Arc<Files>,
    keys: Arc<dyn KeySealer>,
    peers: Arc<dyn Peers>,
}

/// A copy that has proved to be the content: its key opens it and its seal says what it is.
pub(crate) struct Opened {
    pub source: Source,
    pub cipher: Cipher,
    pub packet: PacketId,
    pub size: u64,
    pub digest: Digest,
    /// The runs that are the content.
    pub live: Vec<Run>,
    pub meta: MetaAt,
    /// Octets of the copy.
    total: u64,
    /// Where a file's seal frame lies; none for a record.
    seal_at: Option<u64>,
    /// Where the copy lies, if it is this node's.
    location: Option<Location>,
}

/// A copy of this node that was not opened yet.
struct Found {
    location: Location,
    source: Source,
}

/// Where the meta frame lies, and its plaintext octets.
#[derive(Clone, Copy)]
pub(crate) struct MetaAt {
    pub at: u64,
    pub len: u32,
}

impl Opener {
    pub fn new(
        index: Arc<Index>,
        segments: Arc<Segments>,
        files: Arc<Files>,
        keys: Arc<dyn KeySealer>,
        peers: Arc<dyn Peers>,
    ) -> Self {
        Self { index, segments, files, keys, peers }
    }

    /// This node's copy, if it has a complete one.
    async fn find(&self, space: SpaceId) -> Result<Found, Error> {
        let location = self.index.location(space).ok_or(Error::Missing { space })?;
        let source = match location {
            Location::Record(at) => self.record_at(space, at)?,
            Location::File { complete: true } => Source::file(space, self.files.raw(space).await?),
            Location::File { complete: false } => return Err(Error::Missing { space }),
        };
        Ok(Found { location, source })
    }

    /// A record of this node as raw octets.
    pub fn record_at(&self, space: SpaceId, at: RecordAt) -> Result<Source, Error> {
        let file = self.segments.file(at.segment).ok_or(Error::Missing { space })?;
        Ok(Source::record(space, file, at.offset))
    }

    /// Opens this node's copy.
    pub async fn open_here(&self, space: SpaceId) -> Result<Opened, Error> {
        loop {
            self.files.check(space)?;
            let Found { location, source } = self.find(space).await?;
            match self.open(source).await {
                Ok(opened) => return Ok(Opened { location: Some(location), ..opened }),
                // A repair has given it another place meanwhile, and wiped this one.
                Err(_) if self.index.location(space) != Some(location) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens this node's copy again, if it was opened before and has another place by now.
    pub async fn reopen(&self, opened: &Opened) -> Option<Opened> {
        let space = opened.source.space;
        let before = opened.location?;
        let has_moved = self.index.location(space).is_some_and(|now| now != before);
        if has_moved { self.open_here(space).await.ok() } else { None }
    }

    /// Asks a peer what its complete copy is.
    pub async fn describe(&self, space: SpaceId, node: NodeId) -> Result<Description, Error> {
        let about = About { space };
        let body = ask(&*self.peers, node, space, Operation::Describe, &about).await?;
        protocol::decode(&body)
    }

    /// Opens a peer's copy.
    pub async fn open_peer(&self, space: SpaceId, node: NodeId) -> Result<Opened, Error> {
        let description = self.describe(space, node).await?;
        self.open_described(space, node, &description).await
    }

    /// Opens a peer's copy of which the peer has told what it is.
    pub async fn open_described(
        &self,
        space: SpaceId,
        node: NodeId,
        description: &Description,
    ) -> Result<Opened, Error> {
        let form = if description.seal_at.is_none() { Form::Record } else { Form::File };
        self.open(Source::peer(space, form, self.peers.clone(), node)).await
    }

    async fn open(&self, source: Source) -> Result<Opened, Error> {
        match source.form {
            Form::Record => self.open_record(source).await,
            Form::File => self.open_file(source).await,
        }
    }

    async fn open_record(&self, source: Source) -> Result<Opened, Error> {
        let space = source.space;
        let octets = source.read(0, RECORD_HEAD + SLOT_MAX).await?;
        let damaged = |what| Error::Damaged { space, what };
        let head = RecordHead::parse(&octets)
            .filter(|head| head.space == space)
            .ok_or(damaged("its head"))?;
        let body = RECORD_HEAD + usize::from(head.slot_len);
        let slot = octets.get(RECORD_HEAD..body).ok_or(damaged("its slot"))?;
        let RecordHead { packet, generation, size, digest, total, .. } = head;
        let small = Some(Sealed { size, digest });
        let cipher = SlotOwner { space, packet, generation, small }.open(&*self.keys, slot)?;
        let meta = MetaAt { at: body as u64, len: head.meta_len };
        let live = runs_of_record(size, meta.at + frame_total(head.meta_len as usize) as u64);
        let total = u64::from(total);
        Ok(Opened {
            source,
            cipher,
            packet,
            size,
            digest,
            live,
            meta,
            total,
            seal_at: None,
            location: None,
        })
    }

    async fn open_file(&self, source: Source) -> Result<Opened, Error> {
        let space = source.space;
        let damaged = |what| Error::Damaged { space, what };
        let header = source.read(0, FILE_HEAD).await?;
        let identity = Identity::parse(&header, space).ok_or(damaged("its identity"))?;
        let mark =
            header.get(SEAL_PLACE..).and_then(SealMark::parse).ok_or(damaged("its seal mark"))?;
        let cipher = SlotOwner::of(&identity).open(&*self.keys, &identity.slot)?;
        let frame = source.read(mark.at, mark.len as usize).await?;
        let body = cipher.open_seal(frame).ok_or(damaged("its seal frame"))?;
        let first = body
            .layout
            .runs()
            .first()
            .filter(|run| run.kind == FrameKind::Meta)
            .ok_or(damaged("its table"))?;
        let meta = MetaAt { at: first.at, len: first.len };
        let (packet, live) = (identity.packet, body.layout.live());
        let (size, digest) = (body.size, body.digest);
        let (total, seal_at) = (mark.at.saturating_add(u64::from(mark.len)), Some(mark.at));
        Ok(Opened {
            source,
            cipher,
            packet,
            size,
            digest,
            live,
            meta,
            total,
            seal_at,
            location: None,
        })
    }
}

/// The runs of a record's data frames, which begin at `at`: full ones, and the rest.
fn runs_of_record(size: u64, at: u64) -> Vec<Run> {
    let frame = FRAME as u64;
    let (full, rest) = (size / frame, size % frame);
    let run = |len: u64, count: u64, first: u64, at: u64| Run {
        kind: FrameKind::Data,
        epoch: 0,
        len: in_form(len),
        count: in_form(count),
        first,
        at,
        offset: (first - 1) * frame,
        plain: len * count,
    };
    let mut runs = Vec::with_capacity(2);
    if full > 0 {
        runs.push(run(frame, full, 1, at));
    }
    if rest > 0 {
        runs.push(run(rest, 1, full + 1, at + full * frame_total(FRAME) as u64));
    }
    runs
}

impl Opened {
    /// What the copy is, for a peer.
    pub fn description(&self) -> Description {
        let Self { packet, size, digest, total, seal_at, .. } = *self;
        Description { packet, total, seal_at, size, digest }
    }

    /// Reads and opens the meta.
    pub async fn meta(&self) -> Result<Bytes, Error> {
        let MetaAt { at, len } = self.meta;
        let forged = Error::Forged { space: self.source.space, sequence: 0 };
        let frame = self.source.read(at, frame_total(len as usize)).await?;
        match self.cipher.open(frame) {
            Some((head, meta)) if head.kind == FrameKind::Meta && head.sequence == 0 => {
                Ok(meta.freeze())
            }
            _ => Err(forged),
        }
    }

    /// Opens every frame: an error says which one is damaged.
    pub async fn verify(&self) -> Result<(), Error> {
        self.meta().await?;
        for run in &self.live {
            let mut cursor = cursor_at(run, 0);
            while cursor.offset < cursor.end {
                let range = cursor.offset..cursor.end;
                open_frames(&self.source, &self.cipher, &mut cursor, range, |_, _| ()).await?;
            }
        }
        Ok(())
    }

    /// The octets of a record before its frames.
    pub fn frames_at(&self) -> usize {
        in_memory(self.meta.at)
    }
}
