//! Questions about packets and units.
//!
//! A client reads its own writes at the node that took them. At another node a 404 or a stale state
//! is never answered without a read index first (D5).

use machine::{ClusterRecord, PacketRecord, Refusal, UnitRecord, View};
use model::{AccessKey, KeyStatus, PacketId, UnitCode};

use auth::VerifiedCaller;

use crate::{Error, Exchange};

impl Exchange {
    /// A packet, as the caller's unit may see it: the source everything, a target its own delivery.
    pub async fn packet(
        &self,
        caller: &VerifiedCaller,
        packet: PacketId,
    ) -> Result<PacketRecord, Error> {
        self.consensus().read_index().await?;
        let record = View::new(&*self.consensus().now()).packet(packet);
        record
            .and_then(|record| visible_to(record, caller.unit()))
            .ok_or(Error::Refused(Refusal::PacketUnknown))
    }

    /// Packets that the caller's unit has sent, newest first.
    pub async fn sent(
        &self,
        caller: &VerifiedCaller,
        before: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        self.consensus().read_index().await?;
        Ok(View::new(&*self.consensus().now()).sent(caller.unit(), before, limit))
    }

    /// Packets that wait for the caller's unit, oldest first, Article 14(1).
    pub async fn inbox(
        &self,
        caller: &VerifiedCaller,
        after: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        self.consensus().read_index().await?;
        let waiting = View::new(&*self.consensus().now()).inbox(caller.unit(), after, limit);
        Ok(waiting.into_iter().filter_map(|record| visible_to(record, caller.unit())).collect())
    }

    /// Units in the order of their codes; plain directory search, answered even without a majority.
    pub fn units(&self, after: Option<&UnitCode>, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.consensus().now()).units(after, limit)
    }

    /// Units whose name or code fits, best first, without regard to diacritics, Article 9(7).
    pub fn search_units(&self, query: &str, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.consensus().view()).search_units(query, limit)
    }

    /// One unit, by its code or an alias.
    pub async fn unit(&self, code: &UnitCode) -> Result<UnitRecord, Error> {
        if let Some(unit) = View::new(&*self.consensus().now()).unit(code) {
            return Ok(unit);
        }
        self.consensus().read_index().await?;
        let unit = View::new(&*self.consensus().now()).unit(code);
        unit.ok_or(Error::Refused(Refusal::UnitUnknown))
    }

    /// The cluster's own record, once it is founded.
    pub fn cluster(&self) -> Option<ClusterRecord> {
        View::new(&*self.consensus().now()).cluster()
    }

    /// Whether a key may still be used, as this node knows it; ends the streams of a dead one.
    pub fn key_active(&self, key: &AccessKey) -> bool {
        View::new(&*self.consensus().now())
            .key(key)
            .is_some_and(|record| record.status == KeyStatus::Active)
    }
}

/// The packet as a unit may see it; none for a stranger.
pub(crate) fn visible_to(mut record: PacketRecord, unit: &UnitCode) -> Option<PacketRecord> {
    if record.source == *unit {
        return Some(record);
    }
    record.delivery_to(unit)?;
    // Before the seal a target has nothing to see, Article 13(4).
    record.sealed_at?;
    record.deliveries.retain(|delivery| delivery.target == *unit);
    Some(record)
}
