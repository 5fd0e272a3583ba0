//! Contents that no command will ever name: destroyed behind the doors, not with the request.
//!
//! A request may be cut off at any moment, and with it whatever it awaits. So it only leaves the
//! space here, and the conductor does the rest. What is lost here is found by reconciliation.

use futures_util::{StreamExt, stream};
use machine::View;
use model::SpaceId;

use crate::Exchange;

/// Spaces that may wait here; under a flood of refusals the rest is left to reconciliation.
pub(crate) const DISCARDS_MAX: usize = 10_000;

/// Spaces that the other nodes are told of at once.
const TOLD_AT_ONCE: usize = 16;

/// Contents that one purge takes: one sync serves them.
const PURGED_AT_ONCE: usize = 500;

/// A content on its way in that nothing names yet. Dropped while it is so, it is left to be destroyed.
pub(crate) struct Unnamed<'e> {
    exchange: &'e Exchange,
    space: Option<SpaceId>,
}

impl Unnamed<'_> {
    /// Leaves it alone: nothing came in, or from now on a command may name it, and only the
    /// command's outcome says what becomes of it.
    pub(crate) fn leave(mut self) {
        self.space = None;
    }
}

impl Drop for Unnamed<'_> {
    fn drop(&mut self) {
        if let Some(space) = self.space.take() {
            self.exchange.discard(space);
        }
    }
}

impl Exchange {
    /// A content that is about to come in.
    pub(crate) fn unnamed(&self, space: SpaceId) -> Unnamed<'_> {
        Unnamed { exchange: self, space: Some(space) }
    }

    /// Has a content destroyed everywhere that no command names or will name.
    pub(crate) fn discard(&self, space: SpaceId) {
        self.inner.discards.add(space);
    }

    /// Destroys what has been left so far, here and on the other nodes.
    pub(crate) async fn discard_waiting(&self) {
        let spaces = self.inner.discards.take();
        stream::iter(spaces.clone())
            .for_each_concurrent(TOLD_AT_ONCE, |space| self.inner.parts.nodes.discard(space))
            .await;
        for spaces in spaces.chunks(PURGED_AT_ONCE) {
            self.destroy_all_unnamed(spaces).await;
        }
    }

    /// Destroys this node's copy of a content that no packet names; one that a packet names stays.
    pub async fn destroy_unnamed(&self, space: SpaceId) {
        self.destroy_all_unnamed(&[space]).await;
    }

    async fn destroy_all_unnamed(&self, spaces: &[SpaceId]) {
        // Each for itself: what is named once stays named.
        let view = View::new(self.consensus().latest());
        let named = |space: &SpaceId| view.packet_of_space(*space).is_some();
        let unnamed = spaces.iter().copied().filter(|space| !named(space)).collect();
        if let Err(error) = self.content().purge(unnamed).await {
            tracing::warn!(%error, "contents that nobody names could not be destroyed yet");
        }
    }
}
