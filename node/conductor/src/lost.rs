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

    /// Ends packets whose content is lost. Packets that were found again meanwhile are ignored.
    pub async fn close_lost(
        &self,
        caller: &VerifiedCaller,
        packets: Vec<PacketId>,
    ) -> Result<(), Error> {
        Self::require(caller, Grant::Admin)?;
        let count = packets.len();
        self.propose_for(caller, Command::CloseLost(CloseLost { packets })).await?;
        tracing::info!(app = %caller.app(), count, "packets whose content is lost were closed");
        Ok(())
    }
}
