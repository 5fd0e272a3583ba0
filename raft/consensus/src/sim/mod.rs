//! Stores in memory that behave as disks do: what was not synced is lost in a crash.
//!
//! For simulation and tests. A store outlives the node that runs on it: crash it, drop the node,
//! and start another on the same store. Time is tokio's, so it may be virtual.

mod facts;
pub(crate) mod log;
mod state;

pub use facts::Facts;
pub use log::{Log, LogCopy};
pub use state::{State, StateCopy};

/// Makes the election timeouts that are drawn on this thread follow from a seed.
pub fn seed_elections(seed: u64) {
    crate::types::seed_elections(Some(seed));
}
