//! Purge: keys first, durably, then the data.
//!
//! A small record is overwritten in place: its head by one that says "dead", its slot, its meta
//! and the first octets of its ciphertext by zeros, in all at most [`ZEROS`]; one sync serves the
//! batch. Then joined dead ranges are punched out, and a segment in which nothing lives is
//! removed. A large file loses its header, slot, meta and the head of its ciphertext in the same
//! way, is synced, removed, and its directory synced. What remains on the medium until the file
//! system uses the blocks again is ciphertext whose key is nowhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use model::SpaceId;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    Error,
    disk::Write,
    files::space_path,
    index::Place,
    record::{FILE_HEAD, RECORD_HEAD, RecordHead},
    recover::{merge, wipe_range},
    segments::{Job, segment_path},
    store::Store,
};

/// Octets overwritten at the beginning of a purged record or file body: slot, meta and the head
/// of the first data frames' ciphertext with room.
pub(crate) const ZEROS: u32 = 8 << 10;
/// Between two tries to open a file that must be wiped, while the system gives no descriptor.
const SHORT_PAUSE: Duration = Duration::from_millis(200);
/// Joined dead ranges of this size are given back to the disk; smaller ones are not worth an extent.
const PUNCH_MIN: u32 = 256 << 10;
/// The block of every usual file system: only whole ones can be given back.
const BLOCK: u32 = 4096;

impl Store {
    /// Destroys contents here; returns when no key of them can be read from the disk any more.
    ///
    /// Whoever stops waiting does not stop it: what has left the index is wiped.
    pub async fn purge(self: &Arc<Self>, spaces: Vec<SpaceId>) -> Result<(), Error> {
        let (store, (answer, done)) = (self.clone(), oneshot::channel());
        self.spawn(async move { drop(answer.send(store.destroy(spaces).await)) });
        done.await.unwrap_or(Err(Error::Failed))
    }

    async fn destroy(&self, spaces: Vec<SpaceId>) -> Result<(), Error> {
        self.alive()?;
        let (mut small, mut large): (BTreeMap<u32, Vec<Place>>, Vec<SpaceId>) = Default::default();
        {
            let mut index = self.index.lock();
            for space in spaces.iter().copied().collect::<BTreeSet<_>>() {
                index.bury(space);
                match index.remove(space).map(|entry| entry.place) {
                    Some(place @ Place::Small { segment, .. }) => {
                        small.entry(segment).or_default().push(place)
                    }
                    Some(Place::Large { .. }) => large.push(space),
                    None => {}
                }
            }
        }
        for space in &spaces {
            self.sessions.end(*space);
        }
        let count = small.values().map(Vec::len).sum::<usize>() + large.len();
        for (segment, places) in small {
            self.purge_small(segment, &places).await?;
        }
        self.purge_large(&large).await?;
        self.metrics.purged.fetch_add(count as u64, Relaxed);
        // A put under way found no tombstone when it was queued; it finds it before it is answered.
        if self.segments.pending.load(Relaxed) > 0 {
            let (answer, done) = oneshot::channel();
            self.segments.send(Job::Barrier(answer)).await?;
            done.await.map_err(|_| Error::Failed)?;
        }
        Ok(())
    }

    /// The places must have left the index.
    async fn purge_small(&self, segment: u32, places: &[Place]) -> Result<(), Error> {
        drop(self.healings.writing.lock().await);
        let writes = wipes_of(places);
        if self.segments.table.lock().active == Some(segment) {
            // The group commit's sync serves these too.
            let (answer, done) = oneshot::channel();
            self.segments.send(Job::Wipe { segment, writes, answer }).await?;
            done.await.map_err(|_| Error::Failed)??;
        } else {
            self.wipe_now(segment, writes).await?;
        }
        self.free(segment, places).await
    }

    /// Overwrites and syncs outside the group commit.
    pub async fn wipe_now(&self, segment: u32, writes: Vec<Write>) -> Result<(), Error> {
        let Some(file) = self.segments.file(segment) else { return Ok(()) };
        self.alive()?;
        let started = Instant::now();
        let written = file.write(writes, true).await;
        self.metrics.synced(started.elapsed());
        written.map_err(|source| self.fail("wipe a segment", source))
    }

    /// Counts places as dead, whose keys are overwritten durably, and gives back what is dead for
    /// good. Not earlier: a block that is freed before it is overwritten keeps its key.
    pub async fn free(&self, segment: u32, places: &[Place]) -> Result<(), Error> {
        let (file, empty, ranges) = {
            let mut table = self.segments.table.lock();
            let is_active = table.active == Some(segment);
            let Some(found) = table.all.get_mut(&segment) else { return Ok(()) };
            found.live = found.live.saturating_sub(places.len() as u32);
            (found.file.clone(), found.live == 0 && !is_active, joined(&mut found.dead, places))
        };
        if empty {
            return self
                .drop_segment(segment)
                .await
                .map_err(|source| self.fail("remove a segment", source));
        }
        for (offset, len) in ranges {
            let from = (offset + RECORD_HEAD as u32).next_multiple_of(BLOCK);
            let to = (offset + len) / BLOCK * BLOCK;
            if to <= from {
                continue;
            }
            // One head for the whole range first: those inside go with the hole.
            let bytes = RecordHead::dead(len).encode().to_vec().into();
            self.wipe_now(segment, vec![Write { offset: u64::from(offset), bytes }]).await?;
            // Room that does not come back now comes back with the segment.
            if let Err(error) = file.punch_hole(u64::from(from), u64::from(to - from)).await {
                tracing::warn!(segment, %error, "a hole could not be punched");
            }
        }
        Ok(())
    }

    /// Removes a segment in which nothing lives.
    pub async fn drop_segment(&self, id: u32) -> io::Result<()> {
        if self.segments.table.lock().all.remove(&id).is_none() {
            return Ok(());
        }
        self.disk.remove(&segment_path(id)).await?;
        self.disk.sync_dir("segments").await
    }

    /// Wipes one record that another has replaced.
    pub async fn retire(&self, place: Place) -> Result<(), Error> {
        match place {
            Place::Small { segment, .. } => self.purge_small(segment, &[place]).await,
            Place::Large { .. } => Ok(()),
        }
    }

    async fn purge_large(&self, spaces: &[SpaceId]) -> Result<(), Error> {
        if spaces.is_empty() {
            return Ok(());
        }
        for space in spaces {
            // Whoever holds the space now ends first; whoever comes later finds it gone.
            let cell = self.spaces.cell(*space);
            let mut cell = cell.lock().await;
            *cell = None;
            // It has left the index, so nobody would come back for it: the next descriptor is waited for.
            while let Err(error) = self.wipe_file(&space_path(*space)).await {
                let Error::Short { .. } = error else { return Err(error) };
                sleep(SHORT_PAUSE).await;
            }
            self.spaces.forget(*space);
        }
        self.disk.sync_dir("spaces").await.map_err(|source| self.fail("sync a purge", source))
    }

    /// Overwrites a file's key and head, durably, and removes it; its directory is synced by the caller.
    pub async fn wipe_file(&self, path: &str) -> Result<(), Error> {
        let file = match self.disk.open(path).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|source| self.fail("open a file to wipe it", source))?,
        };
        let wiped = async {
            let len = file.size().await?.min(FILE_HEAD as u64 + u64::from(ZEROS));
            let bytes = vec![0; len as usize].into();
            file.write(vec![Write { offset: 0, bytes }], true).await?;
            self.disk.remove(path).await
        };
        wiped.await.map_err(|source| self.fail("wipe a file", source))
    }
}

/// The writes that make small contents dead, in order.
pub(crate) fn wipes_of(places: &[Place]) -> Vec<Write> {
    let wipe = |place: &Place| match *place {
        Place::Small { offset, total, .. } => wipe_range(offset, total, ZEROS),
        Place::Large { .. } => Vec::new(),
    };
    let mut writes: Vec<Write> = places.iter().flat_map(wipe).collect();
    writes.sort_by_key(|write| write.offset);
    writes
}

/// Joins places to the dead ranges; gives the ranges that have grown by a step worth a hole.
fn joined(dead: &mut BTreeMap<u32, u32>, places: &[Place]) -> Vec<(u32, u32)> {
    let mut grown: BTreeMap<u32, u32> = BTreeMap::new();
    for place in places {
        let Place::Small { offset, total, .. } = *place else { continue };
        let (start, len) = merge(dead, offset, total);
        // What an earlier place of this batch added to a part of this range counts for the whole.
        let before: u32 = grown.range(start..start + len).map(|(_, added)| added).sum();
        grown.retain(|at, _| *at < start || *at >= start + len);
        grown.insert(start, before + total);
    }
    let steps = |len: u32| len / PUNCH_MIN;
    let range = |(start, added): (u32, u32)| {
        let len = dead.get(&start).copied()?;
        (steps(len) > steps(len.saturating_sub(added))).then_some((start, len))
    };
    grown.into_iter().filter_map(range).collect()
}
