//! Questions about packets and units.
//!
//! Reading asks for the grant of acting: what was sent is for who may send, what waits for who may
//! receive, and an administrator as such reads neither.
//!
//! A client reads its own writes at the node that took them. At another node a 404 or a stale state
//! is never answered without a read index first (D5).

use machine::{ClusterRecord, PacketRecord, Refusal, UnitRecord, View};
use model::{Grant, Grants, PacketId, UnitCode};

use auth::VerifiedCaller;

use crate::{Error, Exchange};

impl Exchange {
    /// A packet, as the caller may see it: who may send for its source all of it, who may receive for a
    /// target that one's own delivery.
    pub async fn packet(
        &self,
        caller: &VerifiedCaller,
        packet: PacketId,
    ) -> Result<PacketRecord, Error> {
        self.consensus().read_index().await?;
        let record = View::new(&*self.consensus().now()).packet(packet);
        let record = record.ok_or(Error::Refused(Refusal::PacketUnknown))?;
        Ok(visible_to(record, caller.unit(), caller.grants())?)
    }

    /// Packets that the caller's unit has sent, newest first.
    pub async fn sent(
        &self,
        caller: &VerifiedCaller,
        before: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        Self::require(caller, Grant::Send)?;
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
        Self::require(caller, Grant::Receive)?;
        self.consensus().read_index().await?;
        let waiting = View::new(&*self.consensus().now()).inbox(caller.unit(), after, limit);
        Ok(waiting.into_iter().filter_map(|record| delivered_to(record, caller.unit())).collect())
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
}

/// The packet by the side that the grants cover. A stranger learns nothing, not even that it is there.
fn visible_to(
    record: PacketRecord,
    unit: &UnitCode,
    grants: Grants,
) -> Result<PacketRecord, Refusal> {
    let is_source = record.source == *unit;
    if is_source && grants.has(Grant::Send) {
        return Ok(record);
    }
    match delivered_to(record, unit) {
        Some(record) if grants.has(Grant::Receive) => Ok(record),
        None if !is_source => Err(Refusal::PacketUnknown),
        _ => Err(Refusal::NotGranted),
    }
}

/// The packet as a target sees it, with its own delivery alone; none for another unit.
fn delivered_to(mut record: PacketRecord, unit: &UnitCode) -> Option<PacketRecord> {
    record.delivery_to(unit)?;
    // Before the seal a target has nothing to see, Article 13(4).
    record.sealed_at?;
    record.deliveries.retain(|delivery| delivery.target == *unit);
    Some(record)
}
