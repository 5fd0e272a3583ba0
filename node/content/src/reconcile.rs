//! Reconciliation: copies that this node should have and has not, or has and cannot use.
//!
//! What is to be fetched or destroyed is for others to say; here it is done. A fetched copy is
//! checked frame by frame under the content's key before it counts.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use bytes::{Bytes, BytesMut};
use model::{Digest, NodeId, SpaceId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    Error, Holding,
    disk::Write,
    files::{PART, space_path},
    index::{Entry, Place},
    layout::place,
    protocol::{self, About, Description, Operation},
    reader::{Opened, PIECE},
    record::{
        FENCE_PLACES, FILE_HEAD, FRAME, FrameHead, Identity, RecordHead, SEAL_PLACE, SealMark,
        frame_total,
    },
    segments::mark_of,
    store::Store,
};

/// Healings at once: they come after readers, who are served from another holder meanwhile.
const HEALINGS_MAX: usize = 16;

/// The longest frame that a seal may be.
const SEAL_MAX: u64 = frame_total(FRAME) as u64;

/// Spaces that are being healed.
#[derive(Default)]
pub(crate) struct Healings {
    pub(crate) spaces: Mutex<BTreeSet<SpaceId>>,
    /// Held while a record is made good where it lies. A purge that has taken the record out of the
    /// index waits for it before it wipes: a key must not be written over zeros.
    pub(crate) writing: tokio::sync::Mutex<()>,
}

impl Store {
    /// See [`crate::Content::fetch`]. With `anew`, a copy that seems good is replaced too.
    pub async fn fetch(
        &self,
        space: SpaceId,
        wanted: Option<Digest>,
        holders: &[NodeId],
        anew: bool,
    ) -> Result<(), Error> {
        self.check_alive_here(space)?;
        self.check_disk().await?;
        if !anew
            && let Ok(opened) = self.open_here(space).await
            && wanted.is_none_or(|wanted| wanted == opened.digest)
        {
            return Ok(());
        }
        if !anew && self.feeds.lock().contains_key(&space) {
            // It is on its way, by a line that would carry it twice.
            return Err(Error::Busy { space });
        }
        let node = self.members().node;
        let mut last = Error::Missing { space };
        for holder in holders.iter().copied().filter(|holder| *holder != node) {
            match self.fetch_from(space, wanted, holder).await {
                Ok(()) => return Ok(()),
                Err(
                    error @ (Error::Purged { .. } | Error::Full | Error::TooMany | Error::Failed),
                ) => {
                    self.check_alive_here(space)?;
                    last = error;
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// What this node has of a content.
    pub async fn holding(&self, space: SpaceId) -> Holding {
        let place = || self.index.lock().get(space).map(|entry| entry.place);
        match place() {
            None => return Holding::Nothing,
            Some(Place::Small { .. } | Place::Large { complete: true }) => return Holding::Whole,
            Some(Place::Large { complete: false }) => {}
        }
        // Its seal may be there without the mark that a start looks for. Without the seal it never was
        // a whole copy, and nobody can make it one.
        match (self.lock_space(space, None).await, place()) {
            (Ok(log), _) if log.layout.seal().is_some() => Holding::Whole,
            (Ok(_), _) | (Err(Error::Purged { .. } | Error::Missing { .. }), _) => Holding::Nothing,
            (Err(_), Some(Place::Small { .. })) => Holding::Whole,
            (Err(_), _) => Holding::Unread,
        }
    }

    /// Asks a peer what it has of these contents; none where it does not answer for all of them.
    pub async fn ask_holdings(&self, peer: NodeId, spaces: Vec<SpaceId>) -> Option<Vec<Holding>> {
        let mut holdings = Vec::with_capacity(spaces.len());
        for spaces in spaces.chunks(protocol::HOLDS_MAX) {
            let ask = protocol::AskHolds { spaces: spaces.to_vec() };
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

    async fn fetch_from(
        &self,
        space: SpaceId,
        wanted: Option<Digest>,
        holder: NodeId,
    ) -> Result<(), Error> {
        let body = self.ask(holder, space, Operation::Describe, &About { space }).await?;
        let description: Description = protocol::decode(&body)?;
        let opened = self.open_peer(space, holder).await?;
        let same = opened.digest == description.digest && opened.size == description.size;
        if !same || wanted.is_some_and(|wanted| wanted != opened.digest) {
            return Err(Error::Damaged { space, what: "a holder's copy is another content" });
        }
        match description.seal_at {
            None => self.fetch_record(space, &opened, description.total).await,
            Some(seal_at) => {
                // The numbers are the peer's: they say nothing until they fit together.
                let len = description.total.checked_sub(seal_at).filter(|len| *len <= SEAL_MAX);
                let len = len.filter(|_| seal_at >= FILE_HEAD as u64);
                let len = len.ok_or(Error::Damaged { space, what: "a holder's description" })?;
                self.fetch_file(space, &opened, (seal_at, len as u32)).await
            }
        }
    }

    async fn fetch_record(&self, space: SpaceId, opened: &Opened, total: u64) -> Result<(), Error> {
        let damaged = Error::Damaged { space, what: "a holder's record" };
        if total > crate::record::RECORD_MAX as u64 {
            return Err(damaged);
        }
        let mut record = BytesMut::with_capacity(total as usize);
        while (record.len() as u64) < total {
            let rest = (total as usize - record.len()).min(PIECE);
            let octets = self.read_raw(space, &opened.source, record.len() as u64, rest).await?;
            if octets.is_empty() {
                return Err(damaged);
            }
            record.extend_from_slice(&octets);
        }
        let head =
            RecordHead::parse_whole(&record).filter(|head| head.space == space).ok_or(damaged)?;
        // Its head may be another one than the holder showed before.
        let frames = record.get(opened.meta.0 as usize..).unwrap_or_default();
        let whole = record.len() == head.total as usize && head.digest == opened.digest;
        if !whole || self.check_frames(space, opened, opened.meta.0, frames)? == opened.meta.0 {
            return Err(Error::Damaged { space, what: "a holder's record" });
        }
        let record = record.freeze();
        let writing = self.healings.writing.lock().await;
        let place = self.index.lock().get(space).map(|entry| entry.place);
        if let Some(Place::Small { segment, offset, total, mark }) = place
            && mark == mark_of(&head)
            && total == head.total
        {
            // The same record at the same place: its octets are made good.
            let writes = vec![Write { offset: u64::from(offset), bytes: record }];
            return self.wipe_now(segment, writes).await;
        }
        drop(writing);
        match place {
            Some(place @ Place::Small { .. }) => {
                self.index.lock().remove(space);
                self.retire(place).await?;
                self.put_record(space, record, head).await
            }
            Some(Place::Large { .. }) => Err(Error::Exists { space }),
            None => self.put_record(space, record, head).await,
        }
    }

    async fn put_record(
        &self,
        space: SpaceId,
        record: Bytes,
        head: RecordHead,
    ) -> Result<(), Error> {
        let (answer, done) = oneshot::channel();
        let tell = Box::new(move |statuses: Vec<_>| drop(answer.send(statuses)));
        self.segments.put(vec![(record, head)], tell).await?;
        let statuses = done.await.map_err(|_| Error::Failed)?;
        statuses.first().map_or(Err(Error::Failed), |status| status.into_result(space))
    }

    /// Opens every frame in the octets, which begin at a frame and end with one or with padding.
    fn check_frames(
        &self,
        space: SpaceId,
        opened: &Opened,
        at: u64,
        mut octets: &[u8],
    ) -> Result<u64, Error> {
        let mut done = at;
        while let Some(head) = FrameHead::parse(octets, space) {
            let Some(frame) = octets.get(..head.total()) else { break };
            if opened.cipher.open(BytesMut::from(frame)).is_none() {
                return Err(Error::Forged { space, sequence: head.sequence });
            }
            done += frame.len() as u64;
            octets = &octets[frame.len()..];
        }
        Ok(done)
    }

    async fn fetch_file(
        &self,
        space: SpaceId,
        opened: &Opened,
        seal: (u64, u32),
    ) -> Result<(), Error> {
        let part = format!("{}{PART}", space_path(space));
        let result = self.copy_file(space, opened, &part, seal).await;
        let result = match result {
            Ok(()) => self.put_file_in_place(space, opened, &part).await,
            Err(error) => Err(error),
        };
        if result.is_err() && self.alive().is_ok() {
            self.wipe_file(&part).await?;
        }
        result
    }

    async fn copy_file(
        &self,
        space: SpaceId,
        opened: &Opened,
        part: &str,
        (seal_at, len): (u64, u32),
    ) -> Result<(), Error> {
        let total = seal_at + u64::from(len);
        let header = self.read_raw(space, &opened.source, 0, FILE_HEAD).await?;
        let damaged = Error::Damaged { space, what: "a holder's file" };
        let identity = Identity::parse(&header, space).ok_or(damaged)?;
        let file = self
            .disk
            .create(part)
            .await
            .map_err(|source| self.write_failed("create a copy", source))?;
        let mut at = FILE_HEAD as u64;
        while at < total {
            self.check_alive_here(space)?;
            self.check_disk().await?;
            let piece = (total - at).min(PIECE as u64) as usize;
            let octets = self.read_raw(space, &opened.source, at, piece).await?;
            let end = self.check_frames(space, opened, at, &octets)?;
            if end == at {
                return Err(Error::Damaged { space, what: "a holder's frames" });
            }
            let bytes = octets.freeze().slice(..(end - at) as usize);
            let written = file.write(vec![Write { offset: at, bytes }], false).await;
            written.map_err(|source| self.write_failed("write a copy", source))?;
            at = end;
        }
        let mut head = vec![0; FILE_HEAD];
        head[..crate::record::IDENTITY].copy_from_slice(&identity.encode());
        let mark = SealMark { at: seal_at, len, size: opened.size, digest: opened.digest }.encode();
        head[SEAL_PLACE..SEAL_PLACE + mark.len()].copy_from_slice(&mark);
        if let Some(fence) = self.fence_here(space).await {
            let fence = fence.encode();
            head[FENCE_PLACES[0]..FENCE_PLACES[0] + fence.len()].copy_from_slice(&fence);
        }
        self.write_synced(&*file, vec![Write { offset: 0, bytes: head.into() }], "write a copy")
            .await
    }

    /// The promise that an incomplete log here has made; a complete copy keeps it.
    async fn fence_here(&self, space: SpaceId) -> Option<crate::record::Fence> {
        self.lock_space(space, None).await.ok()?.fence
    }

    async fn put_file_in_place(
        &self,
        space: SpaceId,
        opened: &Opened,
        part: &str,
    ) -> Result<(), Error> {
        let cell = self.spaces.cell(space);
        let mut cell = cell.lock().await;
        *cell = None;
        let path = space_path(space);
        if matches!(self.index.lock().get(space), Some(Entry { place: Place::Small { .. }, .. })) {
            return Err(Error::Exists { space });
        }
        let renamed = async {
            self.wipe_file(&path).await?;
            let failed = |source| self.fail("rename a copy", source);
            self.disk.rename(part, &path).await.map_err(failed)?;
            self.disk.sync_dir("spaces").await.map_err(|source| self.fail("sync a copy", source))
        };
        renamed.await?;
        let gone = {
            let mut index = self.index.lock();
            let gone = index.is_gone(space);
            if !gone {
                let place = Place::Large { complete: true };
                index.insert(space, Entry { packet: opened.packet, place });
            }
            gone
        };
        if gone {
            self.wipe_file(&path).await?;
            self.disk
                .sync_dir("spaces")
                .await
                .map_err(|source| self.fail("sync a purge", source))?;
            return Err(Error::Purged { space });
        }
        Ok(())
    }

    /// Heals this node's copy in the background from the other voters.
    pub fn heal_later(self: &Arc<Self>, space: SpaceId, wanted: Option<Digest>) {
        {
            let mut healings = self.healings.spaces.lock();
            if healings.len() >= HEALINGS_MAX || !healings.insert(space) {
                return;
            }
        }
        let store = self.clone();
        self.spawn(async move {
            let others: Vec<NodeId> = store.members().others().collect();
            match store.fetch(space, wanted, &others, true).await {
                Ok(()) => {
                    store.metrics.damage_healed.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    tracing::warn!(%space, %error, "a damaged copy could not be healed yet")
                }
            }
            store.healings.spaces.lock().remove(&space);
        });
    }

    /// Whether every frame of this node's copy opens.
    pub async fn verify(&self, space: SpaceId) -> Result<(), Error> {
        let opened = self.open_here(space).await?;
        self.open_meta(space, &opened).await?;
        for run in &opened.live {
            let mut place = place(run, 0);
            let from = (space, &opened.source, &opened.cipher);
            while place.offset < place.end {
                let range = place.offset..place.end;
                self.read_frames(from, &mut place, range, |_, _| ()).await?;
            }
        }
        Ok(())
    }
}
