//! What is under way ends with the key that began it (D16): streams of events, downloads, uploads.
//!
//! Each step asks by time, so that neither a slow reader nor a busy feed puts the question off. A node
//! that has not heard of a majority cannot know of a revoked key: it hands nothing out until it has,
//! and gives up after a while, so that the client goes on at another node.

use std::time::Duration;

use auth::Rejection;
use machine::View;
use model::{AccessKey, Grant, KeyStatus};
use tokio::time::{Instant, sleep};

use crate::{Error, Exchange};

/// Between two looks. With the two seconds within which a node hears of a revoked key or stands
/// still, nothing goes on for longer; and a step that moves megabytes does not notice it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Between two looks of a node that waits to hear of a majority again.
const STALE_PAUSE: Duration = Duration::from_millis(50);

/// A node whose knowledge has been stale for so long is cut off. It becomes stale two seconds after
/// the last word of a majority, which covers an election of 0.3 to 0.9 s; this is as long as several
/// that fail in a row, so that only a real loss of the cluster sends every client elsewhere.
const CUT_OFF_AFTER: Duration = Duration::from_secs(3);

/// What something under way holds on to: a key that may be used, and a node that hears of the cluster.
pub struct Hold {
    exchange: Exchange,
    key: AccessKey,
    /// What the key must be granted; none where any key of the unit will do.
    grant: Option<Grant>,
    looked_at: Instant,
    /// Since when the node has been seen to be stale.
    stale_since: Option<Instant>,
}

impl Exchange {
    /// Holds on to a key that was looked up a moment ago.
    pub fn hold_on(&self, key: &AccessKey, grant: Option<Grant>) -> Hold {
        let (exchange, key) = (self.clone(), key.clone());
        Hold { exchange, key, grant, looked_at: Instant::now(), stale_since: None }
    }
}

impl Hold {
    /// Whether it may go on now. `false`: not before this node has heard of a majority; an error: it
    /// is over.
    pub fn look(&mut self) -> Result<bool, Error> {
        self.looked_at = Instant::now();
        let record = View::new(self.exchange.consensus().latest()).key(&self.key);
        let Some(record) = record.filter(|record| record.status == KeyStatus::Active) else {
            return Err(Rejection::KeyDisabled.into());
        };
        if self.grant.is_some_and(|grant| !record.grants.has(grant)) {
            return Err(machine::Refusal::NotGranted.into());
        }
        let Err(stale) = self.exchange.fresh() else {
            self.stale_since = None;
            return Ok(true);
        };
        let since = *self.stale_since.get_or_insert(self.looked_at);
        if self.looked_at.duration_since(since) < CUT_OFF_AFTER { Ok(false) } else { Err(stale) }
    }

    /// Waits until the next step may be made. Most steps do not even look.
    pub async fn step(&mut self) -> Result<(), Error> {
        if self.stale_since.is_none() && self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        while !self.look()? {
            sleep(STALE_PAUSE).await;
        }
        Ok(())
    }

    /// Waits until it is over, for those who wait for something else meanwhile; answers why.
    pub async fn lost(&mut self) -> Error {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(error) = self.look() {
                return error;
            }
        }
    }
}
