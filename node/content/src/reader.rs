//! Reading: plaintext in pieces, every frame checked by its seal before a byte of it goes out.
//!
//! A reader opens in constant time: a record's frames follow from its head, a file's from the run
//! table in its seal frame. When this node's copy is missing or fails, another holder's raw
//! octets are read through the same checks, from the same offset on, and the local copy is healed.
//! Memory: one read of [`PIECE`] octets and what of it was not given out yet.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::{Bytes, BytesMut};
use model::{Digest, NodeId, PacketId, SpaceId};

use crate::{
    Error, Stat,
    disk::File,
    index::Place,
    layout::{Place as FramePlace, Run, locate},
    protocol::{self, About, Description, Operation, ReadRaw},
    record::{
        FILE_HEAD, FRAME, FRAME_HEAD, FrameHead, FrameKind, Identity, RECORD_HEAD, RecordHead,
        SEAL_PLACE, SealMark, frame_total,
    },
    seal::{Cipher, SlotOwner},
    store::Store,
};

/// Octets of one read: four full frames, below the largest message.
pub(crate) const PIECE: usize = 4 * frame_total(FRAME);

/// Octets that are read for a head and perhaps more heads behind it: a block of the disk.
const WALK_MIN: usize = 4096;

/// No file is longer, on any system: a peer's offset beyond it is behind every end.
const OFFSET_MAX: u64 = i64::MAX as u64 - PIECE as u64;

/// Where raw octets of a copy come from.
#[derive(Clone)]
pub(crate) enum Source {
    Here { file: Arc<dyn File>, base: u64, small: bool },
    Peer { node: NodeId, small: bool },
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
    /// Where the meta frame lies, and its plaintext octets.
    pub meta: (u64, u32),
}

/// See [`crate::Reader`].
pub(crate) struct Reading {
    store: Arc<Store>,
    space: SpaceId,
    opened: Opened,
    wanted: Option<Digest>,
    pub range: Range<u64>,
    at: u64,
    /// The frame behind the last one that was read.
    place: Option<FramePlace>,
    ready: VecDeque<Bytes>,
    /// Peers that were not tried yet.
    others: VecDeque<NodeId>,
    failed: bool,
}

impl Store {
    pub async fn read_raw(
        &self,
        space: SpaceId,
        source: &Source,
        offset: u64,
        len: usize,
    ) -> Result<BytesMut, Error> {
        match source {
            Source::Here { file, base, .. } => file
                .read(base + offset, len)
                .await
                .map_err(|source| Error::Disk { what: "read a content", source }),
            Source::Peer { node, .. } => {
                let body = ReadRaw { space, offset, len: len as u32 };
                let octets = self.ask(*node, space, Operation::Read, &body).await?;
                if octets.len() > len {
                    return Err(Error::Malformed { what: "more octets than were asked for" });
                }
                Ok(octets.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])))
            }
        }
    }

    /// Asks a peer about a space.
    pub async fn ask(
        &self,
        node: NodeId,
        space: SpaceId,
        operation: Operation,
        body: &impl minicbor::Encode<()>,
    ) -> Result<Bytes, Error> {
        let answer = self.peers.request(node, protocol::message(operation, body)).await;
        protocol::accepted(&answer.map_err(|_| Error::Unavailable { space })?, space)
    }

    /// This node's copy, if it has a complete one.
    pub fn source_here(&self, space: SpaceId, large: Option<Arc<dyn File>>) -> Option<Source> {
        match self.index.lock().get(space)?.place {
            Place::Small { segment, offset, .. } => {
                let file = self.segments.file(segment)?;
                Some(Source::Here { file, base: u64::from(offset), small: true })
            }
            Place::Large { complete: true } => {
                Some(Source::Here { file: large?, base: 0, small: false })
            }
            Place::Large { complete: false } => None,
        }
    }

    async fn find_here(&self, space: SpaceId) -> Result<Option<Source>, Error> {
        let place = self.index.lock().get(space).map(|entry| entry.place);
        let large = match place {
            Some(Place::Large { complete: true }) => Some(
                self.disk
                    .open(&crate::files::space_path(space))
                    .await
                    .map_err(|source| Error::Disk { what: "open a content", source })?,
            ),
            _ => None,
        };
        Ok(self.source_here(space, large))
    }

    /// Opens this node's copy.
    pub async fn open_here(&self, space: SpaceId) -> Result<Opened, Error> {
        self.check_alive_here(space)?;
        let source = self.find_here(space).await?.ok_or(Error::Missing { space })?;
        self.open_source(space, source).await
    }

    /// Opens a peer's copy.
    pub async fn open_peer(&self, space: SpaceId, node: NodeId) -> Result<Opened, Error> {
        let body = self.ask(node, space, Operation::Describe, &About { space }).await?;
        let description: Description = protocol::decode(&body)?;
        let source = Source::Peer { node, small: description.seal_at.is_none() };
        self.open_source(space, source).await
    }

    async fn open_source(&self, space: SpaceId, source: Source) -> Result<Opened, Error> {
        let small =
            matches!(source, Source::Here { small: true, .. } | Source::Peer { small: true, .. });
        if small {
            self.open_record(space, source).await
        } else {
            self.open_file(space, source).await
        }
    }

    async fn open_record(&self, space: SpaceId, source: Source) -> Result<Opened, Error> {
        let octets = self.read_raw(space, &source, 0, RECORD_HEAD + crate::SLOT_MAX).await?;
        let damaged = |what| Error::Damaged { space, what };
        let head = RecordHead::parse(&octets)
            .filter(|head| head.space == space)
            .ok_or(damaged("its head"))?;
        let body = RECORD_HEAD + usize::from(head.slot_len);
        let slot = octets.get(RECORD_HEAD..body).ok_or(damaged("its slot"))?;
        let RecordHead { packet, generation, size, digest, .. } = head;
        let cipher = SlotOwner { space, packet, generation, small: Some((size, digest)) }
            .open(&*self.keys, slot)?;
        let mut at = body as u64 + frame_total(head.meta_len as usize) as u64;
        let (mut live, full, rest) =
            (Vec::new(), (size / FRAME as u64) as u32, (size % FRAME as u64) as u32);
        let run = |len: u32, count, first, at, offset| Run {
            kind: FrameKind::Data,
            epoch: 0,
            len,
            count,
            first,
            at,
            offset,
            plain: u64::from(len) * u64::from(count),
        };
        if full > 0 {
            live.push(run(FRAME as u32, full, 1, at, 0));
            at += u64::from(full) * frame_total(FRAME) as u64;
        }
        if rest > 0 {
            live.push(run(rest, 1, u64::from(full) + 1, at, u64::from(full) * FRAME as u64));
        }
        let meta = (body as u64, head.meta_len);
        Ok(Opened { source, cipher, packet, size, digest, live, meta })
    }

    async fn open_file(&self, space: SpaceId, source: Source) -> Result<Opened, Error> {
        let damaged = |what| Error::Damaged { space, what };
        let header = self.read_raw(space, &source, 0, FILE_HEAD).await?;
        let identity = Identity::parse(&header, space).ok_or(damaged("its identity"))?;
        let mark =
            header.get(SEAL_PLACE..).and_then(SealMark::parse).ok_or(damaged("its seal mark"))?;
        let cipher = identity.owner().open(&*self.keys, &identity.slot)?;
        let frame = self.read_raw(space, &source, mark.at, mark.len as usize).await?;
        let body = cipher.open_seal(frame).ok_or(damaged("its seal frame"))?;
        let first = body
            .layout
            .runs()
            .first()
            .filter(|run| run.kind == FrameKind::Meta)
            .ok_or(damaged("its table"))?;
        let meta = (first.at, first.len);
        let (packet, live) = (identity.packet, body.layout.live());
        Ok(Opened { source, cipher, packet, size: body.size, digest: body.digest, live, meta })
    }

    /// Reads and opens the meta of an opened copy.
    pub async fn open_meta(&self, space: SpaceId, opened: &Opened) -> Result<Bytes, Error> {
        let (at, len) = opened.meta;
        let frame = self.read_raw(space, &opened.source, at, frame_total(len as usize)).await?;
        let (head, meta) = opened.cipher.open(frame).ok_or(Error::Forged { space, sequence: 0 })?;
        if head.kind != FrameKind::Meta || head.sequence != 0 {
            return Err(Error::Forged { space, sequence: 0 });
        }
        Ok(meta.freeze())
    }

    pub async fn stat(&self, space: SpaceId) -> Result<Stat, Error> {
        let Opened { packet, size, digest, .. } = self.open_here(space).await?;
        Ok(Stat { packet, size, digest })
    }

    /// What this node's complete copy is, for a peer.
    pub async fn describe(&self, space: SpaceId) -> Result<Description, Error> {
        let opened = self.open_here(space).await?;
        let Opened { packet, size, digest, .. } = opened;
        let place = self.index.lock().get(space).map(|entry| entry.place);
        let (total, seal_at) = match (place, &opened.source) {
            (Some(Place::Small { total, .. }), _) => (u64::from(total), None),
            (_, Source::Here { file, .. }) => {
                let header = file
                    .read(0, FILE_HEAD)
                    .await
                    .map_err(crate::store::disk_error("read a header"))?;
                let mark = header.get(SEAL_PLACE..).and_then(SealMark::parse);
                let mark = mark.ok_or(Error::Damaged { space, what: "its seal mark" })?;
                (mark.at + u64::from(mark.len), Some(mark.at))
            }
            _ => return Err(Error::Missing { space }),
        };
        Ok(Description { packet, total, seal_at, size, digest })
    }

    /// Raw octets of this node's copy, for a peer.
    pub async fn raw_for_peer(&self, ask: ReadRaw) -> Result<BytesMut, Error> {
        let ReadRaw { space, offset, len } = ask;
        self.check_alive_here(space)?;
        let len = (len as usize).min(PIECE);
        let place = self.index.lock().get(space).map(|entry| entry.place);
        let source = match place {
            // A writer that takes over reads an incomplete log too.
            Some(Place::Large { .. }) => {
                let opened = self.disk.open(&crate::files::space_path(space)).await;
                let file = opened.map_err(crate::store::disk_error("open a content"))?;
                Source::Here { file, base: 0, small: false }
            }
            _ => self.source_here(space, None).ok_or(Error::Missing { space })?,
        };
        let len = match place {
            Some(Place::Small { total, .. }) => {
                len.min(u64::from(total).saturating_sub(offset) as usize)
            }
            _ => len,
        };
        // Behind every end; the sum with the record's own place would run over.
        if len == 0 || offset > OFFSET_MAX {
            return Ok(BytesMut::new());
        }
        self.read_raw(space, &source, offset, len).await
    }
}

/// Whether a frame is the one that a place tells of. Its seal says whether it is what it says.
fn follows(place: &FramePlace, head: &FrameHead) -> bool {
    let len = if place.len == 0 { head.len } else { place.len };
    let FramePlace { epoch, first: sequence, offset, .. } = *place;
    let expected = FrameHead { kind: FrameKind::Data, epoch, sequence, offset, len, ..*head };
    *head == expected && len > 0 && offset + u64::from(len) <= place.end
}

impl Store {
    /// Moves a place in a mixed run along the heads of its frames, to the first one that is to be stopped at
    /// or to where the run ends. Where frames are small, one read has the heads of many; where they are large, little
    /// more than the heads is read.
    pub async fn walk(
        &self,
        (space, source): (SpaceId, &Source),
        place: &mut FramePlace,
        stops: impl Fn(&FrameHead) -> bool,
    ) -> Result<(), Error> {
        let (mut octets, mut asked) = (BytesMut::new(), WALK_MIN);
        while place.offset < place.end {
            if octets.len() < FRAME_HEAD {
                octets = self.read_raw(space, source, place.at, asked).await?;
            }
            let head = FrameHead::parse(&octets, space).filter(|head| follows(place, head));
            let head = head.ok_or(Error::Forged { space, sequence: place.first })?;
            if stops(&head) {
                break;
            }
            place.at += head.total() as u64;
            place.offset += u64::from(head.len);
            place.first += 1;
            if head.total() + FRAME_HEAD <= octets.len() {
                drop(octets.split_to(head.total()));
            } else {
                // What was read is used up: by many frames, so that more at once is worth it, or by a large one.
                asked = if head.total() < asked { (asked * 2).min(PIECE) } else { WALK_MIN };
                octets.clear();
            }
        }
        Ok(())
    }

    /// Reads [`PIECE`] octets of a run at most, and opens the frames that have octets of a range; the place
    /// moves behind what was read. Frames before a bad one are given out.
    pub async fn read_frames(
        &self,
        (space, source, cipher): (SpaceId, &Source, &Cipher),
        place: &mut FramePlace,
        range: Range<u64>,
        mut opened: impl FnMut(u64, BytesMut),
    ) -> Result<(), Error> {
        let end = place.end.min(range.end);
        if place.len == 0 {
            let has_some = |head: &FrameHead| head.offset + u64::from(head.len) > range.start;
            self.walk((space, source), place, has_some).await?;
        }
        let asked = match place.len {
            // Frames of any lengths: no more than if each had a single octet.
            0 => (place.end - place.offset).saturating_mul(frame_total(1) as u64),
            len => (end - place.offset).div_ceil(u64::from(len)) * frame_total(len as usize) as u64,
        };
        let frames = |len: u32| PIECE / frame_total(len as usize) * frame_total(len as usize);
        let asked = asked.min(if place.len == 0 { PIECE } else { frames(place.len) } as u64);
        let mut octets = self.read_raw(space, source, place.at, asked as usize).await?;
        let before = place.offset;
        while place.offset < end {
            let forged = Error::Forged { space, sequence: place.first };
            let Some(head) = FrameHead::parse(&octets, space) else { break };
            if head.total() > octets.len() {
                break;
            }
            if !follows(place, &head) {
                return Err(forged);
            }
            let (_, plaintext) = cipher.open(octets.split_to(head.total())).ok_or(forged)?;
            opened(place.offset, plaintext);
            place.at += head.total() as u64;
            place.offset += u64::from(head.len);
            place.first += 1;
        }
        if place.offset == before {
            return Err(Error::Forged { space, sequence: place.first });
        }
        Ok(())
    }
}

impl Reading {
    pub async fn open(
        store: Arc<Store>,
        space: SpaceId,
        range: Option<Range<u64>>,
        wanted: Option<Digest>,
    ) -> Result<Self, Error> {
        store.check_alive_here(space)?;
        let mut others: VecDeque<NodeId> = store.members().others().collect();
        let is_wanted = |opened: &Opened| wanted.is_none_or(|wanted| wanted == opened.digest);
        let here = store.open_here(space).await;
        let held = store.index.lock().get(space).is_some_and(|entry| entry.is_complete());
        let mut opened = here.ok().filter(is_wanted);
        if opened.is_none() && held {
            store.heal_later(space, wanted);
        }
        while opened.is_none() {
            let Some(node) = others.pop_front() else { return Err(Error::Missing { space }) };
            opened = store.open_peer(space, node).await.ok().filter(is_wanted);
        }
        let opened = opened.expect("the loop ends with one");
        let size = opened.size;
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(Error::Range { space, size });
        }
        let at = range.start;
        let wanted = Some(opened.digest);
        Ok(Self {
            store,
            space,
            opened,
            wanted,
            range,
            at,
            place: None,
            ready: VecDeque::new(),
            others,
            failed: false,
        })
    }

    pub fn size(&self) -> u64 {
        self.opened.size
    }

    pub fn digest(&self) -> Digest {
        self.opened.digest
    }

    pub async fn meta(&mut self) -> Result<Bytes, Error> {
        loop {
            match self.store.open_meta(self.space, &self.opened).await {
                Ok(meta) => return Ok(meta),
                Err(error) => self.turn_to_another(error).await?,
            }
        }
    }

    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if self.failed {
            return None;
        }
        if let Err(error) = self.fill().await {
            self.failed = true;
            self.ready.clear();
            return Some(Err(error));
        }
        let piece = self.ready.pop_front()?;
        self.store.metrics.bytes_out.fetch_add(piece.len() as u64, Relaxed);
        Some(Ok(piece))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        // A purge ends this reader too, whatever it has read ahead.
        self.store.check_alive_here(self.space)?;
        while self.ready.is_empty() && self.at < self.range.end {
            if let Err(error) = self.read_piece().await {
                self.turn_to_another(error).await?;
            }
        }
        Ok(())
    }

    /// Reads some frames of one run and opens them; those before a bad one are kept.
    async fn read_piece(&mut self) -> Result<(), Error> {
        let (space, opened) = (self.space, &self.opened);
        // Of a mixed run, what was read last may end far before what is looked for.
        let goes_on = |place: &FramePlace| (place.offset..place.end).contains(&self.at);
        let place = self.place.filter(goes_on).or_else(|| locate(&opened.live, self.at));
        let mut place = place.ok_or(Error::Damaged { space, what: "its table" })?;
        let range = self.at..self.range.end;
        let (ready, at) = (&mut self.ready, &mut self.at);
        let keep = |offset: u64, plaintext: BytesMut| {
            let plaintext = plaintext.freeze();
            let from = (*at - offset) as usize;
            let to = plaintext.len().min((range.end - offset) as usize);
            ready.push_back(plaintext.slice(from..to));
            *at = offset + to as u64;
        };
        let from = (space, &opened.source, &opened.cipher);
        let read = self.store.read_frames(from, &mut place, range.clone(), keep).await;
        self.place = Some(place);
        read
    }

    /// Goes on with another holder's copy; this node's own, if it was that, is healed.
    async fn turn_to_another(&mut self, error: Error) -> Result<(), Error> {
        self.store.check_alive_here(self.space)?;
        let error = self.cause(error).await;
        if error.is_damage() {
            self.store.metrics.damage_found.fetch_add(1, Relaxed);
            tracing::warn!(space = %self.space, %error, "a copy failed; reading goes on from another holder");
        } else {
            tracing::debug!(space = %self.space, %error, "a holder gives no more; reading goes on from another");
        }
        if matches!(self.opened.source, Source::Here { .. }) {
            self.store.heal_later(self.space, self.wanted);
        }
        while let Some(node) = self.others.pop_front() {
            if let Ok(opened) = self.store.open_peer(self.space, node).await
                && self.wanted.is_none_or(|wanted| wanted == opened.digest)
                && opened.size == self.opened.size
            {
                // Its frames may lie elsewhere.
                (self.opened, self.place) = (opened, None);
                return Ok(());
            }
        }
        Err(error)
    }

    /// Why a copy gave no good octets. What a peer destroys while we read it arrives as zeros, or
    /// cut short: it is asked whether it still has the content, before its disk is blamed.
    async fn cause(&self, error: Error) -> Error {
        let Source::Peer { node, .. } = self.opened.source else { return error };
        if !error.is_damage() {
            return error;
        }
        let about = About { space: self.space };
        match self.store.ask(node, self.space, Operation::Describe, &about).await {
            Err(
                gone @ (Error::Purged { .. } | Error::Missing { .. } | Error::Unavailable { .. }),
            ) => gone,
            _ => error,
        }
    }
}
