//! Facts in memory: what was not synced is lost in a crash.

use std::{collections::BTreeMap, io, sync::Arc};

use parking_lot::Mutex;

use crate::FactLog;

/// Facts in memory, with their disk.
#[derive(Clone, Default)]
pub struct Facts(Arc<Mutex<Store>>);

#[derive(Default)]
struct Store {
    seen: Image,
    synced: Image,
}

#[derive(Clone, Default)]
struct Image {
    facts: Arc<BTreeMap<u64, Vec<u8>>>,
    /// The position of the next one.
    end: u64,
}

impl Facts {
    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The power fails: what was not synced is gone.
    pub fn crash(&self) {
        let mut store = self.0.lock();
        store.seen = store.synced.clone();
    }

    /// All that are here, by their positions.
    pub fn all(&self) -> Arc<BTreeMap<u64, Vec<u8>>> {
        self.0.lock().seen.facts.clone()
    }
}

impl FactLog for Facts {
    fn begin(&self, size: u64) -> io::Result<()> {
        let mut store = self.0.lock();
        store.seen.end = store.seen.end.max(size);
        Ok(())
    }

    fn append(&self, position: u64, facts: &[Vec<u8>]) -> io::Result<()> {
        let mut store = self.0.lock();
        if position > store.seen.end {
            return Err(io::Error::other(format!("facts before {position} are missing")));
        }
        let end = position + facts.len() as u64;
        let seen = Arc::make_mut(&mut store.seen.facts);
        for (position, fact) in (position..).zip(facts) {
            let known = seen.entry(position).or_insert_with(|| fact.clone());
            if known != fact {
                return Err(io::Error::other(format!("another fact is recorded at {position}")));
            }
        }
        store.seen.end = store.seen.end.max(end);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut store = self.0.lock();
        store.synced = store.seen.clone();
        Ok(())
    }
}
