//! Rows that are read again and again, in memory: keys, applications, units, the members, heads of
//! feeds, and the packets that are on their way.
//!
//! Only the one who applies adds rows, between its own writes, so a row here is the row as of its
//! last write that has ended.
//! A row comes in when it is read, and not when it is written: most rows are written once and are
//! not asked for again.

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use quick_cache::{
    Weighter,
    unsync::{Cache, DefaultLifecycle},
};

/// Octets of rows in memory; some thousand packets on their way, and a province's registry.
const HOT_BYTES: u64 = 4 << 20;

/// What a row costs beside its octets: two vectors and its place in the cache.
const ROW_OVERHEAD: u64 = 96;

/// A first guess at how many rows that is; only the tables of the cache are sized by it.
const ROWS_GUESS: usize = 4_096;

#[derive(Clone)]
struct Octets;

impl Weighter<Vec<u8>, Vec<u8>> for Octets {
    fn weight(&self, key: &Vec<u8>, value: &Vec<u8>) -> u64 {
        (key.len() + value.len()) as u64 + ROW_OVERHEAD
    }
}

/// Keys are in part what clients choose. The hash has a seed, and only so many rows are here, which one thread alone
/// brings in: whoever guesses keys that collide makes looks slower, and no more.
type Rows = Cache<Vec<u8>, Vec<u8>, Octets, RandomState>;

pub(crate) struct HotRows(Mutex<Rows>);

impl HotRows {
    pub(crate) fn new() -> Self {
        let (hasher, lifecycle) = (RandomState::default(), DefaultLifecycle::default());
        Self(Mutex::new(Cache::with(ROWS_GUESS, HOT_BYTES, Octets, hasher, lifecycle)))
    }

    /// The row, if it is here; that it is not here says nothing about the disk.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.lock().get(key).cloned()
    }

    /// Takes in a row that was just read from the disk. Only for the one who applies.
    pub(crate) fn learn(&self, key: &[u8], value: &[u8]) {
        self.0.lock().insert(key.to_vec(), value.to_vec());
    }

    /// Rows are written: those that are here change.
    pub(crate) fn change(&self, write: impl FnOnce(&mut Changing<'_>)) {
        write(&mut Changing(&mut self.0.lock()));
    }

    /// Another state has come.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// The rows while others are written.
pub(crate) struct Changing<'a>(&'a mut Rows);

impl Changing<'_> {
    /// The row gets a value, or goes.
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        if self.0.contains_key(key) {
            match value {
                Some(value) => self.0.insert(key.to_vec(), value.to_vec()),
                None => drop(self.0.remove(key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_was_written_last_and_do_not_grow_without_end() {
        let rows = HotRows::new();
        rows.change(|rows| rows.put(b"a", Some(b"0")));
        assert_eq!(rows.get(b"a"), None, "nobody has read it");
        rows.learn(b"a", b"1");
        assert_eq!(rows.get(b"a"), Some(b"1".to_vec()));
        rows.change(|rows| rows.put(b"a", Some(b"2")));
        assert_eq!(rows.get(b"a"), Some(b"2".to_vec()));
        rows.change(|rows| rows.put(b"a", None));
        assert_eq!(rows.get(b"a"), None);
        for number in 0..100_000_u32 {
            rows.learn(&number.to_be_bytes(), &[7; 200]);
        }
        assert!(rows.0.lock().weight() <= HOT_BYTES);
        rows.learn(b"b", b"1");
        rows.forget();
        assert_eq!(rows.get(b"b"), None);
    }
}
