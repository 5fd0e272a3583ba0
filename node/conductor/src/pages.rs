//! Sweeps over all contents or packets: in small pages with rests, so that the exchange goes on beside them.

use std::time::Duration;

/// Contents or packets that are looked at in one go: well below a millisecond, for nothing else goes on meanwhile.
/// With five hundred, all nodes sweeping at once held up the exchange for seconds.
pub(crate) const PAGE: usize = 64;

/// Rests behind a page as long as that took, and a moment: a sweep takes at most half a processor, some seconds for a
/// hundred thousand.
pub(crate) async fn rest(took: Duration) {
    tokio::time::sleep(took).await;
}
