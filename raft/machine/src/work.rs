//! How much a command makes its rule look at, whatever it is answered.
//!
//! A refusal writes no row and may have read many. What it costs is counted by what the command names and not by
//! what its rule reads: another program may read less, and both must put off the same proposals.

use model::PacketId;

use crate::{
    limits::{PACKETS_A_COMMAND_MAX, ROWS_AN_ENTRY_MAX, TOKENS_LOOKED_AT_MAX},
    store::Reader,
    tables::{PACKETS, SPACES},
    v1::{Command, NewUnit, TurnClusterKey},
};

/// What a command counts for that looks through a whole table of the registry, of some thousands of rows.
/// Administrators send few; eight of them fill an entry.
const WHOLE_TABLE: usize = ROWS_AN_ENTRY_MAX / 8;

/// The rows that a command names; at least one.
pub(crate) fn named<R: Reader + ?Sized>(reader: &R, command: &Command) -> usize {
    let unit = |unit: &NewUnit| 1 + unit.aliases.len();
    let count = match command {
        Command::SubmitPacket(c) => c.request.targets.len(),
        Command::OpenPacket(c) => c.request.targets.len(),
        Command::SealPacket(c) => targets(reader, c.packet),
        Command::CancelPacket(c) => targets(reader, c.packet),
        Command::ClaimSpace(c) => SPACES.get(reader, &c.space).map_or(1, |id| targets(reader, id)),
        Command::AbandonSpace(c) => {
            SPACES.get(reader, &c.space).map_or(1, |id| targets(reader, id))
        }
        Command::ConfirmReceipts(c) => c.receipts.len(),
        Command::RecordPickup(c) => c.pickups.len(),
        Command::RecordHolding(c) => c.packets.len(),
        Command::RecordLost(c) => c.packets.len(),
        Command::CloseLost(c) => c.packets.len(),
        Command::AddUnits(c) => c.units.iter().map(unit).sum(),
        Command::AddApp(c) => c.targets.len(),
        Command::TurnClusterKey(TurnClusterKey::Reseal { secrets, .. }) => secrets.len(),
        Command::ReleaseHoldings(c) => (c.packets_max as usize).min(PACKETS_A_COMMAND_MAX),
        Command::PassTime(c) => (c.due_max as usize).min(PACKETS_A_COMMAND_MAX),
        Command::IssueJoinToken(_) => TOKENS_LOOKED_AT_MAX,
        Command::RemoveUnit(_) | Command::RevokeKey(_) => WHOLE_TABLE,
        _ => 1,
    };
    count.max(1)
}

/// Whoever acts on a packet may have to be allowed to send to each of its targets.
fn targets<R: Reader + ?Sized>(reader: &R, packet: PacketId) -> usize {
    PACKETS.get(reader, &packet).map_or(1, |packet| packet.counts.sum() as usize)
}
