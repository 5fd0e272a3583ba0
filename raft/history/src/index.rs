//! Where the facts with a key are. Derived from the facts, local, and made again whenever it is lost.
//!
//! A row is the key and the position. The rows of the newest facts are in memory; once they are many they become
//! a sorted file of the store at once, together with one row more that says how far the files have come. So no row
//! goes through a journal, and a start reads the facts of the rows that were in memory, no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    ops::Bound,
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, Instant},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::{Mutex, RwLock};
use rustix::fs::statvfs;

use crate::Error;

/// Octets of a key: one octet says how many it has.
pub const KEY_OCTETS_MAX: usize = 255;

/// Positions that one question is answered with at most: 32 KiB.
pub const POSITIONS_MAX: usize = 4096;

/// The rows that wait while the disk takes no file, in times of those that are usual: some 12 MiB.
const TAILS_HELD: usize = 4;
/// With less room than this no file is begun: log and state need it, and what they free is theirs.
const ROOM_MIN: u64 = 64 << 20;
/// After a file that failed.
const SETTLE_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// The least that the store takes for its journal, in which nothing is written here.
const JOURNAL_BYTES: u64 = 64 << 20;
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
        [&[ROW, in_octet(self.0.len())], self.0.as_slice(), &position.to_be_bytes()].concat()
    }
}

/// The length of a key, as its rows write it.
fn in_octet(len: usize) -> u8 {
    u8::try_from(len).expect("a key has at most KEY_OCTETS_MAX octets")
}

/// What has a rank under a family of keys: the rest of the key, which sorts, and the position of the fact.
pub type Ranked = (Vec<u8>, u64);

/// How facts become keys. Pure: the same fact has the same keys, on every node and for ever.
#[derive(Clone, Copy)]
pub struct Keys {
    /// Raised when `of` changes: the index is then made again.
    pub version: u32,
    /// The keys of a fact.
    pub of: fn(&[u8]) -> Vec<Key>,
}

impl Keys {
    /// What the row of the index's progress has: the version of the keys, and the position.
    fn progress_row(self, indexed: u64) -> [u8; 12] {
        let mut row = [0; 12];
        row[..4].copy_from_slice(&self.version.to_be_bytes());
        row[4..].copy_from_slice(&indexed.to_be_bytes());
        row
    }

    /// The position in such a row, if it is of this version.
    fn progress(self, row: &[u8]) -> Option<u64> {
        let (version, indexed) = row.split_first_chunk()?;
        let is_ours = u32::from_be_bytes(*version) == self.version;
        is_ours.then_some(u64::from_be_bytes(indexed.try_into().ok()?))
    }
}

/// The ordered store of the index.
enum Rows {
    Disk { directory: PathBuf, _database: Database, rows: Keyspace },
    Memory(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>),
}

/// The rows that are in no file yet.
#[derive(Default)]
struct Tail {
    rows: BTreeSet<Vec<u8>>,
    /// All facts before this position are in the index.
    indexed: u64,
}

/// The index, and how far it has come.
pub(crate) struct Index {
    rows: Rows,
    keys: Keys,
    tail: RwLock<Tail>,
    /// Held by whoever adds; when the last file could not be written, if that was so.
    adding: Mutex<Option<Instant>>,
    tail_rows_max: usize,
}

/// An index that is opened by whoever needs it first; a node that starts does not wait for it.
pub(crate) struct Late {
    open: OnceLock<Index>,
    /// Held while it is opened.
    place: Mutex<Place>,
}

/// Where an index lies, what its keys are, and how many rows it has in memory at the most.
struct Place {
    directory: PathBuf,
    keys: Keys,
    tail_rows_max: usize,
}

impl Late {
    /// The index in a directory, not opened yet.
    pub(crate) fn at(directory: PathBuf, keys: Keys, tail_rows_max: usize) -> Self {
        Self { open: OnceLock::new(), place: Mutex::new(Place { directory, keys, tail_rows_max }) }
    }

    /// One that is open.
    pub(crate) fn ready(index: Index) -> Self {
        let place = Mutex::new(Place {
            directory: PathBuf::new(),
            keys: index.keys,
            tail_rows_max: index.tail_rows_max,
        });
        Self { open: OnceLock::from(index), place }
    }

    /// The index, opened now if it was not; `whole` facts are here.
    pub(crate) fn get(&self, whole: u64) -> Result<&Index, Error> {
        let place = self.place.lock();
        if self.open.get().is_none() {
            let index = Index::open(&place, whole)?;
            self.open.set(index).ok();
        }
        drop(place);
        Ok(self.open.get().expect("it was just set"))
    }

    /// How far it has come; zero until it is open.
    pub(crate) fn indexed(&self) -> u64 {
        self.open.get().map_or(0, Index::indexed)
    }
}

fn failed(error: fjall::Error) -> Error {
    let source = match error {
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => source,
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

    /// Whether there is room for another file.
    fn has_room(&self) -> Result<bool, Error> {
        let Self::Disk { directory, .. } = self else { return Ok(true) };
        let disk = statvfs(directory).map_err(|error| failed(io::Error::from(error).into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM_MIN)
    }

    /// Adds rows that come in their order, all or none of them.
    fn insert<'a>(&self, rows: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<(), Error> {
        match self {
            Self::Disk { rows: keyspace, .. } => {
                let mut file = keyspace.start_ingestion().map_err(failed)?;
                for (key, value) in rows {
                    file.write(key, value).map_err(failed)?;
                }
                file.finish().map_err(failed)
            }
            Self::Memory(map) => {
                map.lock().extend(rows.map(|(key, value)| (key.to_vec(), value.to_vec())));
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
    /// Opens the index in a directory. One of other keys is made again, and one that has more than the `whole` facts
    /// that are here: the disk went back, or facts were cut that were thought to be synced.
    fn open(Place { directory, keys, tail_rows_max }: &Place, whole: u64) -> Result<Self, Error> {
        // Under another name first: what a crash leaves of it is no index.
        let old = directory.with_extension("old");
        let remove = || match fs::remove_dir_all(&old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        remove().map_err(|error| failed(error.into()))?;
        let open = || -> fjall::Result<Rows> {
            let database = Database::builder(directory)
                .max_journaling_size(JOURNAL_BYTES)
                .cache_size(CACHE_BYTES)
                .worker_threads(1)
                .max_cached_files(Some(FILES_MAX))
                .open()?;
            let rows = database.keyspace("rows", KeyspaceCreateOptions::default)?;
            Ok(Rows::Disk { directory: directory.clone(), _database: database, rows })
        };
        let of = |rows, indexed| Ok(Self::of(rows, *keys, *tail_rows_max, indexed));
        match open() {
            Ok(rows) => {
                let progress = match rows.get(PROGRESS)? {
                    // New, or a crash came before its first file.
                    None => Some(0),
                    Some(octets) => keys.progress(&octets).filter(|indexed| *indexed <= whole),
                };
                if let Some(indexed) = progress {
                    return of(rows, indexed);
                }
            }
            // The disk, or another process, says nothing of what is in the files.
            Err(error @ (fjall::Error::Io(_) | fjall::Error::Locked)) => return Err(failed(error)),
            Err(fjall::Error::Storage(fjall::LsmError::Io(error))) => {
                return Err(failed(error.into()));
            }
            Err(error) => tracing::warn!(%error, "the index of the history is made again"),
        }
        let aside = fs::rename(directory, &old).and_then(|()| remove());
        aside.map_err(|error| failed(error.into()))?;
        of(open().map_err(failed)?, 0)
    }

    /// An index in memory, for the simulation.
    pub(crate) fn in_memory(keys: Keys, tail_rows_max: usize) -> Self {
        Self::of(Rows::Memory(Mutex::default()), keys, tail_rows_max, 0)
    }

    fn of(rows: Rows, keys: Keys, tail_rows_max: usize, indexed: u64) -> Self {
        let tail = RwLock::new(Tail { rows: BTreeSet::new(), indexed });
        Self { rows, keys, tail, adding: Mutex::new(None), tail_rows_max }
    }

    /// All facts before this position are in the index.
    pub(crate) fn indexed(&self) -> u64 {
        self.tail.read().indexed
    }

    /// Adds the facts from a position on, if that is where the index has come to. Where the disk takes no file now
    /// they wait in memory, [`TAILS_HELD`] times as many as usual; then nothing is added.
    pub(crate) fn add(&self, position: u64, facts: &[Vec<u8>]) -> Result<(), Error> {
        let mut failed_at = self.adding.lock();
        if self.indexed() != position {
            return Ok(());
        }
        let count = self.tail.read().rows.len();
        if count >= self.tail_rows_max {
            let settled = self.try_settle(&mut failed_at);
            if count >= self.tail_rows_max.saturating_mul(TAILS_HELD) {
                settled?;
            }
        }
        let mut new = Vec::new();
        for (position, fact) in (position..).zip(facts) {
            new.extend((self.keys.of)(fact).into_iter().map(|key| key.row(position)));
        }
        let mut tail = self.tail.write();
        tail.rows.extend(new);
        tail.indexed = position + facts.len() as u64;
        Ok(())
    }

    /// Makes the rows in memory a file, where there is room for it and none has failed a moment ago: the store leaves
    /// behind what it has written of a file that fails.
    fn try_settle(&self, failed_at: &mut Option<Instant>) -> Result<(), Error> {
        if failed_at.is_some_and(|at| at.elapsed() < SETTLE_AGAIN_AFTER) || !self.rows.has_room()? {
            return Err(failed(io::Error::from(io::ErrorKind::StorageFull).into()));
        }
        let settled = self.settle();
        *failed_at = settled.is_err().then(Instant::now);
        settled
    }

    /// Makes the rows in memory a file. Whoever asks meanwhile finds them in both, and each once.
    fn settle(&self) -> Result<(), Error> {
        {
            let tail = self.tail.read();
            let progress = self.keys.progress_row(tail.indexed);
            let rows = tail.rows.iter().map(|row| (row.as_slice(), &[][..]));
            self.rows.insert(std::iter::once((PROGRESS, &progress[..])).chain(rows))?;
        }
        self.tail.write().rows.clear();
        Ok(())
    }

    /// The first rows of a range, or the last ones from its end.
    fn range(
        &self,
        range: &(Bound<Vec<u8>>, Bound<Vec<u8>>),
        most: usize,
        backwards: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        // Memory first: what becomes a file meanwhile is found in both.
        let mut rows: Vec<Vec<u8>> = {
            let tail = self.tail.read();
            let found = tail.rows.range(range.clone());
            if backwards {
                found.rev().take(most).cloned().collect()
            } else {
                found.take(most).cloned().collect()
            }
        };
        rows.extend(self.rows.range(range.clone(), most, backwards)?);
        rows.sort_unstable();
        rows.dedup();
        if backwards {
            rows.reverse();
        }
        rows.truncate(most);
        Ok(rows)
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

    /// Keys that begin with these octets and have so many more, the last first: what comes behind, and the
    /// position of the fact. Only those before `before`, where that is given.
    pub(crate) fn ranked(
        &self,
        family: &[u8],
        rest: usize,
        before: Option<&[u8]>,
        most: usize,
    ) -> Result<Vec<Ranked>, Error> {
        let length = family.len() + rest;
        if length > KEY_OCTETS_MAX {
            return Ok(Vec::new());
        }
        let from = [&[ROW, in_octet(length)], family].concat();
        let to = match before {
            Some(before) => Bound::Excluded([&from, before].concat()),
            None => Bound::Included([&from[..], &vec![u8::MAX; rest + 8]].concat()),
        };
        let range = (Bound::Included(from.clone()), to);
        let rows = self.range(&range, most.min(POSITIONS_MAX), true)?;
        let ranked = rows.iter().filter_map(|row| {
            let (rank, position) = row.get(from.len()..)?.split_at_checked(rest)?;
            Some((rank.to_vec(), u64::from_be_bytes(position.try_into().ok()?)))
        });
        Ok(ranked.collect())
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
        let rows = self.range(&range, most.min(POSITIONS_MAX), backwards)?;
        let position = |row: &Vec<u8>| row.last_chunk().map(|octets| u64::from_be_bytes(*octets));
        Ok(rows.iter().filter_map(position).collect())
    }

    /// All rows, for tests that compare two indexes.
    #[cfg(test)]
    pub(crate) fn dump(&self) -> Vec<Vec<u8>> {
        let all = (Bound::Included(vec![ROW]), Bound::Excluded(vec![ROW + 1]));
        self.range(&all, usize::MAX, false).expect("rows")
    }
}
