//! Questions about packets.
//!
//! Reading asks for the grant of acting: what was sent is for who may send, what waits for who may
//! receive, and an administrator as such reads neither.
//!
//! A client reads its own writes at the node that took them. At another node a 404 or a stale state
//! is never answered without a read index first (D5).

use machine::{PacketRecord, Reader, Refusal, View};
use model::{Grant, Grants, PacketId, UnitCode};

use auth::VerifiedCaller;

use crate::{
    door::{Core, require},
    history::{Error, Past},
};

/// A packet to so many targets is read under the lock; a larger one has too many rows for that.
const TARGETS_A_PEEK_MAX: u32 = 16;

/// The door of whoever asks for packets. It proposes nothing. Clones are the same.
#[derive(Clone)]
pub struct Packets {
    core: Core,
    past: Past,
}

impl Packets {
    pub(crate) fn new(core: Core, past: Past) -> Self {
        Self { core, past }
    }

    /// A packet, as the caller may see it: who may send for its source all of it, who may receive for a
    /// target that one's own delivery.
    pub async fn packet(
        &self,
        caller: &VerifiedCaller,
        packet: PacketId,
    ) -> Result<PacketRecord, Error> {
        self.core.consensus.read_index().await?;
        let latest = View::new(self.core.consensus.latest());
        let targets = latest.packet_row(packet).map_or(0, |row| row.counts.sum());
        let (unit, grants) = (caller.unit(), caller.grants());
        let seen = match targets <= TARGETS_A_PEEK_MAX {
            true => {
                self.core.consensus.peek(|rows| visible_to(View::new(rows), packet, unit, grants))
            }
            false => {
                let rows = self.core.consensus.shared_view().await;
                visible_to(View::new(&*rows), packet, unit, grants)
            }
        };
        match seen {
            // It may have left the state.
            Err(Refusal::PacketUnknown) => {
                let past = self.past.packet(packet).await?.ok_or(Refusal::PacketUnknown)?;
                Ok(side_of(past, unit, grants)?)
            }
            seen => Ok(seen?),
        }
    }

    /// Packets that the caller's unit has sent, newest first.
    pub async fn sent(
        &self,
        caller: &VerifiedCaller,
        before: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        require(caller, Grant::Send)?;
        let rows = self.core.consensus.read_view().await?;
        let (now, unit) = (View::new(&*rows).sent(caller.unit(), before, limit), caller.unit());
        // Those of the state that come first are newer than what has left it, as a rule.
        let past = self.past.sent(unit, before, limit).await?;
        Ok(newest_first(now, past, limit))
    }

    /// Packets that wait for the caller's unit, in the order in which they are offered, Article 14(1).
    pub async fn inbox(
        &self,
        caller: &VerifiedCaller,
        after: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        require(caller, Grant::Receive)?;
        let rows = self.core.consensus.read_view().await?;
        Ok(View::new(&*rows).inbox(caller.unit(), after, limit))
    }
}

/// The packet by the side that the grants cover. A stranger learns nothing, not even that it is there.
fn visible_to<R: Reader + ?Sized>(
    view: View<'_, R>,
    packet: PacketId,
    unit: &UnitCode,
    grants: Grants,
) -> Result<PacketRecord, Refusal> {
    let row = view.packet_row(packet).ok_or(Refusal::PacketUnknown)?;
    // A target reads no row of the others'.
    let seen =
        if row.source == *unit { view.packet(packet) } else { view.packet_for(packet, unit) };
    side_of(seen.ok_or(Refusal::PacketUnknown)?, unit, grants)
}

/// The side of a packet's record that the grants cover. A target sees its own delivery alone, and before the seal
/// nothing, Article 13(4).
fn side_of(record: PacketRecord, unit: &UnitCode, grants: Grants) -> Result<PacketRecord, Refusal> {
    let is_source = record.source == *unit;
    if is_source && grants.has(Grant::Send) {
        return Ok(record);
    }
    let delivered = record.sealed_at.and_then(|_| record.for_target(unit));
    match delivered {
        Some(record) if grants.has(Grant::Receive) => Ok(record),
        None if !is_source => Err(Refusal::PacketUnknown),
        _ => Err(Refusal::NotGranted),
    }
}

/// Two lists in one order; a packet that is in both, as it left the state in between, is there once.
fn newest_first(
    now: Vec<PacketRecord>,
    past: Vec<PacketRecord>,
    limit: usize,
) -> Vec<PacketRecord> {
    let mut all = now;
    all.extend(past);
    // Stable: what the state says comes first.
    all.sort_by_key(|record| std::cmp::Reverse(record.packet));
    all.dedup_by_key(|record| record.packet);
    all.truncate(limit);
    all
}
