//! Where the facts with a key are. Derived from the facts, local, and made again whenever it is lost.
//!
//! A row is the key and the position; one row more says how far the index has come, and it is written
//! with the rows that it counts. Nothing is synced: what is lost is read from the facts again.

use std::{collections::BTreeMap, io, ops::Bound, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::Mutex;

use crate::Error;

/// Octets of a key: one octet says how many it has.
pub const KEY_OCTETS_MAX: usize = 255;

/// Positions that one question is answered with at most: 32 KiB.
pub const POSITIONS_MAX: usize = 4096;

/// Octets of the index's journal. It replays at a start.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Octets of rows in memory before they go to a file. Small, because memory is counted.
const MEMTABLE_BYTES: u64 = 4 << 20;
/// Octets of blocks cached: whoever asks asks for the newest.
const CACHE_BYTES: u64 = 4 << 20;
/// Files of the index that stay open.
const FILES_MAX: usize = 32;

const PROGRESS: &[u8] = &[0];
const ROW: u8 = 1;

/// A key by which facts are found: a packet's identifier, or a unit and a day. Opaque here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of these octets; none if they are more than [`KEY_OCTETS_MAX`].
    pub fn new(octets: impl Into<Vec<u8>>) -> Option<Self> {
        let octets = octets.into();
        (octets.len() <= KEY_OCTETS_MAX).then_some(Self(octets))
    }

    fn row(&self, position: u64) -> Vec<u8> {
        // The length first, so that no key is the beginning of another's rows.
        [&[ROW, self.0.len() as u8], self.0.as_slice(), &position.to_be_bytes()].concat()
    }
}

/// How facts become keys. Pure: the same fact has the same keys, on every node and for ever.
#[derive(Clone, Copy)]
pub struct Keys {
    /// Raised when `of` changes: the index is then made again.
    pub version: u32,
    /// The keys of a fact.
    pub of: fn(&[u8]) -> Vec<Key>,
}

/// The ordered store of the index.
enum Rows {
    Disk { database: Database, rows: Keyspace },
    Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>),
}

/// The index, and how far it has come.
pub(crate) struct Index {
    rows: Rows,
    keys: Keys,
    indexed: Mutex<u64>,
}

fn failed(error: fjall::Error) -> Error {
    let source = match error {
        fjall::Error::Io(source) => source,
        fjall::Error::Locked => return Error::Locked,
        error => io::Error::other(error),
    };
    Error::Io { doing: "use", file: "index".to_owned(), source }
}

impl Rows {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Disk { rows, .. } => Ok(rows.get(key).map_err(failed)?.map(|v| v.to_vec())),
            Self::Memory(rows) => Ok(rows.lock().get(key).cloned()),
        }
    }

    fn insert(&self, pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<(), Error> {
        match self {
            Self::Disk { database, rows } => {
                let mut batch = database.batch();
                pairs.into_iter().for_each(|(key, value)| batch.insert(rows, key, value));
                batch.commit().map_err(failed)
            }
            Self::Memory(rows) => {
                rows.lock().extend(pairs);
                Ok(())
            }
        }
    }

    fn clear(&self) -> Result<(), Error> {
        match self {
            Self::Disk { rows, .. } => rows.clear().map_err(failed),
            Self::Memory(rows) => {
                rows.lock().clear();
                Ok(())
            }
        }
    }

    /// The first keys of a range, or the last ones from its end.
    fn range(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        most: usize,
        backwards: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        match self {
            Self::Disk { rows, .. } => {
                let found = rows.range(range);
                let key = |guard: fjall::Guard| Ok(guard.key().map_err(failed)?.to_vec());
                if backwards {
                    found.rev().take(most).map(key).collect()
                } else {
                    found.take(most).map(key).collect()
                }
            }
            Self::Memory(rows) => {
                let rows = rows.lock();
                let found = rows.range(range).map(|(key, _)| key.clone());
                Ok(if backwards {
                    found.rev().take(most).collect()
                } else {
                    found.take(most).collect()
                })
            }
        }
    }
}

impl Index {
    /// Opens the index in a directory; one of other keys is emptied.
    pub(crate) fn open(directory: &Path, keys: Keys) -> Result<Self, Error> {
        let open = || -> fjall::Result<Rows> {
            let database = Database::builder(directory)
                .max_journaling_size(JOURNAL_BYTES)
                .cache_size(CACHE_BYTES)
                .worker_threads(1)
                .max_cached_files(Some(FILES_MAX))
                .open()?;
            let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            let rows = database.keyspace("rows", options)?;
            Ok(Rows::Disk { database, rows })
        };
        Self::of(open().map_err(failed)?, keys)
    }

    /// An index in memory, for the simulation.
    pub(crate) fn in_memory(keys: Keys) -> Self {
        let rows = Rows::Memory(Mutex::new(BTreeMap::new()));
        Self { rows, keys, indexed: Mutex::new(0) }
    }

    fn of(rows: Rows, keys: Keys) -> Result<Self, Error> {
        let index = Self { rows, keys, indexed: Mutex::new(0) };
        let progress = index.rows.get(PROGRESS)?;
        let found = progress.and_then(|octets| {
            let (version, indexed) = octets.split_first_chunk()?;
            let is_ours = u32::from_be_bytes(*version) == keys.version;
            is_ours.then_some(u64::from_be_bytes(indexed.try_into().ok()?))
        });
        match found {
            Some(indexed) => *index.indexed.lock() = indexed,
            None => index.reset()?,
        }
        Ok(index)
    }

    /// Empties it, so that it is made again.
    pub(crate) fn reset(&self) -> Result<(), Error> {
        let mut indexed = self.indexed.lock();
        // An index without its progress is emptied again: so a crash in between does no harm.
        self.rows.clear()?;
        self.rows.insert(vec![(PROGRESS.to_vec(), self.progress(0))])?;
        *indexed = 0;
        Ok(())
    }

    fn progress(&self, indexed: u64) -> Vec<u8> {
        [&self.keys.version.to_be_bytes()[..], &indexed.to_be_bytes()].concat()
    }

    /// All facts before this position are in the index.
    pub(crate) fn indexed(&self) -> u64 {
        *self.indexed.lock()
    }

    /// Adds the facts from a position on, if that is where the index has come to.
    pub(crate) fn add(&self, position: u64, facts: &[Vec<u8>]) -> Result<(), Error> {
        let mut indexed = self.indexed.lock();
        if *indexed != position {
            return Ok(());
        }
        let mut pairs = Vec::new();
        for (position, fact) in (position..).zip(facts) {
            let keys = (self.keys.of)(fact).into_iter();
            pairs.extend(keys.map(|key| (key.row(position), Vec::new())));
        }
        let next = position + facts.len() as u64;
        pairs.push((PROGRESS.to_vec(), self.progress(next)));
        self.rows.insert(pairs)?;
        *indexed = next;
        Ok(())
    }

    /// The positions of a key's facts after one, the earliest first.
    pub(crate) fn after(
        &self,
        key: &Key,
        after: Option<u64>,
        most: usize,
    ) -> Result<Vec<u64>, Error> {
        let from = match after {
            None => Bound::Included(key.row(0)),
            Some(after) => Bound::Excluded(key.row(after)),
        };
        self.positions((from, Bound::Included(key.row(u64::MAX))), most, false)
    }

    /// The positions of a key's facts before one, the latest first.
    pub(crate) fn before(
        &self,
        key: &Key,
        before: Option<u64>,
        most: usize,
    ) -> Result<Vec<u64>, Error> {
        let to = match before {
            None => Bound::Included(key.row(u64::MAX)),
            Some(before) => Bound::Excluded(key.row(before)),
        };
        self.positions((Bound::Included(key.row(0)), to), most, true)
    }

    fn positions(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        most: usize,
        backwards: bool,
    ) -> Result<Vec<u64>, Error> {
        // A range whose two ends are one row that is left out has nothing, and must not be asked for.
        if let (Bound::Excluded(from), Bound::Included(to))
        | (Bound::Included(from), Bound::Excluded(to)) = &range
            && from >= to
        {
            return Ok(Vec::new());
        }
        let rows = self.rows.range(range, most.min(POSITIONS_MAX), backwards)?;
        let position = |row: &Vec<u8>| row.last_chunk().map(|octets| u64::from_be_bytes(*octets));
        Ok(rows.iter().filter_map(position).collect())
    }

    /// All rows, for tests that compare two indexes.
    #[cfg(test)]
    pub(crate) fn dump(&self) -> Vec<Vec<u8>> {
        let all = (Bound::Included(vec![ROW]), Bound::Excluded(vec![ROW + 1]));
        self.rows.range(all, usize::MAX, false).expect("rows")
    }
}
