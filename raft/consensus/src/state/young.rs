//! Rows that were written and are in no place on the disk yet: they lie over the place that counts.
//!
//! The newest gather in one map. When that is full, or somebody wants a view, it is frozen into a layer
//! that nobody changes any more and that waits to be settled. Newer layers lie over older ones, and what is
//! in a layer may stand in the place already: it is the same there.

use std::{collections::BTreeMap, collections::VecDeque, sync::Arc};

use machine::{Reader, Visit, Writes};

/// What a young row costs beside its octets: two vectors and its share of a tree's node.
const ROW_OVERHEAD: usize = 96;

/// Rows and the position that they bring the state to.
#[derive(Default)]
pub(crate) struct Layer {
    pub(crate) rows: Writes,
    /// With what they cost in memory.
    pub(crate) octets: usize,
    /// None if there are no rows and the state stands where it stood.
    pub(crate) position: Option<Vec<u8>>,
}

impl Layer {
    pub(crate) fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let len = key.len() + ROW_OVERHEAD;
        self.octets += len + value.as_ref().map_or(0, Vec::len);
        if let Some(before) = self.rows.insert(key, value) {
            self.octets -= len + before.map_or(0, |before| before.len());
        }
    }
}

/// All layers of this moment, the oldest first.
#[derive(Default)]
pub(crate) struct Young {
    /// What gathers.
    pub(crate) newest: Layer,
    frozen: VecDeque<Arc<Layer>>,
    /// How many layers were frozen so far.
    count: u64,
}

impl Young {
    /// Freezes what has gathered. Gives the number of layers that were frozen so far.
    pub(crate) fn freeze(&mut self) -> u64 {
        if self.newest.position.is_some() {
            self.frozen.push_back(Arc::new(std::mem::take(&mut self.newest)));
            self.count += 1;
        }
        self.count
    }

    /// The frozen layers, and how many were frozen so far.
    pub(crate) fn frozen(&self) -> (Vec<Arc<Layer>>, u64) {
        (self.frozen.iter().cloned().collect(), self.count)
    }

    /// How many layers wait, and what they cost in memory.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.frozen.len(), self.frozen.iter().map(|layer| layer.octets).sum())
    }

    /// So many of the oldest layers stand in the place now.
    pub(crate) fn settled(&mut self, count: usize) {
        self.frozen.drain(..count);
    }

    /// Another state has come: no row counts any more.
    pub(crate) fn forget(&mut self) {
        self.newest = Layer::default();
        self.frozen.clear();
    }

    /// What was written last to a row, if it is here.
    pub(crate) fn get(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let frozen = || self.frozen.iter().rev().find_map(|layer| layer.rows.get(key));
        self.newest.rows.get(key).or_else(frozen)
    }

    /// Scans what lies below with all layers over it.
    pub(crate) fn scan(&self, below: &dyn Reader, from: &[u8], to: &[u8], visit: Visit<'_>) {
        let mut layers: Vec<_> = self.frozen.iter().map(|layer| &layer.rows).collect();
        layers.push(&self.newest.rows);
        scan_layers(&layers, below, from, to, visit);
    }
}

/// Scans what lies below with layers over it, the oldest first.
pub(crate) fn scan_layers(
    layers: &[&Writes],
    below: &dyn Reader,
    from: &[u8],
    to: &[u8],
    visit: Visit<'_>,
) {
    let Some((newest, older)) = layers.split_last() else { return below.scan(from, to, visit) };
    if newest.is_empty() {
        return scan_layers(older, below, from, to, visit);
    }
    machine::scan_over(newest, &Below { layers: older, below }, from, to, visit);
}

/// What lies below a layer. Scans only: nothing is looked up through it.
struct Below<'a> {
    layers: &'a [&'a Writes],
    below: &'a dyn Reader,
}

impl Reader for Below<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let written = self.layers.iter().rev().find_map(|layer| layer.get(key));
        written.map_or_else(|| self.below.get(key), Clone::clone)
    }

    fn scan(&self, from: &[u8], to: &[u8], visit: Visit<'_>) {
        scan_layers(self.layers, self.below, from, to, visit);
    }
}

/// Layers as one, in the order of the keys: of each row what was written last.
pub(crate) fn merged(layers: &[Arc<Layer>]) -> Vec<(&[u8], Option<&[u8]>)> {
    let rows = layers.iter().flat_map(|layer| &layer.rows);
    let rows = rows.map(|(key, value)| (key.as_slice(), value.as_deref()));
    // As a rule it is one, which has its rows in order.
    if layers.len() == 1 {
        rows.collect()
    } else {
        rows.collect::<BTreeMap<_, _>>().into_iter().collect()
    }
}
