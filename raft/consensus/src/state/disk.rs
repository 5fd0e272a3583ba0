//! The state on disk.
//!
//! Two places for a state lie side by side, and a pointer says which one counts; a snapshot is
//! taken into the other one and the pointer is turned in one atomic batch. Writes are not synced
//! one by one: the log is what makes an answer durable, and it is purged only behind a sync.

use std::{
    io,
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use futures_util::future::BoxFuture;
use machine::{Reader, Write};
use parking_lot::{Mutex, RwLock};

use crate::{
    Error,
    state::{Pairs, Stage, StateDisk, StateView, hot::HotRows},
};

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;

/// The directory of the state inside the node's directory.
const STATE: &str = "state";

/// Octets of journal kept before memory tables must reach their files; bounds the replay at a
/// start.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Octets of blocks cached. The working set is the packets on their way, not the history.
const CACHE_BYTES: u64 = 24 << 20;

/// Octets written to a place before they go to a file. Small, because memory is counted.
const MEMTABLE_BYTES: u64 = 12 << 20;

/// Octets written to the small place of pointer and position before they go to a file.
const META_MEMTABLE_BYTES: u64 = 1 << 20;

/// Background threads for files: one writes, one merges.
const WORKERS: usize = 2;

const PLACES: [&str; 2] = ["state-a", "state-b"];
const POINTER: &[u8] = b"place";
const POSITION: &[u8] = b"position";

/// The state on disk.
#[derive(Clone)]
pub(crate) struct DiskState(Arc<Inner>);

struct Inner {
    database: Database,
    meta: Keyspace,
    places: [Keyspace; 2],
    current: RwLock<Place>,
    stages: AtomicU64,
    failure: Failure,
    hot: HotRows,
    /// Held by whoever writes, so that a switch and an apply never meet.
    writing: Mutex<()>,
}

/// The place that counts now.
#[derive(Clone)]
struct Place {
    index: usize,
    keyspace: Keyspace,
}

/// The first read that failed, if any: from then on nothing is written.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<String>>>);

impl Failure {
    fn note(&self, error: &fjall::Error) {
        self.0.lock().get_or_insert_with(|| error.to_string());
    }

    fn check(&self) -> io::Result<()> {
        match &*self.0.lock() {
            None => Ok(()),
            Some(error) => Err(io::Error::other(format!("the state cannot be read: {error}"))),
        }
    }

    /// Somebody outside would take "not found" for an answer: better none at all.
    fn trusted(&self) {
        if let Err(error) = self.check() {
            panic!("{error}");
        }
    }
}

fn failed(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}

impl DiskState {
    /// Opens the state in a node's directory.
    pub(crate) fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(STATE);
        Self::open_in(&path).map_err(|error| match error {
            fjall::Error::Locked => Error::Locked { directory: path.clone() },
            fjall::Error::Io(source) => Error::Open { path: path.clone(), source },
            fjall::Error::InvalidVersion(_) => {
                Error::NewerFormat { directory: path.clone(), found: 0, known: 0 }
            }
            error => Error::CorruptState { path: path.clone(), reason: error.to_string() },
        })
    }

    fn open_in(path: &Path) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .max_journaling_size(JOURNAL_BYTES)
            .cache_size(CACHE_BYTES)
            .worker_threads(WORKERS)
            .open()?;
        let place = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let meta = database.keyspace("meta", || {
            KeyspaceCreateOptions::default().max_memtable_size(META_MEMTABLE_BYTES)
        })?;
        let places = [database.keyspace(PLACES[0], place)?, database.keyspace(PLACES[1], place)?];
        let index = match meta.get(POINTER)? {
            Some(pointer) => usize::from(pointer.first() == Some(&1)),
            None => 0,
        };
        // A snapshot that was being taken in when the node died is of no use.
        if !places[1 - index].is_empty()? {
            places[1 - index].clear()?;
        }
        // What was read from a file may still be only in the memory of the operating system.
        database.persist(PersistMode::SyncAll)?;
        let current = RwLock::new(Place { index, keyspace: places[index].clone() });
        Ok(Self(Arc::new(Inner {
            database,
            meta,
            places,
            current,
            stages: AtomicU64::new(0),
            failure: Failure::default(),
            hot: HotRows::new(),
            writing: Mutex::new(()),
        })))
    }
}

impl Inner {
    fn row(&self, key: &[u8]) -> Option<fjall::UserValue> {
        let found = self.current.read().keyspace.get(key);
        found.inspect_err(|error| self.failure.note(error)).ok().flatten()
    }
}

/// For the one who applies.
impl Reader for Inner {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.hot.get(key) {
            return Some(value);
        }
        let value = self.row(key)?;
        self.hot.learn(key, &value);
        Some(value.to_vec())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        if from < to {
            let keyspace = self.current.read().keyspace.clone();
            walk(keyspace.range(from..to), &self.failure, visit);
        }
    }
}

/// Sees one pair after the other until it has enough.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

fn walk(pairs: fjall::Iter, failure: &Failure, visit: &mut Visit<'_>) {
    for pair in pairs {
        match pair.into_inner() {
            Ok((key, value)) => {
                if visit(&key, &value).is_break() {
                    return;
                }
            }
            Err(error) => return failure.note(&error),
        }
    }
}

/// The state at one moment.
struct View {
    snapshot: Snapshot,
    place: Keyspace,
    failure: Failure,
}

impl Reader for View {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.snapshot.get(&self.place, key);
        let value = found.inspect_err(|error| self.failure.note(error)).ok().flatten();
        self.failure.trusted();
        value.map(|value| value.to_vec())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        if from < to {
            walk(self.snapshot.range(&self.place, from..to), &self.failure, visit);
            self.failure.trusted();
        }
    }
}

/// For everybody else.
impl Reader for DiskState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.0.hot.get(key) {
            return Some(value);
        }
        let value = self.0.row(key).map(|value| value.to_vec());
        self.0.failure.trusted();
        value
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>) {
        self.0.scan(from, to, visit);
        self.0.failure.trusted();
    }
}

impl StateDisk for DiskState {
    fn reader(&self) -> &(dyn Reader + Send + Sync) {
        &*self.0
    }

    fn latest(&self) -> &(dyn Reader + Send + Sync) {
        self
    }

    fn view(&self) -> io::Result<(StateView, Option<Vec<u8>>)> {
        // The pointer must not turn between the choice of the place and the snapshot.
        let current = self.0.current.read();
        let snapshot = self.0.database.snapshot();
        let place = current.keyspace.clone();
        drop(current);
        let position = snapshot.get(&self.0.meta, POSITION).map_err(failed)?;
        let view = View { snapshot, place, failure: self.0.failure.clone() };
        Ok((Arc::new(view), position.map(|position| position.to_vec())))
    }

    fn write(&self, writes: &mut dyn Iterator<Item = Write>, position: Vec<u8>) -> io::Result<()> {
        self.check()?;
        let _writing = self.0.writing.lock();
        let place = self.0.current.read().keyspace.clone();
        let (mut batch, mut changes) = (self.0.database.batch(), Vec::new());
        for (key, value) in writes {
            changes.extend(self.0.hot.change(&key, value.as_deref()));
            match value {
                Some(value) => batch.insert(&place, key, value),
                None => batch.remove(&place, key),
            }
        }
        batch.insert(&self.0.meta, POSITION, position);
        batch.commit().map_err(failed)?;
        self.0.hot.written(changes);
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        self.0.failure.check()
    }

    fn persist(&self) -> BoxFuture<'static, io::Result<()>> {
        let database = self.0.database.clone();
        Box::pin(async move {
            let synced =
                tokio::task::spawn_blocking(move || database.persist(PersistMode::SyncAll));
            synced.await.map_err(io::Error::other)?.map_err(failed)
        })
    }

    fn stage(&self) -> io::Result<Box<dyn Stage>> {
        let _writing = self.0.writing.lock();
        let number = self.0.stages.fetch_add(1, Ordering::AcqRel) + 1;
        let index = 1 - self.0.current.read().index;
        self.0.places[index].clear().map_err(failed)?;
        Ok(Box::new(DiskStage { state: self.clone(), index, number }))
    }
}

/// A state that is being taken into the place that does not count.
struct DiskStage {
    state: DiskState,
    index: usize,
    number: u64,
}

impl DiskStage {
    /// Must be called with the writing lock held.
    fn newest(&self) -> io::Result<()> {
        if self.state.0.stages.load(Ordering::Acquire) == self.number {
            return Ok(());
        }
        Err(io::Error::other("a later snapshot has begun"))
    }
}

impl Stage for DiskStage {
    fn put(&mut self, pairs: Pairs) -> io::Result<()> {
        let inner = &self.state.0;
        let _writing = inner.writing.lock();
        self.newest()?;
        let mut batch = inner.database.batch();
        for (key, value) in pairs {
            batch.insert(&inner.places[self.index], key, value);
        }
        batch.commit().map_err(failed)
    }

    fn switch(self: Box<Self>, position: Vec<u8>) -> io::Result<()> {
        let inner = &self.state.0;
        let _writing = inner.writing.lock();
        self.newest()?;
        // No further stage may come into this place under the same number.
        inner.stages.fetch_add(1, Ordering::AcqRel);
        let mut current = inner.current.write();
        let mut batch = inner.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&inner.meta, POINTER, [self.index as u8]);
        batch.insert(&inner.meta, POSITION, position);
        batch.commit().map_err(failed)?;
        *current = Place { index: self.index, keyspace: inner.places[self.index].clone() };
        inner.hot.forget();
        Ok(())
    }
}
