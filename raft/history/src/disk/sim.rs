//! The simulated disk: in memory, from a seed, forgetful and able to fail.
//!
//! At a crash every write that was not synced survives or not, each for itself, and may survive torn at
//! a sector. Names are durable only after `sync_dir`; of those that were not synced a beginning
//! survives. Files that were opened before a crash give errors.

use std::{collections::BTreeMap, io, sync::Arc};

use parking_lot::Mutex;

use model::lengths::in_memory;

use super::{Disk, File};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A disk of the simulation; clones are the same disk.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    dice: u64,
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    pending_names: Vec<Naming>,
    operations: u64,
    crash_at: Option<u64>,
    fail_syncs: bool,
    life: u64,
    dead: bool,
}

#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    now: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone)]
enum Naming {
    Link(String, u64),
    Unlink(String),
    Rename(String, String),
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
}

fn change(octets: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, written) => {
            let end = offset + written.len();
            octets.resize(octets.len().max(end), 0);
            octets[*offset..end].copy_from_slice(written);
        }
        Change::Truncate(len) => octets.resize(*len, 0),
    }
}

fn name(names: &mut BTreeMap<String, u64>, naming: &Naming) {
    match naming {
        Naming::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Naming::Unlink(name) => {
            names.remove(name);
        }
        Naming::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

impl State {
    /// The next number of the dice (SplitMix64).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Counts an operation that changes something; the one that the crash meets does not happen.
    fn count(&mut self) -> io::Result<()> {
        self.operations += 1;
        self.dead |= self.crash_at.is_some_and(|at| self.operations > at);
        self.alive()
    }

    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the machine has crashed")) } else { Ok(()) }
    }

    fn find(&self, path: &str) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&mut self, naming: Naming) -> io::Result<()> {
        self.count()?;
        name(&mut self.names, &naming);
        self.pending_names.push(naming);
        Ok(())
    }
}

impl SimDisk {
    /// An empty disk whose crashes are thrown from this seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { dice: seed, ..State::default() })))
    }

    /// Lets so many operations that change something happen; from the next one on all fail, until
    /// [`restart`](Self::restart).
    pub fn crash_after(&self, operations: u64) {
        let mut state = self.0.lock();
        state.crash_at = Some(state.operations + operations);
    }

    /// How many operations have changed something.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// From now on syncs fail, or no longer.
    pub fn fail_syncs(&self, fail: bool) {
        self.0.lock().fail_syncs = fail;
    }

    /// The machine is on again after a loss of power: what was not synced is there in part.
    pub fn restart(&self) {
        let mut state = self.0.lock();
        let kept = in_memory(state.roll()) % (state.pending_names.len() + 1);
        let namings = std::mem::take(&mut state.pending_names);
        namings.iter().take(kept).for_each(|naming| name(&mut state.durable_names, naming));
        state.names = state.durable_names.clone();
        let inodes: Vec<u64> = state.inodes.keys().copied().collect();
        for inode in inodes {
            let pending =
                std::mem::take(&mut state.inodes.get_mut(&inode).expect("listed").pending);
            for mut pending in pending {
                let thrown = state.roll();
                if thrown.is_multiple_of(3) {
                    continue;
                }
                if let Change::Write(offset, written) = &mut pending
                    && thrown % 3 == 1
                {
                    let sectors = (*offset + written.len()).div_ceil(SECTOR) - *offset / SECTOR;
                    let torn = (*offset / SECTOR + (thrown >> 8) as usize % sectors) * SECTOR;
                    written.truncate(torn.saturating_sub(*offset));
                }
                change(&mut state.inodes.get_mut(&inode).expect("listed").durable, &pending);
            }
            let inode = state.inodes.get_mut(&inode).expect("listed");
            inode.now = inode.durable.clone();
        }
        state.crash_at = None;
        state.dead = false;
        state.life += 1;
    }

    /// The files and their octets as they are now.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.0.lock();
        let octets = |inode: &u64| state.inodes[inode].now.clone();
        state.names.iter().map(|(name, inode)| (name.clone(), octets(inode))).collect()
    }

    /// Changes a file behind everybody's back, durably, as a failing disk does.
    pub fn tamper(&self, path: &str, tamper: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let inode = state.find(path).expect("the file is there");
        let inode = state.inodes.get_mut(&inode).expect("a name has a file");
        tamper(&mut inode.now);
        inode.durable = inode.now.clone();
        inode.pending.clear();
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let state = self.0.lock();
        state.alive()?;
        let inode = state.find(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, life: state.life }))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.lock();
        let inode = state.inodes.len() as u64;
        state.rename(Naming::Link(path.to_owned(), inode))?;
        state.inodes.insert(inode, Inode::default());
        Ok(Arc::new(SimFile { disk: self.clone(), inode, life: state.life }))
    }

    fn make_dir(&self, _: &str) -> io::Result<()> {
        self.0.lock().alive()
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let state = self.0.lock();
        state.alive()?;
        let within = |name: &String| Some(name.strip_prefix(path)?.strip_prefix('/')?.to_owned());
        Ok(state.names.keys().filter_map(within).collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.find(from)?;
        state.rename(Naming::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.find(path)?;
        state.rename(Naming::Unlink(path.to_owned()))
    }

    fn sync_dir(&self, _: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.count()?;
        if state.fail_syncs {
            return Err(io::Error::other("the disk cannot sync"));
        }
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        Ok(())
    }
}

impl SimFile {
    fn on<T>(&self, work: impl FnOnce(&mut State, u64) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        if state.life != self.life {
            return Err(io::Error::other("the file was opened before the crash"));
        }
        work(&mut state, self.inode)
    }

    fn change(&self, pending: Change) -> io::Result<()> {
        self.on(|state, inode| {
            state.count()?;
            let inode = state.inodes.get_mut(&inode).expect("an open file has an inode");
            change(&mut inode.now, &pending);
            inode.pending.push(pending);
            Ok(())
        })
    }
}

impl File for SimFile {
    fn write(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.change(Change::Write(in_memory(offset), octets.to_vec()))
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.on(|state, inode| {
            state.alive()?;
            let octets = &state.inodes[&inode].now;
            let from = octets.len().min(in_memory(offset));
            Ok(octets[from..octets.len().min(from.saturating_add(len))].to_vec())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.on(|state, inode| {
            state.count()?;
            if state.fail_syncs {
                return Err(io::Error::other("the disk cannot sync"));
            }
            let inode = state.inodes.get_mut(&inode).expect("an open file has an inode");
            inode.durable = inode.now.clone();
            inode.pending.clear();
            Ok(())
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Change::Truncate(in_memory(len)))
    }

    fn size(&self) -> io::Result<u64> {
        self.on(|state, inode| Ok(state.inodes[&inode].now.len() as u64))
    }
}
