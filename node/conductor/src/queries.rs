//! Questions about packets and units.
//!
//! Reading asks for the grant of acting: what was sent is for who may send, what waits for who may
//! receive, and an administrator as such reads neither.
//!
//! A client reads its own writes at the node that took them. At another node a 404 or a stale state
//! is never answered without a read index first (D5).

use machine::{ClusterRecord, PacketRecord, Reader, Refusal, UnitRecord, View};
use model::{Grant, Grants, PacketId, UnitCode};

use auth::VerifiedCaller;

use crate::{Error, Exchange};

/// Strange codes that are looked for at once; more help nobody.
const STRANGE_UNITS_MAX: usize = 50;
/// A packet to so many targets is read under the lock; a larger one has too many rows for that.
const TARGETS_A_PEEK_MAX: u32 = 16;
/// Characters of a zone: a letter and two digits.
const ZONE_LEN: usize = 3;

impl Exchange {
    /// A packet, as the caller may see it: who may send for its source all of it, who may receive for a
    /// target that one's own delivery.
    pub async fn packet(
        &self,
        caller: &VerifiedCaller,
        packet: PacketId,
    ) -> Result<PacketRecord, Error> {
        self.consensus().read_index().await?;
        let latest = View::new(self.consensus().latest());
        let targets = latest.packet_row(packet).map_or(0, |row| row.counts.sum());
        let (unit, grants) = (caller.unit(), caller.grants());
        let seen = match targets <= TARGETS_A_PEEK_MAX {
            true => self.consensus().peek(|rows| visible_to(View::new(rows), packet, unit, grants)),
            false => {
                let rows = self.consensus().shared_view().await;
                visible_to(View::new(&*rows), packet, unit, grants)
            }
        };
        Ok(seen?)
    }

    /// Packets that the caller's unit has sent, newest first.
    pub async fn sent(
        &self,
        caller: &VerifiedCaller,
        before: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        Self::require(caller, Grant::Send)?;
        let rows = self.consensus().read_view().await?;
        Ok(View::new(&*rows).sent(caller.unit(), before, limit))
    }

    /// Packets that wait for the caller's unit, in the order in which they are offered, Article 14(1).
    pub async fn inbox(
        &self,
        caller: &VerifiedCaller,
        after: Option<PacketId>,
        limit: usize,
    ) -> Result<Vec<PacketRecord>, Error> {
        Self::require(caller, Grant::Receive)?;
        let rows = self.consensus().read_view().await?;
        Ok(View::new(&*rows).inbox(caller.unit(), after, limit))
    }

    /// Units in the order of their codes; plain directory search, answered even without a majority.
    pub async fn units(&self, after: Option<&UnitCode>, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.consensus().shared_view().await).units(after, limit)
    }

    /// Units whose name or code fits, best first, without regard to diacritics, Article 9(7).
    pub async fn search_units(&self, query: &str, limit: usize) -> Vec<UnitRecord> {
        View::new(&*self.consensus().shared_view().await).search_units(query, limit)
    }

    /// One unit, by its code or an alias.
    pub async fn unit(&self, code: &UnitCode) -> Result<UnitRecord, Error> {
        let known = || self.consensus().peek(|rows| View::new(rows).unit(code));
        if let Some(unit) = known() {
            return Ok(unit);
        }
        self.consensus().read_index().await?;
        known().ok_or(Error::Refused(Refusal::UnitUnknown))
    }

    /// Which of these codes no unit has, as this node knows it, each with the unit that it may mean.
    pub async fn strange_units(&self, codes: &[UnitCode]) -> Vec<StrangeUnit> {
        // A list of codes, each in several spellings: too many rows for a read under the lock.
        let rows = self.consensus().shared_view().await;
        let view = View::new(&*rows);
        let strange = codes.iter().enumerate().filter(|(_, code)| view.unit(code).is_none());
        let strange = strange.take(STRANGE_UNITS_MAX).map(|(index, code)| StrangeUnit {
            index,
            meant: spellings(code).into_iter().find(|code| view.unit(code).is_some()),
        });
        strange.collect()
    }

    /// The cluster's own record, once it is founded.
    pub fn cluster(&self) -> Option<ClusterRecord> {
        self.consensus().peek(|rows| View::new(rows).cluster())
    }
}

/// A code in a list that no unit has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrangeUnit {
    /// Its place in the list.
    pub index: usize,
    /// The code that its writer may have meant.
    pub meant: Option<UnitCode>,
}

/// How else a code may be spelt: in capitals, and with a full stop behind the zone and each two characters.
fn spellings(code: &UnitCode) -> Vec<UnitCode> {
    let dotted = code.as_str().to_ascii_uppercase().replace(['-', '_'], ".");
    let bare = dotted.replace('.', "");
    let zone = bare.len().min(ZONE_LEN);
    let (zone, rest) = bare.split_at(zone);
    let pairs: Vec<&str> =
        rest.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
    let spelt = [dotted.clone(), format!("{zone}.{rest}"), format!("{zone}.{}", pairs.join("."))];
    spelt.iter().filter_map(|code| code.parse().ok()).collect()
}

/// The packet by the side that the grants cover. A stranger learns nothing, not even that it is there.
fn visible_to<R: Reader + ?Sized>(
    view: View<'_, R>,
    packet: PacketId,
    unit: &UnitCode,
    grants: Grants,
) -> Result<PacketRecord, Refusal> {
    let row = view.packet_row(packet).ok_or(Refusal::PacketUnknown)?;
    let is_source = row.source == *unit;
    if is_source && grants.has(Grant::Send) {
        return view.packet(packet).ok_or(Refusal::PacketUnknown);
    }
    // A target sees its own delivery alone, and before the seal nothing, Article 13(4).
    let delivered = row.sealed_at.and_then(|_| view.packet_for(packet, unit));
    match delivered {
        Some(record) if grants.has(Grant::Receive) => Ok(record),
        None if !is_source => Err(Refusal::PacketUnknown),
        _ => Err(Refusal::NotGranted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelt_in_other_ways() {
        let means = |written: &str, code: &str| {
            let written: UnitCode = written.parse().expect("a code");
            spellings(&written).iter().any(|spelt| spelt.as_str() == code)
        };
        for written in ["h41.02", "H4102", "h4102", "H41-02", " h41_02 "] {
            assert!(means(written, "H41.02"), "{written}");
        }
        assert!(means("h410203", "H41.02.03") && means("H41.0203", "H41.02.03"));
        assert!(means("h41", "H41") && !means("H42.02", "H41.02"));
        for short in ["a", "-", "a-"] {
            spellings(&short.parse().unwrap_or_else(|_| "a".parse().expect("a code")));
        }
    }
}
