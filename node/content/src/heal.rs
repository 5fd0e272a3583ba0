//! Heals damaged copies in the background, from the other voters.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use model::{NodeId, SpaceId};
use parking_lot::Mutex;

use crate::{
    Metrics,
    fetch::{Fetcher, Wanted},
    membership::Membership,
    tasks::Tasks,
};

/// Healings at once: they come after readers, which are served from another holder meanwhile.
const HEALINGS_MAX: usize = 16;

/// Heals the copies of this node.
pub(crate) struct Healer {
    fetcher: Arc<Fetcher>,
    membership: Arc<Membership>,
    tasks: Arc<Tasks>,
    metrics: Arc<Metrics>,
    /// Spaces that are being healed.
    under_way: Arc<Mutex<BTreeSet<SpaceId>>>,
}

impl Healer {
    pub fn new(
        fetcher: Arc<Fetcher>,
        membership: Arc<Membership>,
        tasks: Arc<Tasks>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { fetcher, membership, tasks, metrics, under_way: Arc::default() }
    }

    /// Fetches a content again, unless that is under way or too many others are.
    pub fn heal_later(&self, wanted: Wanted) {
        let space = wanted.space;
        {
            let mut under_way = self.under_way.lock();
            if under_way.len() >= HEALINGS_MAX || !under_way.insert(space) {
                return;
            }
        }
        let (fetcher, metrics) = (self.fetcher.clone(), self.metrics.clone());
        let others: Vec<NodeId> = self.membership.get().others().collect();
        let under_way = self.under_way.clone();
        self.tasks.spawn(async move {
            match fetcher.fetch_again(wanted, &others).await {
                Ok(()) => {
                    metrics.damage_healed.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    tracing::warn!(%space, %error, "a damaged copy could not be healed yet")
                }
            }
            under_way.lock().remove(&space);
        });
    }
}
