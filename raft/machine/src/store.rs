//! The small ordered key-value store that the state lives in, and the overlay of one apply.
//!
//! On disk in production, a `BTreeMap` in tests and simulation. It never fails here: a store that
//! fails is a node that stops, so the rules never see it.

use std::{collections::BTreeMap, ops::ControlFlow};

/// What a scan calls for each row, until it breaks.
pub type Visit<'v> = &'v mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// What can be read: point reads and ordered scans over octet strings.
pub trait Reader {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Visits keys in `from..to` (end excluded) in ascending order until the visitor breaks.
    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>);
}

/// What can be read and written.
pub trait Store: Reader {
    /// Puts a value under a key.
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>);

    /// Deletes a key; a key that is not there is no error.
    fn delete(&mut self, key: Vec<u8>);
}

/// One write: the value, or `None` for a deletion.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// Writes that lie over other rows: key by key the value, or `None` for a row that is gone.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Scans what a reader holds as it is with writes over it; see [`Reader::scan`].
pub fn scan_over<R>(writes: &Writes, below: &R, from: &[u8], to: &[u8], visit: Visit<'_>)
where
    R: Reader + ?Sized,
{
    if from >= to {
        return;
    }
    let mut own =
        writes.range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
    let mut next = own.next();
    let mut stopped = false;
    below.scan(from, to, &mut |key, value| {
        while let Some((mine, write)) = next {
            if mine.as_slice() > key {
                break;
            }
            let shadows = mine.as_slice() == key;
            next = own.next();
            if let Some(written) = write
                && visit(mine, written).is_break()
            {
                stopped = true;
                return ControlFlow::Break(());
            }
            if shadows {
                return ControlFlow::Continue(());
            }
        }
        let flow = visit(key, value);
        stopped = flow.is_break();
        flow
    });
    while let (false, Some((mine, write))) = (stopped, next) {
        next = own.next();
        if let Some(written) = write {
            stopped = visit(mine, written).is_break();
        }
    }
}

/// Writes kept in memory over a reader, until they are drained into one atomic batch.
///
/// Consensus lays one over the state on disk for a batch of entries; the machine lays another over
/// that for each proposal, so that what a rule wrote is kept only on `Ok`.
pub struct Overlay<'a, R: Reader + ?Sized> {
    below: &'a R,
    writes: Writes,
}

impl<'a, R: Reader + ?Sized> Overlay<'a, R> {
    /// An empty overlay.
    pub fn new(below: &'a R) -> Self {
        Self { below, writes: BTreeMap::new() }
    }

    /// How many rows are written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The writes, in key order, each key once.
    ///
    /// They no longer borrow the reader, so that they can be written into it.
    pub fn into_writes(self) -> std::collections::btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>> {
        self.writes.into_iter()
    }
}

impl<R: Reader + ?Sized> Reader for Overlay<'_, R> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(value) => value.clone(),
            None => self.below.get(key),
        }
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        scan_over(&self.writes, self.below, from, to, visit);
    }
}

impl<R: Reader + ?Sized> Store for Overlay<'_, R> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }
}

impl Reader for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        BTreeMap::get(self, key).cloned()
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        if from >= to {
            return;
        }
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Excluded(to));
        for (key, value) in self.range::<[u8], _>(bounds) {
            if visit(key, value).is_break() {
                return;
            }
        }
    }
}

impl Store for BTreeMap<Vec<u8>, Vec<u8>> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.insert(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.remove(&key);
    }
}
