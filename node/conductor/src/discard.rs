//! Contents that no command will ever name: destroyed behind the doors, not with the request.
//!
//! A request may be cut off at any moment, and with it whatever it awaits. So it only leaves the
//! space here, and the conductor does the rest. What is lost here is found by reconciliation.

use std::sync::Arc;

use consensus::Unavailable;
use content::Content;
use futures_util::{StreamExt, stream};
use machine::View;
use model::SpaceId;

use crate::{
    backlog::{Backlog, DISCARDS_MAX},
    door::{self, Core},
    ports::Nodes,
};

/// Why contents are not destroyed yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The cluster cannot be asked.
    #[error(transparent)]
    Door(#[from] door::Error),
    /// The content store failed.
    #[error(transparent)]
    Content(#[from] content::Error),
}

door::through_core!(Error: Unavailable);

/// Spaces that the other nodes are told of at once.
const TOLD_AT_ONCE: usize = 16;

/// Contents that one purge takes: one sync serves them.
const PURGED_AT_ONCE: usize = 500;

/// A content on its way in that nothing names yet. Dropped while it is so, it is left to be destroyed.
pub(crate) struct Unnamed<'d> {
    discards: &'d Discards,
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
            self.discards.discard(space);
        }
    }
}

/// Contents that nothing names, until they are destroyed. Cheap to clone.
#[derive(Clone)]
pub struct Discards(Arc<Tables>);

struct Tables {
    core: Core,
    content: Content,
    nodes: Arc<dyn Nodes>,
    /// What this node took in; the others have yet to hear of it.
    own: Backlog<SpaceId>,
    /// What others have told.
    told: Backlog<SpaceId>,
}

impl Discards {
    pub(crate) fn new(core: Core, content: Content, nodes: Arc<dyn Nodes>) -> Self {
        let (own, told) = (Backlog::new(DISCARDS_MAX), Backlog::new(DISCARDS_MAX));
        Self(Arc::new(Tables { core, content, nodes, own, told }))
    }

    /// Waits until something is left here.
    pub(crate) async fn added(&self) {
        tokio::select! {
            () = self.0.own.added() => {}
            () = self.0.told.added() => {}
        }
    }

    /// A content that is about to come in.
    pub(crate) fn unnamed(&self, space: SpaceId) -> Unnamed<'_> {
        Unnamed { discards: self, space: Some(space) }
    }

    /// Has a content destroyed everywhere that no command names or will name.
    pub(crate) fn discard(&self, space: SpaceId) {
        self.0.own.add(space);
    }

    /// Leaves a content to be destroyed here that no command names or will name; one that a packet names stays.
    pub fn destroy_unnamed(&self, space: SpaceId) {
        self.0.told.add(space);
    }

    /// Tells the other nodes what has been left so far, and destroys it here with what they have told.
    pub(crate) async fn discard_waiting(&self) -> Result<(), Error> {
        let spaces = self.0.own.take();
        stream::iter(spaces.clone())
            .for_each_concurrent(TOLD_AT_ONCE, |space| self.0.nodes.discard(space))
            .await;
        let mut waiting = self.0.told.take();
        waiting.extend(spaces);
        let destroyed = self.destroy_all_unnamed(&waiting).await;
        if destroyed.is_err() {
            waiting.into_iter().for_each(|space| self.destroy_unnamed(space));
        }
        destroyed
    }

    async fn destroy_all_unnamed(&self, spaces: &[SpaceId]) -> Result<(), Error> {
        // A content may have come with an entry that is not applied here yet, and that was answered elsewhere: once
        // it is, the log can say that it had landed.
        self.0.core.consensus.read_index().await?;
        for spaces in spaces.chunks(PURGED_AT_ONCE) {
            // Each for itself: what is named once stays named.
            let view = View::new(self.0.core.consensus.latest());
            let named = |space: &SpaceId| view.packet_of_space(*space).is_some();
            let unnamed = spaces.iter().copied().filter(|space| !named(space)).collect();
            self.destroy(unnamed).await?;
        }
        Ok(())
    }

    /// Destroys contents here, those of packets that have ended and those that nothing names. What came with an entry
    /// that is applied must not be missed at the next start.
    pub(crate) async fn destroy(&self, spaces: Vec<SpaceId>) -> Result<(), Error> {
        self.0.core.consensus.before_destroying().await?;
        Ok(self.0.content.purge(spaces).await?)
    }
}
