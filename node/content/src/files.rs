//! Files of large contents, as a holder keeps them: a log of sealed frames under a fence.
//!
//! The log follows the rules of Raft for one space: an epoch has one writer; a holder promises an
//! epoch durably and takes nothing lower; frames of the same epoch and sequence are the same
//! frame, so a writer brings a holder to its own log by the first place where the two differ.

mod log;
mod part;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use bytes::Bytes;
use model::{
    PacketId, SpaceId,
    lengths::{in_form, in_memory},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMappedMutexGuard, OwnedMutexGuard},
    time::sleep,
};

use self::{log::Log, part::PART};
use crate::{
    Error, KeySealer,
    disk::{File, SHORT_PAUSE, Write},
    frames::walk,
    index::{Entered, Index, Located, Location},
    layout::{Layout, Tenure, cursor_at},
    protocol::{AskFence, Standing},
    record::{
        FENCE_PLACES, FILE_HEAD, Fence, FrameHead, Identity, SEAL, SEAL_PLACE, SealMark, WIPED,
        frame_total,
    },
    seal::SlotOwner,
    volume::Volume,
};

pub(crate) use self::part::{FileHeader, Part};

/// Octets after which a holder syncs on its own, so that the last sync of a transfer is short.
pub(crate) const SYNC_EVERY: usize = 8 << 20;
/// Logs kept open. Beyond it, logs that are not in use are closed, and scanned again when needed.
const OPEN_MAX: usize = 256;

/// The log of a space, if it is open.
type Cell = Arc<AsyncMutex<Option<Log>>>;
/// A log under its lock.
pub(crate) type LockedLog = OwnedMappedMutexGuard<Option<Log>, Log>;

/// The files of one store.
pub(crate) struct Files {
    volume: Arc<Volume>,
    index: Arc<Index>,
    keys: Arc<dyn KeySealer>,
    open: Mutex<BTreeMap<SpaceId, Cell>>,
}

/// The writer that brings its log to a holder.
pub(crate) struct Admission<'a> {
    pub epoch: u32,
    pub packet: PacketId,
    pub identity: &'a Identity,
    /// The frames of its log.
    pub tenures: &'a [Tenure],
}

pub(crate) fn space_path(space: SpaceId) -> String {
    format!("spaces/{space}")
}

fn part_path(space: SpaceId) -> String {
    format!("{}{PART}", space_path(space))
}

impl Files {
    /// Reads the headers of all files into the index; what an interrupted copy left is wiped.
    pub async fn open(
        volume: Arc<Volume>,
        index: Arc<Index>,
        keys: Arc<dyn KeySealer>,
    ) -> Result<Self, Error> {
        let files = Self { volume, index, keys, open: Mutex::default() };
        let disk = files.volume.disk();
        for (name, _) in disk.list("spaces").await.map_err(Error::disk("list its files"))? {
            if name.ends_with(PART) {
                files.wipe(&format!("spaces/{name}")).await?;
                continue;
            }
            let Ok(space) = name.parse::<SpaceId>() else { continue };
            let file = files.raw(space).await?;
            let header =
                file.read(0, FILE_HEAD).await.map_err(Error::disk("read a file's header"))?;
            let identity = Identity::parse(&header, space);
            let mark = header.get(SEAL_PLACE..).and_then(SealMark::parse);
            let packet = identity.as_ref().map(|identity| identity.packet);
            let packet = packet.or(Fence::of_header(&header).0.map(|fence| fence.packet));
            let complete = identity.is_some() && mark.is_some();
            let location = Location::File { complete };
            let located = Located { packet: packet.unwrap_or(PacketId(0)), location };
            files.index.enter_one(space, located);
        }
        files.volume.sync_dir("spaces", "sync its files").await?;
        Ok(files)
    }

    fn cell(&self, space: SpaceId) -> Cell {
        let mut open = self.open.lock();
        if open.len() >= OPEN_MAX && !open.contains_key(&space) {
            open.retain(|_, cell| Arc::strong_count(cell) > 1);
        }
        open.entry(space).or_default().clone()
    }

    /// Refuses everything after a failure of the disk, and a space that was purged here.
    pub fn check(&self, space: SpaceId) -> Result<(), Error> {
        self.volume.alive()?;
        self.index.check(space)
    }

    /// Opens the file of a space to read from it.
    pub async fn raw(&self, space: SpaceId) -> Result<Arc<dyn File>, Error> {
        let opened = self.volume.disk().open(&space_path(space)).await;
        opened.map_err(Error::disk("open a file"))
    }

    /// Opens the log of a space.
    pub async fn lock(&self, space: SpaceId) -> Result<LockedLog, Error> {
        self.lock_for(space, None).await
    }

    /// Opens the log of a space; one that is not here yet is begun for that packet.
    pub async fn lock_or_begin(
        &self,
        space: SpaceId,
        packet: PacketId,
    ) -> Result<LockedLog, Error> {
        self.lock_for(space, Some(packet)).await
    }

    async fn lock_for(&self, space: SpaceId, begin: Option<PacketId>) -> Result<LockedLog, Error> {
        self.check(space)?;
        let mut cell = self.cell(space).lock_owned().await;
        self.fill(&mut cell, space, begin).await?;
        Ok(OwnedMutexGuard::map(cell, |log| log.as_mut().expect("opened above")))
    }

    /// Opens the log of a space into its cell, if it is not there.
    async fn fill(
        &self,
        cell: &mut Option<Log>,
        space: SpaceId,
        begin: Option<PacketId>,
    ) -> Result<(), Error> {
        self.check(space)?;
        if cell.is_none() {
            *cell = Some(match self.index.location(space) {
                Some(Location::Record(_)) => return Err(Error::Exists { space }),
                Some(Location::File { .. }) => self.load(space).await?,
                None => self.begin(space, begin.ok_or(Error::Missing { space })?).await?,
            });
        }
        Ok(())
    }

    async fn begin(&self, space: SpaceId, packet: PacketId) -> Result<Log, Error> {
        self.index.check_room()?;
        self.volume.check_room().await?;
        let path = space_path(space);
        let created = async {
            let file = self.volume.disk().create(&path).await?;
            file.truncate(FILE_HEAD as u64).await?;
            file.sync_data().await?;
            self.volume.disk().sync_dir("spaces").await?;
            Ok(file)
        };
        let failed = |source| self.volume.write_failed("create a file", source);
        let file = created.await.map_err(failed)?;
        let located = Located { packet, location: Location::File { complete: false } };
        if self.index.enter_one(space, located) == Entered::Purged {
            self.wipe(&path).await?;
            return Err(Error::Purged { space });
        }
        Ok(Log::empty(space, file))
    }

    /// Reads a log as far as it is good; of an incomplete one the rest is cut.
    async fn load(&self, space: SpaceId) -> Result<Log, Error> {
        let file = self.raw(space).await?;
        let read = async {
            let log = Log::read(space, file).await?;
            if log.mark.is_none() {
                if log.file.size().await? > log.layout.end {
                    log.file.truncate(log.layout.end).await?;
                }
                // What a process wrote before it died may be in memory only; from here on it counts.
                log.file.sync_data().await?;
            }
            Ok(log)
        };
        let failed = |source: io::Error| self.volume.write_failed("read a file", source);
        let mut log = read.await.map_err(failed)?;
        self.complete(&mut log).await?;
        Ok(log)
    }

    /// Promises an epoch if it is higher than every one before, and tells how the log stands.
    pub async fn fence(&self, ask: &AskFence) -> Result<Standing, Error> {
        let mut log = self.lock_or_begin(ask.space, ask.packet).await?;
        let granted = match self.promise(&mut log, ask.epoch, ask.packet).await {
            Ok(()) => true,
            Err(Error::Fenced { .. }) => false,
            Err(error) => return Err(error),
        };
        // What is reported must be durable: the new writer may count it for its majority.
        self.sync(&mut log).await?;
        Ok(Standing { granted, ..log.standing() })
    }

    /// Promises an epoch, durably. A refusal says the higher promise.
    async fn promise(&self, log: &mut Log, epoch: u32, packet: PacketId) -> Result<(), Error> {
        if epoch <= log.promised() {
            return Err(Error::Fenced { space: log.space, epoch: log.promised() });
        }
        let fence = Fence { epoch, packet };
        let bytes = Bytes::copy_from_slice(&fence.encode());
        let write = Write { offset: FENCE_PLACES[log.fence_place] as u64, bytes };
        self.volume.write_synced(&*log.file, vec![write], "promise an epoch").await?;
        log.fence = Some(fence);
        log.fence_place = 1 - log.fence_place;
        Ok(())
    }

    /// Brings this holder's log to where the writer can go on; gives the next sequence.
    pub async fn admit(&self, log: &mut Log, writer: &Admission<'_>) -> Result<u64, Error> {
        let Admission { epoch, packet, identity, tenures } = *writer;
        if epoch > log.promised() {
            self.promise(log, epoch, packet).await?;
        }
        if epoch < log.promised() {
            return Err(Error::Fenced { space: log.space, epoch: log.promised() });
        }
        let same = log.identity.as_ref() == Some(identity);
        // Once a frame of this epoch is here, the log is its writer's: an opening that was late on
        // its way must not cut what was acknowledged since.
        let keep = match same {
            true if log.layout.last_epoch() == epoch => log.layout.next,
            true => Layout::common(&log.layout.tenures(), tenures),
            false => 0,
        };
        if same && keep == log.layout.next {
            return Ok(keep);
        }
        let keep = self.split(log, keep).await?;
        // The marks go before the frames, and the frames before another key comes in.
        let blank = vec![0; SEAL].into();
        let unmark = Write { offset: SEAL_PLACE as u64, bytes: blank };
        self.volume.write_synced(&*log.file, vec![unmark], "cut a file").await?;
        log.mark = None;
        self.index.set_complete(log.space, false);
        log.layout.truncate(keep);
        let cut = log.file.truncate(log.layout.end).await;
        cut.map_err(|source| self.volume.fail("cut a file", source))?;
        if !same {
            let bytes = Bytes::copy_from_slice(&identity.encode());
            let write = Write { offset: 0, bytes };
            self.volume.write_synced(&*log.file, vec![write], "write a file's identity").await?;
            log.identity = Some(identity.clone());
        }
        Ok(keep)
    }

    /// Looks up where a frame within a mixed run begins, so that the log can be cut before it; gives
    /// the sequence to cut at. Where the heads before it are damaged that is the run's first: what
    /// cannot be read here is nothing to keep, and comes again from the writer.
    async fn split(&self, log: &mut Log, sequence: u64) -> Result<u64, Error> {
        let Some(run) = log.layout.mixed_around(sequence) else { return Ok(sequence) };
        let mut cursor = cursor_at(&run, 0);
        let reached = |head: &FrameHead| head.sequence >= sequence;
        match walk(&log.source(), &mut cursor, reached).await {
            Ok(()) => {
                log.layout.split(sequence, cursor.offset - run.offset);
                Ok(sequence)
            }
            Err(error @ Error::Forged { .. }) => {
                tracing::warn!(space = %log.space, %error, "a log is cut farther back");
                Ok(run.first)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds frames of the writer of `epoch`; they are durable after the next sync.
    pub async fn append(&self, log: &mut Log, epoch: u32, frames: &[Bytes]) -> Result<(), Error> {
        let space = log.space;
        self.check(space)?;
        if epoch != log.promised() {
            return Err(Error::Fenced { space, epoch: log.promised() });
        }
        self.volume.check_room().await?;
        // Taken over only after the write: a caller that drops this future leaves the log as it was.
        let mut layout = log.layout.clone();
        let mut writes = Vec::with_capacity(frames.len());
        for frame in frames {
            let offset = layout.end;
            let head = FrameHead::parse_whole(frame, space)
                .filter(|head| head.total() == frame.len() && head.epoch <= epoch)
                .ok_or("a frame");
            if let Err(what) = head.and_then(|head| layout.push(&head)) {
                return Err(Error::Malformed { what });
            }
            writes.push(Write { offset, bytes: frame.clone() });
        }
        let written = log.file.write(writes, false).await;
        written.map_err(|source| self.volume.write_failed("write a file", source))?;
        log.layout = layout;
        Ok(())
    }

    /// Makes what was added durable; a log that ends with its seal is complete from here on.
    pub async fn sync(&self, log: &mut Log) -> Result<(), Error> {
        self.volume.sync(&*log.file, "sync a file").await?;
        self.complete(log).await
    }

    /// Marks a log that holds its seal frame, so that readers find it without a scan.
    async fn complete(&self, log: &mut Log) -> Result<(), Error> {
        let space = log.space;
        let Some(seal) = log.layout.seal().copied() else { return Ok(()) };
        if log.mark.is_none() {
            let len = frame_total(seal.len as usize);
            let frame = log.file.read(seal.at, len).await.map_err(Error::disk("read a seal"))?;
            let damaged = Error::Damaged { space, what: "its seal frame" };
            let Some(identity) = &log.identity else { return Err(damaged) };
            let cipher = SlotOwner::of(identity).open(&*self.keys, &identity.slot)?;
            let body = cipher.open_seal(frame).ok_or(damaged)?;
            let (size, digest) = (body.size, body.digest);
            let mark = SealMark { at: seal.at, len: in_form(len), size, digest };
            let bytes = Bytes::copy_from_slice(&mark.encode());
            // Durable, and after the frames: a mark is believed at the next start without a scan.
            let write = Write { offset: SEAL_PLACE as u64, bytes };
            self.volume.write_synced(&*log.file, vec![write], "mark a seal").await?;
            log.mark = Some(mark);
        }
        self.index.set_complete(space, true);
        Ok(())
    }

    /// Begins a copy that is fetched from another holder.
    pub async fn begin_part(&self, space: SpaceId) -> Result<Part, Error> {
        Part::create(self.volume.clone(), space, &part_path(space)).await
    }

    /// Finishes a copy and puts it in the place of what was here.
    pub async fn put_in_place(&self, part: Part, header: &FileHeader) -> Result<(), Error> {
        let space = part.space;
        // Held from here on: no promise is made that the copy would forget, and a purge waits for its end.
        let cell = self.cell(space);
        let mut cell = cell.lock().await;
        // Until now its key was nowhere here.
        self.check(space)?;
        // The promise that an incomplete log here has made; the complete copy keeps it.
        let filled = self.fill(&mut cell, space, None).await;
        let fence = filled.ok().and(cell.take()).and_then(|log| log.fence);
        part.finish(header, fence).await?;
        let path = space_path(space);
        if matches!(self.index.location(space), Some(Location::Record(_))) {
            return Err(Error::Exists { space });
        }
        self.wipe(&path).await?;
        let renamed = self.volume.disk().rename(&part_path(space), &path).await;
        renamed.map_err(|source| self.volume.fail("rename a copy", source))?;
        self.volume.sync_dir("spaces", "sync a copy").await?;
        let location = Location::File { complete: true };
        let located = Located { packet: header.identity.packet, location };
        if self.index.enter_one(space, located) == Entered::Purged {
            self.wipe(&path).await?;
            self.volume.sync_dir("spaces", "sync a purge").await?;
            return Err(Error::Purged { space });
        }
        Ok(())
    }

    /// Destroys what a failed copy left.
    pub async fn discard_part(&self, space: SpaceId) -> Result<(), Error> {
        self.wipe(&part_path(space)).await
    }

    /// Destroys files that have left the index, durably.
    pub async fn destroy(&self, spaces: &[SpaceId]) -> Result<(), Error> {
        if spaces.is_empty() {
            return Ok(());
        }
        for space in spaces {
            // A request that holds the log ends first; a later one finds it gone.
            let cell = self.cell(*space);
            let mut cell = cell.lock().await;
            *cell = None;
            // It has left the index, so no later purge would find it: wait for the next descriptor.
            while let Err(error) = self.wipe(&space_path(*space)).await {
                let Error::Short { .. } = error else { return Err(error) };
                sleep(SHORT_PAUSE).await;
            }
            self.open.lock().remove(space);
        }
        while let Err(error) = self.volume.sync_dir("spaces", "sync a purge").await {
            let Error::Short { .. } = error else { return Err(error) };
            sleep(SHORT_PAUSE).await;
        }
        Ok(())
    }

    /// Waits until whoever holds a log of these spaces, or puts a copy in its place, has ended. A purged space
    /// has left the index, so that whoever comes later finds it gone.
    pub async fn settle(&self, spaces: &BTreeSet<SpaceId>) {
        let cells: Vec<_> = {
            let open = self.open.lock();
            spaces.iter().filter_map(|space| open.get(space).cloned()).collect()
        };
        for cell in cells {
            drop(cell.lock().await);
        }
    }

    /// Overwrites a file's key and head, durably, and removes it; the caller syncs the directory.
    async fn wipe(&self, path: &str) -> Result<(), Error> {
        let disk = self.volume.disk();
        let file = match disk.open(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => {
                opened.map_err(|source| self.volume.fail("open a file to wipe it", source))?
            }
        };
        let wiped = async {
            let len = file.size().await?.min(FILE_HEAD as u64 + u64::from(WIPED));
            let bytes = vec![0; in_memory(len)].into();
            file.write(vec![Write { offset: 0, bytes }], true).await?;
            disk.remove(path).await
        };
        wiped.await.map_err(|source| self.volume.fail("wipe a file", source))
    }
}
