//! Plain counters; the api renders them.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use model::lengths::micros_of;

/// Counters of one store since its start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Plaintext octets taken in.
    pub bytes_in: AtomicU64,
    /// Plaintext octets given out.
    pub bytes_out: AtomicU64,
    /// Calls of fdatasync.
    pub sync_count: AtomicU64,
    /// Microseconds spent in writes with fdatasync.
    pub sync_micros: AtomicU64,
    /// The longest of them, in microseconds.
    pub sync_micros_max: AtomicU64,
    /// Records that group commits have made durable.
    pub records_committed: AtomicU64,
    /// Octets waiting for the group commit now.
    pub queue_bytes: AtomicU64,
    /// Small records that a peer's queue had no room for: they are fetched later.
    pub copies_dropped: AtomicU64,
    /// Frames or records that failed a check.
    pub damage_found: AtomicU64,
    /// Frames or records that were healed from another holder.
    pub damage_healed: AtomicU64,
    /// Contents that this node should hold and, at the last look, neither held nor found anywhere.
    pub missing: AtomicU64,
    /// Contents destroyed.
    pub purged: AtomicU64,
}

impl Metrics {
    pub(crate) fn synced(&self, took: Duration) {
        let micros = micros_of(took);
        self.sync_count.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(micros, Relaxed);
        self.sync_micros_max.fetch_max(micros, Relaxed);
    }
}
