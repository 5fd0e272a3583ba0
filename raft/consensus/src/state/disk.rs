//! The state on disk.
//!
//! Two places for a state lie side by side, and a pointer says which one counts; a snapshot is
//! taken into the other one and the pointer is turned in one atomic batch. Writes are not synced
//! one by one: the log is what makes an answer durable, and it is purged only behind a sync. So new
//! rows stay in memory for a while ([`Young`]): many are written again, or deleted, before they would
//! ever be read from a file. A thread of its own settles them ([`Settler`]); nobody who applies waits for
//! the disk.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};
use futures_util::future::BoxFuture;
use machine::{Reader, Visit, Write};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use crate::{
    Error, FactLog,
    room::Room,
    state::{
        Pairs, Stage, StateDisk, StateView,
        edges::Edges,
        hot::HotRows,
        settle::{Settler, Settling},
        young::{Layer, Young, merged, scan_layers},
    },
};

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;

/// The directory of the state inside the node's directory.
const STATE: &str = "state";

/// Octets of journal kept before memory tables must reach their files; bounds the replay at a
/// start.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Octets of rows, with what they cost in memory, that are kept before they are settled into a
/// place. At a crash as many are applied from the log again. Four times as many, and the journal has half as
/// much; but whole cycles cost a twentieth more, for whoever scans passes through all of them.
const YOUNG_BYTES: usize = 1 << 20;

/// Octets of frozen rows for which whoever applies waits: the disk is behind, and memory is counted.
const FROZEN_BYTES_MAX: usize = 8 << 20;

/// Frozen layers for which nothing is asked of the disk yet. Each view freezes one, and every look at a row
/// passes through all of them.
const FROZEN_LAYERS_MAX: usize = 4;

/// The same while the disk is short of room: receipts of a day, and no more than a node's memory bears.
const YOUNG_HELD_BYTES: usize = 32 << 20;

/// Octets of blocks cached. The working set is the packets on their way, not the history.
const CACHE_BYTES: u64 = 24 << 20;

/// Octets written to a place before they go to a file. Each file spans every table, and a few of them are
/// merged with all that lies below: fewer and larger ones cost less. Memory is counted, so not more.
const MEMTABLE_BYTES: u64 = 24 << 20;

/// Octets written to the small place of pointer and position before they go to a file.
const META_MEMTABLE_BYTES: u64 = 1 << 20;

/// Background threads of the store for files. Of several the first one only writes files, and while another merges
/// it takes the orders to merge and puts them back, again and again, with a whole processor.
const WORKERS: usize = 1;

const PLACES: [&str; 2] = ["state-a", "state-b"];
const POINTER: &[u8] = b"place";
const POSITION: &[u8] = b"position";

/// The state on disk.
#[derive(Clone)]
pub(crate) struct DiskState(Arc<Owner>);

/// The last one to let go ends the thread that settles.
struct Owner {
    inner: Arc<Inner>,
    settler: Settler,
}

impl std::ops::Deref for Owner {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// A clean end leaves nothing to be applied again.
impl Drop for Owner {
    fn drop(&mut self) {
        let failed = self.inner.failure.check().is_err();
        if !failed {
            self.inner.settling.ask(self.inner.young.write().freeze());
        }
        self.settler.end(failed);
        if let Err(error) = self.inner.check() {
            tracing::warn!(%error, "the newest rows of the state will be applied from the log again");
        }
    }
}

struct Inner {
    database: Database,
    meta: Keyspace,
    places: [Keyspace; 2],
    current: RwLock<Place>,
    stages: AtomicU64,
    failure: Failure,
    hot: HotRows,
    /// Of the place that counts.
    edges: Edges,
    /// Taken before `current`. Whoever holds it sees nothing change.
    young: RwLock<Young>,
    /// What the state counts; durable before it is settled.
    facts: Arc<dyn FactLog>,
    /// The disk's room, where it is watched.
    room: Option<Arc<Room>>,
    /// Held by whoever writes, so that a switch and an apply never meet. Taken first.
    writing: Mutex<()>,
    /// Held by whoever settles or switches: rows of one state never come into the place of another. Taken
    /// behind `writing` and before `young`.
    switching: Mutex<()>,
    settling: Arc<Settling>,
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
    /// Opens the state in a node's directory; so many of its files stay open.
    pub(crate) fn open(
        directory: &Path,
        files_max: usize,
        (facts, room): (Arc<dyn FactLog>, Option<Arc<Room>>),
    ) -> Result<Self, Error> {
        let path = directory.join(STATE);
        Self::open_in(&path, files_max, (facts, room)).map_err(|error| match error {
            fjall::Error::Locked => Error::Locked { directory: path.clone() },
            fjall::Error::Io(source) => Error::Open { path: path.clone(), source },
            fjall::Error::InvalidVersion(_) => {
                Error::NewerFormat { directory: path.clone(), found: 0, known: 0 }
            }
            error => Error::CorruptState { path: path.clone(), reason: error.to_string() },
        })
    }

    fn open_in(
        path: &Path,
        files_max: usize,
        (facts, room): (Arc<dyn FactLog>, Option<Arc<Room>>),
    ) -> fjall::Result<Self> {
        let database = Database::builder(path)
            .max_journaling_size(JOURNAL_BYTES)
            .cache_size(CACHE_BYTES)
            .worker_threads(WORKERS)
            .max_cached_files(Some(files_max))
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
        let inner = Arc::new(Inner {
            database,
            meta,
            places,
            current,
            stages: AtomicU64::new(0),
            failure: Failure::default(),
            hot: HotRows::new(),
            edges: Edges::new(),
            young: RwLock::default(),
            facts,
            room,
            writing: Mutex::new(()),
            switching: Mutex::new(()),
            settling: Arc::default(),
        });
        let settler = Settler::start(inner.settling.clone(), {
            let inner = inner.clone();
            move || inner.settle()
        })?;
        Ok(Self(Arc::new(Owner { inner, settler })))
    }
}

impl Inner {
    /// A row of the place that counts.
    fn settled(&self, key: &[u8]) -> Option<fjall::UserValue> {
        let current = self.current.read();
        let found = match self.edges.is_beyond(&current.keyspace, key) {
            Ok(true) => return None,
            Ok(false) => current.keyspace.get(key),
            Err(error) => Err(error),
        };
        found.inspect_err(|error| self.failure.note(error)).ok().flatten()
    }

    fn scan(&self, young: &Young, from: &[u8], to: &[u8], visit: Visit<'_>) {
        let keyspace = self.current.read().keyspace.clone();
        young.scan(&Settled(&keyspace, &self.failure), from, to, visit);
    }

    /// Writes all frozen layers into the place that counts, in one batch with the position that they bring
    /// it to. Gives how many layers were frozen so far.
    fn settle(&self) -> io::Result<u64> {
        let _switching = self.switching.lock();
        let (layers, count) = self.young.read().frozen();
        let Some(Layer { position: Some(position), .. }) = layers.last().map(|last| &**last) else {
            return Ok(count);
        };
        if let Some(room) = &self.room {
            room.before_writing();
        }
        // All facts that these layers count were added before them.
        self.sync_facts()?;
        let place = self.current.read().keyspace.clone();
        let rows = merged(&layers);
        // Before the first of them can be read there.
        self.edges.widen(rows.iter().map(|(key, _)| *key));
        let mut batch = self.database.batch();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&place, key, value),
                None => batch.remove(&place, key),
            }
        }
        batch.insert(&self.meta, POSITION, position.as_slice());
        batch.commit().map_err(failed)?;
        // Until here others read them from the layers, and from now on from the place.
        self.young.write().settled(layers.len());
        Ok(count)
    }

    /// Makes the facts durable. Where the disk was filled since it was measured they wait in memory for what the spare
    /// gives back.
    fn sync_facts(&self) -> io::Result<()> {
        loop {
            let synced = self.facts.sync();
            let is_full =
                synced.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull);
            if !is_full || !self.room.as_ref().is_some_and(|room| room.give_back()) {
                return synced;
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        self.failure.check()?;
        self.settling.check()
    }
}

/// A place as it is now.
struct Settled<'a>(&'a Keyspace, &'a Failure);

impl Reader for Settled<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.0.get(key).inspect_err(|error| self.1.note(error));
        found.ok().flatten().map(|value| value.to_vec())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        walk(self.0.range(from..to), self.1, visit);
    }
}

/// For the one who applies.
impl Reader for Inner {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.hot.get(key) {
            return Some(value);
        }
        if let Some(written) = self.young.read_recursive().get(key) {
            return written.clone();
        }
        let value = self.settled(key)?;
        self.hot.learn(key, &value);
        Some(value.to_vec())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        // The visitor may read in turn.
        let young = self.young.read_recursive();
        self.scan(&young, from, to, visit);
    }
}

fn walk(pairs: fjall::Iter, failure: &Failure, visit: Visit<'_>) {
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

/// The state at one moment: a snapshot of the place, and over it the layers of that moment. What of them had
/// been settled by then is the same in both.
struct View {
    layers: Vec<Arc<Layer>>,
    snapshot: Snapshot,
    place: Keyspace,
    failure: Failure,
}

impl Reader for View {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(written) = self.layers.iter().rev().find_map(|layer| layer.rows.get(key)) {
            return written.clone();
        }
        let found = self.snapshot.get(&self.place, key);
        let value = found.inspect_err(|error| self.failure.note(error)).ok().flatten();
        self.failure.trusted();
        value.map(|value| value.to_vec())
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        if from < to {
            let layers: Vec<_> = self.layers.iter().map(|layer| &layer.rows).collect();
            scan_layers(&layers, &Held(self), from, to, visit);
            self.failure.trusted();
        }
    }
}

/// What a view holds of the place.
struct Held<'a>(&'a View);

impl Reader for Held<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        walk(self.0.snapshot.range(&self.0.place, from..to), &self.0.failure, visit);
    }
}

/// For everybody else.
impl Reader for DiskState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(value) = self.0.hot.get(key) {
            return Some(value);
        }
        self.0.now(self.0.young.read_recursive()).get_cold(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        self.0.now(self.0.young.read_recursive()).scan(from, to, visit);
    }
}

impl Inner {
    fn now<'a>(&'a self, young: RwLockReadGuard<'a, Young>) -> Now<'a> {
        Now { young, inner: self }
    }
}

/// The state as it is now, which stands still meanwhile.
struct Now<'a> {
    young: RwLockReadGuard<'a, Young>,
    inner: &'a Inner,
}

impl Now<'_> {
    /// A row that is not among the hot ones.
    fn get_cold(&self, key: &[u8]) -> Option<Vec<u8>> {
        if let Some(written) = self.young.get(key) {
            return written.clone();
        }
        let value = self.inner.settled(key).map(|value| value.to_vec());
        self.inner.failure.trusted();
        value
    }
}

impl Reader for Now<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner.hot.get(key).or_else(|| self.get_cold(key))
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        self.inner.scan(&self.young, from, to, visit);
        self.inner.failure.trusted();
    }
}

impl StateDisk for DiskState {
    fn reader(&self) -> &(dyn Reader + Send + Sync) {
        &*self.0.inner
    }

    fn latest(&self) -> &(dyn Reader + Send + Sync) {
        self
    }

    fn peek(&self, look: &mut dyn FnMut(&dyn Reader)) {
        // Behind a writer that waits: many readers together must not keep it waiting for ever.
        look(&self.0.now(self.0.young.read()));
    }

    fn view(&self) -> io::Result<(StateView, Option<Vec<u8>>)> {
        // Nothing may be written between the choice of the layers, of the place and the snapshot.
        let writing = self.0.writing.lock();
        let (layers, count) = {
            let mut young = self.0.young.write();
            young.freeze();
            young.frozen()
        };
        let place = self.0.current.read().keyspace.clone();
        let snapshot = self.0.database.snapshot();
        drop(writing);
        if layers.len() > FROZEN_LAYERS_MAX {
            self.0.settling.ask(count);
        }
        let position = match layers.last().and_then(|layer| layer.position.clone()) {
            Some(position) => Some(position),
            None => snapshot.get(&self.0.meta, POSITION).map_err(failed)?.map(|it| it.to_vec()),
        };
        let view = View { layers, snapshot, place, failure: self.0.failure.clone() };
        Ok((Arc::new(view), position))
    }

    fn write(&self, writes: &mut dyn Iterator<Item = Write>, position: Vec<u8>) -> io::Result<()> {
        self.check()?;
        let _writing = self.0.writing.lock();
        let mut young = self.0.young.write();
        self.0.hot.change(|hot| {
            for (key, value) in writes {
                hot.put(&key, value.as_deref());
                young.newest.put(key, value);
            }
        });
        young.newest.position = Some(position);
        let octets = young.newest.octets;
        if octets < YOUNG_BYTES || (octets < YOUNG_HELD_BYTES && self.is_short()) {
            return Ok(());
        }
        let (count, (_, waiting)) = (young.freeze(), young.waiting());
        drop(young);
        self.0.settling.ask(count);
        if waiting >= FROZEN_BYTES_MAX { self.0.settling.wait(count) } else { Ok(()) }
    }

    fn check(&self) -> io::Result<()> {
        self.0.check()
    }

    fn is_short(&self) -> bool {
        self.0.room.as_ref().is_some_and(|room| room.is_short_now())
    }

    fn persist(&self) -> BoxFuture<'static, io::Result<()>> {
        let state = self.clone();
        Box::pin(async move {
            let synced = tokio::task::spawn_blocking(move || {
                let writing = state.0.writing.lock();
                let count = state.0.young.write().freeze();
                drop(writing);
                state.0.settling.ask(count);
                state.0.settling.wait(count)?;
                state.0.database.persist(PersistMode::SyncAll).map_err(failed)
            });
            synced.await.map_err(io::Error::other)?
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
        let _switching = inner.switching.lock();
        self.newest()?;
        // No further stage may come into this place under the same number.
        inner.stages.fetch_add(1, Ordering::AcqRel);
        let mut young = inner.young.write();
        let mut current = inner.current.write();
        let mut batch = inner.database.batch().durability(Some(PersistMode::SyncAll));
        batch.insert(&inner.meta, POINTER, [u8::from(self.index != 0)]);
        batch.insert(&inner.meta, POSITION, position);
        batch.commit().map_err(failed)?;
        *current = Place { index: self.index, keyspace: inner.places[self.index].clone() };
        young.forget();
        inner.hot.forget();
        inner.edges.forget();
        Ok(())
    }
}
