//! Contents that are gone: the list for an administrator, and the end that he gives them (D22).

use auth::{Signed, VerifiedCaller, Whole};
use machine::{CloseLost, Command, PacketRecord, View};
use model::{Grant, PacketId};

use crate::door::{Core, Error, require};

/// The door of contents that are gone, for administrators.
pub struct Lost {
    core: Core,
}

impl Lost {
    pub(crate) fn new(core: Core) -> Self {
        Self { core }
    }

    /// Live packets whose content no node holds, in the order of their identifiers.
    pub async fn list(
        &self,
        caller: &VerifiedCaller,
        after: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        require(caller, Grant::Admin)?;
        let rows = self.core.consensus.read_view().await?;
        Ok(View::new(&*rows).lost(after, limit))
    }

    /// Ends packets whose content is lost. Packets that were found again meanwhile are ignored. Circulars have more
    /// work than one command may do: the answer is how many are left for the next one.
    pub async fn close(
        &self,
        caller: &Signed<Whole>,
        packets: Vec<PacketId>,
    ) -> Result<usize, Error> {
        require(caller, Grant::Admin)?;
        let asked = packets.clone();
        self.core.propose_for(caller, Command::CloseLost(CloseLost { packets })).await?;
        // Each for itself: what has ended stays so.
        let view = View::new(self.core.consensus.latest());
        let is_lost = |packet: &&PacketId| {
            let row = view.packet_row(**packet);
            row.is_some_and(|row| row.lost_at.is_some() && row.ended.is_none())
        };
        let left = asked.iter().filter(is_lost).count();
        let count = asked.len() - left;
        tracing::info!(app = %caller.app(), count, "packets whose content is lost were closed");
        Ok(left)
    }
}
