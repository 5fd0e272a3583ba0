//! What a node of the consensus is told at its start, and its named limits.

use std::{path::PathBuf, sync::Arc, time::Duration};

use model::NodeId;

use crate::{Attachments, Error, NoAttachments};

/// How a node takes part.
#[derive(Debug, Clone)]
pub struct Options {
    /// This node's number.
    pub node: NodeId,
    /// Where log and state lie.
    pub directory: PathBuf,
    /// Heartbeats, elections and deadlines; equal on every node of a cluster.
    pub timing: Timing,
    /// Entries of the log between two snapshots, and kept for a node that was briefly away.
    pub snapshot_entries: u64,
    /// Files of the state that may stay open at once.
    pub state_files_max: usize,
    /// Octets of disk that are kept for log and state alone.
    pub spare_bytes: u64,
    /// Where this node keeps what rides with entries.
    pub attachments: Arc<dyn Attachments>,
}

impl Options {
    /// The usual options.
    pub fn new(node: NodeId, directory: impl Into<PathBuf>) -> Self {
        Self {
            node,
            directory: directory.into(),
            timing: Timing::default(),
            snapshot_entries: SNAPSHOT_ENTRIES,
            state_files_max: STATE_FILES_MAX,
            spare_bytes: 0,
            attachments: Arc::new(NoAttachments),
        }
    }
}

/// Heartbeats, elections and deadlines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// The shortest wait of a follower before it stands for election.
    pub election_min: Duration,
    /// The longest; also how long a follower trusts a silent leader.
    pub election_max: Duration,
    /// How long a proposal is tried before its caller is told.
    pub propose_deadline: Duration,
    /// How old the last moment may be at which a majority followed the leader.
    pub fresh_max: Duration,
    /// Between two syncs of the state; the log is what makes an answer durable.
    pub persist_every: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(140),
            election_min: Duration::from_millis(300),
            election_max: Duration::from_millis(420),
            propose_deadline: Duration::from_secs(5),
            fresh_max: Duration::from_secs(2),
            persist_every: Duration::from_secs(3),
        }
    }
}

impl Timing {
    /// How long a node that is out of touch with the majority holds what waits there: the time of the
    /// slowest election, for after one the majority answers; with the usual times a caller goes elsewhere
    /// within a second.
    ///
    /// A follower trusts a silent leader for the longest wait and then waits its own, which the library
    /// looks at five times a heartbeat.
    pub(crate) fn touch_max(&self) -> Duration {
        self.election_max * 2 + self.heartbeat / 4
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let reason = if self.heartbeat.is_zero() {
            "the heartbeat must be longer than nothing"
        } else if self.election_min < self.heartbeat * 2 {
            "an election must wait for two heartbeats or more"
        } else if self.election_max <= self.election_min {
            "the longest election wait must be longer than the shortest"
        } else {
            return Ok(());
        };
        Err(Error::Timing { reason: reason.into() })
    }
}

/// A snapshot each so many entries: with batches of a few hundred proposals that is some minutes
/// of full load, and a restart replays little.
pub const SNAPSHOT_ENTRIES: u64 = 20_000;

/// Files of the state that stay open unless told otherwise: tables of a few MiB each, so these hold more rows
/// than are read often.
pub const STATE_FILES_MAX: usize = 256;

/// Entries kept behind a snapshot, so that a node that was away for a moment needs none.
pub(crate) const KEEP_ENTRIES: u64 = 5_000;

/// Entries are purged so many at a time: each purge is a record in the log.
pub(crate) const PURGE_BATCH: u64 = 1_000;

/// Proposals in one entry. More would make followers wait for one long apply.
pub(crate) const BATCH_PROPOSALS: usize = 512;

/// Octets of proposals in one entry; a message to a follower stays small beside heartbeats.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Octets of one attachment: a content of 32 KiB, sealed, with its name and room. An entry with what rides with it
/// goes between two heartbeats, so what is larger goes ahead of its command, on another connection.
pub const ATTACHMENT_BYTES_MAX: usize = 48 << 10;

/// Octets of attachments with one entry. They travel on the connection of votes and heartbeats: on a line of
/// 10 Mbit/s so many take as long as the shortest wait before an election.
pub(crate) const RIDING_BYTES: usize = 256 << 10;

/// Octets of attachments that a node remembers for its next appends; what is not there is read from where it is
/// kept. Some entries that are full of them.
pub(crate) const RIDERS_REMEMBERED: usize = 2 << 20;

/// Between two tries to keep what rides with an entry, where there is no room.
pub(crate) const ROOM_AGAIN: Duration = Duration::from_millis(250);

/// What a peer has said of its room is believed so long: many heartbeats, each of which says it anew.
pub(crate) const ROOM_KNOWN: Duration = Duration::from_secs(5);

/// Octets of one proposal; above it the proposal could not travel. An import of units is the
/// largest and is far below.
pub(crate) const PROPOSAL_BYTES_MAX: usize = 4 << 20;

/// Entries on their way at once. While one waits for the disk the next gathers: every entry costs
/// each node a sync, a message and an apply, so a few large ones carry more than many small ones.
pub(crate) const ENTRIES_IN_FLIGHT: usize = 1;

/// Batches on their way from a follower to the leader at once. They wait there, and the next entry takes what has
/// come: with one on its way half of what a follower has would wait at home and miss that entry. Three and eight carry
/// as much. Together they have no more proposals and octets than one may have.
pub(crate) const FORWARDS_IN_FLIGHT: usize = 4;

/// Proposals waiting on this node; at a few thousand a second that is about two seconds, and who
/// comes later is better served by an honest 503.
pub(crate) const WAITING_PROPOSALS: usize = 8_192;

/// Reads waiting for one round of the read index.
pub(crate) const WAITING_READS: usize = 8_192;

/// Entries in one message to a follower.
pub(crate) const PAYLOAD_ENTRIES: u64 = 64;

/// Octets of entries read from the log for one message, so that it stays far below the mesh's
/// frame limit.
pub(crate) const PAYLOAD_BYTES: usize = 4 << 20;

/// Appends to one peer under way at once. One entry is on its way at a time, so this is for an entry behind
/// the notice that the one before is committed, and for a peer that catches up.
pub(crate) const APPENDS_UNDER_WAY: usize = 4;

/// Octets of entries under way to one peer beyond which the next append waits.
pub(crate) const APPEND_OCTETS_UNDER_WAY: usize = 1 << 20;

/// So long a commit notice waits for the append that is about to follow and carries it along.
pub(crate) const NOTICE_HELD_MAX: Duration = Duration::from_millis(2);

/// What an append with entries is given beside the time of its octets: a line whose queue holds 300 ms
/// is waited for, both ways.
pub(crate) const APPEND_TIME: Duration = Duration::from_millis(600);

/// The slowest line, in octets a second, on which entries are expected to arrive: 2 Mbit/s. An append
/// that is given up earlier is sent again, and such a line then carries nothing but repeats.
pub(crate) const LINE_MIN: u64 = 256 << 10;

/// Octets of one block of a snapshot.
pub(crate) const SNAPSHOT_BLOCK: usize = 512 << 10;

/// Effects that a slow listener may fall behind before it must look at the state.
pub(crate) const EFFECTS_KEPT: usize = 1_024;

/// Before trying again when no leader is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Clocks that are no farther apart show the same date: a node that was just started and has not been
/// set yet by its time service is mostly nearer. As much as the machine lets a date stand still.
pub(crate) const CLOCKS_NEAR: Duration = Duration::from_millis(machine::DATE_STILL_MS);

/// A new leader waits so long for the clocks of the others before it stamps an entry without them:
/// many heartbeats, and well inside a proposal's deadline.
pub(crate) const CLOCKS_WAIT_MAX: Duration = Duration::from_secs(1);
