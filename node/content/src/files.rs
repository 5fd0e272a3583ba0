//! Files of large contents, as a holder keeps them: a log of sealed frames under a fence.
//!
//! The log follows the rules of Raft for one space: an epoch has one writer; a holder promises an
//! epoch durably and takes nothing lower; frames of the same epoch and sequence are the same
//! frame, so a writer brings a holder to its own log by the first place where the two differ.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use model::{PacketId, SpaceId};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMappedMutexGuard, OwnedMutexGuard},
    time::Instant,
};

use crate::{
    Error,
    disk::{File, Write},
    index::{Entry, Place},
    layout::{Layout, Span, place},
    protocol::Standing,
    reader::Source,
    record::{
        FENCE_PLACES, FILE_HEAD, FRAME_HEAD, Fence, FrameHead, IDENTITY, Identity, SEAL_PLACE,
        SealMark,
    },
    seal::SlotOwner,
    store::{Store, disk_error},
};

/// Spaces kept open; beyond it those that nobody uses are closed and scanned again when asked for.
const OPEN_MAX: usize = 256;
/// Octets read at once while scanning.
const WINDOW: usize = 1 << 20;
/// What a copy under way is called.
pub(crate) const PART: &str = ".part";

/// One space's log at this holder.
pub(crate) struct Space {
    pub id: SpaceId,
    pub file: Arc<dyn File>,
    pub fence: Option<Fence>,
    fence_place: usize,
    pub identity: Option<Identity>,
    pub layout: Layout,
    pub mark: Option<SealMark>,
}

pub(crate) type Cell = Arc<AsyncMutex<Option<Space>>>;
/// A space that nobody else touches meanwhile.
pub(crate) type Locked = OwnedMappedMutexGuard<Option<Space>, Space>;

/// The spaces that are open.
#[derive(Default)]
pub(crate) struct Spaces {
    open: Mutex<BTreeMap<SpaceId, Cell>>,
}

pub(crate) fn space_path(space: SpaceId) -> String {
    format!("spaces/{space}")
}

impl Spaces {
    pub fn cell(&self, space: SpaceId) -> Cell {
        let mut open = self.open.lock();
        if open.len() >= OPEN_MAX && !open.contains_key(&space) {
            open.retain(|_, cell| Arc::strong_count(cell) > 1);
        }
        open.entry(space).or_default().clone()
    }

    pub fn forget(&self, space: SpaceId) {
        self.open.lock().remove(&space);
    }
}

impl Space {
    pub fn promised(&self) -> u32 {
        self.fence.map_or(0, |fence| fence.epoch)
    }

    pub fn standing(&self) -> Standing {
        Standing {
            granted: false,
            promised: self.promised(),
            identity: self
                .identity
                .as_ref()
                .map_or_else(Vec::new, |identity| identity.encode().to_vec()),
            spans: self.layout.spans(),
            end: self.layout.end,
            writer: None,
            sealed: self.layout.seal().map(|seal| seal.offset),
        }
    }
}

impl Store {
    /// Opens a space's log; with `create`, one that is not here yet is begun for that packet.
    pub async fn lock_space(&self, id: SpaceId, create: Option<PacketId>) -> Result<Locked, Error> {
        self.check_alive_here(id)?;
        let mut cell = self.spaces.cell(id).lock_owned().await;
        self.check_alive_here(id)?;
        if cell.is_none() {
            let entry = self.index.lock().get(id);
            *cell = Some(match entry.map(|entry| entry.place) {
                Some(Place::Small { .. }) => return Err(Error::Exists { space: id }),
                Some(Place::Large { .. }) => self.load_space(id).await?,
                None => {
                    let packet = create.ok_or(Error::Missing { space: id })?;
                    self.create_space(id, packet).await?
                }
            });
        }
        Ok(OwnedMutexGuard::map(cell, |space| space.as_mut().expect("opened above")))
    }

    async fn create_space(&self, id: SpaceId, packet: PacketId) -> Result<Space, Error> {
        self.check_room().await?;
        let file = self
            .disk
            .create(&space_path(id))
            .await
            .map_err(|source| self.write_failed("create a file", source))?;
        let made = async {
            file.truncate(FILE_HEAD as u64).await?;
            file.sync_data().await?;
            self.disk.sync_dir("spaces").await
        };
        made.await.map_err(|source| self.write_failed("create a file", source))?;
        let entry = Entry { packet, place: Place::Large { complete: false } };
        {
            let mut index = self.index.lock();
            if !index.is_gone(id) {
                index.insert(id, entry);
                let (fence, identity, mark) = (None, None, None);
                return Ok(Space {
                    id,
                    file,
                    fence,
                    fence_place: 0,
                    identity,
                    layout: Layout::default(),
                    mark,
                });
            }
        }
        self.wipe_file(&space_path(id)).await?;
        Err(Error::Purged { space: id })
    }

    /// Reads a space's log as far as it is good; of an incomplete one the rest is cut.
    async fn load_space(&self, id: SpaceId) -> Result<Space, Error> {
        let file = self.disk.open(&space_path(id)).await.map_err(disk_error("open a file"))?;
        let read = async {
            let header = file.read(0, FILE_HEAD).await?;
            let (fence, fence_place) = Fence::of_header(&header);
            let identity = Identity::parse(&header, id);
            let mark = header.get(SEAL_PLACE..).and_then(SealMark::parse);
            let layout =
                if identity.is_some() { scan_frames(&*file, id).await? } else { Layout::default() };
            let len = file.size().await?;
            if mark.is_none() {
                if len > layout.end {
                    file.truncate(layout.end).await?;
                }
                // What a process wrote before it died may be in memory only; from here on it counts.
                file.sync_data().await?;
            }
            Ok(Space { id, file: file.clone(), fence, fence_place, identity, layout, mark })
        };
        let mut space =
            read.await.map_err(|source: io::Error| self.write_failed("read a file", source))?;
        self.complete(&mut space).await?;
        Ok(space)
    }

    /// Promises an epoch, durably. What is refused says the higher promise.
    pub async fn promise(
        &self,
        space: &mut Space,
        epoch: u32,
        packet: PacketId,
    ) -> Result<(), Error> {
        if epoch <= space.promised() {
            return Err(Error::Fenced { space: space.id, epoch: space.promised() });
        }
        let fence = Fence { epoch, packet };
        let bytes = Bytes::copy_from_slice(&fence.encode());
        let write = Write { offset: FENCE_PLACES[space.fence_place] as u64, bytes };
        self.write_synced(&*space.file, vec![write], "promise an epoch").await?;
        space.fence = Some(fence);
        space.fence_place = 1 - space.fence_place;
        Ok(())
    }

    /// Brings this holder's log to where the writer of `epoch` can go on; gives the next sequence.
    pub async fn admit(
        &self,
        space: &mut Space,
        (epoch, packet): (u32, PacketId),
        identity: &Identity,
        theirs: &[Span],
    ) -> Result<u64, Error> {
        if epoch > space.promised() {
            self.promise(space, epoch, packet).await?;
        }
        if epoch < space.promised() {
            return Err(Error::Fenced { space: space.id, epoch: space.promised() });
        }
        let same = space.identity.as_ref() == Some(identity);
        // Once a frame of this epoch is here, the log is its writer's: an opening that was late on
        // its way must not cut what was acknowledged since.
        let keep = match same {
            true if space.layout.last_epoch() == epoch => space.layout.next,
            true => Layout::common(&space.layout.spans(), theirs),
            false => 0,
        };
        if same && keep == space.layout.next {
            return Ok(keep);
        }
        let keep = self.split(space, keep).await?;
        // The marks go before the frames, and the frames before another key comes in.
        let blank = vec![0; crate::record::SEAL].into();
        self.write_synced(
            &*space.file,
            vec![Write { offset: SEAL_PLACE as u64, bytes: blank }],
            "cut a file",
        )
        .await?;
        space.mark = None;
        self.set_complete(space.id, false);
        space.layout.truncate(keep);
        let end = space.layout.end;
        space.file.truncate(end).await.map_err(|source| self.fail("cut a file", source))?;
        if !same {
            let bytes = Bytes::copy_from_slice(&identity.encode());
            self.write_synced(
                &*space.file,
                vec![Write { offset: 0, bytes }],
                "write a file's identity",
            )
            .await?;
            space.identity = Some(identity.clone());
        }
        Ok(keep)
    }

    /// Looks up where a frame begins that a mixed run is around, so that the log can be cut before it; gives the
    /// sequence to cut at. Where the heads in between are damaged that is the run's first: what cannot be read
    /// here is nothing to keep, and comes again from the writer.
    async fn split(&self, space: &mut Space, sequence: u64) -> Result<u64, Error> {
        let Some(run) = space.layout.mixed_around(sequence) else { return Ok(sequence) };
        let source = Source::Here { file: space.file.clone(), base: 0, small: false };
        let mut place = place(&run, 0);
        let reached = |head: &FrameHead| head.sequence >= sequence;
        match self.walk((space.id, &source), &mut place, reached).await {
            Ok(()) => {
                space.layout.split(sequence, place.offset - run.offset);
                Ok(sequence)
            }
            Err(error @ Error::Forged { .. }) => {
                tracing::warn!(space = %space.id, %error, "a log is cut farther back");
                Ok(run.first)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds frames of the writer of `epoch`; they are durable after the next sync.
    pub async fn append(
        &self,
        space: &mut Space,
        epoch: u32,
        frames: &[Bytes],
    ) -> Result<(), Error> {
        self.check_alive_here(space.id)?;
        if epoch != space.promised() {
            return Err(Error::Fenced { space: space.id, epoch: space.promised() });
        }
        self.check_disk().await?;
        // Taken over only after the write: whoever drops this future leaves the log as it was.
        let mut layout = space.layout.clone();
        let mut writes = Vec::with_capacity(frames.len());
        for frame in frames {
            let at = layout.end;
            let head = FrameHead::parse_whole(frame, space.id)
                .filter(|head| head.total() == frame.len() && head.epoch <= epoch)
                .ok_or("a frame");
            if let Err(what) = head.and_then(|head| layout.push(&head)) {
                return Err(Error::Malformed { what });
            }
            writes.push(Write { offset: at, bytes: frame.clone() });
        }
        let written = space.file.write(writes, false).await;
        written.map_err(|source| self.write_failed("write a file", source))?;
        space.layout = layout;
        Ok(())
    }

    /// Makes what was added durable; a log that ends with its seal is complete from here on.
    pub async fn sync_space(&self, space: &mut Space) -> Result<(), Error> {
        let started = Instant::now();
        let synced = space.file.sync_data().await;
        self.metrics.synced(started.elapsed());
        synced.map_err(|source| self.fail("sync a file", source))?;
        self.complete(space).await
    }

    /// Marks a log that holds its seal frame, so that readers find it without a scan.
    async fn complete(&self, space: &mut Space) -> Result<(), Error> {
        let Some(seal) = space.layout.seal().copied() else { return Ok(()) };
        if space.mark.is_none() {
            let len = crate::record::frame_total(seal.len as usize);
            let frame = space.file.read(seal.at, len).await.map_err(disk_error("read a seal"))?;
            let damaged = Error::Damaged { space: space.id, what: "its seal frame" };
            let Some(identity) = &space.identity else { return Err(damaged) };
            let cipher = identity.owner().open(&*self.keys, &identity.slot)?;
            let body = cipher.open_seal(frame).ok_or(damaged)?;
            let mark =
                SealMark { at: seal.at, len: len as u32, size: body.size, digest: body.digest };
            let bytes = Bytes::copy_from_slice(&mark.encode());
            // Durable, and after the frames: a mark is believed at the next start without a scan.
            let write = vec![Write { offset: SEAL_PLACE as u64, bytes }];
            self.write_synced(&*space.file, write, "mark a seal").await?;
            space.mark = Some(mark);
        }
        self.set_complete(space.id, true);
        Ok(())
    }

    pub fn set_complete(&self, space: SpaceId, complete: bool) {
        let mut index = self.index.lock();
        if let Some(entry) = index.get(space) {
            index.insert(space, Entry { place: Place::Large { complete }, ..entry });
        }
    }

    pub async fn write_synced(
        &self,
        file: &dyn File,
        writes: Vec<Write>,
        what: &'static str,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let written = file.write(writes, true).await;
        self.metrics.synced(started.elapsed());
        written.map_err(|source| self.write_failed(what, source))
    }

    /// Reads all files' headers into the index; what an interrupted copy left is wiped.
    pub async fn scan_files(&self) -> Result<(), Error> {
        let files = self.disk.list("spaces").await.map_err(disk_error("list its files"))?;
        for (name, _) in files {
            if name.ends_with(PART) {
                self.wipe_file(&format!("spaces/{name}")).await?;
                continue;
            }
            let Ok(id) = name.parse::<SpaceId>() else { continue };
            let file = self.disk.open(&space_path(id)).await.map_err(disk_error("open a file"))?;
            let header =
                file.read(0, FILE_HEAD).await.map_err(disk_error("read a file's header"))?;
            let identity = Identity::parse(&header, id);
            let mark = header.get(SEAL_PLACE..).and_then(SealMark::parse);
            let packet = identity.as_ref().map(|identity| identity.packet);
            let packet = packet.or(Fence::of_header(&header).0.map(|fence| fence.packet));
            let complete = identity.is_some() && mark.is_some();
            let entry =
                Entry { packet: packet.unwrap_or(PacketId(0)), place: Place::Large { complete } };
            self.index.lock().insert(id, entry);
        }
        self.disk.sync_dir("spaces").await.map_err(|source| self.fail("sync its files", source))
    }
}

impl Identity {
    pub fn owner(&self) -> SlotOwner {
        let Self { space, packet, generation, .. } = *self;
        SlotOwner { space, packet, generation, small: None }
    }

    /// Reads the identity that a peer sent.
    pub fn from_peer(octets: &[u8], space: SpaceId) -> Result<Self, Error> {
        let identity = (octets.len() == IDENTITY).then(|| Self::parse(octets, space)).flatten();
        identity.ok_or(Error::Malformed { what: "a file's identity" })
    }
}

/// Reads frames from the beginning, as far as they are whole and follow each other.
async fn scan_frames(file: &dyn File, space: SpaceId) -> io::Result<Layout> {
    let mut layout = Layout::default();
    let (mut octets, mut start) = (BytesMut::new(), layout.end);
    loop {
        let mut from = (layout.end - start) as usize;
        let head = |octets: &[u8]| FrameHead::parse(octets, space).map(|head| head.total());
        let needed = octets.get(from..).and_then(head).unwrap_or(FRAME_HEAD);
        if octets.len() < from + needed || octets.len() < from + FRAME_HEAD {
            octets = file.read(layout.end, WINDOW).await?;
            (start, from) = (layout.end, 0);
        }
        let Some(head) = octets.get(from..).and_then(|frame| FrameHead::parse_whole(frame, space))
        else {
            break;
        };
        if layout.push(&head).is_err() {
            break;
        }
    }
    Ok(layout)
}
