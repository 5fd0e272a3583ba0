//! Purge: keys first, durably, then the data.
//!
//! A small record is overwritten in place: its head by one that says "dead", its slot, its meta
//! and the first octets of its ciphertext by zeros, in all at most [`crate::record::WIPED`]; one
//! sync serves the batch. Then joined dead ranges are punched out, and a segment in which nothing
//! lives is removed. A large file loses its header, slot, meta and the head of its ciphertext in the
//! same way, is synced, removed, and its directory synced. What remains on the medium until the file
//! system uses the blocks again is ciphertext whose key is nowhere.
//!
//! A content leaves the index before it is wiped. So whoever purges it a second time finds nothing there, and
//! waits for the first.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use model::SpaceId;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};

use crate::{
    Error, Metrics,
    files::Files,
    index::{Index, Location},
    segments::Segments,
    tasks::{Tasks, tell},
    volume::Volume,
    writers::Writers,
};

/// Destroys contents on this node.
pub(crate) struct Purger {
    index: Arc<Index>,
    segments: Arc<Segments>,
    files: Arc<Files>,
    writers: Arc<Writers>,
    volume: Arc<Volume>,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
    /// Spaces that have left the index and are not wiped yet: turns true when they are. Those of a purge that
    /// failed stay here, and nobody is told any more that they are gone.
    unwiped: Mutex<HashMap<SpaceId, watch::Receiver<bool>>>,
}

impl Purger {
    pub fn new(
        index: Arc<Index>,
        segments: Arc<Segments>,
        files: Arc<Files>,
        writers: Arc<Writers>,
        volume: Arc<Volume>,
        tasks: Arc<Tasks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let unwiped = Mutex::default();
        Self { index, segments, files, writers, volume, tasks, metrics, unwiped }
    }

    /// Destroys contents here; returns when no key of them can be read from the disk any more.
    ///
    /// A caller that stops waiting does not stop it: what has left the index is wiped.
    pub async fn purge(self: &Arc<Self>, spaces: Vec<SpaceId>) -> Result<(), Error> {
        let (purger, (answer, done)) = (self.clone(), oneshot::channel());
        self.tasks.spawn(async move { tell(answer, purger.destroy(spaces).await) });
        done.await.unwrap_or(Err(Error::Failed))
    }

    async fn destroy(&self, spaces: Vec<SpaceId>) -> Result<(), Error> {
        self.volume.alive()?;
        let spaces: BTreeSet<SpaceId> = spaces.into_iter().collect();
        let (done, is_done) = watch::channel(false);
        let (buried, others) = {
            let mut unwiped = self.unwiped.lock();
            let others: Vec<_> = spaces.iter().filter_map(|it| unwiped.get(it).cloned()).collect();
            let buried = self.index.bury(spaces.iter().copied());
            unwiped.extend(buried.iter().map(|(space, _)| (*space, is_done.clone())));
            (buried, others)
        };
        spaces.iter().for_each(|space| self.writers.end(*space));
        self.wipe(&buried).await?;
        {
            let mut unwiped = self.unwiped.lock();
            buried.iter().for_each(|(space, _)| drop(unwiped.remove(space)));
        }
        done.send_replace(true);
        self.metrics.purged.fetch_add(buried.len() as u64, Relaxed);
        // Those wipe without waiting for anybody, so that no two purges wait for each other.
        for mut other in others {
            other.wait_for(|is_done| *is_done).await.map_err(|_| Error::Failed)?;
        }
        // A put under way found no tombstone when it was queued; it finds it before it is answered.
        self.segments.settle().await?;
        self.files.settle(&spaces).await;
        Ok(())
    }

    /// Wipes what has left the index.
    async fn wipe(&self, buried: &[(SpaceId, Location)]) -> Result<(), Error> {
        let (mut records, mut large) = (Vec::new(), Vec::new());
        for (space, location) in buried {
            match location {
                Location::Record(at) => records.push(*at),
                Location::File { .. } => large.push(*space),
            }
        }
        self.segments.destroy(&records).await?;
        self.files.destroy(&large).await
    }
}
