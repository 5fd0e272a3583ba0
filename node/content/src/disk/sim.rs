//! The simulated disk: in memory, from a seed, forgetful and able to fail.
//!
//! At a crash every operation that was not synced survives or not, each for itself, and a write
//! may survive torn at a sector. Names are durable only after `sync_dir`; of those that were not
//! synced a beginning survives. Handles from before a crash give errors.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use super::{Disk, DiskFuture, File, Write};
use model::lengths::{in_memory, micros_of};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next syncs give EIO.
    Sync,
    /// The next writes give EIO.
    Write,
    /// The next writes and allocations give ENOSPC.
    Full,
    /// The next reads give EIO.
    Read,
}

#[derive(Clone, Default)]
struct Octets {
    /// Written octets; shorter than `len` where the rest is zeros.
    data: Vec<u8>,
    len: u64,
}

#[derive(Clone)]
enum Change {
    Write(u64, Bytes),
    Truncate(u64),
    Allocate(u64),
    Punch(u64, u64),
}

#[derive(Default)]
struct Inode {
    durable: Octets,
    now: Octets,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Naming {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

#[derive(Default)]
struct State {
    seed: u64,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<Naming>,
    faults: Vec<Fault>,
    lies: bool,
    capacity: Option<u64>,
    operations: u64,
    crash_after: Option<u64>,
    life: u64,
    dead: bool,
}

/// A disk of the simulation; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    latency: Arc<AtomicU64>,
    write_time: Arc<AtomicU64>,
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
}

impl Octets {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write(offset, bytes) => {
                let end = in_memory(*offset) + bytes.len();
                if self.data.len() < end {
                    self.data.resize(end, 0);
                }
                self.data[in_memory(*offset)..end].copy_from_slice(bytes);
                self.len = self.len.max(end as u64);
            }
            Change::Truncate(len) => {
                self.data.truncate(in_memory(*len));
                self.len = *len;
            }
            Change::Allocate(len) => self.len = self.len.max(*len),
            Change::Punch(offset, len) => {
                let end = self.data.len().min(in_memory(offset + len));
                if let Some(hole) = self.data.get_mut(in_memory(*offset)..end) {
                    hole.fill(0);
                }
            }
        }
    }
}

impl State {
    fn random(&mut self) -> u64 {
        // SplitMix64: small, and good enough to choose what a crash keeps.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn check(&mut self, life: u64, kinds: &[Fault]) -> io::Result<()> {
        if self.dead || self.life != life {
            return Err(io::Error::other("the machine is off"));
        }
        self.operations += 1;
        if self.crash_after.is_some_and(|at| self.operations >= at) {
            self.dead = true;
            return Err(io::Error::other("the machine went off"));
        }
        if let Some(at) = self.faults.iter().position(|fault| kinds.contains(fault)) {
            return Err(match self.faults.remove(at) {
                Fault::Full => io::ErrorKind::StorageFull.into(),
                _ => io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()),
            });
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|inode| self.inodes.get(inode))
            .map(|inode| inode.now.data.len() as u64)
            .sum()
    }

    fn change(&mut self, inode: u64, change: Change) -> io::Result<()> {
        if let (Some(capacity), Change::Write(_, bytes)) = (self.capacity, &change)
            && self.used() + bytes.len() as u64 > capacity
        {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let inode = self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        inode.now.apply(&change);
        inode.pending.push(change);
        Ok(())
    }

    fn sync(&mut self, inode: u64) -> io::Result<()> {
        let lies = self.lies;
        let inode = self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        if !lies {
            for change in inode.pending.drain(..) {
                inode.durable.apply(&change);
            }
        }
        Ok(())
    }

    /// What the crash leaves of one file's unsynced changes.
    fn tear(&mut self, id: u64) {
        let Some(mut inode) = self.inodes.remove(&id) else { return };
        for change in std::mem::take(&mut inode.pending) {
            match (self.random() % 3, &change) {
                (0, _) => {}
                (1, Change::Write(offset, bytes)) => {
                    let sectors = bytes.len() / SECTOR + 1;
                    let keep = in_memory(self.random() % sectors as u64) * SECTOR;
                    inode
                        .durable
                        .apply(&Change::Write(*offset, bytes.slice(..keep.min(bytes.len()))));
                }
                _ => inode.durable.apply(&change),
            }
        }
        inode.now = inode.durable.clone();
        self.inodes.insert(id, inode);
    }
}

fn rename_in(names: &mut BTreeMap<String, u64>, naming: &Naming) {
    match naming {
        Naming::Link(path, inode) => {
            names.insert(path.clone(), *inode);
        }
        Naming::Unlink(path) => {
            names.remove(path);
        }
        Naming::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl Naming {
    fn is_in(&self, dir: &str) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(path, _)) = self;
        path.rsplit_once('/').map_or("", |(dir, _)| dir) == dir
    }
}

impl SimDisk {
    /// An empty disk; what its crashes keep follows from the seed.
    pub fn new(seed: u64) -> Self {
        let state = State { seed, ..State::default() };
        Self {
            state: Arc::new(Mutex::new(state)),
            latency: Arc::default(),
            write_time: Arc::default(),
        }
    }

    /// Sets how long a sync takes, in the runtime's time.
    pub fn set_latency(&self, latency: Duration) {
        self.latency.store(micros_of(latency), Relaxed);
    }

    /// Sets how long a durable write takes for each octet, so that a small one overtakes a large one that
    /// began earlier.
    pub fn set_write_time(&self, octet: Duration) {
        let nanos = u64::try_from(octet.as_nanos()).expect("an octet is written within centuries");
        self.write_time.store(nanos, Relaxed);
    }

    /// With `true`, syncs do nothing and say that they did: the negative control of crash tests.
    pub fn set_lies(&self, lies: bool) {
        self.state.lock().lies = lies;
    }

    /// Makes the next operation of that kind fail.
    pub fn inject(&self, fault: Fault) {
        self.state.lock().faults.push(fault);
    }

    /// Octets that the disk can hold.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.state.lock().capacity = capacity;
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.state.lock().operations
    }

    /// The power goes off at that operation, counted from the disk's beginning.
    pub fn crash_at(&self, operation: u64) {
        self.state.lock().crash_after = Some(operation);
    }

    /// Whether the power is off.
    pub fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Power off and on: unsynced changes are lost, torn or kept, and old handles are dead.
    pub fn crash(&self) {
        let mut state = self.state.lock();
        let pending = std::mem::take(&mut state.pending_names);
        let keep = in_memory(state.random() % (pending.len() as u64 + 1));
        for naming in &pending[..keep] {
            rename_in(&mut state.durable_names, naming);
        }
        state.names = state.durable_names.clone();
        let ids: Vec<u64> = state.inodes.keys().copied().collect();
        for id in ids {
            state.tear(id);
        }
        let State { inodes, names, .. } = &mut *state;
        inodes.retain(|id, _| names.values().any(|inode| inode == id));
        (state.crash_after, state.dead) = (None, false);
        state.life += 1;
    }

    /// Flips a bit of a file, as a bad sector would.
    pub fn flip(&self, path: &str, offset: u64, mask: u8) -> bool {
        let mut state = self.state.lock();
        let Some(inode) = state.names.get(path).copied().and_then(|id| state.inodes.get_mut(&id))
        else {
            return false;
        };
        for octets in [&mut inode.durable, &mut inode.now] {
            if let Some(octet) = octets.data.get_mut(in_memory(offset)) {
                *octet ^= mask;
            }
        }
        true
    }

    /// The files by name, as they read now.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let state = self.state.lock();
        let read =
            |(path, inode): (&String, &u64)| (path.clone(), state.inodes[inode].now.data.clone());
        state.names.iter().map(read).collect()
    }

    /// Whether the octets stand anywhere on the disk, in named files or in what a crash could bring back.
    pub fn contains(&self, needle: &[u8]) -> bool {
        let state = self.state.lock();
        let linked = |id: &u64| {
            state.names.values().chain(state.durable_names.values()).any(|inode| inode == id)
        };
        let find =
            |octets: &Octets| octets.data.windows(needle.len()).any(|window| window == needle);
        state
            .inodes
            .iter()
            .any(|(id, inode)| linked(id) && (find(&inode.now) || find(&inode.durable)))
    }

    fn with<T: Send + 'static>(
        &self,
        life: Option<u64>,
        kinds: &[Fault],
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> DiskFuture<T> {
        let mut state = self.state.lock();
        let life = life.unwrap_or(state.life);
        let result = state.check(life, kinds).and_then(|()| act(&mut state));
        Box::pin(std::future::ready(result))
    }

    fn handle(&self, inode: u64, life: u64) -> Arc<dyn File> {
        Arc::new(SimFile { disk: self.clone(), inode, life })
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str) -> DiskFuture<Arc<dyn File>> {
        self.with(None, &[], |state| {
            let inode = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(self.handle(inode, state.life))
        })
    }

    fn create(&self, path: &str) -> DiskFuture<Arc<dyn File>> {
        self.with(None, &[], |state| {
            if let Some(inode) = state.names.get(path).copied() {
                state.change(inode, Change::Truncate(0))?;
                return Ok(self.handle(inode, state.life));
            }
            state.next_inode += 1;
            let inode = state.next_inode;
            state.inodes.insert(inode, Inode::default());
            let naming = Naming::Link(path.to_owned(), inode);
            rename_in(&mut state.names, &naming);
            state.pending_names.push(naming);
            Ok(self.handle(inode, state.life))
        })
    }

    fn make_dir(&self, _path: &str) -> DiskFuture<()> {
        self.with(None, &[], |_| Ok(()))
    }

    fn list(&self, path: &str) -> DiskFuture<Vec<(String, u64)>> {
        self.with(None, &[], |state| {
            let mut files = Vec::new();
            for (name, inode) in &state.names {
                if let Some((dir, name)) = name.rsplit_once('/')
                    && dir == path
                {
                    files.push((name.to_owned(), state.inodes[inode].now.len));
                }
            }
            Ok(files)
        })
    }

    fn rename(&self, from: &str, to: &str) -> DiskFuture<()> {
        self.with(None, &[], |state| {
            let naming = Naming::Rename(from.to_owned(), to.to_owned());
            rename_in(&mut state.names, &naming);
            state.pending_names.push(naming);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> DiskFuture<()> {
        self.with(None, &[], |state| {
            if !state.names.contains_key(path) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let naming = Naming::Unlink(path.to_owned());
            rename_in(&mut state.names, &naming);
            state.pending_names.push(naming);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &str) -> DiskFuture<()> {
        self.with(None, &[Fault::Sync], |state| {
            if state.lies {
                return Ok(());
            }
            let (here, elsewhere) = std::mem::take(&mut state.pending_names)
                .into_iter()
                .partition(|naming| naming.is_in(path));
            state.pending_names = elsewhere;
            let here: Vec<Naming> = here;
            for naming in &here {
                rename_in(&mut state.durable_names, naming);
            }
            Ok(())
        })
    }

    fn free_space(&self) -> DiskFuture<u64> {
        self.with(None, &[], |state| {
            Ok(state
                .capacity
                .map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(state.used())))
        })
    }
}

impl SimFile {
    /// Syncs after the disk's latency, so that what others do meanwhile interleaves.
    fn sync_late(&self) -> DiskFuture<()> {
        let (disk, inode, life) = (self.disk.clone(), self.inode, self.life);
        Box::pin(async move {
            let latency = disk.latency.load(Relaxed);
            if latency > 0 {
                tokio::time::sleep(Duration::from_micros(latency)).await;
            }
            disk.with(Some(life), &[Fault::Sync], |state| state.sync(inode)).await
        })
    }
}

impl File for SimFile {
    fn write(&self, writes: Vec<Write>, durable: bool) -> DiskFuture<()> {
        let (disk, inode, life) = (self.disk.clone(), self.inode, self.life);
        let octets: usize = writes.iter().map(|write| write.bytes.len()).sum();
        let write = move || {
            disk.with(Some(life), &[Fault::Write, Fault::Full], |state| {
                writes.into_iter().try_for_each(|write| {
                    state.change(inode, Change::Write(write.offset, write.bytes))
                })
            })
        };
        let wait = self.disk.write_time.load(Relaxed) * octets as u64;
        if !durable {
            return write();
        }
        let sync = self.sync_late();
        if wait == 0 {
            let written = write();
            return Box::pin(async move {
                written.await?;
                sync.await
            });
        }
        Box::pin(async move {
            tokio::time::sleep(Duration::from_nanos(wait)).await;
            write().await?;
            sync.await
        })
    }

    fn read(&self, offset: u64, len: usize) -> DiskFuture<BytesMut> {
        let inode = self.inode;
        self.disk.with(Some(self.life), &[Fault::Read], |state| {
            let now = &state.inodes.get(&inode).ok_or(io::ErrorKind::NotFound)?.now;
            let len = len.min(in_memory(now.len.saturating_sub(offset)));
            let mut octets = BytesMut::zeroed(len);
            if let Some(data) = now.data.get(in_memory(offset)..) {
                let count = data.len().min(len);
                octets[..count].copy_from_slice(&data[..count]);
            }
            Ok(octets)
        })
    }

    fn sync_data(&self) -> DiskFuture<()> {
        self.sync_late()
    }

    fn truncate(&self, len: u64) -> DiskFuture<()> {
        let inode = self.inode;
        self.disk.with(Some(self.life), &[], |state| state.change(inode, Change::Truncate(len)))
    }

    fn allocate(&self, len: u64) -> DiskFuture<()> {
        let inode = self.inode;
        self.disk.with(Some(self.life), &[Fault::Full], |state| {
            state.change(inode, Change::Allocate(len))
        })
    }

    fn punch_hole(&self, offset: u64, len: u64) -> DiskFuture<()> {
        let inode = self.inode;
        self.disk
            .with(Some(self.life), &[], |state| state.change(inode, Change::Punch(offset, len)))
    }

    fn size(&self) -> DiskFuture<u64> {
        let inode = self.inode;
        self.disk.with(Some(self.life), &[], |state| {
            Ok(state.inodes.get(&inode).ok_or(io::ErrorKind::NotFound)?.now.len)
        })
    }
}
