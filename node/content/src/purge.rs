//! Purge: keys first, durably, then the data.
//!
//! A small record is overwritten in place: its head by one that says "dead", its slot, its meta
//! and the first octets of its ciphertext by zeros, in all at most [`crate::record::WIPED`]; one
//! sync serves the batch. Then joined dead ranges are punched out, and a segment in which nothing
//! lives is removed. A large file loses its header, slot, meta and the head of its ciphertext in the
//! same way, is synced, removed, and its directory synced. What remains on the medium until the file
//! system uses the blocks again is ciphertext whose key is nowhere.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use model::SpaceId;
use tokio::sync::oneshot;

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
        Self { index, segments, files, writers, volume, tasks, metrics }
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
        let (mut records, mut large) = (Vec::new(), Vec::new());
        let buried = self.index.bury(spaces.iter().copied());
        let count = buried.len();
        for (space, location) in buried {
            match location {
                Location::Record(at) => records.push(at),
                Location::File { .. } => large.push(space),
            }
        }
        spaces.iter().for_each(|space| self.writers.end(*space));
        self.segments.destroy(&records).await?;
        self.files.destroy(&large).await?;
        self.metrics.purged.fetch_add(count as u64, Relaxed);
        // A put under way found no tombstone when it was queued; it finds it before it is answered.
        self.segments.settle().await
    }
}
