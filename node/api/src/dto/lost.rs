//! Bodies about packets whose content is lost. Titles are the offices' own, and are not shown here.

use machine::{LOST_A_COMMAND_MAX, PacketRecord};
use model::{PacketId, UnitCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{At, check::Check, schemas};
use crate::problem::Problem;

/// A live packet whose content no node holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct LostPacket {
    #[schema(schema_with = schemas::packet_id)]
    packet: PacketId,
    /// The unit that sent it.
    #[schema(schema_with = schemas::unit_code)]
    source: UnitCode,
    /// The units that still wait for it.
    #[schema(schema_with = schemas::unit_codes)]
    targets: Vec<UnitCode>,
    /// Octets of the content.
    size: Option<u64>,
    #[schema(schema_with = schemas::moment_or_null)]
    sealed_at: Option<At>,
    /// Since when it is known that no node holds it.
    #[schema(schema_with = schemas::moment_or_null)]
    lost_at: Option<At>,
}

impl From<PacketRecord> for LostPacket {
    fn from(record: PacketRecord) -> Self {
        let open = record.deliveries.into_iter().filter(|delivery| !delivery.state.is_final());
        Self {
            packet: record.packet,
            source: record.source,
            targets: open.map(|delivery| delivery.target).collect(),
            size: record.size,
            sealed_at: At::some(record.sealed_at),
            lost_at: At::some(record.lost_at),
        }
    }
}

/// Packets to end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseLost {
    #[schema(schema_with = schemas::lost_packets)]
    packets: Vec<String>,
}

impl CloseLost {
    /// The packets.
    pub(crate) fn checked(&self) -> Result<Vec<PacketId>, Problem> {
        let mut check = Check::default();
        check.count("/packets", self.packets.len(), 1..=LOST_A_COMMAND_MAX);
        let packets = self.packets.iter().enumerate();
        let packets = packets
            .filter_map(|(index, packet)| check.word(format_args!("/packets/{index}"), packet))
            .collect();
        check.done(Some(packets))
    }
}

/// What was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct LostClosed {
    /// How many packets were named; those that were found again meanwhile go on.
    pub(crate) asked: usize,
    /// How many of them are left for another such request, as packets to very many targets take long to end.
    pub(crate) left: usize,
}
