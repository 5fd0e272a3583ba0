//! The replicated state of the platform: commands in; outcome, effects and events out.
//!
//! [`apply`] is total and the same on every node: it reads the [`Store`] and the entry and nothing
//! else. Time, identifiers and sealed secrets are in the entry. No I/O, clock, randomness, async,
//! threads or floats.

mod apply;
mod audit;
mod authority;
mod cluster;
mod cluster_key;
mod command;
mod deadlines;
mod event;
mod exchange;
mod feed;
mod keys;
mod lifecycle;
mod lost;
mod outcome;
mod pickup;
mod record;
mod refusal;
mod registry;
mod store;
mod tables;
mod time;
mod units;
mod view;

pub use apply::{Applied, apply};
pub use audit::audit;
pub use authority::{
    AUTHORITY_OVERLAP_MAX_MS, AUTHORITY_OVERLAP_MS, AuthorityRecord, FIRST_AUTHORITY,
    OLDER_AUTHORITIES_MAX, OlderAuthority, OrderAuthority, TurnAuthority,
};
pub use cluster::{
    AdmitNode, IssueJoinToken, JOIN_TOKEN_TIME_MAX_MS, RemoveNode, UpdateNode, seat_voters,
};
pub use cluster_key::{
    ClusterKeyRecord, FIRST_KEY_VERSION, OLDER_VERSIONS_MAX, OlderKey, RESEALED_A_COMMAND_MAX,
    Resealed, RotateClusterKey, StagedKey, TurnClusterKey,
};
pub use command::*;
pub use event::{About, AccessNews, Event, EventKind, PacketNews, UnitHead};
pub use exchange::foreseen_targets;
pub use lost::{CloseLost, LOST_A_COMMAND_MAX, LOST_REASON, RecordLost};
pub use outcome::*;
pub use record::*;
pub use refusal::Refusal;
pub use registry::{ALIASES_MAX, KEY_OVERLAP_MAX_MS, RevokeKey};
pub use store::{Overlay, Reader, Store, Visit, Write, Writes, scan_over};
pub use time::{ConfirmTime, DATE_STILL_MS, Time};
pub use units::{RemoveUnit, RenameUnit};
pub use view::{Feed, View};
