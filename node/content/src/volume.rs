//! The disk as every part writes to it: its failure, its reserve, and how long its syncs take.
//!
//! After a failed write or sync it is unknown what the disk holds. So the first failure ends the
//! store: from then on it promises nothing.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{
    Disk, Error, Metrics,
    disk::{File, Write, is_full, is_short},
};

/// How long an answer of the disk about its free space is used: a reserve is far larger than what
/// a second can write.
const ROOM_TIME: Duration = Duration::from_secs(1);

/// The disk of one store.
pub(crate) struct Volume {
    disk: Arc<dyn Disk>,
    metrics: Arc<Metrics>,
    failed: watch::Sender<bool>,
    /// Octets that are kept free.
    reserve: u64,
    /// When the disk was last asked for its free space.
    asked_at: Mutex<Option<Instant>>,
    has_room: AtomicBool,
}

impl Volume {
    pub fn new(disk: Arc<dyn Disk>, reserve: u64, metrics: Arc<Metrics>) -> Self {
        Self {
            disk,
            metrics,
            failed: watch::channel(false).0,
            reserve,
            asked_at: Mutex::new(None),
            has_room: AtomicBool::new(true),
        }
    }

    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// Turns true when the disk has failed.
    pub fn failure(&self) -> watch::Receiver<bool> {
        self.failed.subscribe()
    }

    /// Refuses everything after a failure.
    pub fn alive(&self) -> Result<(), Error> {
        if *self.failed.borrow() { Err(Error::Failed) } else { Ok(()) }
    }

    /// Ends the store after a failed operation. A missing descriptor is no failure: nothing was
    /// tried, so the store is as sound as before.
    pub fn fail(&self, what: &'static str, source: io::Error) -> Error {
        if is_short(&source) {
            tracing::warn!(what, "the content store has no file descriptor left");
            return Error::Short { what };
        }
        tracing::error!(what, %source, "the content store has failed");
        self.failed.send_replace(true);
        Error::Disk { what, source }
    }

    /// Ends the store after a failed write, unless the disk was only full.
    pub fn write_failed(&self, what: &'static str, source: io::Error) -> Error {
        if !is_full(&source) {
            return self.fail(what, source);
        }
        // Known before the next look: whoever asks now is refused before anything is granted.
        self.has_room.store(false, Relaxed);
        Error::Full
    }

    /// Whether the disk should be asked for its free space; true once for each time that it should.
    pub fn room_is_due(&self) -> bool {
        let now = Instant::now();
        let mut asked_at = self.asked_at.lock();
        let is_due = asked_at.is_none_or(|at| now.duration_since(at) >= ROOM_TIME);
        if is_due {
            *asked_at = Some(now);
        }
        is_due
    }

    /// Asks the disk for its free space. One that does not answer is as full as before.
    pub async fn ask_room(&self) {
        if let Ok(free) = self.disk.free_space().await {
            self.has_room.store(free > self.reserve, Relaxed);
        }
    }

    /// Refuses when only the reserve was left at the last look.
    pub fn has_room(&self) -> Result<(), Error> {
        if self.has_room.load(Relaxed) { Ok(()) } else { Err(Error::Full) }
    }

    /// Refuses when only the reserve is left; asks the disk if the last look is old.
    pub async fn check_room(&self) -> Result<(), Error> {
        if self.room_is_due() {
            self.ask_room().await;
        }
        self.has_room()
    }

    /// Runs an operation that syncs, and counts how long it took.
    pub async fn timed(&self, sync: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let started = Instant::now();
        let result = sync.await;
        self.metrics.synced(started.elapsed());
        result
    }

    /// Writes and syncs; only a full disk leaves the store sound.
    pub async fn write_synced(
        &self,
        file: &dyn File,
        writes: Vec<Write>,
        what: &'static str,
    ) -> Result<(), Error> {
        let written = self.timed(file.write(writes, true)).await;
        written.map_err(|source| self.write_failed(what, source))
    }

    /// Makes a file's octets durable.
    pub async fn sync(&self, file: &dyn File, what: &'static str) -> Result<(), Error> {
        self.timed(file.sync_data()).await.map_err(|source| self.fail(what, source))
    }

    /// Makes the names in a directory durable.
    pub async fn sync_dir(&self, path: &str, what: &'static str) -> Result<(), Error> {
        self.disk.sync_dir(path).await.map_err(|source| self.fail(what, source))
    }
}
