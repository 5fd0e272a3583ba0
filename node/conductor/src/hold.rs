//! What is under way ends with the key that began it (D16): streams of events, downloads, uploads.
//!
//! Each step asks by time, so that neither a slow reader nor a busy feed puts the question off. A node
//! that has not heard of a majority cannot know of a revoked key: it hands nothing out until it has,
//! and gives up after a while, so that the client goes on at another node.

use std::time::Duration;

use consensus::{Consensus, Unavailable};
use machine::View;
use model::{AccessKey, Grant, KeyStatus};
use tokio::time::{Instant, sleep};

/// Between two looks. With the two seconds within which a node hears of a revoked key or stands
/// still, nothing goes on for longer; and a step that moves megabytes does not notice it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Between two looks of a node that waits to hear of a majority again.
const STALE_PAUSE: Duration = Duration::from_millis(50);

/// A node whose knowledge has been stale for so long is cut off. It becomes stale two seconds after
/// the last word of a majority, which covers an election of 0.3 to 0.9 s; this is as long as several
/// that fail in a row, so that only a real loss of the cluster sends every client elsewhere.
const CUT_OFF_AFTER: Duration = Duration::from_secs(3);

/// Why something under way is over.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key that began it may not be used any more.
    #[error("the key may no longer be used")]
    KeyDisabled,
    /// Its application is no longer granted it.
    #[error("the key's application is no longer granted this")]
    NotGranted,
    /// This node has not heard of a majority for a while.
    #[error("no majority of the nodes can be reached")]
    CutOff {
        /// When to try again.
        retry_after: Duration,
    },
}

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Self::CutOff { retry_after: error.retry_after }
    }
}

/// What something under way holds on to: a key that may be used, and a node that hears of the cluster.
pub(crate) struct Hold {
    consensus: Consensus,
    key: AccessKey,
    /// What the key must be granted; none where any key of the unit will do.
    grant: Option<Grant>,
    looked_at: Instant,
    /// Since when the node has been seen to be stale.
    stale_since: Option<Instant>,
}

impl Hold {
    /// Holds on to a key that was looked up a moment ago.
    pub(crate) fn on(consensus: &Consensus, key: &AccessKey, grant: Option<Grant>) -> Self {
        let (consensus, key) = (consensus.clone(), key.clone());
        Self { consensus, key, grant, looked_at: Instant::now(), stale_since: None }
    }

    /// Whether it may go on now. `false`: not before this node has heard of a majority; an error: it
    /// is over.
    pub(crate) fn look(&mut self) -> Result<bool, Error> {
        self.looked_at = Instant::now();
        let record = View::new(self.consensus.latest()).key(&self.key);
        let Some(record) = record.filter(|record| record.status == KeyStatus::Active) else {
            return Err(Error::KeyDisabled);
        };
        if self.grant.is_some_and(|grant| !record.grants.has(grant)) {
            return Err(Error::NotGranted);
        }
        let Err(stale) = self.fresh() else {
            self.stale_since = None;
            return Ok(true);
        };
        let since = *self.stale_since.get_or_insert(self.looked_at);
        if self.looked_at.duration_since(since) < CUT_OFF_AFTER { Ok(false) } else { Err(stale) }
    }

    /// Whether this node hears of the cluster now.
    pub(crate) fn fresh(&self) -> Result<(), Error> {
        Ok(self.consensus.fresh()?)
    }

    /// Waits until the next step may be made. Most steps do not even look.
    pub(crate) async fn step(&mut self) -> Result<(), Error> {
        if self.stale_since.is_none() && self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        while !self.look()? {
            sleep(STALE_PAUSE).await;
        }
        Ok(())
    }

    /// Waits until it is over, for those who wait for something else meanwhile; answers why.
    pub(crate) async fn lost(&mut self) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(error) = self.look() {
                return error;
            }
        }
    }
}
