//! Contents that are gone: the list for an administrator, and the end that he gives them (D22).

use auth::VerifiedCaller;
use machine::{CloseLost, Command, PacketRecord, View};
use model::{Grant, PacketId};

use crate::{Error, Exchange};

impl Exchange {
    /// Live packets whose content no node holds, in the order of their identifiers.
    pub async fn lost(
        &self,
        caller: &VerifiedCaller,
        after: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        Self::require(caller, Grant::Admin)?;
        let rows = self.consensus().read_view().await?;
        Ok(View::new(&*rows).lost(after, limit))
    }

    /// Ends packets whose content is lost. Packets that were found again meanwhile are ignored. Circulars have more
    /// work than one command may do: the answer is how many are left for the next one.
    pub async fn close_lost(
        &self,
        caller: &VerifiedCaller,
        packets: Vec<PacketId>,
    ) -> Result<usize, Error> {
        Self::require(caller, Grant::Admin)?;
        let asked = packets.clone();
        self.propose_for(caller, Command::CloseLost(CloseLost { packets })).await?;
        // Each for itself: what has ended stays so.
        let view = View::new(self.consensus().latest());
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
