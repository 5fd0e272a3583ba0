//! The history: what happened, as facts in the order in which they happened, on disk for good.
//!
//! It knows no rules and no packets. A fact is octets at a position; it is a leaf of an RFC 6962 tree,
//! and may be found by keys that the caller makes of it. What must be agreed on is the facts alone: tree
//! and index follow from them, and are made again wherever they are lost.
//!
//! All of it blocks, and nothing here starts a thread: the caller's threads write, sync and derive.

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::unwrap_used,
        reason = "a test that fails says enough"
    )
)]

mod copies;
pub mod disk;
mod error;
mod facts;
mod index;
mod tiles;
mod v1;

use std::{
    fs::{File, TryLockError},
    ops::Range,
    path::Path,
    sync::Arc,
};

use model::tree::{Consistency, Frontier, Inclusion, LeafHash, Subtree, TreeHash};
use parking_lot::Mutex;

pub use crate::{
    copies::{RUN_FACTS_MAX, RUN_OCTETS_MAX, Run},
    error::Error,
    index::{KEY_OCTETS_MAX, Key, Keys, POSITIONS_MAX, Ranked},
};
use crate::{
    disk::{Disk, real::RealDisk},
    facts::Facts,
    index::{Index, Late},
    tiles::{Kept, Tiles},
};

#[cfg(test)]
mod tests;

/// Octets of one fact: more than the machine makes. The largest is that of a packet of 512 targets, each with a
/// reason, or of a signature with the longest body that is kept; both have about half of it.
pub const FACT_OCTETS_MAX: usize = 1 << 20;

/// The directory of the history in a node's directory.
const HISTORY: &str = "history";

/// The file in it that a process locks.
const LOCK: &str = "lock";

/// Facts that are read together when tree and index are brought further: a tile's.
const DERIVED_TOGETHER: u64 = 256;

/// Facts that opening hashes at most, about a tenth of a second: more are left to
/// [`History::derive`], so that a node whose tiles are lost starts all the same.
const HASHED_AT_OPEN: u64 = 65_536;

/// How large segments become. Larger ones make fewer files, smaller ones are read sooner where a table is
/// lost and at a start.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of a segment; one with a single fact may be larger.
    pub segment_octets: usize,
    /// Facts of a segment. Each has four octets in a table that is held in memory.
    pub segment_facts: usize,
    /// Rows of the index in memory before they become a file of it.
    pub index_rows: usize,
}

impl Default for Limits {
    /// 8 MiB and 16,384 facts: a table of 64 KiB. 32,768 rows: some 3 MiB, and some tenths of a second of reading
    /// at a start.
    fn default() -> Self {
        Self { segment_octets: 8 << 20, segment_facts: 16_384, index_rows: 32_768 }
    }
}

/// How far everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The position of the next new fact.
    pub size: u64,
    /// All facts before this position are here; less than `size` while a gap is filled.
    pub whole: u64,
    /// The facts before this position, but those that are missing, survive a loss of power.
    pub durable: u64,
    /// The tree has so many leaves.
    pub hashed: u64,
    /// The index has all facts before this position; zero until somebody has needed it since the start.
    pub indexed: u64,
    /// Damaged tiles of the tree that were made again since the start.
    pub mended: u64,
}

impl Progress {
    /// Whether [`History::derive`] has something to do.
    pub fn is_behind(&self) -> bool {
        self.hashed < self.whole || self.indexed < self.whole.min(self.durable)
    }
}

/// The history of one node.
pub struct History {
    facts: Facts,
    tiles: Tiles,
    index: Late,
    /// Keeps other processes out.
    _lock: Option<File>,
    /// Held by whoever adds facts, so that tree and facts are added to in one order.
    writing: Mutex<()>,
}

impl History {
    /// Opens the history in a node's directory, or begins one. What a crash tore is cut.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if another process has it; [`Error::Strange`] for files that nobody put
    /// there; [`Error::Io`]. Damaged facts are found when they are read, or [checked](Self::check).
    pub fn open(directory: &Path, keys: Keys) -> Result<Self, Error> {
        Self::open_with(directory, Limits::default(), keys)
    }

    fn open_with(directory: &Path, limits: Limits, keys: Keys) -> Result<Self, Error> {
        let directory = directory.join(HISTORY);
        let disk = RealDisk::new(directory.clone());
        disk.make_dir("").map_err(Error::io("create", ""))?;
        let lock = File::create(directory.join(LOCK)).map_err(Error::io("create", LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", LOCK)(error)),
        }
        let index = Late::at(directory.join("index"), keys, limits.index_rows);
        Self::with(Arc::new(disk), index, limits, Some(lock))
    }

    /// Opens a history on another disk, with its index in memory: for simulations.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, limits: Limits, keys: Keys) -> Result<Self, Error> {
        Self::with(disk, Late::ready(Index::in_memory(keys, limits.index_rows)), limits, None)
    }

    fn with(
        disk: Arc<dyn Disk>,
        index: Late,
        limits: Limits,
        lock: Option<File>,
    ) -> Result<Self, Error> {
        let facts = Facts::open(disk.clone(), limits)?;
        let tiles = Tiles::open(disk, &facts)?;
        let history = Self { facts, tiles, index, _lock: lock, writing: Mutex::new(()) };
        let hashed = history.tiles.size();
        let most = history.facts.whole().min(hashed.saturating_add(HASHED_AT_OPEN));
        // A fact that is damaged here keeps the tree behind; the node starts, and it is repaired.
        match history.derive_tree(hashed..most) {
            Ok(()) | Err(Error::Damaged { .. }) => Ok(history),
            Err(error) => Err(error),
        }
    }

    /// Adds facts that begin at a position. Those that are here already are compared and passed over, so
    /// that entries may be applied again after a crash. Durable after the next [`sync`](Self::sync).
    ///
    /// Cheap: octets are gathered in memory, and some hashes are computed. One thread appends.
    ///
    /// # Errors
    ///
    /// [`Error::Differs`]: two programs disagree, the node must stop. [`Error::Behind`]: facts before
    /// these are missing, see [`begin_gap`](Self::begin_gap). [`Error::TooLarge`]; [`Error::Io`];
    /// [`Error::Failed`] after a failed sync.
    pub fn append(&self, position: u64, facts: &[impl AsRef<[u8]>]) -> Result<(), Error> {
        let leaves: Vec<_> = facts.iter().map(|fact| v1::leaf(fact.as_ref())).collect();
        let _writing = self.writing.lock();
        for (position, fact) in (position..).zip(facts) {
            self.facts.write(position, fact.as_ref())?;
        }
        match self.tiles.push(position, &leaves) {
            // The tree is made of the facts again; a disk that is full for a moment stops nobody who adds.
            Err(error @ Error::Io { .. }) => {
                tracing::warn!(%error, "the tree of the history waits");
                Ok(())
            }
            pushed => pushed,
        }
    }

    /// Notes that the facts between the end of the history and `want` are missing, because this node took
    /// a snapshot: the next fact is appended at `want`, and the others are [filled](Self::fill) in.
    /// Nothing is done where the history reaches as far, so it is called at every start with the size
    /// that the state counts.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Failed`] after a failed sync.
    pub fn begin_gap(&self, want: u64) -> Result<(), Error> {
        let _writing = self.writing.lock();
        self.facts.begin_gap(want)
    }

    /// The first positions that are missing and must be fetched; none once the history is whole.
    pub fn missing(&self) -> Option<Range<u64>> {
        self.facts.missing()
    }

    /// Makes durable what was added before the call, and returns the position up to which the history is
    /// durable now. Calls at the same time share a sync.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the disk failed. After a failed sync nobody knows what it has: every later
    /// call gives [`Error::Failed`], and the node restarts.
    pub fn sync(&self) -> Result<u64, Error> {
        let before = self.facts.durable().end;
        let durable = self.facts.sync()?;
        // Once for each large tile row: after a loss of power no more than that is hashed again.
        if before / HASHED_AT_OPEN != durable.end / HASHED_AT_OPEN {
            self.tiles.sync()?;
        }
        Ok(durable.end)
    }

    /// Brings tree and index further, each by up to `most` facts, and says how far they are. Called in the
    /// background for as long as [`Progress::is_behind`].
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`]: tree or index cannot go on before that fact is repaired. [`Error::Io`].
    pub fn derive(&self, most: u64) -> Result<Progress, Error> {
        let hashed = self.tiles.size();
        self.derive_tree(hashed..self.facts.whole().min(hashed.saturating_add(most)))?;
        let index = self.index()?;
        let mut at = index.indexed();
        // A fact that a crash could still take must not be found: the index would keep its row.
        let to = self.facts.durable().whole.min(at.saturating_add(most));
        while at < to {
            let facts = self.facts.read(at..to.min(at + DERIVED_TOGETHER))?;
            index.add(at, &facts)?;
            at += facts.len() as u64;
        }
        Ok(self.progress())
    }

    /// Opens the index, if it was not: it takes seconds where it is large, and threads and descriptors that a node may
    /// not be granted later.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the index is then opened by whoever needs it first.
    pub fn open_index(&self) -> Result<(), Error> {
        self.index().map(drop)
    }

    /// The index, opened now if it was not.
    fn index(&self) -> Result<&Index, Error> {
        self.index.get(self.facts.whole())
    }

    fn derive_tree(&self, range: Range<u64>) -> Result<(), Error> {
        let mut at = range.start;
        while at < range.end {
            let facts = self.facts.read(at..range.end.min(at + DERIVED_TOGETHER))?;
            let leaves: Vec<_> = facts.iter().map(|fact| v1::leaf(fact)).collect();
            self.tiles.push(at, &leaves)?;
            at += facts.len() as u64;
        }
        Ok(())
    }

    /// How far everything is.
    pub fn progress(&self) -> Progress {
        Progress {
            indexed: self.index.indexed(),
            hashed: self.tiles.size(),
            durable: self.facts.durable().end,
            whole: self.facts.whole(),
            size: self.facts.end(),
            mended: self.tiles.mended(),
        }
    }

    /// The position of the next new fact.
    pub fn size(&self) -> u64 {
        self.facts.end()
    }

    /// All facts before this position are in the index.
    pub fn indexed(&self) -> u64 {
        self.index.indexed()
    }

    /// Facts from the beginning of a range: at least one, and up to 2 MiB of them. Whoever wants more asks
    /// again.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Beyond`] or [`Error::Damaged`] where the first cannot be read;
    /// [`Error::Io`].
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        self.facts.read(range)
    }

    /// One fact.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn fact(&self, position: u64) -> Result<Vec<u8>, Error> {
        let end = position.saturating_add(1);
        let found = self.facts.read(position..end)?.pop();
        found.ok_or(Error::Beyond { position, size: self.facts.end() })
    }

    /// The root of the tree when it had this size.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::Beyond`] or [`Error::NotHashed`] where the tree is not so large;
    /// [`Error::Damaged`] if a tile had to be made of damaged facts; [`Error::Io`].
    pub fn root_at(&self, size: u64) -> Result<TreeHash, Error> {
        Ok(self.frontier_at(size)?.root())
    }

    /// The right edge of the tree when it had this size.
    ///
    /// # Errors
    ///
    /// As [`root_at`](Self::root_at).
    pub fn frontier_at(&self, size: u64) -> Result<Frontier, Error> {
        self.hashed(size)?;
        self.tiles.frontier(&self.facts, size)
    }

    /// The proof that a fact is in the tree of this size.
    ///
    /// # Errors
    ///
    /// As [`root_at`](Self::root_at).
    pub fn inclusion(&self, position: u64, size: u64) -> Result<Inclusion, Error> {
        self.hashed(size)?;
        if position >= size {
            return Err(Error::Beyond { position, size });
        }
        let path = self.tiles.path(&self.facts, Inclusion::ranges(position, size))?;
        Ok(Inclusion { position, size, path })
    }

    /// The proof that the tree of size `from` is the beginning of the one of size `to`.
    ///
    /// # Errors
    ///
    /// As [`root_at`](Self::root_at).
    pub fn consistency(&self, from: u64, to: u64) -> Result<Consistency, Error> {
        self.hashed(to)?;
        if from > to {
            return Err(Error::Beyond { position: from, size: to });
        }
        let path = self.tiles.path(&self.facts, Consistency::ranges(from, to))?;
        Ok(Consistency { from, to, path })
    }

    /// The leaf of a fact, as the tree has it.
    ///
    /// # Errors
    ///
    /// As [`root_at`](Self::root_at).
    pub fn leaf_hash(&self, position: u64) -> Result<LeafHash, Error> {
        self.hashed(position.saturating_add(1))?;
        self.leaf(&mut Kept::default(), position)
    }

    fn leaf(&self, kept: &mut Kept, position: u64) -> Result<LeafHash, Error> {
        let leaf = Subtree { level: 0, index: position };
        Ok(LeafHash(self.tiles.node(&self.facts, kept, leaf)?.0))
    }

    /// Refuses a size that the tree does not have, and says why it does not.
    fn hashed(&self, size: u64) -> Result<(), Error> {
        let have = self.tiles.size();
        if size <= have {
            return Ok(());
        }
        let end = self.facts.end();
        if size > end {
            return Err(Error::Beyond { position: size, size: end });
        }
        match self.facts.missing() {
            Some(missing) if missing.start < size => {
                Err(Error::Missing { from: missing.start, to: missing.end })
            }
            _ => Err(Error::NotHashed { have, want: size }),
        }
    }

    /// Where the facts with a key are, after a position, the earliest first; at most [`POSITIONS_MAX`].
    /// Facts from [`indexed`](Self::indexed) on are not found yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn positions(&self, key: &Key, after: Option<u64>, most: usize) -> Result<Vec<u64>, Error> {
        self.index()?.after(key, after, most)
    }

    /// Where the facts with a key are, before a position, the latest first; at most [`POSITIONS_MAX`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn latest(&self, key: &Key, before: Option<u64>, most: usize) -> Result<Vec<u64>, Error> {
        self.index()?.before(key, before, most)
    }

    /// Facts by keys that begin with a family's octets and have so many octets more, by which they are
    /// ordered: the last first, only those before `before`, at most [`POSITIONS_MAX`]. Facts from
    /// [`indexed`](Self::indexed) on are not found yet.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn ranked(
        &self,
        family: &[u8],
        rest: usize,
        before: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Ranked>, Error> {
        self.index()?.ranked(family, rest, before, most)
    }

    /// Reads facts of a range and compares them with the tree: which of them are damaged, and up to where
    /// it was looked. Missing facts are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn check(&self, range: Range<u64>, most: u64) -> Result<(Vec<u64>, u64), Error> {
        let (mut damaged, mut kept) = (Vec::new(), Kept::default());
        let mut at = range.start;
        let end = range.end.min(self.facts.end()).min(range.start.saturating_add(most));
        while at < end {
            match self.facts.read(at..end) {
                Ok(facts) => {
                    for fact in facts {
                        let recorded = self.leaf(&mut kept, at);
                        if recorded.is_ok_and(|leaf| leaf != v1::leaf(&fact)) {
                            damaged.push(at);
                        }
                        at += 1;
                    }
                }
                Err(Error::Damaged { position, .. }) => {
                    damaged.push(position);
                    at = position + 1;
                }
                Err(Error::Missing { to, .. }) => at = to,
                Err(error) => return Err(error),
            }
        }
        Ok((damaged, at.max(end)))
    }
}
