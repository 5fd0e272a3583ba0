//! Sweeps over all contents or packets: in pages of one view each, and small steps with rests, so that the exchange
//! goes on beside them.

use std::time::Duration;

/// Contents or packets that are looked up in one view: each view freezes what the state holds young, and the next one
/// is made 25 ms later at the earliest.
pub(crate) const PAGE: usize = 512;

/// Of these, so many are looked at in one go: well below a millisecond, for nothing else goes on meanwhile. With whole
/// pages, all nodes sweeping at once held up the exchange for seconds.
pub(crate) const STEP: usize = 64;

/// Rests behind a step as long as that took, and a moment: a sweep takes at most half a processor, some seconds for a
/// hundred thousand.
pub(crate) async fn rest(took: Duration) {
    tokio::time::sleep(took).await;
}
