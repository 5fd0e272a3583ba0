//! The sum of all writes since the founding, by which nodes find out that they disagree (D12).
//!
//! Two programs that apply one entry in two ways write other octets from then on. A checksum over every write, in
//! order, tells as soon as one of them hears the other's. It is no defence against a forger: nodes believe one
//! another.

use crc32fast::Hasher;

use model::lengths::in_form;

use crate::{
    store::{Reader, Store, Visit},
    tables::SUM,
    v1::Sum,
};

/// A store that sums what is written through it.
pub(crate) struct Summed<'s, S: Store> {
    store: &'s mut S,
    before: Sum,
    hasher: Hasher,
}

impl<'s, S: Store> Summed<'s, S> {
    /// Goes on from the sum in the store.
    pub(crate) fn new(store: &'s mut S) -> Self {
        let before = SUM.get(store, &()).unwrap_or_default();
        let hasher = Hasher::new_with_initial(before.sum);
        Self { store, before, hasher }
    }

    /// Writes the sum down, one entry further.
    pub(crate) fn finish(self) -> Sum {
        let sum = Sum { entries: self.before.entries + 1, sum: self.hasher.finalize() };
        SUM.put(self.store, &(), &sum);
        sum
    }

    fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        // The lengths keep (ab, c) apart from (a, bc), and a deletion from an empty value.
        let length = value.map_or(u32::MAX, |value| in_form(value.len()));
        self.hasher.update(&in_form(key.len()).to_be_bytes());
        self.hasher.update(&length.to_be_bytes());
        self.hasher.update(key);
        self.hasher.update(value.unwrap_or_default());
    }
}

impl<S: Store> Reader for Summed<'_, S> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.store.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        self.store.scan(from, to, visit);
    }
}

impl<S: Store> Store for Summed<'_, S> {
    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.add(&key, Some(&value));
        self.store.put(key, value);
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.add(&key, None);
        self.store.delete(key);
    }
}
